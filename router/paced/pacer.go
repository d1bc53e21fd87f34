package paced

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"watari.dev/router"
)

// The bounds of what is held back.
const (
	// LongestHold is how long one thing of a route is held back at most, whatever
	// else goes on: asked again then, it is sent.
	LongestHold = 15 * time.Second
	// wayFree is how long after a try to take back that did not get through the
	// others leave the way free for the next one. Who tries until it is done makes
	// it within that time.
	wayFree = 15 * time.Second
	// glance is when to ask again while it is not known how long a write will take.
	glance = time.Second
)

// Pacer is what is known of one account. It may be used concurrently.
type Pacer struct {
	now func() time.Time

	mu   sync.Mutex
	all  backOff // after any operation of the account; holds what is neither a way back nor a read of one
	way  backOff // after reads of ways back; holds those, so that the calls for all of them come together
	back map[route]*wayBack
	held map[matter]time.Time // since when it is held back
	let  map[route]time.Time  // when a read was let through although others are held back
}

// route identifies a route within its account.
type route struct{ id, name string }

func routeOf(r router.Ref) route { return route{r.ID, r.Name} }

func (r route) compare(o route) int {
	return cmp.Or(cmp.Compare(r.name, o.name), cmp.Compare(r.id, o.id))
}

// matter is what is held back as one: looking at a route, or changing it.
type matter struct {
	route route
	write bool
}

// wayBack is a route that is being taken back, from its first write without a
// share until a share is written to it again.
type wayBack struct {
	under  int       // writes under way
	last   answer    // to the last one
	failed time.Time // when that did not get through; zero if it did
}

// readable reports whether taking the route back goes on with reading it: to see
// whether it has settled, or what became of a write whose reply was lost.
func (w *wayBack) readable() bool {
	return w != nil && w.under == 0 && (w.last == done || w.last == silent)
}

// NewPacer returns the pacer of one account; now is its clock, nil means time.Now.
func NewPacer(now func() time.Time) *Pacer {
	if now == nil {
		now = time.Now
	}
	return &Pacer{now: now, back: map[route]*wayBack{}, held: map[matter]time.Time{}, let: map[route]time.Time{}}
}

// hold is why something is not sent now, and until when.
type hold struct {
	until time.Time
	why   string
}

// admit says whether an operation may be sent at now, or what holds it back.
func (p *Pacer) admit(m matter, settles bool, now time.Time) (h hold, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h, held = p.holds(m, now); !held {
		delete(p.held, m)
		return hold{}, false
	}
	if let, ok := p.let[m.route]; settles && ok && within(let, LongestHold, now) {
		delete(p.let, m.route) // the read that belongs to it was let through
		return hold{}, false
	}
	since, waiting := p.held[m]
	if waiting && !within(since, LongestHold, now) {
		delete(p.held, m)
		if !m.write {
			p.let[m.route] = now
		}
		return hold{}, false
	}
	if !waiting {
		since = now
		p.held[m] = now
	}
	if last := since.Add(LongestHold); last.Before(h.until) {
		h.until = last
	}
	return h, true
}

// holds says what keeps m from being sent, if anything does: another route whose
// way back is not accepted yet, or a back-off. What a way back needs to be read has
// a back-off of its own, because everybody else's calls must not keep it from that.
func (p *Pacer) holds(m matter, now time.Time) (hold, bool) {
	needed := p.needed(m)
	if h, held := p.wayHolds(m, needed, now); held {
		return h, true
	}
	b := &p.all
	if needed {
		b = &p.way
	}
	return hold{b.end(), b.why}, within(b.begun, b.length, now)
}

// needed reports whether m is to read a route that is being taken back, where that
// is what taking it back needs next.
func (p *Pacer) needed(m matter) bool { return !m.write && p.back[m.route].readable() }

// wayHolds names the route of which a write that takes it back is under way or has
// just not got through; the first of them by name, so that it is always the same.
func (p *Pacer) wayHolds(m matter, needed bool, now time.Time) (h hold, held bool) {
	for _, r := range slices.SortedFunc(maps.Keys(p.back), route.compare) {
		w, why := p.back[r], "while "+r.name+" is taken back"
		switch {
		case needed && r == m.route:
		case w.under > 0:
			return hold{now.Add(glance), why}, true
		case within(w.failed, wayFree, now):
			return hold{w.failed.Add(wayFree), why}, true
		}
	}
	return hold{}, false
}

// within reports whether now lies in the time of length d that began at from. A
// clock that was set back lies outside, so that it cannot hold anything for long.
func within(from time.Time, d time.Duration, now time.Time) bool {
	return !now.Before(from) && now.Before(from.Add(d))
}

// begin notes that a write which takes r back is sent.
func (p *Pacer) begin(r route) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.back[r]
	if w == nil {
		w = &wayBack{}
		p.back[r] = w
	}
	w.under++
}

// end notes what became of it.
func (p *Pacer) end(r route, kind answer, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.back[r]
	w.under--
	w.last, w.failed = kind, time.Time{}
	if kind == throttled || kind == silent {
		w.failed = now
	}
}

// rose notes that r has a share again.
func (p *Pacer) rose(r route) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.back[r]; w != nil && w.under == 0 {
		delete(p.back, r)
	}
}

// answer is what an operation tells about the account.
type answer uint8

const (
	nothing   answer = iota // it was not sent, or given up by its caller
	done                    // it succeeded
	refused                 // it was answered, with a refusal that has nothing to do with pace
	throttled               // there were too many calls
	silent                  // there was no usable answer
)

func answerOf(ctx context.Context, err error) answer {
	switch {
	case err == nil:
		return done
	case errors.Is(err, router.ErrExpired), errors.Is(err, router.ErrHeldBack):
		return nothing
	case errors.Is(err, router.ErrThrottled):
		return throttled
	case partly(err):
		return done // for all that could be written
	case !errors.Is(err, router.ErrUnavailable):
		return refused
	case errors.Is(ctx.Err(), context.Canceled):
		return nothing
	default:
		return silent
	}
}

// partly reports whether err is of a write that was carried out but for parts that
// cannot be.
func partly(err error) bool {
	_, standing := router.LeftOf(err)
	return standing && router.EffectOf(err) == router.EffectPartial
}

// learn takes over what an operation tells that was sent at sent, and for what.
func (p *Pacer) learn(m matter, a answer, sent, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all.learn(a, sent, now)
	if p.needed(m) {
		p.way.learn(a, sent, now)
	}
}
