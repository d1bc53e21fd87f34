package sim

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/verdict"
)

// mostRuns is how many runs a shrinking may take: a few seconds, a minute where each
// waits for a migration that never ends.
const mostRuns = 600

// Shrink makes a plan that breaks an invariant as small as it can while the same
// invariant stays broken: the shortest beginning of its faults in the order in which
// they happened, then without single ones, then with fewer routes, steps and
// specialities, and with shorter times. It returns the plan, what a run of it does,
// with its trace, and how many runs that took. The same plan shrinks to the same
// plan. One that breaks nothing, or whose time is up, is returned as it is by then.
func Shrink(ctx context.Context, s *Simulator, plan Plan, o Options) (Plan, Result, int) {
	o.Coverage, o.Trace = nil, true
	sh := &shrinker{ctx: ctx, simulator: s, options: o, best: plan.clone()}
	result := sh.run(plan)
	sh.invariant = Invariant(result.Broken)
	if sh.invariant == "" {
		return plan, result, sh.runs
	}
	sh.shortest(happened(plan.Faults, result.story))
	for sh.pass() {
		continue
	}
	return sh.best, sh.run(sh.best), sh.runs
}

// Invariant names the invariant that an error of a run says is broken; empty if it
// is none.
func Invariant(broken error) string {
	if v := violation(broken); v != nil {
		return v.Invariant
	}
	return ""
}

// violation returns what an error of a run says is broken; nil if nothing is.
func violation(broken error) *Violation {
	var v *Violation
	if broken != nil && !errors.As(broken, &v) {
		return &Violation{Invariant: "a plan can be played", Text: broken.Error()}
	}
	return v
}

type shrinker struct {
	ctx       context.Context
	simulator *Simulator
	options   Options
	invariant string
	best      Plan
	runs      int
}

func (s *shrinker) run(p Plan) Result {
	s.runs++
	return s.simulator.Run(context.WithoutCancel(s.ctx), p, s.options)
}

// over reports whether no more may be tried; the last run is that of the result.
func (s *shrinker) over() bool { return s.runs >= mostRuns-1 || s.ctx.Err() != nil }

// try takes a plan over if it breaks the same invariant.
func (s *shrinker) try(p Plan) bool {
	if s.over() || Invariant(s.run(p).Broken) != s.invariant {
		return false
	}
	s.best = p
	return true
}

// happened returns the faults in the order in which they began. Those that never
// did are left out.
func happened(faults []Fault, story []beat) (out []Fault) {
	left := slices.Clone(faults)
	for _, b := range story {
		if b.begins == nil {
			continue
		}
		if i := slices.Index(left, *b.begins); i >= 0 {
			out, left = append(out, left[i]), slices.Delete(left, i, i+1)
		}
	}
	return out
}

// shortest looks for the shortest beginning of the faults that is enough.
func (s *shrinker) shortest(faults []Fault) {
	for n := range len(faults) + 1 {
		p := s.best.clone()
		p.Faults = slices.Clone(faults[:n])
		if s.try(p) {
			return
		}
	}
}

// pass tries every cut, each as often as it helps, and reports whether any did.
func (s *shrinker) pass() (better bool) {
	for _, c := range cuts(s.best) {
		for !s.over() {
			p := s.best.clone()
			if !c(&p) || !s.try(p) {
				break
			}
			better = true
		}
	}
	return better && !s.over()
}

// cut makes a plan simpler; false if it is that simple already.
type cut func(*Plan) bool

// cuts lists what can be tried, what helps the reader most first.
func cuts(p Plan) (out []cut) {
	for i := range p.Faults {
		out = append(out, withoutFault(len(p.Faults)-1-i))
	}
	for i := range p.Levers {
		out = append(out, withoutRoute(len(p.Levers)-1-i))
	}
	for i := range p.Spec.Steps {
		out = append(out, withoutStep(i))
	}
	out = append(out, withoutAnalysis, oneService, plainVerdict, plainRollback, plainGate, plainUsers)
	out = append(out, plainPeople()...)
	for i := range p.Signals {
		out = append(out, withoutSignal(len(p.Signals)-1-i))
	}
	out = append(out, promptSignals, func(p *Plan) bool { return reset(&p.Account, Account{}) })
	for i := range p.Levers {
		out = append(out, plainLever(i)...)
	}
	for i := range p.Spec.Steps {
		out = append(out, shortStep(i))
	}
	for i := range p.Faults {
		out = append(out, smallFault(i)...)
	}
	return out
}

