package cloudwatch

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestAdjacentWindowsHaveAdjacentMinutes, also with ends inside of minutes.
func TestAdjacentWindowsHaveAdjacentMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := func(name string) time.Time {
			return time.Unix(0, rapid.Int64Range(0, int64(time.Hour)).Draw(t, name)).Add(500_000 * time.Hour)
		}
		delay := time.Duration(rapid.Int64Range(0, int64(5*time.Minute)).Draw(t, "delay"))
		a, b, c := at("a"), at("b"), at("c")
		if b.Before(a) {
			a, b = b, a
		}
		if c.Before(b) {
			b, c = c, b
		}
		if b.Before(a) {
			a, b = b, a
		}
		left, right, whole := spanOf(a, b, delay), spanOf(b, c, delay), spanOf(a, c, delay)
		if left.last+1 != right.first || left.first != whole.first || right.last != whole.last {
			t.Fatalf("%v and %v, whole %v", left, right, whole)
		}
		if whole.empty() {
			return
		}
		if from := a.Add(-delay); !whole.first.end().After(from) || (whole.first - 1).end().After(from) {
			t.Fatalf("%v does not begin with the first minute that ends after %s", whole, from)
		}
		if to := c.Add(-delay); whole.last.end().After(to) || !(whole.last + 1).end().After(to) {
			t.Fatalf("%v does not end with the last minute that ends by %s", whole, to)
		}
	})
}

func TestMinutesBefore1970(t *testing.T) {
	if got := minuteAt(time.Unix(-1, 0)); got != -1 {
		t.Errorf("minute %d, want -1", got)
	}
	if got := minuteAt(time.Unix(-60, 0)); got != -1 {
		t.Errorf("minute %d, want -1", got)
	}
}

// TestEveryRequestIsBookedOnce: whatever grows when, after each look the windows
// hold what CloudWatch shows of the minutes that are looked at again, no answered
// window changes, and at the end nothing is missing.
func TestEveryRequestIsBookedOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, s, now := newBook(), series{metric: requestCount}, time.Unix(0, 0)
		b.open(s).pinned = true
		truth, answered := map[minute]int64{}, map[minute]int64{}
		newest := minute(100)
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			oldest := newest - 4 // the next look may be three minutes later
			if pass := rapid.IntRange(0, 3).Draw(t, "minutes pass"); pass > 0 {
				newest += minute(pass)
				oldest = newest - recheck + 1 // late by no more than is looked at again
			}
			for m := oldest; m <= newest; m++ {
				truth[m] += rapid.Int64Range(0, 5).Draw(t, "requests")
			}
			if rapid.Bool().Draw(t, "somebody needs older minutes") {
				b.want([]series{s}, newest-minute(rapid.IntRange(0, 20).Draw(t, "back")), now)
			}
			all, asked := b.plan(newest, now)
			if len(all) == 0 {
				continue
			}
			shown := map[minute]int64{}
			for m, v := range truth {
				if v > 0 && m >= asked.first && m <= asked.last {
					shown[m] = v
				}
			}
			b.enter(s, asked, shown)
			l := b.ledgers[s]
			for m, v := range answered {
				if l.booked[m] != v {
					t.Fatalf("minute %d was answered with %d and is %d now", m, v, l.booked[m])
				}
			}
			for m := l.taken.first; m <= l.taken.last; m++ {
				answered[m] = l.booked[m]
			}
		}
		// One more look at a new minute books what came last.
		newest++
		all, asked := b.plan(newest, now)
		if len(all) != 1 {
			t.Fatalf("planned %v", all)
		}
		b.enter(s, asked, truth)
		l, booked, shown := b.ledgers[s], int64(0), int64(0)
		for m := l.taken.first; m <= l.taken.last; m++ {
			booked += l.booked[m]
			shown += truth[m]
		}
		if booked != shown {
			t.Fatalf("booked %d of %d requests in %v", booked, shown, l.taken)
		}
	})
}

func TestOldMinutesAreForgotten(t *testing.T) {
	b, s := newBook(), series{group: group{balancer: "b", target: "t"}, metric: requestCount}
	b.open(s).pinned = true
	for m := minute(0); m < kept+100; m++ {
		asked := span{max(0, m-recheck+1), m}
		b.enter(s, asked, map[minute]int64{m: 1})
		b.skew[m] = 0
		b.tidy(asked)
	}
	if l := b.ledgers[s]; len(l.booked) > kept+1 || len(b.evident["b"]) > kept+1 || len(b.skew) > kept+1 || l.taken.first != 99 {
		t.Errorf("%d minutes booked, %d evident, %d skews, %v", len(l.booked), len(b.evident["b"]), len(b.skew), l.taken)
	}
}

func TestSeriesThatNobodyNeedsAreNotAskedFor(t *testing.T) {
	b, now := newBook(), time.Unix(1e9, 0)
	w := want{group: group{"b", "t"}}
	b.want(b.needs(w), 5, now)
	if all, _ := b.plan(9, now.Add(idle)); len(all) != 3 {
		t.Errorf("%v", all)
	}
	if all, _ := b.plan(10, now.Add(idle+1)); len(all) != 0 || len(b.ledgers) != 0 {
		t.Errorf("%v", all)
	}
}

func TestWhatFailedIsNotPlannedUntilItIsDue(t *testing.T) {
	b, now := newBook(), time.Unix(1e9, 0)
	good, bad := series{metric: "good"}, series{metric: "bad"}
	b.want([]series{good, bad}, 5, now)
	b.enter(good, span{5, 9}, nil)
	b.fail(bad, errors.New("no"), now.Add(time.Second))
	if all, asked := b.plan(10, now); len(all) != 1 || all[0] != good || asked != (span{1, 10}) {
		t.Errorf("%v of %v", all, asked)
	}
	if all, asked := b.plan(20, now.Add(time.Second)); len(all) != 2 || asked != (span{5, 20}) {
		t.Errorf("%v of %v", all, asked)
	}
}

// TestWhatFailsIsPartOfTheRequests: one request may fail to connect more than
// once.
func TestWhatFailsIsPartOfTheRequests(t *testing.T) {
	b, w := newBook(), want{group: group{"b", "t"}, errors: true, events: []string{"TargetConnectionErrorCount"}}
	for metric, perMinute := range map[string]map[minute]int64{
		requestCount: {1: 10, 2: 10}, "HTTPCode_Target_5XX_Count": {1: 4, 2: 1}, "TargetConnectionErrorCount": {1: 30}, "TargetTLSNegotiationErrorCount": {2: 2},
	} {
		b.open(w.group.sum(metric))
		b.enter(w.group.sum(metric), span{1, 2}, perMinute)
	}
	got := b.sum(w, span{1, 2})
	if got.Requests != 20 || got.Errors != 13 || got.Events[0] != 10 {
		t.Errorf("%+v", got)
	}
}
