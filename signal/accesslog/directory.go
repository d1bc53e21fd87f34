package accesslog

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"watari.dev/internal/bounded"
)

const (
	// period is how long a file is for ("Access logs for your Application Load
	// Balancer", Access log files: one for each node every 5 minutes).
	period = 5 * time.Minute
	// arriving is how long a file may be unreadable because it is still being written.
	arriving = time.Minute
	// maxFiles bounds how many files are read: those of a day of a balancer with 300
	// nodes. Each is remembered as long as it is there.
	maxFiles = 100_000
	// maxUnpacked bounds one packed file: 5 min of 50,000 requests/s have some 8 GB.
	maxUnpacked = 16 * bounded.GiB
	// day bounds how much later than the date of its directory a line can be.
	day = 24 * time.Hour
)

// dated is a directory of a date, as S3's keys have them.
var dated = regexp.MustCompile(`(?:^|/)(\d{4}/\d{2}/\d{2})$`)

// directory is a log of many files.
type directory struct {
	root     string
	most     int   // files
	unpacked int64 // bytes of one packed file
	buffer   []byte
	files    map[string]*member // by entry.key
}

// member is what was read of one file.
type member struct {
	foreign  bool  // it is no access log, and was noted as such
	offset   int64 // up to which it was read
	whole    bool  // it was packed, and nothing is left to read
	lines    splitter
	size     int64 // at the last attempt
	modified time.Time
	err      error // of the last attempt
}

// entry is one file that is there.
type entry struct {
	path     string
	name     fileName
	size     int64
	modified time.Time
}

// key is the same for what has the same lines: unpacking a file does not make it another
// one, and AWS gives no name twice, wherever it was copied to.
func (e entry) key() string {
	if e.name.given != "" {
		return strings.TrimSuffix(e.name.given, ".gz")
	}
	return strings.TrimSuffix(e.path, ".gz")
}

func newDirectory(root string) *directory {
	return &directory{root: filepath.Clean(root), most: maxFiles, unpacked: maxUnpacked, files: map[string]*member{}}
}

func (d *directory) open(*Source) { d.buffer = make([]byte, pieceSize) }
func (d *directory) close()       {}

// look reads what is new in every file, those of earlier periods first. A file that
// cannot be read keeps no other from being read.
func (d *directory) look(ctx context.Context, s *Source) error {
	start := s.started()
	entries, err := d.list(start)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	var errs []error
	for _, e := range entries {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		key := e.key()
		there[key] = true
		if d.files[key] == nil {
			d.files[key] = &member{}
		}
		if err := d.read(ctx, s, d.files[key], e); err != nil {
			errs = append(errs, err)
		}
	}
	maps.DeleteFunc(d.files, func(key string, _ *member) bool { return !there[key] })
	if len(errs) > 3 {
		errs = append(errs[:3], fmt.Errorf("and %d more files", len(errs)-3))
	}
	return joined(errs)
}

// started returns the moment up to which lines are not counted.
func (s *Source) started() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.start
}

// list returns the files that may hold lines from after start.
func (d *directory) list(start time.Time) (out []entry, err error) {
	root := d.root + string(filepath.Separator) // so that it may be a link
	err = filepath.WalkDir(root, func(path string, item fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != root: // it has just been removed
			return nil
		case err != nil:
			return err
		case item.IsDir() && path != root && (isPast(path, start) || isHidden(item)):
			return fs.SkipDir
		case isHidden(item): // whoever fetches files writes them so before they get their names
			return nil
		case !item.Type().IsRegular() || !strings.HasSuffix(path, ".log") && !strings.HasSuffix(path, ".log.gz"):
			return nil
		}
		e, err := entryOf(path, item)
		if err != nil || !e.after(start) {
			return err
		}
		if len(out) == d.most {
			return fmt.Errorf("%s holds more than %d files that have changed since the start: take those away that were read", d.root, d.most)
		}
		out = append(out, e)
		return nil
	})
	slices.SortStableFunc(out, func(a, b entry) int { return a.name.end.Compare(b.name.end) })
	return out, err
}

func isHidden(item fs.DirEntry) bool { return strings.HasPrefix(item.Name(), ".") }

// isPast reports whether the directory is of a date before start.
func isPast(path string, start time.Time) bool {
	m := dated.FindStringSubmatch(filepath.ToSlash(path))
	if m == nil {
		return false
	}
	date, err := time.Parse("2006/01/02", m[1])
	return err == nil && date.Add(2*day).Before(start)
}

func entryOf(path string, item fs.DirEntry) (entry, error) {
	info, err := item.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, nil // which is from before any start
	}
	if err != nil {
		return entry{}, err
	}
	return entry{path: path, name: nameOf(filepath.Base(path)), size: info.Size(), modified: info.ModTime()}, nil
}

// after reports whether the file may hold lines from after start: neither its name
// nor, with a minute for clocks that differ, its last change says that it cannot.
func (e entry) after(start time.Time) bool {
	return !e.modified.Before(start.Add(-time.Minute)) && (e.name.end.IsZero() || !e.name.end.Add(period).Before(start))
}