// reset sets a value and reports whether it was another.
func reset[T comparable](v *T, to T) bool {
	was := *v
	*v = to
	return was != to
}

// some reports whether one of several changes was one, having made all of them.
func some(changed ...bool) bool { return slices.Contains(changed, true) }

func withoutFault(i int) cut {
	return func(p *Plan) bool {
		if i >= len(p.Faults) {
			return false
		}
		p.Faults = slices.Delete(p.Faults, i, i+1)
		return true
	}
}

// withoutRoute leaves a route out; what would have happened to it happens to the
// first one.
func withoutRoute(i int) cut {
	return func(p *Plan) bool {
		if i >= len(p.Levers) || len(p.Levers) == 1 {
			return false
		}
		p.Levers, p.Spec.Routes = slices.Delete(p.Levers, i, i+1), slices.Delete(p.Spec.Routes, i, i+1)
		for n := range p.Faults {
			switch f := &p.Faults[n]; {
			case f.Route == i:
				f.Route = 0
			case f.Route > i:
				f.Route--
			}
		}
		return true
	}
}

// withoutStep leaves a step out that is not the last.
func withoutStep(i int) cut {
	return func(p *Plan) bool {
		if i >= len(p.Spec.Steps)-1 {
			return false
		}
		p.Spec.Steps = slices.Delete(p.Spec.Steps, i, i+1)
		return true
	}
}

// shortStep makes a hold as short as one may be drawn, and needs no approval.
func shortStep(i int) cut {
	return func(p *Plan) bool {
		if i >= len(p.Spec.Steps) {
			return false
		}
		step := &p.Spec.Steps[i]
		return some(reset(&step.Hold, p.Spec.Gate.Window), reset(&step.Approval, false))
	}
}

// withoutAnalysis judges by the limit of errors alone, as a plan without a comparison
// does.
func withoutAnalysis(p *Plan) bool {
	if p.Spec.Gate.Analysis == nil {
		return false
	}
	oneService(p)
	p.Spec.Gate.Analysis, p.Spec.Gate.MaxErrorRatio, p.Spec.Rollback.Kinds = nil, 0.05, nil
	for i := range p.Signals {
		p.Signals[i].Service = ""
	}
	return true
}

func oneService(p *Plan) bool {
	a := p.Spec.Gate.Analysis
	if a == nil || len(a.Services) < 2 {
		return false
	}
	a.Services = a.Services[:1]
	p.Signals = slices.DeleteFunc(p.Signals, func(s Signal) bool { return s.Service != a.Services[0].Name })
	return true
}

// plainVerdict compares errors in the usual form.
func plainVerdict(p *Plan) (changed bool) {
	a := p.Spec.Gate.Analysis
	if a == nil {
		return false
	}
	for i := range a.Services {
		if s := &a.Services[i]; len(s.Metrics) > 1 {
			s.Metrics, changed = s.Metrics[:1], true
		}
	}
	return some(changed, reset(&a.Form, verdict.Hybrid), reset(&a.Promote, false))
}

func plainRollback(p *Plan) bool {
	r := &p.Spec.Rollback
	kinds := len(r.Kinds) > 0
	r.Kinds = nil
	return some(kinds, reset(&r.Manual, false), reset(&r.OnUnknown, engine.UnknownHolds))
}

func plainGate(p *Plan) bool {
	return some(reset(&p.Spec.Deadline, 0), reset(&p.Spec.Gate.MaxP99, 0), reset(&p.Users.TargetSlow, false))
}

// plainPeople makes people quick, trusting and patient: all of it, or one at a time.
func plainPeople() []cut {
	return []cut{
		func(p *Plan) bool { return reset(&p.People, People{Restart: time.Second, Answer: 2 * time.Second}) },
		func(p *Plan) bool { return reset(&p.People.Restart, time.Second) },
		func(p *Plan) bool { return reset(&p.People.Answer, 2*time.Second) },
		func(p *Plan) bool { return reset(&p.People.TakeOver, false) },
		func(p *Plan) bool { return reset(&p.People.Rollback, false) },
	}
}

