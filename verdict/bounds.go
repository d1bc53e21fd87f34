package verdict

import "math"

// Bounds returns the confidence sequence of a probability: whenever one looks, it
// holds the true one with a chance of 1-alpha. It is Robbins's mixture with a
// uniform prior: all p with B(1+k, 1+n-k) / (p^k (1-p)^(n-k)) < 1/alpha.
func Bounds(t Tally, alpha float64) (low, high float64) {
	n, k := float64(t.N), float64(t.Bad)
	if n <= 0 {
		return 0, 1
	}
	top := logBeta(1+k, 1+n-k) + math.Log(alpha)
	inside := func(p float64) bool { return top < xlogy(k, p)+xlogy(n-k, 1-p) }
	estimate := k / n
	return edgeOf(inside, estimate, 0), edgeOf(inside, estimate, 1)
}

// edgeOf finds by bisection where inside ends between a point inside and an end.
func edgeOf(inside func(float64) bool, in, end float64) float64 {
	if inside(end) {
		return end
	}
	for range 60 {
		if mid := (in + end) / 2; inside(mid) {
			in = mid
		} else {
			end = mid
		}
	}
	return in
}

// Band returns how far the distribution function of a latency may be from the
// counted one, at all latencies and all times from the m-th request on, with a
// chance of 1-alpha (Howard and Ramdas, Sequential estimation of quantiles,
// Bernoulli 2022, equation for the empirical distribution function).
func Band(n, m int64, alpha float64) float64 {
	if n <= 0 || n < m {
		return 1
	}
	ll := math.Log(math.Log(math.E * float64(n) / float64(max(m, 1))))
	return min(1, 0.85*math.Sqrt((ll+0.8*math.Log(1612/alpha))/float64(n)))
}

func logBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// xlogy is x ln y, 0 where x is.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}
