// Package memsignal counts what a script says: for tests and simulations of
// everything that asks a signal. Requests are served at instants, and what can be
// seen of a side changes at instants; windows in between are exact, including
// those during which nothing could be seen. It reads no clock and never waits.
package memsignal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// Source is the source. Its methods may be called from several goroutines. What
// is scripted for one side must come in the order of time.
type Source struct {
	mu    sync.Mutex
	sides map[traffic.Side]*script
}

var _ signal.Source = (*Source)(nil)

type script struct {
	served []served
	turns  []turn
}

type served struct {
	at     time.Time
	counts traffic.Counts
}

type turn struct {
	at    time.Time
	state traffic.State
	why   string
}

// New returns a source that knows nothing of either side yet.
func New() *Source {
	return &Source{sides: map[traffic.Side]*script{traffic.Source: {}, traffic.Target: {}}}
}

// Serve says that side answered the requests in counts at the instant at. Its
// Resets and Skew are reported as they are; a restart alone is a Serve without
// requests.
func (s *Source) Serve(at time.Time, side traffic.Side, counts traffic.Counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.sides[side]; of != nil {
		of.served = append(of.served, served{at, counts})
	}
}

// Turn says what can be seen of side from the instant at on: Known, its counters;
// Unknown, that it has none; Failed, nothing. Requests served while it is Failed
// are counted when it is Known again. why is what the reading says.
func (s *Source) Turn(at time.Time, side traffic.Side, state traffic.State, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if of := s.sides[side]; of != nil {
		of.turns = append(of.turns, turn{at, state, why})
	}
}

// Counts implements signal.Source. The expressions only say what is asked for:
// each side's Requests, Errors, Latency and Events are there if they are not empty.
// The query's events are those that were served, in the same order; an event that
// was not served is zero.
func (s *Source) Counts(_ context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	if to.Before(from) {
		return signal.Counts{}, fmt.Errorf("count signal %s: the window ends at %s, before it begins at %s", q.Name, to, from)
	}
	if q.Requests.Source == "" && q.Requests.Target == "" {
		return signal.Counts{}, fmt.Errorf("count signal %s: neither side says what its requests are", q.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return signal.Counts{Source: s.reading(q, traffic.Source, from, to), Target: s.reading(q, traffic.Target, from, to)}, nil
}

func (s *Source) reading(q signal.Query, side traffic.Side, from, to time.Time) traffic.Reading[traffic.Counts] {
	if q.Requests.Of(side) == "" {
		return unknown("nothing says what its requests are")
	}
	of := s.sides[side]
	base, _, based := of.seen(from)
	end, last, seen := of.seen(to)
	now := of.turnAt(to)
	switch {
	case now.state == traffic.Failed:
		return traffic.FailedAt[traffic.Counts](errors.New(now.why), to)
	case !seen || last.state != traffic.Known:
		return unknown(last.why)
	case !based:
		return unknown("not watched at the beginning of the window")
	}
	var sum traffic.Counts
	for _, event := range of.served {
		if event.at.After(base) && !event.at.After(end) {
			sum = sum.Plus(event.counts)
		}
	}
	if before := of.turnAt(base); sum.Requests == 0 && before.state != traffic.Known {
		return unknown("no counters at the beginning of the window")
	}
	return traffic.KnownAt(asked(q, side, sum), end)
}

// seen returns the last instant up to at when the side could be watched, and what
// the turn of that instant said; false if there was none.
func (s *script) seen(at time.Time) (time.Time, turn, bool) {
	for i, t := range slices.Backward(s.turns) {
		if t.at.After(at) || t.state == traffic.Failed {
			continue
		}
		if i+1 < len(s.turns) && !s.turns[i+1].at.After(at) {
			return s.turns[i+1].at, t, true // the failure that followed
		}
		return at, t, true
	}
	return time.Time{}, turn{}, false
}

// turnAt returns what holds at the instant at.
func (s *script) turnAt(at time.Time) (now turn) {
	for _, t := range s.turns {
		if !t.at.After(at) {
			now = t
		}
	}
	return now
}

func asked(q signal.Query, side traffic.Side, c traffic.Counts) traffic.Counts {
	if q.Errors.Of(side) == "" {
		c.Errors = 0
	}
	if q.Latency.Of(side) == "" {
		c.Latency = traffic.Histogram{}
	}
	c.Events = events(q, side, c)
	return c
}

func events(q signal.Query, side traffic.Side, c traffic.Counts) []int64 {
	if len(q.Events) == 0 {
		return nil
	}
	out := make([]int64, len(q.Events))
	for i := range min(len(out), len(c.Events)) {
		if q.Events[i].Count.Of(side) != "" {
			out[i] = min(c.Events[i], c.Requests)
		}
	}
	return out
}

func unknown(why string) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: why}
}
