package runner

import (
	"context"
	"errors"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
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
	clear(r.results)
	seen.Commands = r.commands(ctx)
	if !r.takesBack(seen.Commands) {
		r.startLooks(ctx)
		r.startCount(ctx)
		seen.Commands = r.waitForLooks(ctx, seen.Commands)
	}
	seen.Commands = r.notWithdrawn(ctx, seen.Commands)
	for name, got := range r.looking.collect() {
		got.Result = seen.Routes[name].Result
		seen.Routes[name] = got
	}
	counts, err := r.looking.counted()
	if err != nil && (r.status.Phase == "" || r.status.Phase == engine.Pending) {
		return seen, err // a question that nobody can answer: say so before anything begins
	}
	if err != nil {
		counts = r.uncounted(err)
	}
	seen.Counts = counts
	return seen, nil
}

// uncounted is what a signal says that cannot be asked any more.
func (r *run) uncounted(err error) (out []engine.Interval) {
	now := r.Clock.Now()
	failed := traffic.FailedAt[traffic.Counts](err, now)
	for _, s := range r.services {
		out = append(out, engine.Interval{Service: s.name, To: now, From: traffic.BySide[time.Time]{Source: now, Target: now}, Source: failed, Target: failed})
	}
	return out
}

// commands reads what operators want. A store that does not answer is no reason
// to stop watching.
func (r *run) commands(ctx context.Context) (out []engine.Command) {
	commands, err := r.Store.Commands(ctx, r.Key)
	r.refuse(err)
	for _, c := range commands {
		out = append(out, CommandOf(c))
	}
	return append(out, r.Orders...)
}

// fresh returns the commands that the engine was not handed yet. Those that cannot
// be removed from the store are handed to it each time, so that it does not forget
// that it has consumed them.
func (r *run) fresh(commands []engine.Command) []engine.Command {
	return slices.DeleteFunc(slices.Clone(commands), func(c engine.Command) bool { return r.obeyed[c.ID] })
}

// notWithdrawn leaves out what its operator has withdrawn while this process waited
// for the world, or was stopped. A rollback is not withdrawn.
func (r *run) notWithdrawn(ctx context.Context, commands []engine.Command) []engine.Command {
	fresh := r.fresh(commands)
	if len(fresh) == 0 || r.takesBack(fresh) {
		return commands
	}
	there, err := r.Store.Commands(ctx, r.Key)
	if err != nil {
		return commands
	}
	return slices.DeleteFunc(commands, func(c engine.Command) bool {
		return !slices.ContainsFunc(there, func(s store.Command) bool { return s.ID == c.ID }) && !slices.ContainsFunc(r.Orders, func(o engine.Command) bool { return o.ID == c.ID })
	})
}

func (r *run) takesBack(commands []engine.Command) bool {
	return slices.ContainsFunc(r.fresh(commands), func(c engine.Command) bool { return c.Verb == engine.TakeBack })
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
	if !r.status.Phase.TakingBack() {
		r.looking.startCount(func() ([]engine.Interval, error) { return r.count(ctx) })
	}
}

// waitForLooks waits until everything has answered, an operator wants something, or
// the turn has lasted long enough. What is still asked goes on and is heard of later.
func (r *run) waitForLooks(ctx context.Context, commands []engine.Command) []engine.Command {
	now := r.Clock.Now()
	patience, listen := now.Add(TurnWithin(r.Spec)), now.Add(pollCommands)
	for r.looking.busy() && ctx.Err() == nil && now.Before(patience) {
		r.looking.tasks.Wait(ctx, min(patience.Sub(now), listen.Sub(now)))
		if now = r.Clock.Now(); now.Before(listen) || ctx.Err() != nil {
			continue
		}
		listen = now.Add(pollCommands)
		if commands = r.commands(ctx); len(r.fresh(commands)) > 0 {
			return commands
		}
	}
	return commands
}

