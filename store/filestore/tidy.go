package filestore

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

// Journal says how much of a journal is kept, and in which detail.
type Journal struct {
	// Segment is how many bytes are written before the next segment begins; default
	// 8 MiB.
	Segment int64
	// Detail is for how long every line is kept as it was written; default 24 h. In
	// what is older the counts of each Unit (default 1 min) become one, except within
	// Around (default 5 min) of a line that is not counts.
	Detail, Unit, Around time.Duration
	// Bound is how many bytes all segments may have together; default 256 MiB. Where
	// they would have more, counts are merged ten times as far or dropped, the oldest
	// first, and only when no closed segment has counts any more, other lines.
	Bound int64
	// Merge adds up counts: entries of the kind store.Counts, in their order, into
	// fewer that say the same of a longer time. Nil merges nothing.
	Merge func([]store.Entry) []store.Entry
}

// The defaults of Journal.
const (
	DefaultDetail = 24 * time.Hour
	DefaultBound  = 256 << 20

	defaultSegment = 8 << 20
	defaultUnit    = time.Minute
	defaultAround  = 5 * time.Minute
)

func (j Journal) withDefaults() Journal {
	or := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	or(&j.Detail, DefaultDetail)
	or(&j.Unit, defaultUnit)
	or(&j.Around, defaultAround)
	if j.Segment <= 0 {
		j.Segment = defaultSegment
	}
	if j.Bound <= 0 {
		j.Bound = DefaultBound
	}
	// The segment that is written must fit into the bound several times, so that there
	// is something to make smaller.
	j.Segment = min(j.Segment, max(1, j.Bound/8))
	return j
}

// longer is how many units are one where the bound is reached.
const longer = 10

// tidySoon begins to tidy closed segments, if there may be some that want it. It is
// called without the lock, and nobody waits for it.
func (s *Store) tidySoon(key store.Key) {
	dir := s.path(key, "")
	if _, due := s.due.LoadAndDelete(dir); !due {
		return
	}
	s.begin(func() {
		if err := s.tidy(dir); err != nil {
			s.sayOnce(dir+" tidy", fmt.Errorf("make the journal of migration %s smaller: %w; it goes on as it is, and that is tried again with its next segment", key, err))
		}
	})
}

// Wait returns when everything that was begun in the background has ended.
func (s *Store) Wait() { s.tidying.Wait() }

// sayOnce reports what is wrong, the first time.
func (s *Store) sayOnce(what string, err error) {
	if _, said := s.flushed.LoadOrStore("said: "+what, true); !said {
		s.report(err)
	}
}

// tidy compresses what is closed, makes coarser what is old, and keeps the bound. It
// has a lock of its own, which nobody who saves, appends or reads wants.
func (s *Store) tidy(dir string) error {
	once, cancel := context.WithCancel(context.Background())
	cancel()
	unlock, err := s.disk.Lock(once, filepath.Join(dir, journalName, lockName))
	if errors.Is(err, disk.ErrLocked) {
		return nil // somebody is at it
	}
	if err != nil {
		return explained(err)
	}
	defer unlock()
	numbers, err := s.segments(dir)
	if err != nil {
		return err
	}
	var bad []error // of single segments, which keep no other from being tidied
	skip := func(err error) bool {
		if alone(err) {
			bad = append(bad, err)
			return true
		}
		return false
	}
	numbers = numbers[:max(0, len(numbers)-1)] // the last one is written
	if err = s.pack(dir, numbers, skip); err == nil {
		var closed []closedSegment
		if closed, err = s.closed(dir, numbers, skip); err == nil {
			err = s.coarsen(dir, closed, skip)
		}
		if err == nil {
			err = s.keepBound(dir, closed, skip)
		}
	}
	return errors.Join(append(bad, err)...)
}

