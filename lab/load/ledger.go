package load

import (
	"fmt"
	"sync"
	"time"
)

// Bounds of what a ledger keeps.
const (
	ringSeconds       = 600
	maxSegments       = 256
	samplesPerSegment = 8
	firstSegment      = "start"
)

// ledger is where every request is entered when it is sent and when it ends.
type ledger struct {
	mu       sync.Mutex
	started  time.Time
	ended    time.Time // zero while the load runs
	total    *tally
	segments []*segment
	ring     [ringSeconds]Second
	newest   int64 // the latest second of the ring, -1 if there is none
	maxLag   time.Duration
	samples  []Sample
}

type segment struct {
	name    string
	from    time.Time
	tally   *tally
	samples int
}

// ticket is what a request needs for being entered again at its end.
type ticket struct {
	kind     Kind
	intended time.Time
	sent     time.Time
	second   int64
	segment  *segment
}

func newLedger(now time.Time) *ledger {
	l := &ledger{started: now, total: newTally(), newest: -1}
	l.segments = []*segment{{name: firstSegment, from: now, tally: newTally()}}
	return l
}

// start sets the time from which seconds are counted.
func (l *ledger) start(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.started = now
}

func (l *ledger) stop(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = now
}

// mark begins a segment: what is sent from now on belongs to it.
func (l *ledger) mark(name string, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.segments) == maxSegments {
		return fmt.Errorf("load: mark %q: there are %d segments already, which is the most; the last one goes on", name, maxSegments)
	}
	l.segments = append(l.segments, &segment{name: name, from: now, tally: newTally()})
	return nil
}

// send enters a request that is sent now.
func (l *ledger) send(kind Kind, intended, now time.Time) ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.segments[len(l.segments)-1]
	t := ticket{kind: kind, intended: intended, sent: now, second: int64(now.Sub(l.started) / time.Second), segment: current}
	l.total.send(kind)
	current.tally.send(kind)
	l.maxLag = max(l.maxLag, now.Sub(intended))
	if s := l.at(t.second); s != nil {
		s.Sent++
	}
	return t
}

// end enters how a request ended. Its latency counts from when it was meant to
// be sent.
func (l *ledger) end(t ticket, class Class, now time.Time, retries int64, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	latency := now.Sub(t.intended)
	l.total.end(t.kind, class, latency, retries)
	t.segment.tally.end(t.kind, class, latency, retries)
	if s := l.at(t.second); s != nil {
		s.count(class)
	}
	if !class.OK() && t.segment.samples < samplesPerSegment {
		t.segment.samples++
		l.samples = append(l.samples, Sample{Sent: t.sent, Segment: t.segment.name, Client: t.kind, Class: class, Detail: detail})
	}
}

// at returns the place of a second in the ring, nil if it is too long ago.
// Seconds in which nothing was sent get their place too.
func (l *ledger) at(second int64) *Second {
	for l.newest < second {
		l.newest++
		l.ring[l.newest%ringSeconds] = Second{Second: l.newest}
	}
	if second < 0 || second <= l.newest-ringSeconds {
		return nil
	}
	return &l.ring[second%ringSeconds]
}

func (s *Second) count(class Class) {
	switch {
	case !class.OK():
		s.Failed++
	case class.Side == Source:
		s.Source++
	case class.Side == Target:
		s.Target++
	default:
		s.Other++
	}
}

// result copies the account as it is now.
func (l *ledger) result(now time.Time) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ended.IsZero() {
		now = l.ended
	}
	out := Result{
		Started: l.started, Elapsed: now.Sub(l.started), Total: l.total.result(), MaxLag: l.maxLag,
		Seconds: []Second{}, Samples: append([]Sample(nil), l.samples...),
	}
	for i, s := range l.segments {
		copied := Segment{Name: s.name, From: s.from, Tally: s.tally.result()}
		if i+1 < len(l.segments) {
			copied.To = l.segments[i+1].from
		}
		out.Segments = append(out.Segments, copied)
	}
	for second := max(0, l.newest-ringSeconds+1); second <= l.newest; second++ {
		out.Seconds = append(out.Seconds, l.ring[second%ringSeconds])
	}
	return out
}