// look reads one route, and asks whether its last write has settled.
func (r *run) look(ctx context.Context, route Route, written *engine.Written) engine.RouteSeen {
	ctx, cancel := r.Clock.Timeout(ctx, max(r.Deadline, route.Patience))
	defer cancel()
	at := r.Clock.Now() // what is read is true of some moment after it, however late the answer is heard
	snapshot, err := route.Driver.Read(ctx, route.Ref)
	if until, held := router.HeldBack(err); held {
		return engine.RouteSeen{Held: until}
	}
	if err != nil {
		return engine.RouteSeen{
			Found:  traffic.FailedAt[engine.Found](err, at),
			Local:  local(err),
			Broken: broken(err),
			Fatal:  errors.Is(err, router.ErrDenied) || errors.Is(err, router.ErrNotFound) || errors.Is(err, router.ErrNotOwned),
		}
	}
	seen := engine.RouteSeen{Found: traffic.KnownAt(found(snapshot, at), at), Broken: parts(snapshot.Broken), Shares: shares(snapshot)}
	if len(route.Ref.Names) > 0 {
		seen.Found.Value.Parts = len(snapshot.Parts)
	}
	if written == nil {
		return seen
	}
	settlement, err := route.Driver.Settled(ctx, router.Receipt{ChangeID: written.ID, Route: covering(route.Ref, written, snapshot.Broken), Share: written.Share, Token: written.Token, At: written.At})
	if until, held := router.HeldBack(err); held {
		seen.Held = until
		return seen
	}
	if err != nil {
		seen.Settled, seen.Local = traffic.FailedAt[engine.Settlement](err, at), local(err)
		return seen
	}
	seen.Settled = traffic.KnownAt(engine.Settlement{Done: settlement.Done, At: settlement.At, Pending: settlement.Pending}, at)
	return seen
}

