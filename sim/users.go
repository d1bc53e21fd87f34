package sim

import (
	"time"

	"watari.dev/traffic"
)

// users are the requests: how many of each service go where, how many of them fail
// and how many are slow. All of it is kept as sums over time, so that any window
// can be counted, and adjacent ones add up.
type users struct {
	*world
	shares []float64     // of each route: what its users meet now
	lagged []float64     // what those meet who still use an older answer
	warm   time.Duration // until when the target is slow because it got more of them
	past   []span        // oldest first
}

// span is a time in which nothing changes. Its sums are those at its begin.
type span struct {
	at               time.Duration
	requests, errors traffic.BySide[float64]
	rate, fail       traffic.BySide[float64] // per second
	slow             bool
	slowTarget       float64 // requests of the target so far that were slow
}

func (w *world) newUsers() *users {
	u := &users{world: w, shares: make([]float64, len(w.plan.Levers)), lagged: make([]float64, len(w.plan.Levers))}
	u.past = append(u.past, u.next(span{}))
	return u
}

// route is told what a lever makes of its users from now on. Those who cache the
// answer follow later.
func (u *users) route(l *lever, share float64) {
	i := l.index()
	if warming := u.plan.Users.Warming; warming > 0 && share > u.shares[i] {
		u.warm = u.now + warming
		u.at(u.warm, u.change)
	}
	u.shares[i] = share
	u.change()
	u.at(u.now+l.Cached, func() {
		if u.lagged[i] != share {
			u.lagged[i] = share
			u.change()
		}
	})
}

func (l *lever) index() int { return int(l.ref.ID[len(l.ref.ID)-1] - '0') }

// change begins a new span: something is different from now on.
func (u *users) change() {
	last := u.past[len(u.past)-1]
	now := u.next(last.until(u.now))
	if last.at == u.now {
		u.past[len(u.past)-1] = now
		return
	}
	u.past = append(u.past, now)
}

// until returns the sums of a span at a later moment.
func (s span) until(at time.Duration) span {
	dt := (at - s.at).Seconds()
	s.at = at
	s.requests.Source += s.rate.Source * dt
	s.requests.Target += s.rate.Target * dt
	s.errors.Source += s.fail.Source * dt
	s.errors.Target += s.fail.Target * dt
	if s.slow {
		s.slowTarget += s.rate.Target * dt
	}
	return s
}

// next sets the rates of a span by what the world is like now.
func (u *users) next(s span) span {
	p, share := u.plan.Users, 0.0
	for i, l := range u.plan.Levers {
		met := u.shares[i]
		if l.Cached > 0 {
			met = (met + u.lagged[i]) / 2
		}
		share += met * (1 - l.Forever) / float64(len(u.plan.Levers))
	}
	rate := p.Rate
	if c := u.conditions[NoUsers]; c.on(u.now) {
		rate = 0
		if c.value == 2 {
			rate = p.Rate / 50 // a few are left
		}
	}
	if u.conditions[Burst].on(u.now) {
		rate *= 5
	}
	source, target := p.SourceFails, p.TargetFails
	if c := u.conditions[TargetWorse]; c.on(u.now) {
		target = max(target, float64(c.value)/10000)
	}
	if c := u.conditions[BothFail]; c.on(u.now) {
		source, target = max(source, float64(c.value)/10000), max(target, float64(c.value)/10000)
	}
	if c := u.conditions[PodsDie]; c.on(u.now) { // what is left of the pods is too few for its share
		if want, have := rate*share, rate*(1-float64(c.value)/10000); want > have {
			target = max(target, 1-have/want)
		}
	}
	if u.conditions[TargetGone].on(u.now) {
		target = 1
	}
	if u.conditions[SourceGone].on(u.now) {
		source = 1
	}
	s.rate = traffic.BySide[float64]{Source: rate * (1 - share), Target: rate * share}
	s.fail = traffic.BySide[float64]{Source: s.rate.Source * source, Target: s.rate.Target * target}
	s.slow = p.TargetSlow || u.now < u.warm || u.conditions[TargetSlow].on(u.now)
	return s
}

// sums returns what was counted until a moment.
func (u *users) sums(at time.Duration) span {
	for i := len(u.past) - 1; i >= 0; i-- {
		if u.past[i].at <= at {
			return u.past[i].until(at)
		}
	}
	return span{}
}

// quick and slow are the latencies of requests.
var latencyEdges = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// counts returns what one side answered in a window, in whole requests.
func (u *users) counts(target bool, from, to time.Duration) traffic.Counts {
	a, b := u.sums(from), u.sums(to)
	if target {
		return counted(a.requests.Target, b.requests.Target, a.errors.Target, b.errors.Target, a.slowTarget, b.slowTarget)
	}
	return counted(a.requests.Source, b.requests.Source, a.errors.Source, b.errors.Source, 0, 0)
}

func counted(requests0, requests, errors0, errors, slow0, slow float64) traffic.Counts {
	const rounding = 1e-6
	whole := func(from, to float64) int64 { return int64(to+rounding) - int64(from+rounding) }
	c := traffic.Counts{Requests: whole(requests0, requests)}
	c.Errors = min(whole(errors0, errors), c.Requests)
	late := min(whole(slow0, slow), c.Requests)
	c.Latency = traffic.Histogram{Edges: latencyEdges, Buckets: []int64{0, c.Requests - late, 0, late}}
	return c
}
