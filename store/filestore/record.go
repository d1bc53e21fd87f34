package filestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// recordFormat is raised whenever recordFile gets, loses or reinterprets a field.
const recordFormat = 1

type recordFile struct {
	Format   int             `json:"format"`
	Revision store.Revision  `json:"revision"`
	Saved    time.Time       `json:"saved"` // for people who read the file
	Spec     json.RawMessage `json:"spec"`
	Status   json.RawMessage `json:"status"`
}

// readRecord returns the record at path, with its indentation; revision 0 if there
// is no such file.
func (s *Store) readRecord(path string) (recordFile, error) {
	b, err := s.readBounded(path, mostRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return recordFile{}, nil
	}
	if err != nil {
		return recordFile{}, explained(err)
	}
	f, err := decodeRecord(b)
	if err != nil {
		return recordFile{}, fmt.Errorf("%s: %w; nothing was changed", path, err)
	}
	return f, nil
}

func decodeRecord(b []byte) (f recordFile, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&f)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && len(bytes.TrimSpace(b[d.InputOffset():])) > 0 {
		err = json.Unmarshal(b, &f) // says what is wrong with the end
	}
	format := f.Format
	if err != nil { // which may be because of what a newer format has
		format = formatOf(b)
	}
	switch {
	case format > recordFormat:
		return f, fmt.Errorf("written by a newer watari (format %d, this one reads up to %d): go on with the newer one", format, recordFormat)
	case err != nil:
		return f, damaged(err)
	case f.Format < 1 || f.Revision < 1:
		return f, damaged(fmt.Errorf("format %d, revision %d", f.Format, f.Revision))
	}
	return f, nil
}

// formatOf returns the format of a record that cannot be read as one of ours; 0 if
// it has none.
func formatOf(b []byte) int {
	var head struct{ Format int }
	if json.Unmarshal(b, &head) != nil {
		return 0
	}
	return head.Format
}

func damaged(why error) error {
	return fmt.Errorf("not a record (%w): watari replaces the file as a whole, so something else damaged it; "+
		"put a copy back, or move its directory away to forget the migration and start again from the weights as they are", why)
}

// compacted takes the file's indentation out of raw again.
func compacted(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return raw, nil
	}
	var out bytes.Buffer
	err := json.Compact(&out, raw)
	return out.Bytes(), err
}

func encodeRecord(f recordFile) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("write the record as JSON: %w", err)
	}
	return out.Bytes(), nil
}

// prepared is a new version of a file, durable under another name.
type prepared struct {
	disk            disk.Disk
	path, temporary string
}

// prepareFile writes content beside path. The caller holds the lock, so one name
// for what is being prepared is enough, and what a crash leaves behind is
// overwritten the next time.
func (s *Store) prepareFile(path string, content []byte) (prepared, error) {
	return s.prepare(path, content, s.disk.Create)
}

func (s *Store) prepare(path string, content []byte, create func(string) (disk.File, error)) (prepared, error) {
	p := prepared{disk: s.disk, path: path, temporary: path + ".tmp"}
	f, err := create(p.temporary)
	if err != nil {
		return prepared{}, explained(err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return prepared{}, errors.Join(explained(err), p.discard())
	}
	return p, nil
}

// commit makes the new version the file's content, at once and as a whole. It is
// durable after SyncDir.
func (p prepared) commit() error {
	if err := p.disk.Rename(p.temporary, p.path); err != nil {
		return errors.Join(explained(err), p.discard())
	}
	return nil
}

func (p prepared) discard() error { return explained(p.disk.Remove(p.temporary)) }

// replaceFile gives the file at path a new content, durable and as a whole.
func (s *Store) replaceFile(path string, content []byte) error {
	p, err := s.prepareFile(path, content)
	if err != nil {
		return err
	}
	if err := p.commit(); err != nil {
		return err
	}
	return explained(s.disk.SyncDir(filepath.Dir(path)))
}

// lastByte returns the last byte of f, which has size bytes.
func lastByte(f disk.File, size int64) (byte, error) {
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil && !errors.Is(err, io.EOF) {
		return 0, explained(err)
	}
	return last[0], nil
}
