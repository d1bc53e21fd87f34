package analyze

import "math"

// ClopperPearson returns the exact interval of a probability of which k of n were
// seen, which holds the true one with a chance of at least 1-miss (Clopper and
// Pearson, Biometrika 1934).
func ClopperPearson(k, n int, miss float64) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	low, high = 0, 1
	if k > 0 {
		low = solve(func(p float64) bool { return atLeast(k, n, p) < miss/2 })
	}
	if k < n {
		high = solve(func(p float64) bool { return 1-atLeast(k+1, n, p) > miss/2 })
	}
	return low, high
}

// solve returns where below, true for small p, becomes false.
func solve(below func(float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		if mid := (low + high) / 2; below(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

// atLeast is the chance of k or more of n at a probability of p each.
func atLeast(k, n int, p float64) float64 {
	if k <= 0 {
		return 1
	}
	sum := 0.0
	for i := k; i <= n; i++ {
		sum += math.Exp(logChoose(n, i) + xlogy(float64(i), p) + xlogy(float64(n-i), 1-p))
	}
	return min(1, sum)
}

func logChoose(n, k int) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// xlogy is x ln y, 0 where x is.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}
