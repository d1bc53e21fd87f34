package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/traffic"
)

// TestTimeThatWasNotOursIsNoHold: however often somebody raises a share that is
// written again, the step is left only after its share was really there for the
// whole hold.
func TestTimeThatWasNotOursIsNoHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hold := time.Duration(rapid.IntRange(15, 90).Draw(t, "hold")) * time.Second
		w := newWorld(Spec{
			Name: "p", Source: "old", Target: "new", OnDrift: DriftReasserts,
			Gate:   Gate{Signals: true, MaxErrorRatio: 0.02, MinRequests: 10, Window: 10 * time.Second, Interval: time.Second},
			Routes: []RouteSpec{{Name: "a", Granularity: 10, SettleWithin: 40 * time.Second}, {Name: "b", Granularity: 10, SettleWithin: 40 * time.Second}},
			Steps:  []StepSpec{{Share: 5000, Hold: hold}, {Share: traffic.All, Hold: time.Minute}},
		})
		const tick = 250 * time.Millisecond
		intrusions := rapid.SliceOfN(rapid.IntRange(0, 400), 0, ReassertMost).Draw(t, "intrusions") // in ticks
		ours := func() bool { return w.levers["a"].share == 5000 && w.levers["b"].share == 5000 }
		var held time.Duration
		for i := 0; w.status.Step == 0; i++ {
			if i > 4000 || w.status.Phase == Paused {
				t.Fatalf("the step is never left: %s", w.state())
			}
			before := ours()
			w.run(tick)
			if before && ours() {
				held += tick
			}
			for n, at := range intrusions {
				if at == i && w.status.Phase != Pending {
					name := []string{"a", "b"}[n%2]
					w.intrude(name, 9000, 9000, nil)
				}
			}
		}
		if held < hold-tick {
			t.Fatalf("the step was left after its share was there for %s of %s", held, hold)
		}
	})
}

// TestWhoItWas: the sentence says who, as far as it is known, and what proves it.
func TestWhoItWas(t *testing.T) {
	at := dawn.Add(13 * time.Second)
	owner := func(sure traffic.Certainty) *traffic.Owner {
		return &traffic.Owner{Name: "Terraform", Sure: sure, Proof: "the rule has the tag ManagedBy=terraform", Remedy: "do not apply it"}
	}
	for _, c := range []struct {
		name  string
		found Found
		late  bool
		want  string
		to    string
	}{
		{"nobody is known", Found{Low: 900, High: 900}, false, "somebody else changed it to 9 %, we wrote 50 % at 12:00:13", "find out who writes it, and stop that"},
		{"it says so", Found{Low: 900, High: 900, Owner: owner(traffic.Surely)}, true, "Terraform changed it to 9 %, we wrote 50 % at 12:00:13: the rule has the tag ManagedBy=terraform", "do not apply it"},
		{"it corrects by itself", Found{Low: 900, High: 900, Owner: owner(traffic.Probably)}, false,
			"probably Terraform changed it to 9 %, we wrote 50 % at 12:00:13: the rule has the tag ManagedBy=terraform", "do not apply it"},
		{"when somebody runs it", Found{Low: 900, High: 900, Owner: owner(traffic.Perhaps)}, false,
			"somebody else, perhaps Terraform, changed it to 9 %, we wrote 50 % at 12:00:13: the rule has the tag ManagedBy=terraform", "do not apply it"},
		{"as it was, to the weight", Found{Weights: "old 100, new 0", Owner: owner(traffic.Perhaps)}, false,
			"probably Terraform changed it to 0 %, we wrote 50 % at 12:00:13 (weights now: old 100, new 0): the rule has the tag ManagedBy=terraform, and it is back at what it was before the migration", "do not apply it"},
		{"the share that it had, with other weights", Found{Weights: "old 7, new 0", Owner: owner(traffic.Perhaps)}, false,
			"somebody else, perhaps Terraform, changed it to 0 %, we wrote 50 % at 12:00:13 (weights now: old 7, new 0): the rule has the tag ManagedBy=terraform", "do not apply it"},
		{"an earlier write of ours", Found{Low: 100, High: 100}, false,
			"somebody else changed it to 1 %, we wrote 50 % at 12:00:13: it is back at what we wrote at 12:00:01, as when an older process of ours still runs or a write arrives late", "see who else runs this migration"},
		{"a late write of ours", Found{Low: 900, High: 900, Owner: owner(traffic.Probably)}, true,
			"somebody else, or a write of ours whose reply was lost, changed it to 9 %, we wrote 50 % at 12:00:13: the rule has the tag ManagedBy=terraform", "do not apply it"},
	} {
		c.found.At = at.Add(time.Minute)
		r := RouteStatus{
			Name: "public", Original: &Found{Weights: "old 100, new 0"}, Seen: &c.found,
			Written: &Written{ID: "2", Wanted: 5000, Share: 5000, At: at}, Past: []Past{{Share: 100, At: dawn.Add(time.Second)}},
		}
		if c.late {
			r.LateUntil = c.found.At.Add(time.Second)
		}
		proof, remedy := r.Known()
		if got := r.foreign() + colon(proof); got != c.want {
			t.Errorf("%s:\nhave %s\nwant %s", c.name, got, c.want)
		}
		if remedy != c.to {
			t.Errorf("%s: to do: %s; want %s", c.name, remedy, c.to)
		}
	}
}
