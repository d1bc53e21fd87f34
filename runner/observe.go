package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// observe looks at the world in parallel. Everything has a deadline, and what
// does not answer is not known; only a question that can never be answered is an
// error.
func (r *run) observe(ctx context.Context) (engine.Observation, error) {
	seen := engine.Observation{Routes: map[string]engine.RouteSeen{}}
	for name, res := range r.results {
		seen.Routes[name] = engine.RouteSeen{Result: &res}
	}
	r.results = map[string]engine.Result{}

	var wg sync.WaitGroup
	var mu sync.Mutex
	for _, name := range r.wake.Look {
		route, known := r.Routes[name]
		if !known {
			continue
		}
		wg.Go(func() {
			got := r.look(ctx, name, route)
			mu.Lock()
			defer mu.Unlock()
			got.Result = seen.Routes[name].Result
			seen.Routes[name] = got
		})
	}
	var countErr error
	wg.Go(func() {
		counts, err := r.count(ctx)
		mu.Lock()
		defer mu.Unlock()
		seen.Counts, countErr = counts, err
	})
	commands, err := r.Store.Commands(ctx, r.Key)
	if err != nil {
		r.Log.Warn("commands cannot be read, trying again", "err", err)
	}
	wg.Wait()
	for _, c := range commands {
		seen.Commands = append(seen.Commands, engine.Command{ID: c.ID, Verb: engine.Verb(c.Kind), By: c.By, At: c.At})
	}
	return seen, countErr
}

// look reads one route, and asks whether its last write has settled.
func (r *run) look(ctx context.Context, name string, route Route) engine.RouteSeen {
	ctx, cancel := context.WithTimeout(ctx, r.Deadline)
	defer cancel()
	snapshot, err := route.Driver.Read(ctx, route.Ref)
	at := time.Now()
	if err != nil {
		return engine.RouteSeen{
			Found: traffic.FailedAt[engine.Found](err, at),
			Fatal: errors.Is(err, router.ErrDenied) || errors.Is(err, router.ErrNotFound) || errors.Is(err, router.ErrNotOwned),
		}
	}
	seen := engine.RouteSeen{Found: traffic.KnownAt(found(snapshot, at), at)}
	written := r.unsettled(name)
	if written == nil {
		return seen
	}
	settlement, err := route.Driver.Settled(ctx, router.Receipt{ChangeID: written.ID, Route: route.Ref, Share: written.Share, Token: written.Token, At: written.At})
	if err != nil {
		seen.Settled = traffic.FailedAt[engine.Settlement](err, at)
		return seen
	}
	seen.Settled = traffic.KnownAt(engine.Settlement{Done: settlement.Done, At: settlement.At, Pending: settlement.Pending}, at)
	return seen
}

func found(s router.Snapshot, at time.Time) engine.Found {
	return engine.Found{Low: s.Low(), High: s.High(), Version: s.Version, Weights: s.Describe(), Writer: s.Writer, At: at}
}

// unsettled returns the route's last write if it is not known to have settled.
func (r *run) unsettled(name string) *engine.Written {
	for _, rs := range r.status.Routes {
		if rs.Name == name && rs.Want == nil && rs.Written != nil && !rs.Written.Settled {
			return rs.Written
		}
	}
	return nil
}

// longestGap bounds how far back a window may reach after a side was not known
// for a while: signals remember only so much, and what lies further back is no
// evidence any more.
const longestGap = 2 * time.Minute

// count asks every signal about each side, from where its last known window
// ended. The first turn of a process only opens the windows: what happened
// before it, it did not watch.
func (r *run) count(ctx context.Context) ([]engine.Interval, error) {
	now := time.Now()
	if len(r.Signals) == 0 || r.asked.IsZero() {
		r.asked, r.counted = now, traffic.BySide[time.Time]{Source: now, Target: now}
		return nil, nil
	}
	if now.Sub(r.asked) < r.Spec.Gate.Interval/2 {
		return nil, nil
	}
	r.asked = now
	ctx, cancel := context.WithTimeout(ctx, r.Deadline)
	defer cancel()
	in := engine.Interval{From: r.counted, To: now}
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() { in.Source, errs[0] = r.countSide(ctx, traffic.Source, now) })
	wg.Go(func() { in.Target, errs[1] = r.countSide(ctx, traffic.Target, now) })
	wg.Wait()
	return []engine.Interval{in}, errors.Join(errs[:]...)
}

// countSide adds up what all signals saw of one side until to, and begins the
// next window where what is known now ends. Before a side is known for the first
// time its windows begin anew each time: no signal remembers what it did not see.
func (r *run) countSide(ctx context.Context, side traffic.Side, to time.Time) (traffic.Reading[traffic.Counts], error) {
	from, seen := &r.counted.Source, &r.seen.Source
	if side == traffic.Target {
		from, seen = &r.counted.Target, &r.seen.Target
	}
	sum, err := r.sum(ctx, side, *from, to)
	if err != nil {
		return sum, err
	}
	*seen = *seen || sum.State == traffic.Known
	if sum.State == traffic.Known || !*seen || to.Sub(*from) > longestGap {
		*from = to
	}
	return sum, nil
}

// sum asks all signals about one side.
func (r *run) sum(ctx context.Context, side traffic.Side, from, to time.Time) (traffic.Reading[traffic.Counts], error) {
	answers := make([]traffic.Reading[traffic.Counts], len(r.Signals))
	errs := make([]error, len(r.Signals))
	var wg sync.WaitGroup
	for i, s := range r.Signals {
		wg.Go(func() {
			counts, err := s.Source.Counts(ctx, only(side, s.Query), from, to)
			answers[i], errs[i] = counts.Of(side), err
		})
	}
	wg.Wait()
	total := answers[0]
	for _, a := range answers[1:] {
		total = plus(total, a)
	}
	return total, errors.Join(errs...)
}

// only returns the query with nothing asked of the other side.
func only(side traffic.Side, q signal.Query) signal.Query {
	keep := func(b traffic.BySide[string]) traffic.BySide[string] {
		if side == traffic.Source {
			b.Target = ""
		} else {
			b.Source = ""
		}
		return b
	}
	q.Requests, q.Errors, q.Latency = keep(q.Requests), keep(q.Errors), keep(q.Latency)
	return q
}

// plus adds two readings. What one of them does not know, the sum does not know.
func plus(a, b traffic.Reading[traffic.Counts]) traffic.Reading[traffic.Counts] {
	switch {
	case a.State == traffic.Failed || b.State == traffic.Known && a.State == traffic.Unknown:
		return a
	case b.State != traffic.Known:
		return b
	}
	at := a.At
	if b.At.Before(at) {
		at = b.At
	}
	return traffic.KnownAt(a.Value.Plus(b.Value), at)
}
