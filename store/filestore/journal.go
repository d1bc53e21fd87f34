package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, key store.Key, entries ...store.Entry) error {
	lines, err := encodeEntries(entries)
	if err != nil {
		return fmt.Errorf("append to the journal of migration %s: %w", key, err)
	}
	return s.change(ctx, "append to the journal of", key, func(dir string) error {
		_, err := s.appendLines(dir, lines)
		return err
	})
}

// Journal implements store.Store. A line in the middle that is not an entry was
// damaged by something else: a note stands in its place, and the rest is read.
func (s *Store) Journal(ctx context.Context, key store.Key) ([]store.Entry, error) {
	if err := ready(ctx, key); err != nil {
		return nil, err
	}
	var entries []store.Entry
	notFound := fmt.Errorf("read the journal of migration %s in %s: %w", key, s.dir, store.ErrNotFound)
	if !s.known(key) { // looking must not create it
		return nil, notFound
	}
	err := s.change(ctx, "read the journal of", key, func(dir string) error {
		path := filepath.Join(dir, journalName)
		if there, err := s.disk.Exists(path); err == nil && !there {
			return s.knownRecord(dir)
		}
		if _, err := s.appendLines(dir, nil); err != nil { // repairs
			return err
		}
		b, err := s.disk.ReadFile(path)
		if err != nil {
			return explained(err)
		}
		entries, _ = parseJournal(b)
		return nil
	})
	return entries, err
}

// knownRecord returns ErrNotFound if there is no record in dir either.
func (s *Store) knownRecord(dir string) error {
	if there, err := s.disk.Exists(filepath.Join(dir, recordName)); err != nil || !there {
		return store.ErrNotFound
	}
	return nil
}

// appendLines repairs the journal in dir if a crash tore its last line, and makes
// lines durable at its end. The undo takes lines out again; it is for a caller
// who still holds the lock. After an error the journal is as it was before.
func (s *Store) appendLines(dir string, lines []byte) (undo func() error, err error) {
	path := filepath.Join(dir, journalName)
	f, err := s.disk.Append(path)
	if err != nil {
		return nil, explained(err)
	}
	defer func() { err = errors.Join(err, explained(f.Close())) }()
	size, err := f.Size()
	if err != nil {
		return nil, explained(err)
	}
	if size == 0 { // it is new, also where somebody has moved the one before away
		s.flushed.Delete(path)
	}
	if err := s.flushName(path); err != nil {
		return nil, err
	}
	if size, err = s.repair(f, dir); err != nil {
		return nil, fmt.Errorf("repair the torn last line of %s: %w", path, err)
	}
	undo = func() error { return explained(s.shorten(path, size)) }
	if len(lines) == 0 {
		return undo, nil
	}
	return undo, appendDurably(f, size, lines)
}

// appendDurably writes lines at the end of f, which has size bytes; all or none
// of them, as far as this process can tell.
func appendDurably(f disk.File, size int64, lines []byte) error {
	_, err := f.Write(lines)
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return errors.Join(explained(err), explained(f.Truncate(size)))
	}
	return nil
}

// shorten cuts the file at path.
func (s *Store) shorten(path string, size int64) error {
	f, err := s.disk.Append(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Close())
}

// repair moves a torn last line of the journal in dir, open as f, to another file,
// puts a note in its place and returns the size of f.
func (s *Store) repair(f disk.File, dir string) (int64, error) {
	size, err := f.Size()
	if err != nil || size == 0 {
		return 0, explained(err)
	}
	if last, err := lastByte(f, size); err != nil || last == '\n' {
		return size, err
	}
	b, err := s.disk.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		return 0, explained(err)
	}
	_, torn := parseJournal(b)
	whole := int64(len(b) - len(torn))
	if err := s.keepTorn(filepath.Join(dir, tornName), torn); err != nil {
		return 0, err
	}
	note, err := encodeEntries([]store.Entry{{
		At: s.now().UTC(), Kind: "note",
		Text: fmt.Sprintf("a crash cut off the journal's last line after %d bytes; nobody had been told that it was written, and it is kept in %s", len(torn), tornName),
	}})
	if err != nil {
		return 0, err
	}
	if err := f.Truncate(whole); err != nil {
		return 0, explained(err)
	}
	return whole + int64(len(note)), appendDurably(f, whole, note)
}

func (s *Store) keepTorn(path string, torn []byte) error {
	f, err := s.disk.Append(path)
	if err != nil {
		return explained(err)
	}
	_, err = f.Write(append(bytes.Clone(torn), '\n'))
	if err == nil {
		err = f.Sync()
	}
	return explained(errors.Join(err, f.Close()))
}

func encodeEntries(entries []store.Entry) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	for _, entry := range entries {
		if err := e.Encode(entry); err != nil { // ends with a line break and has no other
			return nil, fmt.Errorf("write the entry %q as JSON: %w", entry.Text, err)
		}
	}
	return out.Bytes(), nil
}

// parseJournal returns one entry per line, and what stands after the last line
// break. For a line that is not an entry it returns a note that says so.
func parseJournal(b []byte) (entries []store.Entry, torn []byte) {
	for number := 1; ; number++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			return entries, b
		}
		var entry store.Entry
		if err := json.Unmarshal(line, &entry); err != nil {
			entry = store.Entry{Kind: "note", Text: fmt.Sprintf("line %d of the journal is damaged and left out: %v", number, err)}
			if len(entries) > 0 {
				entry.At = entries[len(entries)-1].At
			}
		}
		entries, b = append(entries, entry), rest
	}
}