// pack compresses the closed segments that are not. Who compressed one may have died
// before that was durable, and what has the name of a compressed one may be anything:
// so it is compressed anew as long as the plain one is there.
func (s *Store) pack(dir string, numbers []int, skip func(error) bool) error {
	for _, n := range numbers {
		plain, err := s.disk.Exists(plainPath(dir, n))
		if err != nil {
			return explained(err)
		}
		if !plain {
			continue
		}
		if _, err = s.rewrite(dir, n, whole); err == nil {
			err = explained(s.disk.Remove(plainPath(dir, n)))
		}
		if err != nil && !skip(err) {
			return err
		}
	}
	return nil
}

// closedSegment is a compressed segment.
type closedSegment struct {
	heading
	number int
	path   string
	size   int64
	bad    bool // it cannot be made smaller, and is kept as what was decided is
}

// closed returns the closed segments, oldest first, without those that are not ours.
func (s *Store) closed(dir string, numbers []int, skip func(error) bool) ([]closedSegment, error) {
	var out []closedSegment
	for _, n := range numbers {
		h, size, packed, err := s.headingAt(dir, n)
		switch {
		case errors.Is(err, fs.ErrNotExist): // dropped
		case err != nil && !skip(err):
			return nil, explained(err)
		case refused(err):
		case !packed: // it could not be compressed
			out = append(out, closedSegment{h, n, plainPath(dir, n), size, true})
		default:
			out = append(out, closedSegment{h, n, packedPath(dir, n), size, err != nil})
		}
	}
	return out, nil
}

// coarsen merges the counts of the segments that are old by now.
func (s *Store) coarsen(dir string, closed []closedSegment, skip func(error) bool) error {
	if s.journal.Merge == nil {
		return nil
	}
	old := s.now().Add(-s.journal.Detail)
	for i := range closed {
		if c := &closed[i]; !c.bad && c.Level < coarse && !c.To.IsZero() && c.To.Before(old) {
			if err := s.remake(dir, c, coarse); err != nil && !skip(err) {
				return err
			}
		}
	}
	return nil
}

// remake gives a closed segment another level.
func (s *Store) remake(dir string, c *closedSegment, level int) error {
	made, err := s.rewrite(dir, c.number, level)
	if err == nil {
		*c = made
	}
	c.bad = alone(err)
	return err
}

// keepBound makes segments smaller until all of them are within the bound, the oldest
// first, what is still to be kept in detail later. Then it drops those that hold
// nothing but counts, and those that hold decisions last.
func (s *Store) keepBound(dir string, closed []closedSegment, skip func(error) bool) error {
	total := s.journal.Segment // that is written
	for _, c := range closed {
		total += c.size
	}
	if total <= s.journal.Bound {
		return nil
	}
	old := s.now().Add(-s.journal.Detail)
	for _, young := range []bool{false, true} {
		for _, level := range []int{coarsest, countless} {
			for i := range closed {
				c := &closed[i]
				if total <= s.journal.Bound {
					return nil
				}
				if c.bad || c.Level >= level || c.To.Before(old) == young || level == coarsest && s.journal.Merge == nil {
					continue
				}
				total -= c.size
				if err := s.remake(dir, c, level); err != nil && !skip(err) {
					return err
				}
				total += c.size
			}
		}
	}
	for _, decided := range []bool{false, true} {
		for _, c := range closed {
			if total <= s.journal.Bound {
				break
			}
			if (c.First.IsZero() && !c.bad) == decided {
				continue
			}
			if err := s.disk.Remove(c.path); err != nil {
				return explained(err)
			}
			total -= c.size
			if decided {
				s.sayOnce(dir+" bound", fmt.Errorf("the journal in %s cannot be kept within %d bytes without dropping what was decided: the oldest of that is dropped", dir, s.journal.Bound))
			}
		}
	}
	return explained(s.disk.SyncDir(filepath.Join(dir, journalName)))
}

