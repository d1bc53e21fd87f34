package engine

import (
	"fmt"
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Placed returns in with where it belongs: the share that the levers should have
// sent to the target, and the hold that all of its requests fall into. status is
// that of the turn that takes the interval, which has seen the routes.
func Placed(spec Spec, status Status, in Interval) Interval {
	in.Intended, in.Step = traffic.None, 0
	service, at := spec.service(in.Service)
	if at < 0 {
		return in
	}
	share, same := status.intended(service.Route)
	in.Intended = share
	from := in.From.Source
	if in.From.Target.Before(from) {
		from = in.From.Target
	}
	// What a reading covers may have ended before the window did.
	lag := service.Lag
	for _, r := range []traffic.Reading[traffic.Counts]{in.Source, in.Target} {
		if r.State == traffic.Known && !r.At.IsZero() {
			lag = max(lag, in.To.Sub(r.At))
		}
	}
	if status.inPlace() && !from.Add(-lag).Before(status.Reached) {
		in.Step = status.Holds
		if !same {
			in.Intended = traffic.None // levers round differently, so nobody knows how the requests should be split
		}
	}
	return in
}

// service returns the analysis's service of a name; -1 if there is none.
func (s Spec) service(name string) (verdict.Service, int) {
	if s.Gate.Analysis == nil {
		return verdict.Service{}, -1
	}
	services := s.Gate.Analysis.Services
	at := slices.IndexFunc(services, func(v verdict.Service) bool { return v.Name == name })
	if at < 0 && name == "" && len(services) == 1 {
		at = 0
	}
	if at < 0 {
		return verdict.Service{}, -1
	}
	return services[at], at
}

// used returns in without what the target did before this attempt gave it users:
// that says nothing of how it does with them.
func (t *turn) used(in Interval) Interval {
	service, _ := t.spec.service(in.Service)
	if t.spec.Gate.Analysis == nil || in.Target.State != traffic.Known {
		return in
	}
	if s := t.status; s.Started.IsZero() && !t.exposed() || in.From.Target.Add(-service.Lag).Before(s.Started) {
		in.Target.Value = traffic.Counts{}
	}
	return in
}

// intended returns the share that is written on a route, or on all of them, or what
// somebody else made of it; false if they differ.
func (s Status) intended(route string) (share traffic.Share, same bool) {
	same = true
	first := true
	for _, r := range s.Routes {
		if r.Written == nil || route != "" && r.Name != route {
			continue
		}
		its := r.Written.Share
		if r.Drift != nil {
			its, same = r.Drift.High, same && r.Drift.Low == r.Drift.High
		}
		same = same && (first || its == share)
		share, first = max(share, its), false
	}
	return share, same && !first
}

// inPlace reports whether a step's share is in place on every route, and nobody
// else's is.
func (s Status) inPlace() bool {
	phase := s.Phase
	if phase == Paused {
		phase = s.Resume
	}
	if phase != Holding && phase != Soaking && phase != WaitingForApproval {
		return false
	}
	return !slices.ContainsFunc(s.Routes, func(r RouteStatus) bool {
		return r.Want != nil || r.Drift != nil || r.Written == nil || !r.Written.Settled
	})
}

// analyse feeds the analysis with what was counted, and returns what it says;
// nil without one.
func (t *turn) analyse(counts []Interval) *verdict.Verdict {
	if t.spec.Gate.Analysis == nil {
		return nil
	}
	s := t.test()
	if s.Began.IsZero() && t.exposed() {
		t.judge.Start(s, t.now)
	}
	for _, in := range counts {
		_, at := t.spec.service(in.Service)
		if at < 0 {
			continue
		}
		t.judge.Add(s, &verdict.Interval{
			Service: at, To: in.To, From: in.From, Source: in.Source, Target: in.Target, Intended: in.Intended, Step: in.Step,
		})
	}
	if len(counts) > 0 {
		t.judge.Close(s)
	}
	v := t.judge.Verdict(s)
	return &v
}

// test returns the state of the analysis, made anew where the plan asks for
// another one.
func (t *turn) test() *verdict.State {
	if t.judge == nil {
		t.judge = verdict.Prepare(*t.spec.Gate.Analysis)
	}
	if t.status.Analysis == nil || !t.judge.Fits(t.status.Analysis) {
		s := t.judge.New()
		if !t.status.Started.IsZero() {
			t.judge.Start(&s, t.now)
		}
		t.status.Analysis = &s
	}
	return t.status.Analysis
}

// conclude turns what the limits, the windows and the analysis say into one
// verdict. What is worse comes first, then what cannot be known, then what should
// be waited for.
func (t *turn) conclude(limits Verdict, a *verdict.Verdict) Verdict {
	if limits.Why == NoTargetLatency && t.spec.Rollback.on(limits.Why) == UnknownIgnored {
		gate := t.spec.Gate
		gate.MaxP99 = 0
		limits = judge(gate, t.status.Evidence, t.now)
	}
	if limits.State == Degraded || a == nil {
		return t.unlessSilent(limits)
	}
	v := t.compared(limits, a)
	v.Analysis = a
	return v
}

func (t *turn) unlessSilent(v Verdict) Verdict {
	if v.State == Degraded {
		return v
	}
	if text, silent := t.status.Evidence.silent(t.spec.Gate, t.goal()); silent && t.heldForAWindow() {
		return Verdict{State: NotKnown, Why: Silent, Text: text}
	}
	return v
}

func (t *turn) compared(limits Verdict, a *verdict.Verdict) Verdict {
	if a.Degraded {
		return Verdict{State: Degraded, Text: fmt.Sprintf("%s; %s", a.Worst, verdict.Chance(a.Peak))}
	}
	if v := t.unlessSilent(limits); v.Why.blind() {
		return v
	}
	if v, known := t.distrust(a); known {
		return v
	}
	if text, shared := t.status.Evidence.sharedTrouble(t.spec.Gate, t.status.Verdict.Why == Shared); shared {
		return Verdict{State: NotKnown, Why: Shared, Text: text}
	}
	if v, few := t.tooFew(); few {
		return v
	}
	if v, lacks := t.untimed(a); lacks {
		return v
	}
	if since := t.uncompared(a); since > 0 {
		return Verdict{State: NotKnown, Why: Uncompared, Text: "nothing of the two sides could be compared for " + since.Round(time.Second).String()}
	}
	if text, failing := t.status.Evidence.failing(t.spec.Gate); failing {
		return Verdict{State: NotKnown, Why: Unclear, Text: text}
	}
	if a.Suspicious && a.Compare && !t.status.Evidence.deserted() { // without a source doubts neither grow nor fade
		return Verdict{State: NotKnown, Why: Unclear, Text: fmt.Sprintf("%s; not enough to say: %s", a.Worst, verdict.Chance(a.LogE))}
	}
	return Verdict{State: Healthy, Text: t.comparison(a)}
}

// deserted reports whether everything is meant for the target and the source has
// had no users for a whole window: what it had at the begin of the step is past.
func (e *Evidence) deserted() bool {
	return e.Alone && !slices.ContainsFunc(e.Intervals, func(s Sample) bool { return s.Source > 0 })
}

// uncompared is how long the two sides of some service were not compared in this
// step, if that is longer than its source takes. Without a comparison nothing is
// healthy.
func (t *turn) uncompared(a *verdict.Verdict) time.Duration {
	since := t.status.Reached
	if a.Compared.After(since) {
		since = a.Compared
	}
	gone := t.now.Sub(since)
	if t.status.Evidence.Alone || !t.status.inPlace() || gone < t.spec.Gate.grace()+t.spec.Gate.lag() {
		return 0
	}
	return gone
}

// distrust says why the numbers cannot be believed, if so.
func (t *turn) distrust(a *verdict.Verdict) (Verdict, bool) {
	grace := t.spec.Gate.grace()
	switch {
	case a.Missed.Kind == verdict.Skewed && t.now.Sub(a.Compared) >= grace:
		return Verdict{State: NotKnown, Why: ClockSkew, Text: "the two sides are counted at different times: " + a.Missed.Text}, true
	case t.restarting(a) != "" && t.now.Sub(a.Compared) >= grace:
		return Verdict{State: NotKnown, Why: Restarts, Text: "counters of " + t.restarting(a) + " begin again all the time, what they had counted is missing"}, true
	case a.Split.Alarm && t.spec.Rollback.on(Missplit) != UnknownIgnored:
		return Verdict{State: NotKnown, Why: Missplit, Text: fmt.Sprintf("%s of the requests reach the target and %s should: the counts and the levers do not fit together",
			verdict.Percent(a.Split.Observed), a.Split.Intended)}, true
	}
	return Verdict{}, false
}

// restarting names the sides whose counters began again when they were to be compared
// last.
func (t *turn) restarting(a *verdict.Verdict) string {
	switch a.Missed.Kind {
	case verdict.Restarted:
		return t.spec.Source
	case verdict.TargetRestarted:
		return t.spec.Target
	case verdict.BothRestarted:
		return t.spec.Source + " and " + t.spec.Target
	default:
		return ""
	}
}

// tooFew says how long the requests of the step take to be enough, at the rate
// that they have come with.
func (t *turn) tooFew() (Verdict, bool) {
	n, need := t.status.Evidence.InStep, t.spec.Gate.least()
	switch {
	case n >= need:
		return Verdict{}, false
	case n == 0 && t.now.Sub(t.status.Reached) < t.spec.Gate.lag():
		return Verdict{State: NotKnown, Why: NoTraffic, Text: "what is counted in this step is known " + t.spec.Gate.lag().String() + " later"}, true
	case n == 0:
		return Verdict{State: NotKnown, Why: NoTraffic, Text: "target got no request in this step yet"}, true
	}
	text := fmt.Sprintf("target got %d of %d requests needed in this step", n, need)
	if since := t.now.Sub(t.status.Reached); t.status.inPlace() && since > 0 {
		left := time.Duration(float64(since) / float64(n) * float64(need-n))
		text += ", " + left.Round(second(left)).String() + " more at this rate"
	}
	return Verdict{State: NotKnown, Why: TooFew, Text: text}, true
}

// comparison says what the two sides look like.
func (t *turn) comparison(a *verdict.Verdict) string {
	w := a.Worst
	if !slices.ContainsFunc(t.status.Evidence.Intervals, func(s Sample) bool { return s.Requests > 0 }) {
		return "nothing speaks against the target; none of its requests is in what was counted last"
	}
	text := fmt.Sprintf("target fails %s of requests, source %s", verdict.Percent(t.status.Evidence.ratio(traffic.Target)), verdict.Percent(t.status.Evidence.ratio(traffic.Source)))
	if !a.Compare {
		text = fmt.Sprintf("target fails %s of requests; the source has no users to compare with", verdict.Percent(t.status.Evidence.ratio(traffic.Target)))
	}
	if w.LogE > 1 {
		text += fmt.Sprintf("; the strongest doubt is %s, %s", w.Metric, verdict.Chance(a.LogE))
	}
	return text
}

// convinced reports whether the step has shown that the target is good enough,
// where that is asked for; if not it says what is missing.
func (t *turn) convinced() bool {
	cfg, v := t.spec.Gate.Analysis, t.status.Verdict.Analysis
	if cfg == nil || !cfg.Promote || t.lastStep() {
		return true
	}
	if v == nil {
		t.reason("held long enough, but nothing was compared yet")
		return false
	}
	if g := v.Good; !g.Enough {
		switch {
		case g.Why != "":
			t.reason("held long enough, but not proven good enough: %s (%s)", g.Why, g.Metric)
		default:
			t.reason("held long enough, but not proven good enough: %s needs about %d more requests of the target, %s at this rate",
				g.Metric, g.Requests, g.Left.Round(second(g.Left)))
		}
		return false
	}
	return true
}

// leastRise is how much an adaptive ramp must rise to be worth a write.
const leastRise = 1.25

// climb chooses the next share of an adaptive ramp: the largest that the harm
// budget allows, up to the next step that needs an approval. It returns false if
// that is no rise worth a write.
func (t *turn) climb() bool {
	s, steps := &t.status, t.spec.Steps
	now, next := t.goal(), t.step()
	if now >= steps[next].Share {
		next++
	}
	top := len(steps) - 1
	for i := next; i < len(steps); i++ {
		if steps[i].Approval {
			top = i
			break
		}
	}
	allowed := t.judge.Allowed(t.test(), steps[next].Hold)
	want := min(allowed, steps[top].Share)
	if want < steps[top].Share {
		want = rounded(want)
	}
	if float64(want) < leastRise*float64(now) && want < steps[top].Share {
		t.reason("proven good enough, but the harm budget of %g requests allows no more than %s yet", t.spec.Gate.Analysis.HarmBudget, max(allowed, now))
		return false
	}
	for next < top && steps[next].Share < want {
		next++
	}
	s.Step, s.Goal = next, want
	t.enter(Shifting, "step %d of %d, %s (the harm budget allows %s)", s.Step+1, len(steps), want, allowed)
	return true
}

// rounded makes a share that people can read: whole percents, or tenths of one.
func rounded(s traffic.Share) traffic.Share {
	if s >= 100 {
		return s - s%100
	}
	return max(10, s-s%10)
}
