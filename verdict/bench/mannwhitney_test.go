package bench

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func near(a, b, by float64) bool { return math.Abs(a-b) <= by }

func TestStatisticByHand(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		mu   float64
		want float64
	}{
		{"as many above as below", []float64{1, 2, 3}, []float64{1.5, 2.5}, 0, 0},
		// U = 9 of 9 pairs, 4.5 expected: (4.5-0.5)/sqrt(9/12*7).
		{"all above", []float64{4, 5, 6}, []float64{1, 2, 3}, 0, 4 / math.Sqrt(5.25)},
		{"all below", []float64{1, 2, 3}, []float64{4, 5, 6}, 0, -4 / math.Sqrt(5.25)},
		{"shifted away", []float64{4, 5, 6}, []float64{1, 2, 3}, 10, -4 / math.Sqrt(5.25)},
		// Two groups of three: U = 2*1 + 2*0.5 = 3; 9/12*(7-48/30) = 4.05.
		{"ties", []float64{1, 1, 2}, []float64{1, 2, 2}, 0, -1 / math.Sqrt(4.05)},
	} {
		if got := newUTest(c.x, c.y).statistic(c.mu); !near(got, c.want, 1e-12) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
}

// TestKayentasOwnVector: the interval and the estimate that Kayenta's test expects
// (MannWhitneySuite, "returns expected values").
func TestKayentasOwnVector(t *testing.T) {
	u := newUTest([]float64{10, 20, 30, 40}, []float64{1, 2, 3, 4})
	low, high := u.interval(0.95)
	if estimate := u.estimate(); !near(low, 6, 1e-6) || !near(high, 39, 1e-6) || !near(estimate, 22.5, 1e-6) {
		t.Errorf("%v to %v, estimate %v; not 6 to 39, 22.5", low, high, estimate)
	}
}

func TestQuantile(t *testing.T) {
	for part, want := range map[float64]float64{0.95: 1.959963985, 0.98: 2.326347874} {
		if got := quantile(part); !near(got, want, 1e-8) {
			t.Errorf("%v: %v, not %v", part, got, want)
		}
	}
}

// samples are few values, so that there are ties.
func samples(t *rapid.T, name string) []float64 {
	return rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 12), func(i int) float64 { return float64(i) / 7 }), 2, 15).Draw(t, name)
}

// TestStatisticIsTheRankSum compares with the definition by ranks.
func TestStatisticIsTheRankSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := samples(t, "x"), samples(t, "y")
		mu := rapid.SampledFrom([]float64{0, 1. / 7, -3. / 7, 0.123}).Draw(t, "mu")
		all := []float64{}
		for _, v := range x {
			all = append(all, v-mu)
		}
		all = append(all, y...)
		m, n := float64(len(x)), float64(len(y))
		sum, ties := 0.0, 0.0
		for i, v := range all {
			below, same := 0.0, 0.0
			for _, w := range all {
				if w < v {
					below++
				}
				if w == v {
					same++
				}
			}
			if i < len(x) {
				sum += below + (same+1)/2
			}
			ties += same*same - 1 // once for each value of the group
		}
		away := sum - m*(m+1)/2 - m*n/2
		if away != 0 {
			away -= math.Copysign(0.5, away)
		}
		want := away / math.Sqrt(m*n/12*(m+n+1-ties/((m+n)*(m+n-1))))
		if got := newUTest(x, y).statistic(mu); !near(got, want, 1e-9) && !math.IsNaN(want) && !math.IsInf(want, 0) {
			t.Fatalf("%v, not %v", got, want)
		}
	})
}

// TestEstimateIsTheMedianDifference: without ties it is, by definition; of an odd
// number of differences the correction for continuity leaves the middle of the
// two beside it.
func TestEstimateIsTheMedianDifference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)) // ties have a chance of 0
		x, y := make([]float64, rapid.IntRange(2, 12).Draw(t, "m")), make([]float64, rapid.IntRange(2, 12).Draw(t, "n"))
		for i := range x {
			x[i] = rng.Float64()
		}
		for i := range y {
			y[i] = rng.Float64()
		}
		var differences []float64
		for _, a := range x {
			for _, b := range y {
				differences = append(differences, a-b)
			}
		}
		slices.Sort(differences)
		k := len(differences)
		want := (differences[k/2-1] + differences[(k+1)/2]) / 2
		u := newUTest(x, y)
		if got := u.estimate(); !near(got, want, 1e-8) {
			t.Fatalf("estimate %v, not %v", got, want)
		}
		if low, high := u.interval(0.98); low > want+1e-8 || high < want-1e-8 {
			t.Fatalf("estimate %v is not in %v to %v", want, low, high)
		}
	})
}

func TestIntervalMovesWithTheSample(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := samples(t, "x"), samples(t, "y")
		by := rapid.Float64Range(-3, 3).Draw(t, "by")
		var moved []float64
		for _, v := range x {
			moved = append(moved, v+by)
		}
		low, high := newUTest(x, y).interval(0.9)
		movedLow, movedHigh := newUTest(moved, y).interval(0.9)
		if !near(low+by, movedLow, 1e-6) || !near(high+by, movedHigh, 1e-6) {
			t.Fatalf("%v to %v becomes %v to %v by %v", low, high, movedLow, movedHigh, by)
		}
	})
}
