package bench

import (
	"math"
	"slices"
)

// Figures is what was measured.
type Figures struct {
	Options     Options
	Policies    []string
	Regressions []float64 // errors per request of the target
	Worlds      []World   // in which the target is not worse
	Found       [][]Found // by policy, then by regression
	False       [][]Rate  // by policy, then by world: days with a rollback
}

// Options say how much is simulated.
type Options struct {
	Runs int // migrations per regression, at most 6 h each
	Days int // per quiet world
}

// The amounts: the default, and one for a first look.
var (
	Full  = Options{Runs: 300, Days: 100}
	Quick = Options{Runs: 10, Days: 1}
)

// Found is how a policy finds a regression.
type Found struct {
	Decided Rate    // runs that rolled back within 6 h
	Seconds float64 // until half of the runs had rolled back; +Inf if they did not
	Harmed  float64 // failed requests of the target that half of the runs did not exceed until then; +Inf likewise
}

// Rate is k of n.
type Rate struct{ K, N int }

const (
	patience = 6 * 3600 // seconds after which a regression counts as not found
	oneDay   = 24 * 3600
)

// Regressions are the errors per request of the target that are simulated.
var Regressions = []float64{0.01, 0.02, 0.05, 0.5}

// Measure simulates everything.
func Measure(o Options) Figures {
	f := Figures{Options: o, Regressions: Regressions}
	for _, p := range newPolicies() {
		f.Policies = append(f.Policies, p.Name())
	}
	f.Found = make([][]Found, len(f.Policies))
	f.False = make([][]Rate, len(f.Policies))
	for _, ratio := range Regressions {
		runs := repeat(Regression(ratio), o.Runs, patience)
		for p := range f.Policies {
			f.Found[p] = append(f.Found[p], found(runs, p))
		}
	}
	for _, w := range Quiet() {
		f.Worlds = append(f.Worlds, w)
		days := repeat(w, o.Days, oneDay)
		for p := range f.Policies {
			f.False[p] = append(f.False[p], decided(days, p))
		}
	}
	return f
}

func decided(runs [][]Rollback, policy int) Rate {
	r := Rate{N: len(runs)}
	for _, run := range runs {
		if run[policy].Decided {
			r.K++
		}
	}
	return r
}

func found(runs [][]Rollback, policy int) Found {
	var seconds, harmed []float64
	for _, run := range runs {
		r := run[policy]
		if !r.Decided {
			seconds, harmed = append(seconds, math.Inf(1)), append(harmed, math.Inf(1))
			continue
		}
		seconds, harmed = append(seconds, float64(r.After)), append(harmed, float64(r.Harmed))
	}
	return Found{Decided: decided(runs, policy), Seconds: median(seconds), Harmed: median(harmed)}
}

// median returns the smallest value that at least half of the values do not
// exceed.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[(len(values)-1)/2]
}

// confidence is that of the intervals that are printed.
const confidence = 0.95

// Interval returns the exact two-sided confidence interval of a rate (C. J.
// Clopper and E. S. Pearson, The use of confidence or fiducial limits, Biometrika
// 1934).
func (r Rate) Interval() (low, high float64) {
	const tail = (1 - confidence) / 2
	low, high = 0, 1
	if r.K > 0 {
		low = bisect(func(p float64) bool { return 1-atMost(r.K-1, r.N, p) >= tail })
	}
	if r.K < r.N {
		high = bisect(func(p float64) bool { return atMost(r.K, r.N, p) <= tail })
	}
	return low, high
}

// bisect returns the smallest number in 0..1 for which is holds, given that it
// holds for all above.
func bisect(is func(float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		if mid := (low + high) / 2; is(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

// atMost is the chance of at most k of n, each with the chance p in 0..1.
func atMost(k, n int, p float64) float64 {
	if p <= 0 {
		return 1
	}
	if p >= 1 {
		return 0 // k < n
	}
	all, _ := math.Lgamma(float64(n) + 1)
	sum := 0.0
	for i := range k + 1 {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		sum += math.Exp(all - a - b + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(sum, 1)
}
