package bench

import (
	"math"
	"slices"
)

// uTest asks by how much the values of one sample are larger than those of
// another: the Mann-Whitney U test, with the normal approximation and the
// corrections for ties and for continuity. That is R's wilcox.test with
// exact = FALSE and conf.int = TRUE, which Kayenta follows:
// https://github.com/spinnaker/kayenta/blob/master/kayenta-mannwhitney/src/main/scala/com/netflix/kayenta/mannwhitney/MannWhitney.scala
type uTest struct {
	x, y []float64 // ascending
}

// newUTest takes two samples, neither of them empty.
func newUTest(x, y []float64) uTest {
	return uTest{slices.Sorted(slices.Values(x)), slices.Sorted(slices.Values(y))}
}

// statistic is the standardised U of x-mu against y: in how many pairs x is
// larger, less what is expected, in standard deviations. It falls with mu. Not
// defined where all values are equal.
func (u uTest) statistic(mu float64) float64 {
	pairs, ties := 0.0, 0.0
	for i, j := 0, 0; i < len(u.x) || j < len(u.y); {
		value := math.Inf(1)
		if i < len(u.x) {
			value = u.x[i] - mu
		}
		if j < len(u.y) {
			value = min(value, u.y[j])
		}
		below, inX, inY := float64(j), 0.0, 0.0
		for ; i < len(u.x) && u.x[i]-mu == value; i++ {
			inX++
		}
		for ; j < len(u.y) && u.y[j] == value; j++ {
			inY++
		}
		pairs += inX * (below + inY/2)
		group := inX + inY
		ties += group*group*group - group
	}
	m, n := float64(len(u.x)), float64(len(u.y))
	away := pairs - m*n/2
	switch {
	case away > 0:
		away -= 0.5 // continuity
	case away < 0:
		away += 0.5
	}
	return away / math.Sqrt(m*n/12*(m+n+1-ties/((m+n)*(m+n-1))))
}

// interval returns the shifts that the two-sided test does not reject at a
// confidence in 0..1.
func (u uTest) interval(confidence float64) (low, high float64) {
	z := quantile(confidence)
	return u.last(func(f float64) bool { return f > z }), u.last(func(f float64) bool { return f > -z })
}

// quantile is how many standard deviations around its mean hold a part of a
// normal distribution, 0..1.
func quantile(part float64) float64 { return math.Sqrt2 * math.Erfinv(part) }

// estimate returns the shift that fits best: the middle of those at which neither
// sample is larger (J. L. Hodges and E. L. Lehmann, Estimates of location based
// on rank tests, Annals of Mathematical Statistics 1963).
func (u uTest) estimate() float64 {
	from := u.last(func(f float64) bool { return f > 0 })
	to := u.last(func(f float64) bool { return f >= 0 })
	return (from + to) / 2
}

// precision is how exactly shifts are found, as a part of the range they can lie
// in. Kayenta's solver stops at 1e-4 whatever the values are, which is coarse for
// ratios and fine for percent.
const precision = 1e-10

// last returns the largest shift whose statistic is what is asked for, given that
// it is so for all smaller ones; an end of the range if it is so for none or all.
func (u uTest) last(is func(statistic float64) bool) float64 {
	low, high := u.x[0]-u.y[len(u.y)-1], u.x[len(u.x)-1]-u.y[0]
	if low == high {
		return low // two constants
	}
	if !is(u.statistic(low)) {
		return low
	}
	if is(u.statistic(high)) {
		return high
	}
	for enough := precision * (high - low); high-low > enough; {
		if mid := (low + high) / 2; is(u.statistic(mid)) {
			low = mid
		} else {
			high = mid
		}
	}
	return (low + high) / 2
}
