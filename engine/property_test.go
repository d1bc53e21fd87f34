package engine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// watch makes the world check the invariants at every turn and every write.
type watch struct {
	*world
	t        *rapid.T
	intruded map[string]bool // somebody else's value stands there and no operator has resumed since
	again    map[string]int  // how often it was written over without an operator since
	approved bool            // what waits has been approved by this turn, by who was shown it
}

// before is a lever before a turn.
type before struct {
	low, share traffic.Share
	last       string
}

func (w *watch) turn() bool {
	was := w.status.clone()
	levers := map[string]before{}
	for name, l := range w.levers {
		levers[name] = before{l.low, l.share, l.last}
	}
	look, at := slices.Clone(w.wake.Look), w.now
	crash, crashLater := w.crashAfterSave, w.crashAfterWrite
	if slices.ContainsFunc(w.commands, func(c Command) bool {
		shown := c.Situation == w.status.Situation
		return shown && (c.Verb == Resume && w.status.Phase == Paused || c.Verb == Retry && w.status.Phase.Ended())
	}) {
		w.intruded, w.again = map[string]bool{}, map[string]int{}
	}
	w.approved = was.Approved || slices.ContainsFunc(w.commands, func(c Command) bool {
		return c.Verb == Approve && c.Situation == was.Situation && c.Attempt == was.Attempt && c.Step == was.Step+1
	})
	more := w.world.turn()
	if crash && !w.crashAfterSave {
		return more // nothing of this turn reached the world
	}
	for name, l := range w.levers {
		if !l.written.Equal(at) || l.last == "" {
			continue
		}
		w.checkOver(name, l, levers[name])
		if l.share > levers[name].share {
			w.checkRise(name, l, levers[name].share, look)
		}
	}
	if crashLater && !w.crashAfterWrite {
		return more // what became of its writes died with the process
	}
	w.checkPhases(was)
	return more
}

// checkOver states invariant 5 for a write over what somebody else had written: it
// takes a share back, or an operator has resumed, or the policy is to reassert, no
// part of the route rises, and it does not happen again and again.
func (w *watch) checkOver(name string, l *lever, was before) {
	if !w.intruded[name] || w.status.Phase == RollingBack || w.status.Phase == RolledBack {
		return
	}
	if l.last != was.last {
		w.again[name]++
	}
	recent := strings.Join(w.log[max(0, len(w.log)-25):], "\n")
	switch {
	case w.spec.OnDrift != DriftReasserts:
		w.t.Fatalf("%s was written over somebody else's %s to %s with %s\n%s", name, was.low, was.share, l.share, recent)
	case l.share > was.low:
		w.t.Fatalf("%s rose from %s (%s), which somebody else had written, to %s\n%s", name, was.low, was.share, l.share, recent)
	case w.again[name] > ReassertMost:
		w.t.Fatalf("%s was written again %d times\n%s", name, w.again[name], recent)
	}
	w.intruded[name] = false
}

// checkRise states invariants 1, 2 and 5 for a write that raised a share.
func (w *watch) checkRise(name string, l *lever, from traffic.Share, look []string) {
	goal := w.spec.Steps[w.status.Step].Share
	if w.status.Phase == RollingBack || w.status.Phase == RolledBack || w.status.Phase == Paused {
		w.t.Fatalf("%s rose from %s to %s in phase %s", name, from, l.share, w.status.Phase)
	}
	if l.share > goal {
		w.t.Fatalf("%s rose to %s, above the step's %s", name, l.share, goal)
	}
	for other, ol := range w.levers {
		if w.now.Sub(ol.read) > freshFor+w.lookEvery(other) {
			w.t.Fatalf("%s rose while %s was not read", name, other)
		}
	}
	last := w.evidence.Last
	blind := func(s SideState) bool {
		return s.State == traffic.Failed || w.now.Sub(s.KnownAt) >= w.spec.Gate.grace()
	}
	if blind(last.Source) || from > 0 && blind(last.Target) {
		w.t.Fatalf("%s rose while the signal said %+v", name, last)
	}
}

