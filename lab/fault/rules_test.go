package fault

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// watch is a clock that is set by hand.
type watch struct{ at time.Time }

func (w *watch) now() time.Time { return w.at }

func newRules() (*Rules, *watch) {
	w := &watch{at: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	return NewRules(w.now), w
}

func inject(t *testing.T, r *Rules, a AWS) Injected {
	t.Helper()
	i, err := r.Inject(t.Context(), Fault{AWS: &a})
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func only(t *testing.T, r *Rules, id string) Injected {
	t.Helper()
	all, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(i Injected) bool { return i.ID == id })
	if i < 0 {
		t.Fatalf("no %s in %+v", id, all)
	}
	return all[i]
}

func TestRuleCounts(t *testing.T) {
	r, w := newRules()
	id := inject(t, r, AWS{Kind: Throttle, Service: "elbv2", Action: "Modify*", After: 1, Times: 2}).ID
	calls := []struct {
		service, action string
		bites           bool
	}{
		{"route53", "ChangeResourceRecordSets", false},
		{"elbv2", "DescribeRules", false},
		{"elbv2", "ModifyRule", false}, // passes: the first
		{"elbv2", "ModifyRule", true},
		{"elbv2", "ModifyListener", true},
		{"elbv2", "ModifyRule", false}, // used up
	}
	for n, c := range calls {
		b, bites := r.Bite(c.service, c.action)
		if bites != c.bites || bites && (b.Kind != Throttle || b.ID != id) {
			t.Errorf("call %d, %s: %+v, %t", n, c.action, b, bites)
		}
	}
	got := only(t, r, id)
	if got.Lasts() || got.End != UsedUp || !got.Ended.Equal(w.at) || got.Count() != 2 {
		t.Errorf("%+v", got)
	}
	if want := []Hit{{"elbv2", "ModifyListener", 1}, {"elbv2", "ModifyRule", 1}}; !slices.Equal(got.Hits, want) {
		t.Errorf("hits %+v, want %+v", got.Hits, want)
	}
}

func TestRuleEnds(t *testing.T) {
	r, w := newRules()
	short := inject(t, r, AWS{Kind: Error, For: 10 * time.Second})
	long := inject(t, r, AWS{Kind: LostReply, Times: 1000})
	if got := long.Until.Sub(long.Began); got != MaxFor {
		t.Errorf("a rule without a duration lasts %s, want %s", got, MaxFor)
	}
	w.at = w.at.Add(10*time.Second - 1)
	if b, _ := r.Bite("sts", "GetCallerIdentity"); b.ID != short.ID {
		t.Errorf("just before its end: %+v, want the older rule", b)
	}
	w.at = w.at.Add(1)
	if b, _ := r.Bite("sts", "GetCallerIdentity"); b.ID != long.ID {
		t.Errorf("after the end of the first: %+v, want the second", b)
	}
	if got := only(t, r, short.ID); got.End != Over || !got.Ended.Equal(short.Until) {
		t.Errorf("%+v", got)
	}
	w.at = w.at.Add(MaxFor)
	if b, bites := r.Bite("sts", "GetCallerIdentity"); bites {
		t.Errorf("a rule without an end: %+v", b)
	}
}

func TestHeal(t *testing.T) {
	r, _ := newRules()
	ctx := t.Context()
	a, b := inject(t, r, AWS{Kind: Late, Delay: time.Second, Times: 9}), inject(t, r, AWS{Kind: Error, Times: 9})
	if _, bites := r.Bite("sts", "GetCallerIdentity"); !bites {
		t.Error("the first rule does not bite")
	}
	if healed, err := r.Heal(ctx, a.ID); err != nil || healed.End != Healed || healed.Pending != 1 {
		t.Errorf("heal: %+v, %v", healed, err)
	}
	r.Arrived(a.ID)
	if got := only(t, r, a.ID); got.Pending != 0 {
		t.Errorf("%d late effects after they arrived", got.Pending)
	}
	if bite, _ := r.Bite("sts", "GetCallerIdentity"); bite.ID != b.ID {
		t.Errorf("%+v, want the second rule", bite)
	}
	if _, err := r.Heal(ctx, "aws-9"); !errors.Is(err, ErrUnknown) {
		t.Errorf("heal of nothing: %v", err)
	}
	if healed, err := r.HealAll(ctx); err != nil || len(healed) != 1 || healed[0].ID != b.ID {
		t.Errorf("heal all: %+v, %v", healed, err)
	}
	if healed, err := r.HealAll(ctx); err != nil || len(healed) != 0 {
		t.Errorf("heal all again: %+v, %v", healed, err)
	}
	if again, err := r.Heal(ctx, b.ID); err != nil || again.End != Healed {
		t.Errorf("heal again: %+v, %v", again, err)
	}
	if _, bites := r.Bite("sts", "GetCallerIdentity"); bites {
		t.Error("a healed rule bites")
	}
}

func TestInjectRefuses(t *testing.T) {
	r, _ := newRules()
	if _, err := r.Inject(t.Context(), Fault{Kill: &Kill{Component: Etcd, Side: Source}}); err == nil {
		t.Error("rules of AWS took a kill")
	}
	if _, err := r.Inject(t.Context(), Fault{AWS: &AWS{Kind: Error}}); err == nil {
		t.Error("a rule without an end was taken")
	}
	for range MaxKept {
		inject(t, r, AWS{Kind: Error, Times: 1})
	}
	if _, err := r.Inject(t.Context(), Fault{AWS: &AWS{Kind: Error, Times: 1}}); !errors.Is(err, ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
}

// What a caller has is not changed by later calls.
func TestListIsACopy(t *testing.T) {
	r, _ := newRules()
	id := inject(t, r, AWS{Kind: Error, Times: 9}).ID
	r.Bite("sts", "GetCallerIdentity")
	before := only(t, r, id)
	r.Bite("sts", "GetCallerIdentity")
	if before.Count() != 1 {
		t.Errorf("%+v changed", before)
	}
}

// TestDeterminism states it: the same rules and calls have the same bites; no rule
// bites more often than it may, before it may or with a delay it does not have; and
// a chance is met about as often as it says.
func TestDeterminism(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := AWS{
			Kind: Delay, Action: Writes, Seed: rapid.Uint64().Draw(t, "seed"), After: rapid.IntRange(0, 5).Draw(t, "after"),
			Times: rapid.IntRange(0, 20).Draw(t, "times"), For: time.Minute, Probability: rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "probability"),
			Delay: time.Second, UpTo: 3 * time.Second,
		}
		calls := rapid.SliceOfN(rapid.SampledFrom(Actions("elbv2")), 1, 100).Draw(t, "calls")
		play := func() (bites []Bite, at []int) {
			r := NewRules(func() time.Time { return time.Unix(1_700_000_000, 0) })
			if _, err := r.Inject(context.Background(), Fault{AWS: &a}); err != nil {
				t.Fatal(err)
			}
			writes := 0
			for _, action := range calls {
				if !isRead(action) {
					writes++
				}
				b, bites1 := r.Bite("elbv2", action)
				switch {
				case !bites1:
					continue
				case isRead(action):
					t.Fatalf("%s is no write", action)
				case b.Delay < a.Delay || b.Delay >= a.UpTo:
					t.Fatalf("a delay of %s", b.Delay)
				case writes <= a.After:
					t.Fatalf("write %d was bitten, and %d pass", writes, a.After)
				}
				bites, at = append(bites, b), append(at, writes)
			}
			if a.Times > 0 && len(bites) > a.Times {
				t.Fatalf("%d bites, at most %d", len(bites), a.Times)
			}
			return bites, at
		}
		bites, at := play()
		again, atAgain := play()
		if !slices.Equal(bites, again) || !slices.Equal(at, atAgain) {
			t.Fatalf("%v at %v, then %v at %v", bites, at, again, atAgain)
		}
	})
}

func TestChance(t *testing.T) {
	for _, p := range []float64{0.1, 0.5, 0.9} {
		bites := 0
		for n := 1; n <= 10_000; n++ {
			if _, is := decideBite(AWS{Kind: Error, Probability: p, Seed: 7}, n); is {
				bites++
			}
		}
		// Five standard deviations of 10,000 throws are below 250.
		if diff := float64(bites) - 10_000*p; diff < -250 || diff > 250 {
			t.Errorf("probability %v: %d bites of 10,000", p, bites)
		}
	}
}
