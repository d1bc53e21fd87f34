package sim

import (
	"math/rand/v2"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router/paced"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Plan is everything that a seed decides: plain data that can be printed, cut and
// played again.
type Plan struct {
	Seed    uint64      `json:"seed"`
	Spec    engine.Spec `json:"spec"`
	Levers  []Lever     `json:"levers"` // in the order of Spec.Routes
	Account Account     `json:"account"`
	Signals []Signal    `json:"signals"`
	Users   Users       `json:"users"`
	People  People      `json:"people"`
	Faults  []Fault     `json:"faults"`
}

// Lever is what the data plane behind a route is like.
type Lever struct {
	MaxWeight   int64         `json:"maxWeight"`
	Names       int           `json:"names"`       // that move together; 0 is a lever without names
	Atomic      bool          `json:"atomic"`      // all names change in one call
	Compares    bool          `json:"compares"`    // compare-and-swap in the data plane itself
	Propagation time.Duration `json:"propagation"` // bound
	Cached      time.Duration `json:"cached"`      // how much longer clients use the old weights
	Forever     float64       `json:"forever"`     // part of the users that never look again, 0..1
	Latency     time.Duration `json:"latency"`     // of a call, at most; 0 is none
}

// Account is what all levers share: calls a second, and how many at once.
type Account struct {
	Rate  float64 `json:"rate"` // 0 is no limit
	Burst float64 `json:"burst"`
}

// Signal is what a source of counts is like.
type Signal struct {
	Service  string        `json:"service"`
	Every    time.Duration `json:"every"`    // how often it looks; 0 is each time it is asked
	Delay    time.Duration `json:"delay"`    // how old what it shows is
	Balancer bool          `json:"balancer"` // counted before the clusters, so it outlives them
}

// Users are those who use what is migrated.
type Users struct {
	Rate        float64 `json:"rate"`        // requests a second of each service
	SourceFails float64 `json:"sourceFails"` // part of the requests, 0..1
	TargetFails float64 `json:"targetFails"`
	TargetSlow  bool    `json:"targetSlow"`
	// Warming is how long the target is slow whenever it gets more users than it had.
	Warming time.Duration `json:"warming,omitempty"`
}

// People are those who run it.
type People struct {
	Restart  time.Duration `json:"restart"`  // how soon a run that is gone is started again
	Answer   time.Duration `json:"answer"`   // how soon somebody resumes or approves
	TakeOver bool          `json:"takeOver"` // a run is started with --take-over
	Rollback bool          `json:"rollback"` // who finds it paused takes back instead of resuming
}

// Draw makes the plan of a seed.
func Draw(seed uint64) Plan {
	r := &draw{rand.New(rand.NewPCG(seed, 0x77617461726921))}
	p := Plan{Seed: seed}
	routes, names := 1+r.below(1, 3, 5), []string{"public", "partners", "admin"}
	p.Spec = r.spec()
	if r.chance(0.3) {
		p.Account = Account{Rate: pick(r, 1.0, 5), Burst: pick(r, 3.0, 10)}
	}
	for i := range routes {
		lever := r.lever()
		if p.Spec.Steps[0].Share < 1000 {
			lever.MaxWeight = max(lever.MaxWeight, 100) // what a lever cannot express is found before anything begins
		}
		p.Levers = append(p.Levers, lever)
		p.Spec.Routes = append(p.Spec.Routes, engine.RouteSpec{
			Name: names[i], Granularity: granularity(lever.MaxWeight), SettleWithin: 2*(lever.Propagation+lever.Cached) + 20*time.Second + 2*paced.LongestHold,
			LookEvery: max(pick(r, 0, time.Second, 2*time.Second), p.Account.lookEvery(routes)),
		})
	}
	p.gate(r)
	p.Users = Users{Rate: pick(r, 40.0, 100, 200, 400), SourceFails: pick(r, 0, 0, 0.0005)}
	// Enough for the first step; what is too little is "no traffic".
	expected := p.Users.Rate * p.Spec.Steps[0].Share.Ratio() * p.Spec.Gate.Window.Seconds()
	p.Spec.Gate.MinRequests = max(1, min(10, int64(expected/3)))
	p.Users.TargetFails = p.Users.SourceFails
	if r.chance(0.2) {
		p.Users.TargetFails = pick(r, 0.25, 0.5, 1)
	}
	p.Users.TargetSlow = p.Spec.Gate.MaxP99 > 0 && r.chance(0.1)
	if r.chance(0.1) {
		p.Users.Warming = r.between(time.Second, p.Spec.Gate.Window)
	}
	p.People = People{
		Restart: pick(r, 0, time.Second, 5*time.Second, 30*time.Second), Answer: pick(r, 2*time.Second, 10*time.Second, 40*time.Second),
		TakeOver: r.chance(0.5), Rollback: r.chance(0.2),
	}
	p.Faults = r.faults(p)
	p.approvable(r)
	return p
}

// lookEvery leaves half of the account's calls to others, as a plan does: a look is
// two calls.
func (a Account) lookEvery(routes int) time.Duration {
	if a.Rate == 0 {
		return 0
	}
	return time.Duration(2 * 2 * float64(routes) / a.Rate * float64(time.Second))
}

// granularity is how far below a wish the share of a lever may lie: the largest
// gap between the shares of its weights.
func granularity(maxWeight int64) traffic.Share {
	return traffic.Share(2*10000/maxWeight) + 1
}

// draw is a seed's dice.
type draw struct{ *rand.Rand }

func (r *draw) chance(p float64) bool { return r.Float64() < p }

// below draws 0, 1 or 2, each as likely as the others are: 0 in 6 of 9 cases for
// below(1, 3, 5).
func (r *draw) below(two, one, zero int) int {
	switch n := r.IntN(two + one + zero); {
	case n < two:
		return 2
	case n < two+one:
		return 1
	}
	return 0
}

func pick[T any](r *draw, of ...T) T { return of[r.IntN(len(of))] }

// between draws a time in whole tenths of a second.
func (r *draw) between(low, high time.Duration) time.Duration {
	const tenth = 100 * time.Millisecond
	return low + time.Duration(r.Int64N(int64((high-low)/tenth)+1))*tenth
}

func (r *draw) spec() engine.Spec {
	spec := engine.Spec{
		Name: "shop", Source: "eks-1-33", Target: "eks-1-36",
		Gate: engine.Gate{Signals: !r.chance(0.05), MaxErrorRatio: 0.05, Interval: pick(r, 2*time.Second, 5*time.Second, 5*time.Second)},
		Rollback: engine.Rollback{
			Manual: r.chance(0.15), OnUnknown: pick(r, engine.UnknownHolds, engine.UnknownRollsBack), UnknownAfter: pick(r, 10*time.Second, 30*time.Second),
		},
	}
	spec.Gate.Window = 2 * spec.Gate.Interval
	share, approvals := traffic.None, r.chance(0.2)
	for len(spec.Steps) < 3 && share < traffic.All {
		share = traffic.All
		if len(spec.Steps) < 2 && !r.chance(0.15) {
			share = pick(r, traffic.Share(100), 500, 1000, 2500, 5000)
			if n := len(spec.Steps); n > 0 && share <= spec.Steps[n-1].Share {
				share = traffic.All
			}
		}
		spec.Steps = append(spec.Steps, engine.StepSpec{Share: share, Hold: r.between(spec.Gate.Window, 2*spec.Gate.Window), Approval: approvals && r.chance(0.6)})
	}
	spec.OnDrift = pick(r, engine.DriftHolds, engine.DriftHolds, engine.DriftReasserts)
	if r.chance(0.2) {
		spec.Deadline = r.between(30*time.Second, 3*time.Minute)
	}
	return spec
}

func (r *draw) lever() Lever {
	l := Lever{MaxWeight: pick(r, int64(999), 999, 255, 100, 10), Compares: r.chance(0.5), Atomic: r.chance(0.5)}
	if r.chance(0.4) {
		l.Names = 1 + r.IntN(3)
	}
	l.Propagation = pick(r, 0, time.Second, 3*time.Second, 10*time.Second)
	if r.chance(0.3) {
		l.Cached = pick(r, 2*time.Second, 8*time.Second)
	}
	if r.chance(0.1) {
		l.Forever = 0.02
	}
	if r.chance(0.4) {
		l.Latency = pick(r, 20*time.Millisecond, 300*time.Millisecond, 1500*time.Millisecond)
	}
	return l
}

// gate draws how the target is judged and by which signals.
func (p *Plan) gate(r *draw) {
	gate := &p.Spec.Gate
	if !gate.Signals {
		return
	}
	services := []string{""}
	if r.chance(0.3) {
		services = []string{"web", "api"}
	}
	if r.chance(0.1) {
		gate.MaxP99 = 300 * time.Millisecond
	}
	if len(services) > 1 || r.chance(0.6) {
		cfg := verdict.Config{
			Form: pick(r, verdict.Hybrid, verdict.Hybrid, verdict.Hybrid, verdict.Unit, verdict.Product, verdict.Steady, verdict.Limit), Unit: 5 * time.Second,
			Difference: 0.01, HarmBudget: 1000, Promote: r.chance(0.1), Advance: 0.2,
		}
		for _, name := range services {
			metrics := []verdict.Metric{{Name: "errors", Kind: verdict.Errors}}
			if r.chance(0.3) {
				metrics = append(metrics, verdict.Metric{Name: "p99", Kind: verdict.Latency, Quantile: .99})
			}
			cfg.Services = append(cfg.Services, verdict.Service{Name: name, Latency: gate.MaxP99 > 0, Metrics: metrics})
		}
		if r.chance(0.5) && cfg.Form == verdict.Hybrid { // the other forms see nothing somewhere
			gate.MaxErrorRatio = 1
		}
		if r.chance(0.1) {
			cfg.Adaptive, cfg.Promote = true, true
		}
		cfg = cfg.WithDefaults()
		gate.Analysis = &cfg
	}
	for _, kind := range []engine.Why{engine.NoTargetData, engine.Silent, engine.Missplit} {
		if gate.Analysis != nil && r.chance(0.3) {
			if p.Spec.Rollback.Kinds == nil {
				p.Spec.Rollback.Kinds = map[engine.Why]engine.OnUnknown{}
			}
			p.Spec.Rollback.Kinds[kind] = pick(r, engine.UnknownHolds, engine.UnknownRollsBack)
		}
	}
	for _, name := range services {
		for range 1 + r.below(0, 1, 5) {
			s := Signal{Service: name, Balancer: r.chance(0.6)}
			if r.chance(0.2) {
				s.Every = gate.Interval
			}
			p.Signals = append(p.Signals, s)
		}
	}
}

// faults draws what goes wrong: nothing, one thing, or several.
func (r *draw) faults(p Plan) []Fault {
	n := 0
	switch dice := r.IntN(20); {
	case dice < 2:
	case dice < 8:
		n = 1
	case dice < 15:
		n = 2 + r.IntN(2)
	default:
		n = 4 + r.IntN(4)
	}
	kinds := Kinds()
	out := make([]Fault, 0, n)
	if n > 1 && r.chance(0.03) { // the way to Failed, which hardly anything else takes
		out = append(out, Fault{Kind: Denied, Phase: engine.Pending, Nth: 1, Lasts: r.between(time.Second, 20*time.Second)})
	}
	for range n {
		f := Fault{Kind: kinds[r.IntN(len(kinds))], Route: r.IntN(len(p.Levers))}
		if r.chance(0.7) {
			f.Phase, f.Nth, f.After = Phases()[r.IntN(len(Phases()))], 1, r.between(0, p.Spec.Gate.Window)
			if r.chance(0.3) {
				f.After = 0
			}
			if r.chance(0.3) {
				f.Nth = 2
			}
		} else {
			f.After = r.between(0, 90*time.Second)
		}
		r.detail(&f)
		if f.Kind == NameRefused {
			p.Levers[f.Route].Names = max(2, p.Levers[f.Route].Names)
		}
		if (f.Kind == NameRefused || f.Kind == RouteGone) && r.chance(0.6) { // and it is taken back meanwhile
			f.Phase, f.Nth, f.After = pick(r, engine.Shifting, engine.Holding, engine.Holding, engine.Soaking), 1, r.between(0, 3*time.Second)
			f.Lasts = r.between(20*time.Second, 150*time.Second)
			out = append(out, Fault{Kind: OrderRollback, Phase: f.Phase, Nth: 1, After: f.After + r.between(0, 5*time.Second)})
			if r.chance(0.5) { // and something else goes wrong once only this is left
				with := Fault{Kind: kinds[r.IntN(len(kinds))], Route: r.IntN(len(p.Levers)), Phase: engine.Partial, Nth: 1, After: r.between(0, 10*time.Second)}
				r.detail(&with)
				out = append(out, with)
			}
		}
		if hitsMetrics(f.Kind) {
			f.Service = r.IntN(1 + len(names(p.Signals)))
			if r.chance(0.2) { // longer than any plan waits
				f.Lasts = r.between(40*time.Second, 100*time.Second)
			}
			if f.Kind == Untimed || f.Kind == OtherBuckets { // what is missing for a moment is no lack
				f.Lasts = max(f.Lasts, r.between(20*time.Second, 100*time.Second))
			}
		}
		out = append(out, f)
		if f.Kind == ForeignFile && r.chance(0.5) { // and an operator wants it back beside it
			out = append(out, Fault{Kind: OrderRollback, Phase: f.Phase, Nth: f.Nth, After: f.After + r.between(0, 4*time.Second)})
		}
		if f.Kind == LateWrite && r.chance(0.5) { // and it is taken back while the write is under way
			out = append(out, Fault{Kind: OrderRollback, Phase: engine.Shifting, Nth: 1 + r.IntN(2), After: r.between(0, 4*time.Second)})
		}
	}
	return out
}

// approvable gives a plan in which approvals go wrong steps that need one.
func (p *Plan) approvable(r *draw) {
	if !slices.ContainsFunc(p.Faults, func(f Fault) bool { return f.Kind == ApprovalTwice }) {
		return
	}
	for i := range p.Spec.Steps {
		p.Spec.Steps[i].Approval = p.Spec.Steps[i].Approval || r.chance(0.7)
	}
}

// detail draws how much, how often and how long.
func (r *draw) detail(f *Fault) {
	if hitsCalls(f.Kind) {
		f.Times = pick(r, 1, 1, 2, 2, 3, 8) // the last is more than the tries of a rise
	}
	switch f.Kind {
	case LateWrite:
		f.Lasts = r.between(time.Second, latest)
	case Kill, PowerCut:
		f.Value = 1 + r.IntN(25)
	case Freeze:
		f.Value, f.Lasts = 1+r.IntN(25), pick(r, 3*time.Second, 14*time.Second, 20*time.Second, 2*time.Minute)
	case Overslept:
		f.Value, f.Lasts = 1+r.IntN(25), pick(r, 16*time.Second, 25*time.Second, time.Minute)
	case ClockStep:
		f.Value = pick(r, -3600, -20, -5, 5, 20, 3600)
	case TargetWorse, BothFail:
		f.Value, f.Lasts = pick(r, 300, 2000, 10000), r.between(3*time.Second, 40*time.Second)
	case PodsDie:
		f.Value, f.Lasts = pick(r, 3000, 9000), r.between(3*time.Second, 40*time.Second)
	case Raise, Lower, Fight:
		f.Value, f.Lasts = pick(r, 0, 1, 300, 5000, 9999, 10000), pick(r, 10*time.Second, 40*time.Second)
	case Skew:
		f.Value, f.Lasts = pick(r, -40, 40), r.between(3*time.Second, 40*time.Second)
	case ClockOff: // longer than a route may take to settle
		f.Lasts = r.between(time.Second, 100*time.Second)
	case OrderTwice:
		f.Value = r.IntN(1 << 16)
	case ForeignFile:
		f.Value, f.Lasts = r.IntN(foreignValues), r.between(time.Second, 40*time.Second)
	case ApprovalTwice:
		f.Value, f.Lasts = r.IntN(1<<16), r.between(100*time.Millisecond, 2*time.Second)
	case OrderLate:
		f.Value, f.Lasts = r.IntN(1<<16), pick(r, r.between(100*time.Millisecond, 2*time.Second), r.between(time.Second, 40*time.Second), r.between(40*time.Second, 3*time.Minute))
	default:
		if f.Times == 0 {
			f.Lasts = r.between(time.Second, 40*time.Second)
		}
		f.Value = r.IntN(3)
	}
}

// latest is how long after its caller gave up a write may arrive.
const latest = 15 * time.Second
