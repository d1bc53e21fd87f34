package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Bind fills in the bounds of the routes from what their drivers say.
func (p Plan) Bind(features map[string]router.Features) Plan {
	look := p.lookTime(features)
	routes, levers := make([]engine.RouteSpec, len(p.Spec.Routes)), slices.Clone(p.Levers)
	for i, r := range p.Spec.Routes {
		f := features[r.Name]
		r.Granularity = granularity(p.Spec.Steps, f.MaxWeight)
		r.SettleWithin = 2*(f.Propagation+f.Cached) + settleSlack + 2*f.HeldBack // a look and whether it settled
		r.LookEvery = max(time.Second, time.Duration(f.ReadCalls+f.SettleCalls)*callEvery)
		if f.CallRate > 0 {
			r.LookEvery = max(r.LookEvery, 2*look) // half of what the account has is left to writes and to others
			r.SettleWithin += 4 * look
			levers[i].Patience = 2 * look
		}
		routes[i] = r
	}
	p.Spec.Routes, p.Levers = routes, levers
	return p
}

// lookTime is how long one look at all routes takes that share a call rate.
func (p Plan) lookTime(features map[string]router.Features) time.Duration {
	var seconds float64
	for _, l := range p.Levers {
		if f := features[l.Ref.Name]; f.CallRate > 0 {
			seconds += float64(f.ReadCalls+f.SettleCalls) / f.CallRate
		}
	}
	return time.Duration(seconds * float64(time.Second))
}

// Check refuses routes that together need more calls for one change than an
// account allows within the time that a rollback may take to be written.
func (p Plan) Check(features map[string]router.Features) error {
	var seconds float64
	var names []string
	for _, l := range p.Levers {
		if f := features[l.Ref.Name]; f.CallRate > 0 {
			seconds += float64(f.ReadCalls+f.WriteCalls) / f.CallRate
			names = append(names, l.Ref.Name)
		}
	}
	if need := time.Duration(seconds * float64(time.Second)); need > longestWrite {
		return fmt.Errorf("the routes %s need %s of API calls for one change, because their account allows only so many a second; a rollback must be written within %s: put names of one zone that lie close together into one route, or move fewer at once",
			strings.Join(names, ", "), need.Round(time.Second), longestWrite)
	}
	return nil
}

const (
	// settleSlack is what a route may take beyond twice its stated bound before
	// it counts as one that never settles: AWS publishes no upper bound for
	// either of its levers.
	settleSlack = time.Minute
	// callEvery keeps the reads of one waiting route below 2 API calls a second,
	// of the 5 that Route 53 gives an account (Route 53 Developer Guide,
	// DNSLimitations), so that a write always finds room.
	callEvery = 500 * time.Millisecond
	// longestWrite is how long the writes of a rollback may wait for their turn,
	// below the 12 seconds after which the runner gives a write up.
	longestWrite = 10 * time.Second
)

// granularity is how far below a step's share the written one may lie.
func granularity(steps []engine.StepSpec, maxWeight int64) traffic.Share {
	if maxWeight <= 0 {
		maxWeight = 1
	}
	gap := traffic.Share(int64(traffic.All)/maxWeight + 1)
	for _, s := range steps {
		gap = max(gap, s.Share-router.Express(s.Share, maxWeight).Share()+1)
	}
	return gap
}

// Forecast is what would happen.
type Forecast struct {
	Name   string
	Source string
	Target string
	Steps  []StepForecast
	Routes []RouteForecast
	Gate   GateForecast
	Drift  engine.OnDrift // what happens when somebody else changes a route
	Writes int            // API calls of all writes, with the reads that belong to them, at least
	Calls  int            // all API calls, at least
	Takes  time.Duration  // at least, without the time people take to approve
}

// GateForecast is what the target is judged by.
type GateForecast struct {
	Services []ServiceForecast
	Trouble  map[string]string // what is wrong with a signal, by its name
	Blind    []BlindForecast   // signals that do not see failures of gRPC
	Alpha    float64           // chance of taking back a target that is not worse, 0..1; 0 without a comparison

	SlowerThan time.Duration // requests that take longer are looked for; 0 for none
	Ratio      float64       // how many times as often as on the source they may come
	Difference float64       // and in how much more of the requests, 0..1
}

// ServiceForecast is one service with what is compared of it.
type ServiceForecast struct {
	Name    string
	Metrics []string
	Signals []string      // that count it, in the order of preference
	Late    time.Duration // how long after it was made a count is known
	Untimed time.Duration // the limit for the p99 that says nothing of it, because no signal of it counts latency
}