func found(s router.Snapshot, at time.Time) engine.Found {
	return engine.Found{Low: s.Low(), High: s.High(), Version: s.Version, Weights: s.Describe(), Owner: traffic.Surest(s.Owners), At: at}
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
// evidence any more. A source that is slow by itself may take five of its
// intervals.
const longestGap = 2 * time.Minute

// service is what is counted of one service: the signals that can do it, in the
// order of preference, and up to when each side is counted.
type service struct {
	clock   Clock
	name    string
	signals []Signal
	gap     time.Duration
	every   time.Duration // how often the preferred one has something new
	upTo    time.Time     // up to when requests were counted, by the time that the sources name
	since   time.Time     // when the preferred one knew both sides last, or was asked first
	counted traffic.BySide[time.Time]
	known   traffic.BySide[time.Time] // when this process knew a side last; zero if never
}

// servicesOf groups signals by what they count.
func servicesOf(signals []Signal, clock Clock) (out []*service) {
	for _, s := range signals {
		i := slices.IndexFunc(out, func(have *service) bool { return have.name == s.Service })
		if i < 0 {
			i, out = len(out), append(out, &service{clock: clock, name: s.Service, gap: longestGap})
		}
		out[i].signals = append(out[i].signals, s)
		out[i].gap = max(out[i].gap, 5*s.Every)
		if len(out[i].signals) == 1 {
			out[i].every = s.Every
		}
	}
	return out
}

// count asks about each side of every service, from where its last known window
// ended. The first turn of a process only opens the windows: what happened before
// it, it did not watch.
func (r *run) count(ctx context.Context) ([]engine.Interval, error) {
	now := r.Clock.Now()
	if len(r.services) == 0 || r.asked.IsZero() {
		r.asked = now
		for _, s := range r.services {
			s.counted = traffic.BySide[time.Time]{Source: now, Target: now}
		}
		return nil, nil
	}
	if now.Sub(r.asked) < r.Spec.Gate.Interval/2 {
		return nil, nil
	}
	r.asked = now
	ctx, cancel := r.Clock.Timeout(ctx, r.Deadline)
	defer cancel()
	intervals, errs := make([]engine.Interval, len(r.services)), make([]error, len(r.services))
	tasks := r.Clock.Group()
	for i, s := range r.services {
		tasks.Go(func() { intervals[i], errs[i] = s.count(ctx, now) })
	}
	tasks.WaitAll()
	return intervals, errors.Join(errs...)
}

// count asks the service's signals until one knows both sides. Where none does,
// the first one says what is known.
func (s *service) count(ctx context.Context, to time.Time) (engine.Interval, error) {
	in := engine.Interval{Service: s.name, From: s.counted, To: to}
	if pause := s.every - to.Sub(latest(s.counted)); s.every > time.Second && pause > 0 && !s.known.Source.IsZero() && !s.known.Target.IsZero() {
		next := traffic.Reading[traffic.Counts]{Err: "the next counts are due in " + pause.Round(time.Second).String()}
		in.Source, in.Target = next, next
		return in, nil
	}
	if s.since.IsZero() {
		s.since = to
	}
	for i, sig := range s.signals {
		if i > 0 && to.Sub(s.since) < max(3*s.every, leastPatience) {
			break // the preferred one has nothing new for a moment, and counts it then
		}
		got, err := s.ask(ctx, sig, to)
		if err != nil {
			return got, err
		}
		both := got.Source.State == traffic.Known && got.Target.State == traffic.Known
		if both && i == 0 {
			s.since = to
		}
		if both && i > 0 && earlier(got.Source.At, got.Target.At).Add(-sig.Every).Before(s.upTo) {
			// What it has to say was counted already, before the preferred one was lost.
			s.counted = traffic.BySide[time.Time]{Source: to, Target: to}
			both, got.Source, got.Target = false, twice, twice
		}
		if both {
			s.upTo = earlier(got.Source.At, got.Target.At)
		}
		if i == 0 || both {
			in = got
		}
		if both {
			break
		}
	}
	s.pair(&in)
	s.move(&s.counted.Source, s.known.Source, in.Source.State, to)
	s.move(&s.counted.Target, s.known.Target, in.Target.State, to)
	return in, nil
}

// leastPatience is how long a preferred signal may be lost before another one of
// the service is asked.
const leastPatience = 5 * time.Second

// twice is the reading of what another signal has counted already.
var twice = traffic.Reading[traffic.Counts]{Err: "counted already by another signal of the service"}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func latest(b traffic.BySide[time.Time]) time.Time {
	if b.Source.After(b.Target) {
		return b.Source
	}
	return b.Target
}

// pair holds a side back that is known while the other one, known a moment ago, has
// nothing new yet: sources that look at different moments would never be known
// together, and only what is known together can be compared. What is held back
// stays in the next window.
func (s *service) pair(in *engine.Interval) {
	source, target := in.Source.State == traffic.Known, in.Target.State == traffic.Known
	if source {
		s.known.Source = in.To
	}
	if target {
		s.known.Target = in.To
	}
	recent := func(at time.Time) bool { return !at.IsZero() && in.To.Sub(at) < 5*s.every/2 }
	waiting := traffic.Reading[traffic.Counts]{Err: "counted together with the other side, which has nothing new yet"}
	switch {
	case s.every <= time.Second || source == target:
	case source && in.Target.State == traffic.Unknown && recent(s.known.Target):
		in.Source = waiting
	case target && in.Source.State == traffic.Unknown && recent(s.known.Source):
		in.Target = waiting
	}
}

// ask asks one signal about both sides, each in its own window.
func (s *service) ask(ctx context.Context, sig Signal, to time.Time) (engine.Interval, error) {
	in := engine.Interval{Service: s.name, By: sig.Query.Name, From: s.counted, To: to}
	var errs [2]error
	tasks := s.clock.Group()
	tasks.Go(func() {
		counts, err := sig.Source.Counts(ctx, sig.Query.Only(traffic.Source), s.counted.Source, to)
		in.Source, errs[0] = ofOurTime(counts.Source), err
	})
	tasks.Go(func() {
		counts, err := sig.Source.Counts(ctx, sig.Query.Only(traffic.Target), s.counted.Target, to)
		in.Target, errs[1] = ofOurTime(counts.Target), err
	})
	tasks.WaitAll()
	return in, errors.Join(errs[:]...)
}

// move begins the next window of a side where what is known now ends. Before a
// side is known for the first time its windows begin anew each time: no signal
// remembers what it did not see.
func (s *service) move(from *time.Time, known time.Time, state traffic.State, to time.Time) {
	if state == traffic.Known || known.IsZero() || to.Sub(*from) > s.gap {
		*from = to
	}
}
