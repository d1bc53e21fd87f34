package runner

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// observe looks at the world in parallel and waits for it as long as a turn may
// take. What takes longer goes on and is reported when it is there, so that a
// slow data plane never keeps the gate from seeing a bad target; and when an
// operator wants everything back, nothing is waited for at all.
func (r *run) observe(ctx context.Context) (engine.Observation, error) {
	seen := engine.Observation{Routes: map[string]engine.RouteSeen{}}
	for name, res := range r.results {
		seen.Routes[name] = engine.RouteSeen{Result: &res}
	}
	r.results = map[string]engine.Result{}
	seen.Commands = r.commands(ctx)
	if !takesBack(seen.Commands) {
		r.startLooks(ctx)
		r.startCount(ctx)
		seen.Commands = r.waitForLooks(ctx, seen.Commands)
	}
	for name, got := range r.looking.collect() {
		got.Result = seen.Routes[name].Result
		seen.Routes[name] = got
	}
	counts, err := r.looking.counted()
	if err != nil && (r.status.Phase == "" || r.status.Phase == engine.Pending) {
		return seen, err // a question that nobody can answer: say so before anything begins
	}
	if err != nil {
		failed := traffic.FailedAt[traffic.Counts](err, time.Now())
		counts = []engine.Interval{{To: time.Now(), From: r.counted, Source: failed, Target: failed}}
	}
	seen.Counts = counts
	return seen, nil
}

// commands reads what operators want. A store that does not answer is no reason
// to stop watching.
func (r *run) commands(ctx context.Context) (out []engine.Command) {
	commands, err := r.Store.Commands(ctx, r.Key)
	if err != nil {
		r.Log.Warn("commands cannot be read, trying again", "err", err)
	}
	for _, c := range commands {
		out = append(out, engine.Command{ID: c.ID, Verb: engine.Verb(c.Kind), By: c.By, At: c.At})
	}
	return slices.DeleteFunc(append(out, r.Orders...), func(c engine.Command) bool { return r.obeyed[c.ID] })
}

func takesBack(commands []engine.Command) bool {
	return slices.ContainsFunc(commands, func(c engine.Command) bool { return c.Verb == engine.TakeBack })
}

// startLooks begins to read the routes that the engine wants to see.
func (r *run) startLooks(ctx context.Context) {
	for _, name := range r.wake.Look {
		if route, known := r.Routes[name]; known {
			written := r.unsettled(name)
			r.looking.start(name, func() engine.RouteSeen { return r.look(ctx, route, written) })
		}
	}
}

// startCount begins to ask the signals, which taking back does not need.
func (r *run) startCount(ctx context.Context) {
	if r.status.Phase != engine.RollingBack {
		r.looking.startCount(func() ([]engine.Interval, error) { return r.count(ctx) })
	}
}

// waitForLooks waits until everything has answered, an operator wants everything
// back, or the turn has lasted long enough.
func (r *run) waitForLooks(ctx context.Context, commands []engine.Command) []engine.Command {
	patience := time.NewTimer(max(r.Spec.Gate.Interval, time.Second))
	defer patience.Stop()
	listen := time.NewTicker(pollCommands)
	defer listen.Stop()
	for r.looking.busy() {
		select {
		case <-ctx.Done():
			return commands
		case <-patience.C:
			return commands
		case <-r.looking.done:
		case <-listen.C:
			if commands = r.commands(ctx); takesBack(commands) {
				return commands
			}
		}
	}
	return commands
}

// look reads one route, and asks whether its last write has settled.
func (r *run) look(ctx context.Context, route Route, written *engine.Written) engine.RouteSeen {
	ctx, cancel := context.WithTimeout(ctx, max(r.Deadline, route.Patience))
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
			written := *rs.Written // the loop goes on while it is looked at
			return &written
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