// checkPhases states invariants 4 and 6, and that ends stay ends.
func (w *watch) checkPhases(before Status) {
	now := w.status
	if before.Phase.Ended() && now.Phase != before.Phase && lastAnswer(now) == lastAnswer(before) {
		w.t.Fatalf("%s became %s without a command", before.Phase, now.Phase)
	}
	if left := now.Step > before.Step && !before.Started.IsZero() && now.Attempt == before.Attempt; left && w.spec.Steps[before.Step].Approval && (before.Phase != WaitingForApproval || !w.approved) {
		w.t.Fatalf("step %d was left in %s without an approval of it", before.Step+1, before.Phase)
	}
	if before.Phase != RollingBack && now.Phase == RollingBack {
		for _, r := range now.Routes {
			res := w.results[r.Name]
			if r.exposed() > traffic.None && res == nil {
				w.t.Fatalf("taking back began without a write to %s, which has %s", r.Name, r.exposed())
			}
		}
	}
	if now.Phase == before.Phase || now.Phase != Complete && now.Phase != RolledBack {
		return
	}
	want := traffic.None
	if now.Phase == Complete {
		want = traffic.All
	}
	for name, l := range w.levers {
		if l.share != want && l.intruded.Before(l.read) || w.now.Sub(l.read) > freshFor+w.lookEvery(name) || !l.written.IsZero() && w.now.Sub(l.written) < l.settles {
			w.t.Fatalf("%s was said while %s is at %s (unreadable %v, written %s ago)", now.Phase, name, l.share, l.unread, w.now.Sub(l.written))
		}
	}
}

func lastAnswer(s Status) string {
	if len(s.Answers) == 0 {
		return ""
	}
	return s.Answers[len(s.Answers)-1].ID
}

func (w *watch) run(d time.Duration) {
	end := w.now.Add(d)
	for more := true; more && !w.wake.At.After(end); {
		if w.wake.At.After(w.now) {
			w.now = w.wake.At
		}
		more = w.turn()
		if w.status.Phase.Ended() {
			break
		}
	}
	w.now = end
}

