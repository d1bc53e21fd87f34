package bench

import (
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestMedian(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{2, 1}, 1},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 3, 2, 1}, 2},
		{[]float64{1, 2, inf, inf}, 2},
		{[]float64{1, inf, inf}, inf},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, not %v", c.values, got, c.want)
		}
	}
}

// TestInterval compares with values that can be had by hand: 1-0.025^(1/n) for
// none of n, and the tables of Clopper and Pearson.
func TestInterval(t *testing.T) {
	for _, c := range []struct {
		rate      Rate
		low, high float64
	}{
		{Rate{0, 10}, 0, 1 - math.Pow(0.025, 0.1)},
		{Rate{10, 10}, math.Pow(0.025, 0.1), 1},
		{Rate{0, 300}, 0, 1 - math.Pow(0.025, 1./300)},
		{Rate{5, 10}, 0.1870860, 0.8129140},
		{Rate{1, 100}, 0.0002531, 0.0544594},
	} {
		low, high := c.rate.Interval()
		if !near(low, c.low, 1e-6) || !near(high, c.high, 1e-6) {
			t.Errorf("%v: %v to %v, not %v to %v", c.rate, low, high, c.low, c.high)
		}
	}
}

func TestIntervalHoldsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		r := Rate{rapid.IntRange(0, n).Draw(t, "k"), n}
		low, high := r.Interval()
		opposite, _ := Rate{n - r.K, n}.Interval()
		if low < 0 || high > 1 || low > r.ratio() || high < r.ratio() || !near(high, 1-opposite, 1e-9) {
			t.Fatalf("%v: %v to %v, and its opposite from %v", r, low, high, opposite)
		}
	})
}

func TestFoundCountsWhatIsNotDecidedAsNever(t *testing.T) {
	runs := [][]Rollback{{{true, 10, 5}}, {{true, 30, 2}}, {{false, patience, 900}}}
	if got, want := found(runs, 0), (Found{Rate{2, 3}, 30, 5}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
	runs = append(runs, []Rollback{{false, patience, 1}}, []Rollback{{false, patience, 1}})
	if got := found(runs, 0); !math.IsInf(got.Seconds, 1) || !math.IsInf(got.Harmed, 1) || got.Decided != (Rate{2, 5}) {
		t.Errorf("%+v", got)
	}
}

// after rolls back after a number of seconds.
type after int

func (a after) Name() string         { return "after" }
func (a after) Second(s Second) bool { return s.At+1 == int(a) }

func TestSimulateCountsHarm(t *testing.T) {
	w := Regression(0.5)
	_, ten := total(w, 1, 10)
	_, hundred := total(w, 1, 100)
	got := Simulate(w.Stream(seeded(w.Name, 1)), []Policy{after(10), after(1000), after(100)}, 100)
	want := []Rollback{{true, 10, ten.Errors}, {false, 100, hundred.Errors}, {true, 100, hundred.Errors}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, not %+v", got, want)
	}
}

func TestTheTableIsWrittenAsMarkdown(t *testing.T) {
	f := Figures{
		Options: Options{Runs: 3, Days: 10}, Policies: []string{"slow", "quick"}, Regressions: []float64{0.01, 0.5},
		Worlds: []World{{Name: "calm", Text: "nothing happens"}},
		Found: [][]Found{
			{{Rate{0, 3}, math.Inf(1), math.Inf(1)}, {Rate{1, 3}, math.Inf(1), math.Inf(1)}},
			{{Rate{3, 3}, 88, 9}, {Rate{2, 3}, 2, 10}},
		},
		False: [][]Rate{{{0, 10}}, {{5, 10}}},
	}
	var b strings.Builder
	n, err := f.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatal(n, err)
	}
	for _, line := range []string{
		"| policy | target fails 1 % | target fails 50 % |\n|---|---|---|\n",
		"| slow | never | never (33 % did) |\n",
		"| quick | 88 / 9 | 2 / 10 |\n",
		"| policy | calm |\n|---|---|\n",
		"| slow | 0 % (to 31 %) |\n",
		"| quick | 50 % (19 % to 81 %) |\n",
		"- calm: nothing happens\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no %q in\n%s", line, b.String())
		}
	}
}

// TestQuickIsTheSameEveryTime runs the whole measurement twice, on all cores and
// on one, and looks at what must hold whatever the policies are: the medians of
// the rules that wait for a tick.
func TestQuickIsTheSameEveryTime(t *testing.T) {
	write := func() (Figures, string) {
		f := Measure(Quick)
		var b strings.Builder
		if _, err := f.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		return f, b.String()
	}
	f, first := write()
	before := runtime.GOMAXPROCS(1)
	_, second := write()
	runtime.GOMAXPROCS(before)
	if first != second {
		t.Errorf("on all cores\n%s\non one\n%s", first, second)
	}
	half := len(Regressions) - 1
	for p, name := range f.Policies {
		want := map[string]float64{ArgoCode.Label: 60, ArgoExample.Label: 1200, FlaggerCode.Label: 120, FlaggerExample.Label: 660, KayentaGrowing.Label: 600}[name]
		if got := f.Found[p][half].Seconds; want > 0 && got != want {
			t.Errorf("%s finds a target that fails half after %v s, not %v", name, got, want)
		}
	}
}
