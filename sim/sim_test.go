package sim

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"watari.dev/engine"
)

// TestMain finds the coroutines that a simulator leaves behind when it is closed.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// seeds are played by each "go test"; the command plays millions.
const seeds = 3000

// TestSeeds plays seeds on all cores. What breaks an invariant is cut to the least
// that does; its script is kept.
func TestSeeds(t *testing.T) {
	tally := Sweep{Seeds: seeds, Twice: 100, Most: 5}.Run(t.Context())
	for _, found := range tally.Found {
		explain(t, Draw(found.Seed), Options{})
	}
	if len(tally.Found) > 0 {
		return
	}
	if tally.Seeds != seeds || tally.Twice != seeds/100 || tally.Complete() != seeds {
		t.Errorf("%d of %d seeds were played, %d twice, and %d migrations came to an end: %v", tally.Seeds, seeds, tally.Twice, tally.Complete(), tally.Ends)
	}
	for _, p := range []engine.Phase{engine.Complete, engine.RolledBack} {
		if tally.Ends[p] == 0 {
			t.Errorf("no migration ended in %s: %v", p, tally.Ends)
		}
	}
	mustMeet(t, &tally.Coverage)
	t.Logf("%d seeds in %s, %v, %d of the pairs of fault and phase not met", tally.Seeds, tally.Took, tally.Ends, len(tally.Coverage.Holes()))
}

// explain fails with the least plan that breaks the same invariant, and the path of
// its script.
func explain(t *testing.T, plan Plan, o Options) {
	t.Helper()
	var s Simulator
	defer s.Close()
	least, r, runs := Shrink(t.Context(), &s, plan, o)
	if r.Broken == nil { // the traces of two runs differ
		t.Errorf("seed %d is broken only beside another run", plan.Seed)
		return
	}
	path := filepath.Join(os.TempDir(), "watari_sim_seed_"+strconv.FormatUint(plan.Seed, 10)+".txt")
	if err := os.WriteFile(path, []byte(Script(least, r)), 0o600); err != nil {
		path = err.Error()
	}
	t.Errorf("seed %d: %v\nthe least that does it (%d runs):\n%sscript: %s\nall of it: go run ./sim/cmd --seed %[1]d", plan.Seed, r.Broken, runs, least.Words(), path)
}

// mustMeet demands what a test run of some thousand seeds cannot miss: every fault
// somewhere, and every sort of fault in every phase that matters to it. The command
// demands each pair.
func mustMeet(t *testing.T, c *Coverage) {
	t.Helper()
	for _, k := range Kinds() {
		if n := met(c, []Kind{k}, Phases()...); n == 0 {
			t.Errorf("%q was never met", k)
		}
	}
	moving := []engine.Phase{engine.Shifting, engine.RollingBack}
	before := []engine.Phase{engine.Pending, engine.Shifting, engine.Holding, engine.WaitingForApproval, engine.Soaking, engine.Paused}
	running := append(slices.Clone(before), engine.RollingBack)
	always := append(slices.Clone(running), engine.RolledBack, engine.Complete)
	for _, sort := range []struct {
		name   string
		phases []engine.Phase
		kinds  []Kind
	}{
		{"a write whose reply does not come", moving, []Kind{ReplyLost, RequestLost, LateWrite, PartialWrite, ServerError}},
		{"a lever that cannot be used", running, []Kind{Throttled, Denied, SignedOut, ClockOff, ReadError, SlowCalls}},
		{"a store that cannot be used", running, []Kind{SaveBefore, SaveAfter, DiskFull, TornJournal, PowerCut, SlowStore, Unreadable}},
		{"a process that ends or sleeps", running, []Kind{Kill, Freeze, Overslept, Second, Interrupt, PowerCut, TornJournal}},
		{"a signal that does not say what is", before, []Kind{Blind, Gap, Swallow, Resets, Skew, SlowData, Untimed, OtherBuckets}},
		{"an operator", always, []Kind{OrderPause, OrderResume, OrderApprove, OrderRollback, OrderRetry, OrderTwice, RollbackHere, ApprovalTwice, OrderLate}},
		{"an intruder", always, []Kind{Raise, Lower, Reapply, Fight, Touch}},
		{"a stranger", always, []Kind{ForeignFile}},
	} {
		for _, p := range sort.phases {
			if met(c, sort.kinds, p) == 0 {
				t.Errorf("%s was never met in %s", sort.name, p)
			}
		}
	}
}

