package sim

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"watari.dev/engine"
)

// deaf never takes back: what is urgent is not asked for once.
var deaf = &Mutant{Name: "deaf", Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
	after, intents := engine.Step(spec, status, seen, now)
	return after, slices.DeleteFunc(slices.Clone(intents), func(in engine.Intent) bool {
		w, is := in.(engine.Write)
		return is && w.Urgent
	})
}}

// crowded is a plan with everything, of which one order is enough for deaf.
func crowded() Plan {
	plan := Draw(0)
	for seed := uint64(1); len(plan.Levers) < 3 || len(plan.Spec.Steps) < 3 || plan.Spec.Gate.Analysis == nil; seed++ {
		plan = Draw(seed)
	}
	plan.Users.TargetFails, plan.Users.TargetSlow = plan.Users.SourceFails, false
	plan.Faults = []Fault{
		{Kind: Burst, After: 90 * time.Second, Lasts: 5 * time.Second},
		{Kind: ReplyLost, Phase: engine.Shifting, Nth: 1, Times: 2, Route: 1},
		{Kind: OrderRollback, Phase: engine.Holding, Nth: 1, After: 700 * time.Millisecond, Route: 2},
		{Kind: Kill, Phase: engine.Failed, Nth: 2, Value: 3},
	}
	return plan
}

func TestShrinkLeavesTheCause(t *testing.T) {
	var s Simulator
	defer s.Close()
	plan := crowded()
	before := plan.clone()
	least, r, runs := Shrink(t.Context(), &s, plan, Options{Mutant: deaf})
	if !reflect.DeepEqual(plan, before) {
		t.Error("the plan that was given was changed")
	}
	if Invariant(r.Broken) != "rollback at once" || len(r.Trace) == 0 || runs > mostRuns {
		t.Fatalf("%v after %d runs, with a trace of %d lines", r.Broken, runs, len(r.Trace))
	}
	want := []Fault{{Kind: OrderRollback, Phase: engine.Holding, Nth: 1}}
	if !reflect.DeepEqual(least.Faults, want) {
		t.Errorf("left are %v, want %v", least.Faults, want)
	}
	if len(least.Levers) != 1 || len(least.Spec.Routes) != 1 || len(least.Spec.Steps) != 2 || least.Spec.Gate.Analysis != nil {
		t.Errorf("more is left than is needed:\n%s", least.Words())
	}
	if again, _, _ := Shrink(t.Context(), &s, plan, Options{Mutant: deaf}); !reflect.DeepEqual(least, again) {
		t.Errorf("shrunk to\n%s\nand then to\n%s", least.Words(), again.Words())
	}
}

func TestShrinkOfWhatIsWhole(t *testing.T) {
	var s Simulator
	defer s.Close()
	plan := crowded()
	plan.Faults = nil
	least, r, runs := Shrink(t.Context(), &s, plan, Options{})
	if r.Broken != nil || runs != 1 || !reflect.DeepEqual(plan, least) {
		t.Errorf("%v after %d runs:\n%s", r.Broken, runs, least.Words())
	}
}

// TestShrinkEndsWithItsContext: what was found by then still breaks the same.
func TestShrinkEndsWithItsContext(t *testing.T) {
	var s Simulator
	defer s.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	plan := crowded()
	least, r, runs := Shrink(ctx, &s, plan, Options{Mutant: deaf})
	if Invariant(r.Broken) != "rollback at once" || runs > 2 || !reflect.DeepEqual(plan, least) {
		t.Errorf("%v after %d runs:\n%s", r.Broken, runs, least.Words())
	}
}

// TestSweepFindsTheLowest: violations stop it, and the lowest one is the same
// however many cores there are.
func TestSweepFindsTheLowest(t *testing.T) {
	var lowest []uint64
	for _, jobs := range []int{1, 4} {
		tally := Sweep{Seeds: 5000, Jobs: jobs, Mutant: deaf}.Run(t.Context())
		if len(tally.Found) == 0 || tally.Seeds >= 5000 {
			t.Fatalf("%d jobs: %d found in %d seeds", jobs, len(tally.Found), tally.Seeds)
		}
		lowest = append(lowest, tally.Found[0].Seed)
	}
	if lowest[0] != lowest[1] {
		t.Errorf("the lowest seed is %d alone and %d on four cores", lowest[0], lowest[1])
	}
}

func TestSweepEndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	told := make(chan Tally, 1)
	tally := Sweep{Every: time.Millisecond, Progress: func(t Tally) {
		if t.Seeds > 0 {
			select {
			case told <- t:
				stop()
			default:
			}
		}
	}}.Run(ctx)
	if known := <-told; tally.Seeds < known.Seeds || tally.Complete() == 0 {
		t.Errorf("%d seeds were told of, %d are known, %v", known.Seeds, tally.Seeds, tally.Ends)
	}
}