// read reads what is new in one file. One that could not be read is tried again.
func (d *directory) read(ctx context.Context, s *Source, m *member, e entry) error {
	packed := strings.HasSuffix(e.path, ".gz")
	switch {
	case e.name.foreign != "":
		s.beside(m, e.name.foreign, e)
		return nil
	case m.whole || packed && m.offset > 0: // or it was read before it was packed
		return nil
	case m.err == nil && m.size == e.size && m.modified.Equal(e.modified):
		return nil
	case packed:
		m.err = d.readPacked(ctx, s, m, e)
	default:
		m.err = d.readPlain(ctx, s, m, e)
	}
	m.size, m.modified = e.size, e.modified
	if m.err == nil || packed && s.now().Sub(e.modified) < arriving {
		return nil
	}
	return fmt.Errorf("%s: %w: fetch it again, or take it away", e.path, m.err)
}

// readPlain reads the lines that were added to a file.
func (d *directory) readPlain(ctx context.Context, s *Source, m *member, e entry) error {
	opened, err := os.Open(e.path)
	if err != nil {
		return withoutPath(err)
	}
	defer opened.Close()
	if e.size < m.offset { // truncated: what follows is new
		s.read(m.lines.end)
		m.offset = 0
	}
	if m.offset == 0 {
		if ready, err := d.begins(s, m, e, opened); !ready || err != nil {
			return err
		}
	}
	if _, err := opened.Seek(m.offset, io.SeekStart); err != nil {
		return withoutPath(err)
	}
	n, err := d.feed(ctx, s, m, opened)
	m.offset += n
	if err == nil && n > 0 {
		err = s.cover(e)
	}
	return withoutPath(err)
}

// begins looks at the beginning of a file and reports whether it is to be read. While it
// has no whole line nobody can say, and of one in another format more may tell otherwise.
func (d *directory) begins(s *Source, m *member, e entry, opened io.Reader) (bool, error) {
	look := newSample()
	n, err := io.ReadFull(opened, d.buffer)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, withoutPath(err)
	}
	look.see(d.buffer[:n])
	if look.isOther() {
		return false, s.other(m, e)
	}
	return look.readable > 0 || n == len(d.buffer), nil
}

// other notes a file that has no entry, or returns that as an error if its name says
// that it must have some. What has something before AWS's name may be made of that file.
func (s *Source) other(m *member, e entry) error {
	if e.name.given == filepath.Base(e.path) {
		return errNoEntries
	}
	s.beside(m, otherFormat, e)
	return nil
}

// errNoEntries is an access log by its name, and nothing that can be read.
var errNoEntries = errors.New("none of its lines is an entry of an access log")

// beside notes once that a file is no access log.
func (s *Source) beside(m *member, what string, e entry) {
	if m.foreign {
		return
	}
	m.foreign = true
	s.mu.Lock()
	defer s.mu.Unlock()
	s.history.report.beside(what, e.path)
}

// readPacked reads a file twice: nothing of it counts unless all of it can be read,
// because one that is still being written would be counted again.
func (d *directory) readPacked(ctx context.Context, s *Source, m *member, e entry) error {
	look := newSample()
	err := d.unpack(e.path, func(r io.Reader) error { return d.discard(ctx, r, look) })
	if err == nil {
		look.end()
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case look.isOther(): // whatever else is wrong with it
		return s.other(m, e)
	case err != nil:
		return err
	}
	m.whole = true
	err = d.unpack(e.path, func(r io.Reader) error {
		_, err := d.feed(ctx, s, m, r)
		return err
	})
	s.read(m.lines.end)
	return errors.Join(err, s.cover(e))
}

func (d *directory) unpack(path string, use func(io.Reader) error) error {
	opened, err := os.Open(path)
	if err != nil {
		return withoutPath(err)
	}
	defer opened.Close()
	packed, err := gzip.NewReader(opened)
	if err != nil {
		return fmt.Errorf("it is not packed by gzip: %w", err)
	}
	if err := use(bounded.Reader(packed, bounded.Limit{What: "what it unpacks to", Bytes: d.unpacked})); err != nil {
		return fmt.Errorf("unpack it: %w", err)
	}
	return nil
}

// discard reads all that r holds, and shows it to look. What has another format it does
// not read to its end.
func (d *directory) discard(ctx context.Context, r io.Reader, look *sample) error {
	for {
		n, err := r.Read(d.buffer)
		look.see(d.buffer[:n])
		switch {
		case look.left <= 0 && look.isOther():
			return nil
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// feed counts all that r holds and returns how much that was.
func (d *directory) feed(ctx context.Context, s *Source, m *member, r io.Reader) (read int64, err error) {
	for {
		n, err := r.Read(d.buffer)
		read += int64(n)
		s.read(func(count func([]byte)) { m.lines.feed(d.buffer[:n], count) })
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		if ctx.Err() != nil {
			return read, ctx.Err()
		}
	}
}

// cover notes that the file's period is covered, if its name says which, and of which
// load balancer.
func (s *Source) cover(e entry) error {
	if e.name.end.IsZero() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.history.cover(e.name.balancer, e.name.end, s.history.moment(s.now()))
}

// withoutPath takes the path out of an error that will be said with it.
func withoutPath(err error) error {
	if of := (*fs.PathError)(nil); errors.As(err, &of) {
		return fmt.Errorf("%s: %w", of.Op, of.Err)
	}
	return err
}
