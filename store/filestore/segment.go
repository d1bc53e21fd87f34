package filestore

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// A journal is a row of segments, numbered from 1 on. Lines are appended to the last
// one; one before it is closed and changes only as a whole: it is compressed, made
// coarser, or dropped. Segment 0 is the journal of format 1.

const (
	plainSuffix  = ".jsonl"
	packedSuffix = ".jsonl.gz"
)

func plainPath(dir string, n int) string {
	if n == 0 {
		return filepath.Join(dir, legacyName)
	}
	return filepath.Join(dir, journalName, fmt.Sprintf("%08d", n)+plainSuffix)
}

func packedPath(dir string, n int) string {
	return filepath.Join(dir, journalName, fmt.Sprintf("%08d", n)+packedSuffix)
}

// mostSegments bounds the numbers of segments: no disk holds more of them.
const mostSegments = 1 << 40

// segmentNumber returns the number that a file's name has; false if it is no segment.
func segmentNumber(name string) (int, bool) {
	digits, _, _ := strings.Cut(name, ".")
	n, err := strconv.Atoi(digits)
	own := err == nil && n >= 0 && n < mostSegments && digits == fmt.Sprintf("%08d", n)
	return n, own && (name == digits+plainSuffix || name == digits+packedSuffix)
}

// mostGap is up to how many numbers that are missing in a row are looked for. What is
// dropped is missing at the beginning; somebody may have named a file far ahead.
const mostGap = 10_000

// segments returns the numbers at which there may be segments in dir, in order; the
// last one is there. A listing may miss what gets another name meanwhile, so gaps are
// looked into, and what follows is looked for.
func (s *Store) segments(dir string) (numbers []int, err error) {
	legacy, err := s.disk.Exists(plainPath(dir, 0))
	if err != nil {
		return nil, explained(err)
	}
	names, err := s.disk.ReadDir(filepath.Join(dir, journalName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explained(err)
	}
	var listed []int
	for _, name := range names {
		if n, is := segmentNumber(name); is {
			listed = append(listed, n)
		}
	}
	slices.Sort(listed)
	last := -1
	if legacy {
		numbers, last = []int{0}, 0
	}
	for _, n := range listed {
		from := n
		if n-last <= mostGap {
			from = last + 1
		}
		for ; from <= n; from++ {
			numbers = append(numbers, from)
		}
		last = n
	}
	end, err := s.following(dir, last)
	for ; last < end; last++ {
		numbers = append(numbers, last+1)
	}
	return numbers, err
}

// lastSegment returns the number of the last segment in dir; -1 if there is none.
func (s *Store) lastSegment(dir string) (int, error) {
	numbers, err := s.segments(dir)
	if err != nil || len(numbers) == 0 {
		return -1, err
	}
	return numbers[len(numbers)-1], nil
}

// following returns the last of the segments after n that are there without a gap; n
// if none is.
func (s *Store) following(dir string, n int) (int, error) {
	for {
		plain, err := s.disk.Exists(plainPath(dir, n+1))
		packed := false
		if err == nil && !plain {
			packed, err = s.disk.Exists(packedPath(dir, n+1))
		}
		if err != nil {
			return 0, explained(err)
		}
		if !plain && !packed {
			return n, nil
		}
		n++
	}
}

// What was done to a segment to make it smaller.
const (
	whole     = iota
	coarse    // counts away from everything else are merged
	coarsest  // all counts are, to a longer unit
	countless // no counts are left
)

// about is the first line of a segment.
type about struct {
	Segment heading `json:"segment"`
}

// heading is what a segment says of itself. What follows the head is known of closed
// segments only.
type heading struct {
	head
	Level int       `json:"level,omitempty"` // what was done to it
	From  time.Time `json:"from,omitzero"`
	To    time.Time `json:"to,omitzero"`
	First time.Time `json:"first,omitzero"` // of the entries that are not counts
	Last  time.Time `json:"last,omitzero"`
}

var headingPrefix = []byte(`{"segment":`)

// headingOf reads the first line of a segment; false if it is none, as in format 1.
func headingOf(line []byte) (h heading, is bool) {
	if !bytes.HasPrefix(line, headingPrefix) {
		return h, false
	}
	var a about
	if json.Unmarshal(line, &a) != nil {
		a.Segment.head = headOf(bytes.TrimPrefix(line, headingPrefix)) // what a newer one has may be of other types
	}
	return a.Segment, true
}

func (h heading) line() ([]byte, error) {
	h.head = head{format, needs}
	b, err := json.Marshal(about{h})
	return append(b, '\n'), err
}

// opened is a segment that is being read.
type opened struct {
	lines  *lines
	packed bool
	size   int64
	close  func() error
}

// mostSegment bounds segment n, unpacked: what is written to one ends at some
// megabytes, and a journal of format 1 grew for as long as its migration ran.
func mostSegment(n int) int64 {
	if n == 0 {
		return 16 << 30
	}
	return 1 << 30
}

// sizeOf returns the size of segment n, open as f; an error where none ever gets that
// long.
func sizeOf(f interface{ Size() (int64, error) }, path string, n int) (int64, error) {
	size, err := f.Size()
	if err == nil && size > mostSegment(n) {
		err = &disk.RefusedError{Path: path, Why: fmt.Sprintf("it has more than %d bytes, which no journal ever has", mostSegment(n)), Do: "look at it and move it away", Err: syscall.EFBIG}
	}
	return size, explained(err)
}

// openSegment opens segment n, compressed or not: who compresses it removes the plain
// file when the other one is there. fs.ErrNotExist if it was dropped.
func (s *Store) openSegment(dir string, n int) (*opened, error) {
	f, err := s.open(plainPath(dir, n))
	packed := errors.Is(err, fs.ErrNotExist)
	if packed {
		f, err = s.open(packedPath(dir, n))
	}
	if err != nil {
		return nil, err
	}
	path := plainPath(dir, n)
	if packed {
		path = packedPath(dir, n)
	}
	size, err := sizeOf(f, path, n)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	o := &opened{packed: packed, size: size, close: f.Close}
	if !packed {
		// No further than it is long now: who reads runs after nobody who writes.
		o.lines = newLines(plainPath(dir, n), io.LimitReader(f, size))
		return o, nil
	}
	z, err := gzip.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, errors.Join(unread(path, size, err), f.Close())
	}
	o.lines = newLines(packedPath(dir, n), io.LimitReader(z, mostSegment(n)))
	return o, nil
}