func drawSpec(t *rapid.T) Spec {
	spec := Spec{
		Name: "p", Source: "old", Target: "new",
		Gate: Gate{Signals: true, MaxErrorRatio: 0.02, MinRequests: 10, Window: 10 * time.Second, Interval: time.Second},
		Rollback: Rollback{
			Manual:       rapid.Bool().Draw(t, "manual"),
			OnUnknown:    rapid.SampledFrom([]OnUnknown{UnknownHolds, UnknownRollsBack}).Draw(t, "on unknown"),
			UnknownAfter: 20 * time.Second,
		},
		OnDrift: rapid.SampledFrom([]OnDrift{"", DriftHolds, DriftReasserts, DriftReasserts}).Draw(t, "on drift"),
	}
	if kind := rapid.IntRange(0, 2).Draw(t, "analysis"); kind > 0 {
		cfg := verdict.Config{
			Form: rapid.SampledFrom([]verdict.Form{verdict.Hybrid, verdict.Unit, verdict.Product, verdict.Limit}).Draw(t, "form"),
			Unit: 5 * time.Second, Difference: 0.02, Advance: 0.2, HarmBudget: 1000, Adaptive: kind == 2, Promote: kind == 2,
		}
		for i := range rapid.IntRange(1, 2).Draw(t, "services") {
			cfg.Services = append(cfg.Services, verdict.Service{Name: fmt.Sprint("s", i), Metrics: []verdict.Metric{
				{Name: "errors", Kind: verdict.Errors}, {Name: "p99", Kind: verdict.Latency, Quantile: .99},
			}})
		}
		cfg = cfg.WithDefaults()
		spec.Gate.Analysis = &cfg
		if rapid.Bool().Draw(t, "no limits") {
			spec.Gate.MaxErrorRatio = 1
		}
		spec.Rollback.Kinds = map[Why]OnUnknown{
			NoTargetData: rapid.SampledFrom([]OnUnknown{UnknownHolds, UnknownRollsBack}).Draw(t, "no target data"),
			Silent:       rapid.SampledFrom([]OnUnknown{UnknownHolds, UnknownRollsBack}).Draw(t, "silent"),
			Missplit:     rapid.SampledFrom([]OnUnknown{UnknownHolds, UnknownRollsBack, UnknownIgnored}).Draw(t, "split"),
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "routes") {
		spec.Routes = append(spec.Routes, RouteSpec{Name: fmt.Sprint("r", i), Granularity: 10, SettleWithin: 40 * time.Second, LookEvery: rapid.SampledFrom([]time.Duration{0, time.Second, 1500 * time.Millisecond, 4 * time.Second}).Draw(t, "look every")})
	}
	for s := traffic.Share(0); s < traffic.All; {
		s = min(traffic.All, s+traffic.Share(rapid.IntRange(50, 6000).Draw(t, "rise")))
		spec.Steps = append(spec.Steps, StepSpec{Share: s, Hold: time.Duration(rapid.IntRange(1, 20).Draw(t, "hold")) * time.Second, Approval: rapid.IntRange(0, 4).Draw(t, "approval") == 0})
	}
	return spec
}

// happen draws one thing that happens to the world.
func (w *watch) happen(t *rapid.T) {
	names := make([]string, 0, len(w.spec.Routes))
	for _, r := range w.spec.Routes {
		names = append(names, r.Name)
	}
	name := rapid.SampledFrom(names).Draw(t, "route")
	l := w.levers[name]
	switch rapid.IntRange(0, 18).Draw(t, "event") {
	case 0:
		l.throttle = rapid.IntRange(1, 8).Draw(t, "throttle")
	case 1:
		l.loseReply = rapid.IntRange(1, 3).Draw(t, "replies")
	case 2:
		l.loseWrite = rapid.IntRange(1, 3).Draw(t, "writes")
	case 3:
		l.unread = !l.unread
	case 4:
		l.neverSettles = !l.neverSettles
	case 5:
		s := traffic.Share(rapid.IntRange(0, 10000).Draw(t, "intruder"))
		low := s
		if rapid.IntRange(0, 3).Draw(t, "some names") == 0 {
			low = traffic.Share(rapid.IntRange(0, int(s)).Draw(t, "others"))
		}
		switch {
		case rapid.IntRange(0, 3).Draw(t, "between look and write") == 0:
			l.race = func() { w.intrusion(name, low, s, true) }
		case s != l.share || low != l.low:
			w.intrusion(name, low, s, false)
		}
	case 6:
		w.signal = !w.signal
	case 7:
		w.silent = !w.silent
	case 8:
		w.rate = rapid.SampledFrom([]int64{0, 1, 50, 500}).Draw(t, "rate")
	case 9:
		w.failing.Target = rapid.SampledFrom([]float64{0, 0, 0.001, 0.05, 1}).Draw(t, "failing")
	case 10, 11:
		c, saw := Command{Verb: rapid.SampledFrom([]Verb{Pause, Resume, Approve, Approve, TakeBack, Retry}).Draw(t, "verb")}, w.status
		if rapid.IntRange(0, 2).Draw(t, "seen before") == 0 {
			saw = w.saw
		}
		w.give(saw.Bound(c))
		w.saw = w.status.clone()
	case 12:
		w.restart()
	case 13:
		w.crashAfterSave = true
	case 14:
		w.crashAfterWrite = true
	case 15:
		w.swallowed = !w.swallowed
	case 16:
		w.failing.Source = rapid.SampledFrom([]float64{0, 0.001, 0.5}).Draw(t, "source failing")
	case 17:
		w.crashing = rapid.Bool().Draw(t, "crashing")
		w.sightless, w.skewed, w.restarting = rapid.Bool().Draw(t, "sightless"), rapid.Bool().Draw(t, "skewed"), rapid.Bool().Draw(t, "restarting")
	case 18:
		w.leak = traffic.Share(rapid.SampledFrom([]int{0, 0, 5000}).Draw(t, "leak"))
	}
}

// intrusion is somebody else's write, and whether it can be told from ours, which
// may just be written. What stands there when a migration begins is its baseline.
func (w *watch) intrusion(name string, low, high traffic.Share, writing bool) {
	w.intrude(name, low, high, &traffic.Owner{Name: "terraform", Sure: traffic.Surely})
	r := w.route(name)
	w.intruded[name] = r != nil && r.Written != nil && (r.Written.Share != low || r.Written.Share != high) && w.status.Phase != Pending
	if r == nil || r.Want == nil || !r.Want.Doubt && !writing {
		return
	}
	// A write whose reply was lost may look the same: rounded, or done in a part.
	want := r.Want
	rounded := low == high && high <= want.Share && high+w.spec.Routes[0].Granularity > want.Share
	partly := low != high && low >= min(want.Low, want.Share) && high <= max(want.High, want.Share)
	if rounded || partly {
		w.intruded[name] = false
	}
}

func newWatch(t *rapid.T, spec Spec) *watch {
	return &watch{world: newWorld(spec), t: t, intruded: map[string]bool{}, again: map[string]int{}}
}

// heal ends every fault; an operator says yes to everything that is asked.
func (w *watch) heal() {
	for _, l := range w.levers {
		l.throttle, l.loseReply, l.loseWrite, l.denied, l.unread, l.expired, l.clockOff, l.clockOffUnread, l.neverSettles, l.race = 0, 0, 0, false, false, false, false, false, false, nil
	}
	w.signal, w.silent, w.swallowed, w.rate, w.failing.Target, w.crashAfterSave, w.crashAfterWrite = true, false, false, 500, 0, false, false
	w.crashing = false
	w.sightless, w.skewed, w.restarting, w.leak, w.failing.Source = false, false, false, 0, 0
	for range 40 {
		w.run(time.Minute)
		switch w.status.Phase {
		case Paused:
			w.command(Resume)
		case WaitingForApproval:
			w.command(Approve)
		}
	}
}

func TestNothingBreaksTheInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWatch(t, drawSpec(t))
		for range rapid.IntRange(1, 25).Draw(t, "events") {
			w.run(time.Duration(rapid.IntRange(0, 15000).Draw(t, "ms")) * time.Millisecond)
			w.happen(t)
		}
		w.heal()
		if !w.status.Phase.Ended() {
			t.Fatalf("after the last fault the migration did not end: %s\n%s", w.state(), strings.Join(w.log[max(0, len(w.log)-15):], "\n"))
		}
	})
}

