package engine

import (
	"errors"
	"testing"
	"time"

	"watari.dev/traffic"
)

// TestTheBoundsAreWhatStepKeeps plays writes that are always refused, and counts.
func TestTheBoundsAreWhatStepKeeps(t *testing.T) {
	b := TryBounds()
	spec := Spec{Name: "shop", Routes: []RouteSpec{{Name: "public", LookEvery: time.Second}}, Steps: []StepSpec{{Share: 10000}}}
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var status Status
	var refused *Result
	var first, last, longest time.Time
	rises, backs, pause := 0, 0, time.Duration(0)
	for range 20000 { // of 10 ms
		found := traffic.KnownAt(Found{Version: "1", At: now}, now)
		if rises == b.RiseTries {
			found = traffic.FailedAt[Found](errors.New("throttled"), now) // nobody knows that there is nothing to take back
		}
		seen := Observation{Routes: map[string]RouteSeen{"public": {Found: found, Result: refused}}}
		refused = nil
		var intents []Intent
		status, intents = Step(spec, status, seen, now)
		for _, in := range intents {
			w, is := in.(Write)
			switch {
			case !is:
				continue
			case !w.Urgent:
				if rises++; rises == 1 {
					first = now
				}
				last = now
			case !longest.IsZero():
				pause = max(pause, now.Sub(longest))
				fallthrough
			default:
				backs, longest = backs+1, now
			}
			refused = &Result{ID: w.ID, Outcome: Refused, Err: "throttled", At: now}
		}
		now = now.Add(10 * time.Millisecond)
	}
	slack := 20 * time.Millisecond * time.Duration(b.RiseTries) // a result is known one turn later
	if rises != b.RiseTries || last.Sub(first) < b.RisePauses || last.Sub(first) > b.RisePauses+slack {
		t.Errorf("%d tries to rise within %s, stated %d within %s", rises, last.Sub(first), b.RiseTries, b.RisePauses)
	}
	if status.Phase != RollingBack || backs < 10 || pause < b.LongestPause || pause > b.LongestPause+slack {
		t.Errorf("%s: %d tries to take back, %s apart at most, stated %s", status.Phase, backs, pause, b.LongestPause)
	}
}