func met(c *Coverage, of []Kind, in ...engine.Phase) (n int64) {
	for _, k := range of {
		for _, p := range in {
			n += c.Times(k, p)
		}
	}
	return n
}

// TestSameSeedSameTrace plays seeds twice: in a simulator of their own, and in
// another goroutine in one that has played others before.
func TestSameSeedSameTrace(t *testing.T) {
	const n = 40
	first := make([]Result, n)
	for i := range first {
		var s Simulator
		first[i] = s.Run(t.Context(), Draw(uint64(i)), Options{Trace: true})
		s.Close()
	}
	second := make(chan Result)
	go func() {
		defer close(second)
		var s Simulator
		defer s.Close()
		for i := range n {
			s.Run(t.Context(), Draw(uint64(1000+i)), Options{})
			second <- s.Run(t.Context(), Draw(uint64(i)), Options{Trace: true})
		}
	}()
	i := 0
	for r := range second {
		if len(r.Trace) < 5 {
			t.Errorf("seed %d: a trace of %d lines tells nothing", i, len(r.Trace))
		}
		if r.Text() != first[i].Text() {
			line := differ(first[i].Trace, r.Trace)
			t.Errorf("seed %d: line %d is %q, then %q", i, line+1, lineOf(first[i].Trace, line), lineOf(r.Trace, line))
		}
		if r.Events != first[i].Events || r.Steps != first[i].Steps || r.Phase != first[i].Phase {
			t.Errorf("seed %d: %d events and %s, then %d and %s", i, first[i].Events, first[i].Phase, r.Events, r.Phase)
		}
		i++
	}
	if first[0].Text() == first[1].Text() {
		t.Error("two seeds are the same")
	}
}

// TestTracingChangesNothing compares runs with and without a trace.
func TestTracingChangesNothing(t *testing.T) {
	var s Simulator
	defer s.Close()
	for seed := range uint64(100) {
		a, b := s.Run(t.Context(), Draw(seed), Options{}), s.Run(t.Context(), Draw(seed), Options{Trace: true, Coverage: &Coverage{}})
		if a.Events != b.Events || a.Steps != b.Steps || a.Phase != b.Phase || a.Took != b.Took {
			t.Errorf("seed %d: %d events until %s in %s without a trace, %d until %s in %s with one", seed, a.Events, a.Took, a.Phase, b.Events, b.Took, b.Phase)
		}
	}
}

// TestDifferenceIsFound: a world that depends on what was played before is told from
// one that does not.
func TestDifferenceIsFound(t *testing.T) {
	var s Simulator
	defer s.Close()
	plan := Draw(7)
	r := s.Run(t.Context(), plan, Options{Trace: true})
	if err := again(t.Context(), plan, nil, r); err != nil {
		t.Error(err)
	}
	r.Trace[3] += " "
	if err := again(t.Context(), plan, nil, r); Invariant(err) != "same seed, same trace" {
		t.Errorf("a trace that differs in one blank: %v", err)
	}
}

// TestPlanIsPlainData reads plans back that were written.
func TestPlanIsPlainData(t *testing.T) {
	for seed := range uint64(500) {
		plan := Draw(seed)
		text, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		var back Plan
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatal(err)
		}
		if len(plan.Faults) == 0 {
			plan.Faults, back.Faults = nil, nil
		}
		if !reflect.DeepEqual(plan, back) {
			t.Fatalf("seed %d: wrote %+v, read %+v", seed, plan, back)
		}
		if clone := plan.clone(); !reflect.DeepEqual(plan, clone) && len(plan.Faults) > 0 {
			t.Fatalf("seed %d: %+v, cloned %+v", seed, plan, clone)
		}
	}
}