// TestKilledAnywhereEndsTheSame is invariant 8: a run that is killed at random
// moments ends where the run that was left alone ends.
func TestKilledAnywhereEndsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := drawSpec(t)
		spec.Rollback.Manual = false
		for i := range spec.Steps {
			spec.Steps[i].Approval = false
		}
		failing := rapid.SampledFrom([]float64{0, 0.2}).Draw(t, "failing")
		if a := spec.Gate.Analysis; a != nil {
			a.Form = verdict.Hybrid // the other forms are blind somewhere, and may be lucky on one way and not on the other
			a.Adaptive, a.Promote = false, false
		}
		alone, killed := newWatch(t, spec), newWatch(t, spec)
		alone.failing.Target, killed.failing.Target = failing, failing
		for range rapid.IntRange(1, 12).Draw(t, "kills") {
			killed.run(time.Duration(rapid.IntRange(0, 9000).Draw(t, "ms")) * time.Millisecond)
			if killed.crashAfterSave = rapid.Bool().Draw(t, "after save"); !killed.crashAfterSave {
				killed.restart()
			}
		}
		killed.crashAfterSave = false
		alone.run(time.Hour)
		killed.run(time.Hour)
		if alone.status.Phase != killed.status.Phase || !alone.status.Phase.Ended() {
			t.Fatalf("left alone: %s; killed: %s", alone.state(), killed.state())
		}
		for name, l := range alone.levers {
			if l.share != killed.levers[name].share {
				t.Fatalf("%s: left alone %s, killed %s", name, l.share, killed.levers[name].share)
			}
		}
	})
}