// rewrite writes closed segment n anew at a level, compressed, beside it and then in
// its place.
func (s *Store) rewrite(dir string, n, level int) (closedSegment, error) {
	h, at, err := s.survey(dir, n)
	if err != nil {
		return closedSegment{}, err
	}
	if level == coarse {
		at = append(at, s.neighbours(dir, n, h)...)
		slices.SortFunc(at, time.Time.Compare)
	}
	h.Level = max(h.Level, level)
	path := packedPath(dir, n)
	f, err := s.disk.Create(path + ".tmp")
	if err != nil {
		return closedSegment{}, explained(err)
	}
	next := prepared{disk: s.disk, path: path, temporary: path + ".tmp"}
	err = s.pour(f, dir, n, h, at)
	if err == nil {
		err = f.Sync()
	}
	size, sizeErr := f.Size()
	if err = errors.Join(err, sizeErr, f.Close()); err != nil {
		return closedSegment{}, errors.Join(explained(err), next.discard())
	}
	if err := next.commit(); err != nil {
		return closedSegment{}, err
	}
	return closedSegment{h, n, path, size, false}, explained(s.disk.SyncDir(filepath.Dir(path)))
}

// packers are used again: a new one takes some hundred thousand bytes.
var packers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// pour writes the lines of segment n to f, at the level of h; at is when something
// other than counts was written.
func (s *Store) pour(f disk.File, dir string, n int, h heading, at []time.Time) error {
	buffer := bufio.NewWriterSize(f, 1<<14)
	z := packers.Get().(*gzip.Writer)
	defer packers.Put(z)
	z.Reset(buffer)
	first, err := h.line()
	if err != nil {
		return err
	}
	if _, err := z.Write(first); err != nil {
		return err
	}
	if h.Level == whole {
		err = s.copyLines(z, dir, n)
	} else {
		err = s.pourCoarse(z, dir, n, h, at)
	}
	return errors.Join(err, z.Close(), buffer.Flush())
}

// copyLines writes the lines of segment n as they are.
func (s *Store) copyLines(to *gzip.Writer, dir string, n int) error {
	return s.eachLine(dir, n, func(l line) error {
		_, err := to.Write(append(l.bytes, '\n'))
		return err
	})
}

// eachLine calls yield with each line of segment n but its heading. A line that is
// longer than any may be is left out where it ends, and reported as damaged later.
func (s *Store) eachLine(dir string, n int, yield func(line) error) error {
	o, err := s.openSegment(dir, n)
	if err != nil {
		return explained(err)
	}
	for {
		l, err := o.lines.next()
		if err != nil {
			if endOf(err) {
				err = nil
			}
			return errors.Join(err, o.close())
		}
		if _, is := headingOf(l.bytes); is && l.number == 1 {
			continue
		}
		if err := yield(l); err != nil {
			return errors.Join(err, o.close())
		}
	}
}

// survey returns what segment n says of itself, or would, and when something other
// than counts was written to it.
func (s *Store) survey(dir string, n int) (h heading, at []time.Time, err error) {
	before, _, _, err := s.headingAt(dir, n)
	if err != nil {
		return h, nil, explained(err)
	}
	h.Level = before.Level
	err = s.eachLine(dir, n, func(l line) error {
		e := l.entry(h.To)
		if h.From.IsZero() {
			h.From = e.At
		}
		if e.At.After(h.To) {
			h.To = e.At
		}
		if e.Kind != store.Counts && e.Kind != store.LeftOut {
			if h.First.IsZero() {
				h.First = e.At
			}
			h.Last = e.At
			at = append(at, e.At)
		}
		return nil
	})
	return h, at, err
}

// neighbours returns when something other than counts was written near segment n, but
// not to it.
func (s *Store) neighbours(dir string, n int, h heading) (at []time.Time) {
	for m := n - 1; m >= 0; m-- {
		other, _, _, err := s.headingAt(dir, m)
		if err != nil || other.To.IsZero() {
			break // dropped, or nothing is known of it
		}
		if at = append(at, other.Last); !other.Last.IsZero() || h.From.Sub(other.From) > s.journal.Around {
			break
		}
	}
	for m := n + 1; ; m++ {
		other, _, packed, err := s.headingAt(dir, m)
		if err != nil {
			break
		}
		if !packed {
			if other, _, err = s.survey(dir, m); err != nil {
				break
			}
		}
		if at = append(at, other.First); !other.First.IsZero() || other.To.Sub(h.To) > s.journal.Around {
			break
		}
	}
	return slices.DeleteFunc(at, time.Time.IsZero)
}
