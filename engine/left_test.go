package engine

import (
	"testing"
	"time"

	"watari.dev/traffic"
)

// TestALateReadingIsNoReasonToWriteAtOnce: while a name is left that cannot be written,
// readings that show the others as they were are met with one write, and then with the
// pauses of a try.
func TestALateReadingIsNoReasonToWriteAtOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	spec := Spec{Name: "shop", Source: "old", Target: "new", Routes: []RouteSpec{{Name: "public"}}, Steps: []StepSpec{{Share: traffic.All}}}
	left := []Part{{Name: "b.example.com", Why: "it is refused", Share: traffic.All, Known: true}}
	status := Status{Phase: Partial, Attempt: 1, LastTurn: now.Add(-time.Second), Cause: "asked for", Routes: []RouteStatus{{
		Name: "public", Refused: left,
		Seen:    &Found{At: now.Add(-time.Second), Version: "v2"},
		Written: &Written{ID: "shop/public/1", Wanted: traffic.None, At: now.Add(-time.Minute), Settled: true, Left: []string{"b.example.com"}},
		Again:   Again{Tries: 6, Next: now.Add(10 * time.Second)},
	}}}
	writes := 0
	var result *Result
	for turn := range 40 { // ten seconds of readings that are behind
		at := now.Add(time.Duration(turn) * 250 * time.Millisecond)
		found := Found{Low: traffic.None, High: traffic.All, Version: "v1", At: at}
		seen := Observation{Routes: map[string]RouteSeen{"public": {
			Found: traffic.KnownAt(found, at), Result: result,
			Shares: map[string]traffic.Share{"a.example.com": traffic.Share(1000), "b.example.com": traffic.All},
		}}}
		next, intents := Step(spec, status, seen, at)
		status, result = next, nil
		for _, in := range intents {
			if w, is := in.(Write); is {
				writes++
				result = &Result{ID: w.ID, Outcome: Partly, Left: left, At: at}
			}
		}
	}
	if writes == 0 || writes > 6 {
		t.Errorf("%d writes in ten seconds", writes)
	}
	if got := status.Phase; got != RollingBack && got != Partial {
		t.Errorf("it is %s", got)
	}
}