// TestSameInputsSameTrace is invariant 9 for the core: Step has no memory and no
// chance in it, and does not change what it was given.
func TestSameInputsSameTrace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWatch(t, drawSpec(t))
		for range 15 {
			w.run(5 * time.Second)
			w.happen(t)
			seen, before := w.observe(), fmt.Sprintf("%+v", w.status)
			a, ia := Step(w.spec, w.status, seen, w.now)
			b, ib := Step(w.spec, w.status, seen, w.now)
			if fmt.Sprintf("%#v", ia) != fmt.Sprintf("%#v", ib) || fmt.Sprint(a.Phase, a.Reason, a.Sequence) != fmt.Sprint(b.Phase, b.Reason, b.Sequence) {
				t.Fatal("the same inputs gave two answers")
			}
			if after := fmt.Sprintf("%+v", w.status); after != before {
				t.Fatal("Step changed the status that it was given")
			}
			w.counted = w.now
		}
	})
}

// TestStepIsTotal feeds statuses that no run produces.
func TestStepIsTotal(t *testing.T) {
	phases := []Phase{"", Pending, Shifting, Holding, WaitingForApproval, Paused, RollingBack, RolledBack, Soaking, Complete, Failed, "Dancing"}
	rapid.Check(t, func(t *rapid.T) {
		status := Status{
			Phase: rapid.SampledFrom(phases).Draw(t, "phase"), Step: rapid.IntRange(-3, 9).Draw(t, "step"),
			Resume: rapid.SampledFrom(phases).Draw(t, "resume"), Approved: rapid.Bool().Draw(t, "approved"),
			Held: time.Duration(rapid.IntRange(0, 1_000_000).Draw(t, "held")) * time.Millisecond,
		}
		spec := drawSpec(t)
		for range 5 {
			seen := Observation{Routes: map[string]RouteSeen{}, Commands: []Command{{ID: fmt.Sprint(rapid.Int().Draw(t, "id")), Verb: rapid.SampledFrom([]Verb{Pause, Resume, Approve, TakeBack, Retry, ""}).Draw(t, "verb")}}}
			for _, r := range spec.Routes {
				if rapid.Bool().Draw(t, "seen") {
					s := traffic.Share(rapid.IntRange(0, 10000).Draw(t, "share"))
					seen.Routes[r.Name] = RouteSeen{Found: traffic.KnownAt(Found{Low: s, High: s}, dawn)}
				}
			}
			status, _ = Step(spec, status, seen, dawn.Add(time.Duration(rapid.IntRange(-5000, 5000).Draw(t, "now"))*time.Second))
		}
	})
}

func BenchmarkStep(b *testing.B) {
	spec := Spec{
		Name: "b", Gate: Gate{Signals: true, MaxErrorRatio: 0.01, MinRequests: 20, Window: 30 * time.Second, Interval: time.Second},
		Routes: []RouteSpec{{Name: "public", Granularity: 10, SettleWithin: time.Minute, LookEvery: time.Second}, {Name: "partners", Granularity: 40, SettleWithin: time.Minute, LookEvery: time.Second}},
		Steps:  []StepSpec{{Share: 1000, Hold: time.Hour}, {Share: 10000, Hold: time.Hour}},
	}
	w := newWorld(spec)
	w.run(5 * time.Minute) // holding, with a full window of evidence
	if w.status.Phase != Holding {
		b.Fatalf("phase %s", w.status.Phase)
	}
	seen := w.observe()
	b.Run("step", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			Step(w.spec, w.status, seen, w.now)
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
	})
	// The reference: writing the status as JSON, which every turn does as well.
	b.Run("json-of-status", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := json.Marshal(w.status); err != nil {
				b.Fatal(err)
			}
		}
	})
}