// damagedError says that something has damaged a compressed segment.
type damagedError struct {
	path string
	size int64 // of its file, as far as it is known
	err  error
}

// Error implements error.
func (e *damagedError) Error() string {
	return fmt.Sprintf("%s is damaged (%v), and nothing of watari does that; put a copy back, or move it away", disk.Shown(e.path), e.err)
}

// Unwrap returns what is wrong with it.
func (e *damagedError) Unwrap() error { return e.err }

// unread is why the segment at path cannot be read on: it is damaged, or its disk
// cannot be read.
func unread(path string, size int64, err error) error {
	var corrupt flate.CorruptInputError
	switch {
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &corrupt):
		return &damagedError{path, size, fmt.Errorf("%v", err)} //nolint:errorlint // it is not the end of what is read
	default:
		return fmt.Errorf("read %s: %w", path, err)
	}
}

// alone reports whether an error is about one segment, and says nothing of the others.
func alone(err error) bool {
	var d *damagedError
	return errors.As(err, &d) || refused(err) || errors.Is(err, syscall.EISDIR) || errors.Is(err, fs.ErrExist) // ErrExist: a directory has its name
}

// maxLine bounds a line of the journal, and so what reading it takes. The counts of
// one look at the limits of a file are some ten thousand bytes.
const maxLine = 1 << 20

// lines reads lines of at most maxLine bytes.
type lines struct {
	path   string // of the segment's file
	of     string // its name, for people
	from   *bufio.Reader
	buffer []byte
	number int
}

func newLines(of string, from io.Reader) *lines {
	return &lines{path: of, of: filepath.Base(of), from: bufio.NewReaderSize(from, 1<<13)}
}

// line is one of them, without its line break. Its bytes are good until the next one
// is read.
type line struct {
	bytes  []byte
	of     string
	number int
	long   bool // it is longer than maxLine; bytes are its beginning
	torn   bool // it has no line break: the file ends here
}

// next returns the next line; io.EOF after the last one.
func (l *lines) next() (line, error) {
	l.buffer = l.buffer[:0]
	l.number++
	out := line{of: l.of, number: l.number}
	for {
		part, err := l.from.ReadSlice('\n')
		if room := maxLine + 1 - len(l.buffer); len(part) > room {
			out.long = true
			part = part[:room]
		}
		l.buffer = append(l.buffer, part...)
		switch {
		case err == nil:
			out.bytes = bytes.TrimSuffix(l.buffer, []byte{'\n'})
			return out, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(l.buffer) > 0:
			out.bytes, out.torn = l.buffer, true
			return out, nil
		case errors.Is(err, io.EOF):
			return out, io.EOF
		default:
			return out, unread(l.path, 0, err)
		}
	}
}

// entry reads a line. For one that is not an entry it returns a note that says so, of
// the time at.
func (l line) entry(at time.Time) store.Entry {
	var why error
	if l.long {
		why = fmt.Errorf("it is longer than %d bytes", maxLine)
	} else {
		var e store.Entry
		if why = json.Unmarshal(l.bytes, &e); why == nil {
			return e
		}
	}
	return store.Entry{At: at, Kind: "note", Text: fmt.Sprintf("line %d of %s is damaged and left out: %v", l.number, l.of, why)}
}

// entries calls yield with each entry of an open segment, until it returns false. A
// torn last line is not there yet where the segment is still written.
func (o *opened) entries(open bool, yield func(store.Entry) bool) error {
	var at time.Time
	for {
		l, err := o.lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if l.torn && open {
			return nil
		}
		if l.number == 1 && !l.long {
			if h, is := headingOf(l.bytes); is {
				if h.newer() != nil {
					return h.newer()
				}
				o.lines.number = 0 // lines are numbered as people count entries
				continue
			}
		}
		e := l.entry(at)
		if at = e.At; !yield(e) {
			return nil
		}
	}
}

// headingAt reads what segment n says of itself.
func (s *Store) headingAt(dir string, n int) (h heading, size int64, packed bool, err error) {
	o, err := s.openSegment(dir, n)
	if damaged := (*damagedError)(nil); errors.As(err, &damaged) {
		return h, damaged.size, true, err
	}
	if err != nil {
		return h, 0, false, err
	}
	defer func() { _ = o.close() }() // it was only read
	l, err := o.lines.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return h, o.size, o.packed, err
	}
	h, _ = headingOf(l.bytes)
	return h, o.size, o.packed, h.newer()
}

// lastLine returns where the last line break of f, which has size bytes, ends.
func lastLine(f disk.File, size int64) (int64, error) {
	var chunk [4096]byte
	for end := size; end > 0; {
		from := max(0, end-int64(len(chunk)))
		b := chunk[:end-from]
		if _, err := f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
			return 0, explained(err)
		}
		if at := bytes.LastIndexByte(b, '\n'); at >= 0 {
			return from + int64(at) + 1, nil
		}
		end = from
	}
	return 0, nil
}
