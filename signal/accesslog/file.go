package accesslog

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"
)

const (
	// pieceSize is how much is read at once, while nobody can ask.
	pieceSize = 256 << 10
	// lingers is how long a file that was renamed away is still read: whoever writes
	// goes on writing to it until told of the new one.
	lingers = time.Minute
	// maxRotated bounds how many such files are open.
	maxRotated = 4
)

// file is a log that grows and may be rotated.
type file struct {
	path    string
	current *tail
	rotated []*tail
	buffer  []byte
}

// tail is one open file.
type tail struct {
	file   *os.File
	info   os.FileInfo
	offset int64
	lines  splitter
	until  time.Time // when it is given up, once it was rotated
}

// open goes to the end of what is there, if it can be read already.
func (f *file) open(*Source) {
	f.buffer = make([]byte, pieceSize)
	t, err := openTail(f.path)
	if err != nil {
		return // the first look tries again, and says it
	}
	if err := t.skipLines(f.buffer); err != nil {
		_ = t.file.Close()
		return
	}
	f.current = t
}

func (f *file) close() {
	for _, t := range append(f.rotated, f.current) {
		if t != nil {
			_ = t.file.Close()
		}
	}
	f.rotated, f.current = nil, nil
}

// look reads what was added to every file, and finds out whether the path has
// another one.
func (f *file) look(ctx context.Context, s *Source) error {
	if f.current == nil {
		t, err := openTail(f.path)
		if err != nil {
			return withoutPath(err)
		}
		f.current = t
	}
	f.giveUp(s)
	var errs []error
	for _, t := range append(slices.Clone(f.rotated), f.current) {
		errs = append(errs, withoutPath(t.read(ctx, s, f.buffer)))
	}
	return joined(append(errs, withoutPath(f.rotate(ctx, s))))
}

// rotate goes over to the file that now has the path, if it is another one. The
// file that had it before was read just now, and goes on being read for a while.
func (f *file) rotate(ctx context.Context, s *Source) error {
	info, err := os.Stat(f.path)
	if err != nil {
		return err
	}
	if os.SameFile(info, f.current.info) {
		return nil
	}
	t, err := openTail(f.path)
	if err != nil {
		return err
	}
	f.current.until = s.now().Add(lingers)
	f.rotated, f.current = append(f.rotated, f.current), t
	return t.read(ctx, s, f.buffer)
}

// giveUp closes files that were rotated long ago.
func (f *file) giveUp(s *Source) {
	now := s.now()
	for len(f.rotated) > 0 && (len(f.rotated) > maxRotated || now.After(f.rotated[0].until)) {
		s.read(f.rotated[0].lines.end)
		_ = f.rotated[0].file.Close()
		f.rotated = f.rotated[1:]
	}
}

func openTail(path string) (*tail, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe could wait for ever
		return nil, errors.New("it is not a file")
	}
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err = opened.Stat(); err != nil { // of what was really opened
		_ = opened.Close()
		return nil, err
	}
	return &tail{file: opened, info: info}, nil
}

// skipLines goes to the last line that is not complete yet, or else to the end.
func (t *tail) skipLines(buffer []byte) error {
	size := t.info.Size()
	from := max(0, size-int64(len(buffer)))
	n, err := t.file.ReadAt(buffer[:size-from], from)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.offset = size
	if i := bytes.LastIndexByte(buffer[:n], '\n'); i >= 0 || from == 0 {
		t.offset = from + int64(i) + 1
	}
	return nil
}

// read reads to the end.
func (t *tail) read(ctx context.Context, s *Source, buffer []byte) error {
	if info, err := t.file.Stat(); err == nil && info.Size() < t.offset { // truncated: what follows is new
		s.read(t.lines.end)
		t.offset = 0
	}
	for ctx.Err() == nil {
		n, err := t.file.ReadAt(buffer, t.offset)
		t.offset += int64(n)
		s.read(func(count func([]byte)) { t.lines.feed(buffer[:n], count) })
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
