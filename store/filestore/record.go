package filestore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// recordFile is record.json. Its head stands first, in every format. What the first
// format had as Spec is a file of its own now, because it hardly ever changes.
type recordFile struct {
	head
	Revision store.Revision  `json:"revision"`
	Saved    time.Time       `json:"saved"` // for people who read the file
	Plan     string          `json:"plan,omitempty"`
	Spec     json.RawMessage `json:"spec,omitempty"` // format 1 only
	Status   json.RawMessage `json:"status"`
}

// readRecord returns the record at path; revision 0 if there is no such file.
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
	h := f.head
	if err != nil { // which may be because of what a newer format has
		h = headOf(b)
	}
	switch newer := h.newer(); {
	case newer != nil:
		return f, newer
	case err != nil:
		return f, damaged(err)
	case f.Format < 1 || f.Revision < 1:
		return f, damaged(fmt.Errorf("format %d, revision %d", f.Format, f.Revision))
	case f.Format > 1 && filepath.Base(f.Plan) != f.Plan:
		return f, damaged(fmt.Errorf("its plan is in %q", f.Plan))
	}
	return f, nil
}

func damaged(why error) error {
	return fmt.Errorf("not a record (%w): watari replaces the file as a whole, so something else damaged it; "+
		"put a copy back, or move its directory away to forget the migration and start again from the weights as they are", why)
}

// compacted takes white space out of raw; null if it is empty.
func compacted(raw json.RawMessage) (json.RawMessage, error) {
	if len(raw) == 0 {
		return json.RawMessage("null"), nil
	}
	var out bytes.Buffer
	err := json.Compact(&out, raw)
	return out.Bytes(), err
}

func encodeRecord(f recordFile) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(f); err != nil {
		return nil, fmt.Errorf("write the record as JSON: %w", err)
	}
	return out.Bytes(), nil
}

// newRecord returns what follows revision prev, and the plan that it names.
func (s *Store) newRecord(prev store.Revision, next store.Record) (f recordFile, plan []byte, err error) {
	f = recordFile{head: head{format, needs}, Revision: prev + 1, Saved: s.now().UTC()}
	if f.Status, err = compacted(next.Status); err != nil {
		return f, nil, fmt.Errorf("write the status as JSON: %w", err)
	}
	if plan, err = compacted(next.Spec); err != nil {
		return f, nil, fmt.Errorf("write the plan as JSON: %w", err)
	}
	f.Plan = planName(plan)
	return f, plan, nil
}

const planPrefix = "plan-"

// planName names the file of a plan by what it contains, so that a plan is written
// once, and a record finds its own plan or none.
func planName(plan []byte) string {
	sum := sha256.Sum256(plan)
	return planPrefix + hex.EncodeToString(sum[:8]) + ".json"
}

// keepPlan makes the plan that a record names durable, unless the record there names
// it already and nobody has taken it away since.
func (s *Store) keepPlan(dir, name, there string, plan []byte) error {
	if name == there {
		if has, err := s.disk.Exists(filepath.Join(dir, name)); has || err != nil {
			return explained(err)
		}
	}
	return s.replaceFile(filepath.Join(dir, name), append(bytes.Clone(plan), '\n'))
}

// dropPlans removes the plans that the record does not name any more. What stays is
// in nobody's way.
func (s *Store) dropPlans(dir, name string) {
	names, _ := s.disk.ReadDir(dir)
	for _, other := range names {
		if strings.HasPrefix(other, planPrefix) && other != name {
			_ = s.disk.Remove(filepath.Join(dir, other))
		}
	}
}

// errNoPlan says that the file which a record names is not there.
var errNoPlan = errors.New("its plan is missing")

// specOf returns the plan of a record.
func (s *Store) specOf(dir string, f recordFile) (json.RawMessage, error) {
	if f.Format == 1 {
		return compacted(f.Spec)
	}
	path := filepath.Join(dir, f.Plan)
	b, err := s.readBounded(path, mostRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, damaged(errNoPlan))
	}
	if err != nil {
		return nil, explained(err)
	}
	plan := bytes.TrimSuffix(b, []byte{'\n'})
	if planName(plan) != f.Plan {
		return nil, fmt.Errorf("%s: %w; nothing was changed", path, damaged(errors.New("its plan is not what was written")))
	}
	return plan, nil
}

// whole reads the record in dir with its plan, which somebody may replace meanwhile.
func (s *Store) whole(dir string) (f recordFile, spec json.RawMessage, err error) {
	for before := ""; ; before = f.Plan {
		f, err = s.readRecord(filepath.Join(dir, recordName))
		if err != nil || f.Revision == 0 {
			return f, nil, err
		}
		spec, err = s.specOf(dir, f)
		if !errors.Is(err, errNoPlan) || f.Plan == before {
			return f, spec, err
		}
	}
}

// kept is the record that this Store has saved last, so that it need not read all of
// it again to know that nobody else has saved since.
type kept struct {
	revision store.Revision
	plan     string
}

// revisionIn returns the revision and the plan's name of the record in dir.
func (s *Store) revisionIn(dir string) (kept, error) {
	path := filepath.Join(dir, recordName)
	if own, is := s.own.Load(dir); is {
		b, err := s.readHead(path)
		if err == nil && bytes.HasPrefix(b, beginning(own.(kept).revision)) {
			return own.(kept), nil
		}
	}
	f, err := s.readRecord(path)
	return kept{f.Revision, f.Plan}, err
}

// beginning is how the record of a revision begins.
func beginning(r store.Revision) []byte {
	return fmt.Appendf(nil, `{"format":%d,"needs":"%s","revision":%d,`, format, needs, r)
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
