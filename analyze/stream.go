package analyze

import (
	"iter"
	"slices"
	"time"
)

// turns is where the turns of a recording come from that are not held in memory.
type turns struct {
	read  func() iter.Seq2[Turn, error]
	n     int // how many there are
	first time.Time
	last  time.Time
	left  []LeftOut // what reading them has left out
	err   error     // of the last reading
}

// Err returns what went wrong while the turns were read, since they were read last.
func (r *Recording) Err() error {
	if r.stream == nil {
		return nil
	}
	return r.stream.err
}

// all returns the turns in their order. Who looks at one must not keep it for ever:
// they are as many as a journal has.
func (r *Recording) all() iter.Seq[*Turn] {
	return func(yield func(*Turn) bool) {
		for i := range r.Turns {
			if !yield(&r.Turns[i]) {
				return
			}
		}
		if r.stream == nil {
			return
		}
		r.stream.err = nil
		for t, err := range r.stream.read() {
			if err != nil {
				r.stream.err = err
				return
			}
			if !yield(&t) {
				return
			}
		}
	}
}

// size returns how many turns there are, and between which times.
func (r *Recording) size() (n int, from, to time.Time) {
	switch {
	case r.stream != nil:
		return r.stream.n, r.stream.first, r.stream.last
	case len(r.Turns) == 0:
		return 0, from, to
	}
	return len(r.Turns), firstOf(r.Turns[0]), r.Turns[len(r.Turns)-1].At
}

// InMemory returns r with all of its turns in memory, for who goes through them again
// and again.
func (r *Recording) InMemory() (Recording, error) {
	out := *r
	if r.stream == nil {
		return out, nil
	}
	for t := range r.all() {
		out.Turns = append(out.Turns, *t)
	}
	out.LeftOut, out.stream = slices.Concat(r.stream.left, r.LeftOut), nil
	return out, r.Err()
}

// Coarse is a time of which counts were merged, or dropped, since they were counted.
type Coarse struct {
	From  time.Time     `json:"from"`
	To    time.Time     `json:"to"`
	Unit  time.Duration `json:"unit"`            // the longest interval; 0 if the counts were dropped
	Looks int           `json:"looks,omitempty"` // that were merged or dropped
}

// apart is how far from each other two such times are that are told as two.
const apart = 15 * time.Minute

// coarse takes down that something was merged or dropped.
func (r *Recording) coarse(c Coarse) {
	if n := len(r.Coarse); n > 0 {
		last := &r.Coarse[n-1]
		if (last.Unit == 0) == (c.Unit == 0) && c.From.Sub(last.To) <= apart {
			last.To, last.Unit, last.Looks = c.To, max(last.Unit, c.Unit), last.Looks+c.Looks
			return
		}
	}
	r.Coarse = append(r.Coarse, c)
}
