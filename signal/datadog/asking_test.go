package datadog

import (
	"testing"
	"time"
)

// TestPlanIsBounded: an expression that somebody else left long unread does not make a
// request longer than Datadog answers on the grid that was asked for.
func TestPlanIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := sourceOf(t, newStandIn(func() time.Time { return now }), Config{})
	ready := s.grid.taken(now)
	mine, other := expression{"mine", "m"}, expression{"other", "o"}
	s.wishes["other"] = wish{other, ready - 600, now}
	for unread, together := range map[int64]bool{290: false, 200: true, 20: true, 500: true} {
		s.series["other"] = &series{first: ready - 1000, next: ready - unread, points: map[int64]point{}}
		a := s.plan([]expression{mine}, ready-16, now)
		if a.to != ready || a.to-a.from > maxCells || (len(a.expressions) == 2) != together {
			t.Errorf("%d cells unread: asks for %v from %d to %d before now", unread, a.expressions, ready-a.from, ready-a.to)
		}
	}
	if a := s.plan([]expression{mine}, ready-5000, now); a.from != ready-5000 || a.to != a.from+maxCells || len(a.expressions) != 1 {
		t.Errorf("looking back: %+v", a)
	}
}
