package engine

import (
	"testing"
	"time"

	"watari.dev/traffic"
)

// TestZeroIsNotWrittenAgainAtOnce: after an accepted write of 0 a reading that shows
// something else may be stale. The next write is a second later, and not before that.
func TestZeroIsNotWrittenAgainAtOnce(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	spec := Spec{Name: "shop", Routes: []RouteSpec{{Name: "public"}}, Steps: []StepSpec{{Share: traffic.All}}}
	for since, want := range map[time.Duration]int{0: 0, 300 * time.Millisecond: 0, 999 * time.Millisecond: 0, time.Second: 1, time.Minute: 1} {
		written := &Written{ID: "shop/public/1", Wanted: traffic.None, Share: traffic.None, At: now.Add(-since)}
		status := Status{Phase: RollingBack, Attempt: 1, Since: now.Add(-time.Hour), Routes: []RouteStatus{{Name: "public", Written: written}}}
		found := Found{Low: traffic.All, High: traffic.All, Version: "2", At: now}
		seen := Observation{Routes: map[string]RouteSeen{"public": {Found: traffic.KnownAt(found, now)}}}
		after, intents := Step(spec, status, seen, now)
		writes := 0
		for _, in := range intents {
			if _, is := in.(Write); is {
				writes++
			}
		}
		if writes != want || after.Phase != RollingBack {
			t.Errorf("%s after the last write: %d writes, want %d; it is %s", since, writes, want, after.Phase)
		}
	}
}
