package filestore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path/filepath"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, key store.Key, entries ...store.Entry) error {
	lines, err := encodeEntries(entries)
	if err != nil {
		return fmt.Errorf("append to the journal of migration %s: %w", key, err)
	}
	err = s.change(ctx, "append to the journal of", key, func(dir string) error {
		_, err := s.appendLines(dir, lines)
		return err
	})
	if err == nil {
		s.tidySoon(key)
	}
	return err
}

// Journal implements store.Store. It neither locks nor writes: segments that are open
// stay readable whatever becomes of their names, and one that was compressed before it
// was opened has the same lines under its other name. A line in the middle that is not
// an entry was damaged by something else: a note stands in its place, and the rest is
// read.
func (s *Store) Journal(ctx context.Context, key store.Key) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if err := s.readJournal(ctx, key, func(e store.Entry) bool { return yield(e, nil) }); err != nil {
			yield(store.Entry{}, fmt.Errorf("read the journal of migration %s in %s: %w", key, s.dir, err))
		}
	}
}

// readJournal calls yield with each entry, until it returns false.
func (s *Store) readJournal(ctx context.Context, key store.Key, yield func(store.Entry) bool) error {
	if err := ready(ctx, key); err != nil {
		return err
	}
	dir := s.path(key, "")
	if err := s.checkFormat(dir); err != nil {
		return err
	}
	numbers, err := s.segments(dir)
	if err != nil {
		return err
	}
	read, gone, more := false, 0, true
	var at time.Time
	each := func(e store.Entry) bool {
		at = e.At
		if gone > 0 {
			more, gone = yield(leftOut(store.Dropped{To: e.At}, fmt.Sprintf("%d segments", gone))), 0
		}
		more = more && ctx.Err() == nil && yield(e)
		return more
	}
	for i, n := range numbers {
		err := s.readSegment(dir, n, i == len(numbers)-1, each)
		var damaged *damagedError
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if n > 0 {
				gone++
			}
			continue
		case errors.As(err, &damaged):
			each(store.Entry{At: at, Kind: "note", Text: fmt.Sprintf("%v; what follows in it is left out", damaged)})
		case err != nil:
			return explained(err)
		}
		if read = true; !more {
			break
		}
	}
	if !read {
		return s.knownRecord(dir)
	}
	return ctx.Err()
}

// readSegment calls yield with each entry of segment n, until it returns false.
func (s *Store) readSegment(dir string, n int, open bool, yield func(store.Entry) bool) error {
	o, err := s.openSegment(dir, n)
	if err != nil {
		return err
	}
	return errors.Join(o.entries(open, yield), o.close())
}

// leftOut stands for entries that were dropped.
func leftOut(what store.Dropped, of string) store.Entry {
	data, _ := json.Marshal(what) // times and a number always marshal
	return store.Entry{At: what.To, Kind: store.LeftOut, Data: data, Text: of + " were dropped here to keep the journal within its bound"}
}

// knownRecord returns ErrNotFound if there is no record in dir either.
func (s *Store) knownRecord(dir string) error {
	if there, err := s.disk.Exists(filepath.Join(dir, recordName)); err != nil || !there {
		return store.ErrNotFound
	}
	return nil
}

// activeSegment returns the number of the segment that is written. Closing one means
// to begin the next, so the one that this Store knows is the last if none follows.
func (s *Store) activeSegment(dir string) (int, error) {
	known, has := s.active.Load(dir)
	if has {
		n := known.(int)
		there, err := s.disk.Exists(plainPath(dir, n))
		if err != nil {
			return 0, explained(err)
		}
		if last, err := s.following(dir, n); err != nil || last == n && there {
			return n, err
		}
	}
	n, err := s.lastSegment(dir)
	if err != nil {
		return 0, err
	}
	if old, err := s.disk.Exists(plainPath(dir, 0)); err != nil {
		return 0, explained(err)
	} else if n > 1 || old {
		s.due.Store(dir, true) // somebody before may have died before he had tidied
	}
	plain, err := s.disk.Exists(plainPath(dir, n))
	if err != nil {
		return 0, explained(err)
	}
	if n < 1 || !plain {
		if err := s.mendLegacy(dir, n); err != nil {
			return 0, err
		}
		n++
		if n == 0 {
			n = 1
		}
	}
	if h, _, _, err := s.headingAt(dir, n); err != nil && h.newer() != nil {
		return 0, fmt.Errorf("%s: %w; nothing was changed", plainPath(dir, n), err)
	}
	s.active.Store(dir, n)
	return n, nil
}

// mendLegacy repairs the journal of format 1 before the first segment follows it.
func (s *Store) mendLegacy(dir string, last int) error {
	if last != 0 {
		return nil
	}
	there, err := s.disk.Exists(plainPath(dir, 0))
	if err != nil || !there {
		return explained(err)
	}
	f, err := s.disk.Append(plainPath(dir, 0))
	if err != nil {
		return explained(err)
	}
	if _, err = sizeOf(f, plainPath(dir, 0), 0); err == nil {
		_, err = s.repair(f, dir)
	}
	return errors.Join(err, explained(f.Close()))
}