// plainUsers makes a target as good as the source.
func plainUsers(p *Plan) bool {
	return some(reset(&p.Users.SourceFails, 0), reset(&p.Users.TargetFails, 0), reset(&p.Users.TargetSlow, false), reset(&p.Users.Warming, 0))
}

// withoutSignal leaves out a signal if another counts the same service.
func withoutSignal(i int) cut {
	return func(p *Plan) bool {
		if i >= len(p.Signals) {
			return false
		}
		name := p.Signals[i].Service
		p.Signals = slices.Delete(p.Signals, i, i+1)
		return slices.ContainsFunc(p.Signals, func(s Signal) bool { return s.Service == name })
	}
}

func promptSignals(p *Plan) (changed bool) {
	for i := range p.Signals {
		changed = some(changed, reset(&p.Signals[i].Every, 0), reset(&p.Signals[i].Delay, 0))
	}
	return changed
}

// plainLever makes a data plane quick and exact, one property after the other.
func plainLever(i int) []cut {
	on := func(change func(*Plan, *Lever) bool) cut {
		return func(p *Plan) bool { return i < len(p.Levers) && change(p, &p.Levers[i]) }
	}
	return []cut{
		on(func(_ *Plan, l *Lever) bool { return reset(&l.Latency, 0) }),
		on(func(_ *Plan, l *Lever) bool { return some(reset(&l.Cached, 0), reset(&l.Forever, 0)) }),
		on(func(_ *Plan, l *Lever) bool { return reset(&l.Propagation, 0) }),
		on(func(_ *Plan, l *Lever) bool { return reset(&l.Names, 0) }),
		on(func(_ *Plan, l *Lever) bool { return reset(&l.Names, min(l.Names, 2)) }),
		on(func(p *Plan, l *Lever) bool {
			return some(reset(&l.MaxWeight, 999), reset(&p.Spec.Routes[i].Granularity, granularity(999)))
		}),
		on(func(p *Plan, _ *Lever) bool { return reset(&p.Spec.Routes[i].LookEvery, 0) }),
	}
}

// smallFault makes a fault smaller: at once, once, for whole seconds, for half as
// long.
func smallFault(i int) []cut {
	on := func(change func(*Fault) bool) cut {
		return func(p *Plan) bool { return i < len(p.Faults) && change(&p.Faults[i]) }
	}
	return []cut{
		on(func(f *Fault) bool { return f.Times > 1 && reset(&f.Times, f.Times-1) }),
		on(func(f *Fault) bool { return f.Nth > 1 && reset(&f.Nth, 1) }),
		on(func(f *Fault) bool { return reset(&f.After, 0) }),
		on(func(f *Fault) bool { return reset(&f.After, f.After.Truncate(time.Second)) }),
		on(func(f *Fault) bool { return f.Lasts > time.Second && reset(&f.Lasts, f.Lasts.Truncate(time.Second)) }),
		on(func(f *Fault) bool {
			return f.Lasts > time.Second && reset(&f.Lasts, (f.Lasts/2).Truncate(time.Second))
		}),
		on(func(f *Fault) bool { return f.Lasts > time.Second && reset(&f.Lasts, f.Lasts-time.Second) }),
	}
}

// clone returns a plan that shares nothing with p.
func (p Plan) clone() Plan {
	p.Spec.Routes, p.Spec.Steps = slices.Clone(p.Spec.Routes), slices.Clone(p.Spec.Steps)
	p.Spec.Rollback.Kinds = maps.Clone(p.Spec.Rollback.Kinds)
	if a := p.Spec.Gate.Analysis; a != nil {
		cfg := *a
		cfg.Services = slices.Clone(a.Services)
		for i := range cfg.Services {
			cfg.Services[i].Metrics = slices.Clone(cfg.Services[i].Metrics)
		}
		p.Spec.Gate.Analysis = &cfg
	}
	p.Levers, p.Signals, p.Faults = slices.Clone(p.Levers), slices.Clone(p.Signals), slices.Clone(p.Faults)
	return p
}
