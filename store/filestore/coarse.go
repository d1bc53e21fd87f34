package filestore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"watari.dev/store"
)

// mostOpen bounds the counts that are merged at once; one a second for ten minutes are
// fewer.
const mostOpen = 1000

func endOf(err error) bool { return errors.Is(err, io.EOF) }

// pourCoarse writes the entries of segment n to to, with fewer counts: as the level of
// h says.
func (s *Store) pourCoarse(to io.Writer, dir string, n int, h heading, at []time.Time) error {
	c := coarsener{to: to, journal: s.journal, level: h.Level, at: at, unit: s.journal.Unit}
	if h.Level >= coarsest {
		c.unit *= longer
	}
	var last time.Time
	err := s.eachLine(dir, n, func(l line) error {
		e := l.entry(last)
		last = e.At
		return c.take(e)
	})
	return errors.Join(err, c.flush())
}

// coarsener writes entries, counts among them merged or left out.
type coarsener struct {
	to      io.Writer
	journal Journal
	level   int
	at      []time.Time // of what counts are kept around, sorted
	unit    time.Duration
	open    []store.Entry // counts of one unit
	dropped store.Dropped
}

func (c *coarsener) take(e store.Entry) error {
	switch {
	case e.Kind != store.Counts:
		return errors.Join(c.flush(), c.write(e))
	case c.level >= countless:
		if c.dropped.Lines == 0 {
			c.dropped.From = e.At
		}
		c.dropped.To, c.dropped.Lines = e.At, c.dropped.Lines+1
		return nil
	case c.level == coarse && c.near(e.At):
		return errors.Join(c.flush(), c.write(e))
	}
	var err error
	if n := len(c.open); n > 0 && (n >= mostOpen || !c.open[n-1].At.Truncate(c.unit).Equal(e.At.Truncate(c.unit))) {
		err = c.flush()
	}
	c.open = append(c.open, e)
	return err
}

// near reports whether something other than counts was written around a time.
func (c *coarsener) near(t time.Time) bool {
	i, _ := slices.BinarySearchFunc(c.at, t, time.Time.Compare)
	return i < len(c.at) && c.at[i].Sub(t) <= c.journal.Around || i > 0 && t.Sub(c.at[i-1]) <= c.journal.Around
}

// flush writes what waits: merged counts, and what stands for those that are dropped.
func (c *coarsener) flush() error {
	out := c.open
	if len(out) > 1 {
		out = c.journal.Merge(out)
	}
	if c.dropped.Lines > 0 {
		out = append(out, leftOut(c.dropped, fmt.Sprintf("%d lines of counts", c.dropped.Lines)))
	}
	c.open, c.dropped = nil, store.Dropped{}
	return c.write(out...)
}

func (c *coarsener) write(entries ...store.Entry) error {
	b, err := encodeEntries(entries)
	if err == nil {
		_, err = c.to.Write(b)
	}
	return err
}