// appendLines repairs the journal in dir if a crash tore its last line, and makes
// lines durable at its end. The undo takes lines out again; it is for a caller
// who still holds the lock. After an error the journal is as it was before.
func (s *Store) appendLines(dir string, lines []byte) (undo func() error, err error) {
	if err := s.ensureDir(filepath.Join(dir, journalName)); err != nil {
		return nil, err
	}
	n, err := s.activeSegment(dir)
	if err != nil {
		return nil, err
	}
	undo, full, err := s.appendTo(dir, n, lines)
	if !full || err != nil {
		return undo, err
	}
	undo, _, err = s.appendTo(dir, n+1, lines)
	if err == nil {
		s.active.Store(dir, n+1)
		s.due.Store(dir, true)
	}
	return undo, err
}

// appendTo is appendLines for segment n. It returns true, and appends nothing, if the
// segment is full.
func (s *Store) appendTo(dir string, n int, lines []byte) (undo func() error, full bool, err error) {
	path := plainPath(dir, n)
	f, err := s.disk.Append(path)
	if errors.Is(err, fs.ErrNotExist) { // somebody has moved the journal away since its directory was made
		s.forget(filepath.Join(dir, journalName))
		s.flushed.Delete(filepath.Join(dir, journalName))
		if err = s.ensureDir(filepath.Join(dir, journalName)); err == nil {
			f, err = s.disk.Append(path)
		}
	}
	if err != nil {
		return nil, false, explained(err)
	}
	defer func() { err = errors.Join(err, explained(f.Close())) }()
	size, err := sizeOf(f, path, n)
	if err != nil {
		return nil, false, err
	}
	if size == 0 { // it is new, also where somebody has moved the one before away
		s.flushed.Delete(path)
	}
	if err := s.flushName(path); err != nil {
		return nil, false, err
	}
	if size, err = s.repair(f, dir); err != nil {
		return nil, false, fmt.Errorf("repair the torn last line of %s: %w", path, err)
	}
	if size > 0 && size+int64(len(lines)) > s.journal.Segment {
		return nil, true, nil
	}
	undo = func() error { return explained(s.shorten(path, size)) }
	if len(lines) == 0 {
		return undo, false, nil
	}
	if size == 0 {
		first, err := heading{}.line()
		if err != nil {
			return nil, false, err
		}
		lines = append(first, lines...)
	}
	return undo, false, appendDurably(f, size, lines)
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

// repair moves a torn last line of the segment that is open as f to another file in
// dir, puts a note in its place and returns the size of f.
func (s *Store) repair(f disk.File, dir string) (int64, error) {
	size, err := f.Size()
	if err != nil || size == 0 {
		return 0, explained(err)
	}
	whole, err := lastLine(f, size)
	if err != nil || whole == size {
		return size, err
	}
	if err := s.keepTorn(filepath.Join(dir, tornName), io.NewSectionReader(f, whole, min(size-whole, maxLine))); err != nil {
		return 0, err
	}
	note, err := encodeEntries([]store.Entry{{
		At: s.now().UTC(), Kind: "note",
		Text: fmt.Sprintf("a crash cut off the journal's last line after %d bytes; nobody had been told that it was written, and it is kept in %s", size-whole, tornName),
	}})
	if err != nil {
		return 0, err
	}
	if err := f.Truncate(whole); err != nil {
		return 0, explained(err)
	}
	if whole == 0 {
		first, err := heading{}.line()
		if err != nil {
			return 0, err
		}
		note = append(first, note...)
	}
	return whole + int64(len(note)), appendDurably(f, whole, note)
}

func (s *Store) keepTorn(path string, torn io.Reader) error {
	b, err := io.ReadAll(torn)
	if err != nil {
		return explained(err)
	}
	f, err := s.disk.Append(path)
	if err != nil {
		return explained(err)
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	return explained(errors.Join(err, f.Close()))
}

// encodeEntries makes a line of each entry. One that would be longer than a line may
// be loses what its sentence was made of, and says so: it must not stop a run.
func encodeEntries(entries []store.Entry) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	for _, entry := range entries {
		before := out.Len()
		if err := e.Encode(entry); err != nil { // ends with a line break and has no other
			return nil, fmt.Errorf("write the entry %q as JSON: %w", entry.Text, err)
		}
		if long := out.Len() - before; long > maxLine {
			out.Truncate(before)
			entry.Text = fmt.Sprintf("%.1000s (its data are left out: %d bytes are more than a line holds)", entry.Text, long)
			entry.Data = nil
			if err := e.Encode(entry); err != nil {
				return nil, fmt.Errorf("write the entry %q as JSON: %w", entry.Text, err)
			}
		}
	}
	return out.Bytes(), nil
}
