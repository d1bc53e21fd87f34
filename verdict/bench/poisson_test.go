package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestPoissonHasItsDistribution(t *testing.T) {
	const n = 200_000
	for _, mean := range []float64{0.01, 0.19, 1, 9.99, 10, 189.81, 360, 2500} {
		t.Run(fmt.Sprint(mean), func(t *testing.T) {
			rng, p := rand.New(rand.NewPCG(1, math.Float64bits(mean))), poisson{}
			drawn := map[int64]float64{}
			for range n {
				drawn[p.draw(rng, mean)]++
			}
			fits(t, drawn, n, func(k int64) float64 {
				lgamma, _ := math.Lgamma(float64(k) + 1)
				return math.Exp(float64(k)*math.Log(mean) - mean - lgamma)
			}, int64(mean+20*math.Sqrt(mean)+20))
		})
	}
}

func TestGeometricHasItsDistribution(t *testing.T) {
	const n = 200_000
	for _, mean := range []float64{1, 1.5, 5, 40} {
		rng := rand.New(rand.NewPCG(2, math.Float64bits(mean)))
		drawn := map[int64]float64{}
		for range n {
			drawn[geometric(rng, mean)]++
		}
		fits(t, drawn, n, func(k int64) float64 {
			if k < 1 {
				return 0
			}
			return math.Pow(1-1/mean, float64(k-1)) / mean
		}, int64(30*mean))
	}
}

// fits compares mean, variance and frequencies with what they should be: five
// standard deviations, and a chi-square that chance exceeds once in about 10^5.
func fits(t *testing.T, drawn map[int64]float64, n float64, chance func(int64) float64, highest int64) {
	t.Helper()
	var sum, squares, chi, rest, restExpected, mean, second, fourth float64
	cells := 0
	for k := int64(0); k <= highest; k++ {
		x, p := float64(k), chance(k)
		sum, squares = sum+drawn[k]*x, squares+drawn[k]*x*x
		mean, second = mean+p*x, second+p*x*x
		if n*p >= 5 {
			chi += (drawn[k] - n*p) * (drawn[k] - n*p) / (n * p)
			cells++
		} else {
			rest, restExpected = rest+drawn[k], restExpected+n*p
		}
		delete(drawn, k)
	}
	if len(drawn) > 0 {
		t.Errorf("drawn above %d: %v", highest, drawn)
	}
	variance := second - mean*mean
	for k := int64(0); k <= highest; k++ {
		fourth += chance(k) * math.Pow(float64(k)-mean, 4)
	}
	if got := sum / n; math.Abs(got-mean) > 5*math.Sqrt(variance/n) {
		t.Errorf("mean is %v, not %v", got, mean)
	}
	if got := squares/n - (sum/n)*(sum/n); math.Abs(got-variance) > 5*math.Sqrt((fourth-variance*variance)/n) {
		t.Errorf("variance is %v, not %v", got, variance)
	}
	if math.Abs(rest-restExpected) > 5*math.Sqrt(restExpected)+5 {
		t.Errorf("%v rare values, not %v", rest, restExpected)
	}
	if df := float64(cells - 1); df > 0 { // Wilson and Hilferty's approximation
		if z := (math.Cbrt(chi/df) - (1 - 2/(9*df))) / math.Sqrt(2/(9*df)); z > 4.3 {
			t.Errorf("chi-square is %v at %v degrees of freedom", chi, df)
		}
	}
}

func TestPoissonOfChangingMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		means := rapid.SliceOfN(rapid.Float64Range(0, 3000), 1, 20).Draw(t, "means")
		seed := rapid.Uint64().Draw(t, "seed")
		rng, same, p := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, 0)), poisson{}
		for _, mean := range means {
			got := p.draw(rng, mean)
			if got < 0 || math.Abs(float64(got)-mean) > 12*math.Sqrt(mean)+12 {
				t.Fatalf("%d was drawn with mean %v", got, mean)
			}
			if fresh := (&poisson{}).draw(same, mean); fresh != got {
				t.Fatalf("%d with mean %v depends on the means before it: a new table gives %d", got, mean, fresh)
			}
		}
	})
}

func TestPoissonOfNothing(t *testing.T) {
	rng, p := rand.New(rand.NewPCG(1, 1)), poisson{}
	for _, mean := range []float64{0, -1} {
		if got := p.draw(rng, mean); got != 0 {
			t.Errorf("mean %v: %d", mean, got)
		}
	}
}