// late is how much longer a step is held because its counts come late.
func (p Plan) late() (longest time.Duration) {
	if a := p.Spec.Gate.Analysis; a != nil {
		for _, s := range a.Services {
			if s.Lag > 0 {
				longest = max(longest, s.Lag+s.Every)
			}
		}
	}
	return longest
}

// gate says what is compared.
func (p Plan) gate() (g GateForecast) {
	a := p.Spec.Gate.Analysis
	if a == nil {
		return g
	}
	g.Alpha = a.Alpha
	for _, s := range a.Services {
		f := ServiceForecast{Name: s.Name, Late: s.Lag}
		if !s.Latency {
			f.Untimed = p.Spec.Gate.MaxP99
		}
		for _, m := range s.Metrics {
			if m.Kind == verdict.Slower {
				g.SlowerThan, g.Ratio, g.Difference = m.Edge, a.Ratio, max(0, a.Difference)
				f.Metrics = append(f.Metrics, "slower than "+m.Edge.String())
				continue
			}
			f.Metrics = append(f.Metrics, m.Name)
		}
		for _, signal := range p.Signals {
			if signal.Service == s.Name {
				f.Signals = append(f.Signals, signal.kind())
			}
		}
		g.Services = append(g.Services, f)
	}
	return g
}

// StepForecast is one row of the plan.
type StepForecast struct {
	Share    traffic.Share
	Hold     time.Duration
	Gates    []string      // conditions for going on from the step
	WayBack  time.Duration // from the decision to take back until no new connection reaches the target
	Rounding []string      // routes that write a little less, in words
}

// RouteForecast is one lever with what it can do and how it stands.
type RouteForecast struct {
	Ref      router.Ref
	Features router.Features
	Snapshot *router.Snapshot // nil if it could not be read
	Err      error
	Finest   traffic.Share // the smallest step of a share that its weights express, about
	Tries    TriesForecast
}

// Foresee says what the plan would do. Snapshots may lack routes that could not
// be read; errs says why.
func (p Plan) Foresee(features map[string]router.Features, snapshots map[string]router.Snapshot, errs map[string]error, pace Pace) Forecast {
	f := Forecast{Name: p.Spec.Name, Source: p.Spec.Source, Target: p.Spec.Target, Gate: p.gate(), Drift: p.Spec.OnDrift}
	f.Gate.Blind = p.blind(features)
	var back time.Duration
	perStep := 0
	for _, l := range p.Levers {
		ft := features[l.Ref.Name]
		rf := RouteForecast{Ref: l.Ref, Features: ft, Tries: p.tries(ft, pace), Err: errs[l.Ref.Name], Finest: traffic.Share(int64(traffic.All) / max(1, ft.MaxWeight+1))}
		if s, read := snapshots[l.Ref.Name]; read {
			rf.Snapshot = &s
		}
		f.Routes = append(f.Routes, rf)
		back = max(back, ft.Propagation+ft.Cached)
		f.Writes += ft.WriteCalls * len(p.Spec.Steps)
		perStep += ft.WriteCalls + ft.SettleCalls + 2*ft.ReadCalls
	}
	f.Calls = perStep * len(p.Spec.Steps)
	for _, s := range p.Spec.Steps {
		f.Steps = append(f.Steps, StepForecast{Share: s.Share, Hold: s.Hold, Gates: p.gates(s), WayBack: back, Rounding: p.rounding(s.Share, features)})
		f.Takes += s.Hold + back + p.late()
	}
	return f
}

func (p Plan) gates(s engine.StepSpec) []string {
	var out []string
	if g := p.Spec.Gate; g.Signals {
		switch {
		case g.Analysis == nil:
		case g.Analysis.Adaptive:
			out = append(out, "analysis (adaptive)")
		default:
			out = append(out, "analysis")
		}
		if g.MaxErrorRatio < 1 || g.MaxP99 > 0 {
			out = append(out, "thresholds")
		}
	}
	if s.Approval {
		out = append(out, "approval")
	}
	return out
}

func (p Plan) rounding(share traffic.Share, features map[string]router.Features) []string {
	var out []string
	for _, l := range p.Levers {
		if ft := features[l.Ref.Name]; ft.MaxWeight > 0 {
			if got := router.Express(share, ft.MaxWeight).Share(); got != share {
				out = append(out, l.Ref.Name+" "+got.String())
			}
		}
	}
	return out
}
