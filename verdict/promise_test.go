package verdict

import (
	"fmt"
	"math"
	"testing"
)

// binomials returns the distribution of the number of bad ones of n independent
// requests, up to where nothing is left.
func binomials(n int64, p float64) []float64 {
	out := []float64{math.Exp(float64(n) * math.Log1p(-p))}
	for k := int64(1); k <= n; k++ {
		next := out[k-1] * float64(n-k+1) / float64(k) * p / (1 - p)
		out = append(out, next)
		if float64(k) > float64(n)*p && next < 1e-18 {
			break
		}
	}
	return out
}

// mean adds up e over all that two sides of independent requests can show.
func mean(nb, ng int64, pb, pg float64, e func(Pair) float64) float64 {
	source, target, sum := binomials(nb, pb), binomials(ng, pg), 0.0
	for b, wb := range source {
		for g, wg := range target {
			if w := wb * wg; w > 1e-18 {
				sum += w * math.Exp(e(pair(nb, ng, int64(b), int64(g))))
			}
		}
	}
	return sum
}

// TestFactorsAreFair adds up the mean of each factor over every outcome, at the
// edge of what counts as not worse. It is what the package comment proves, and
// the part of it that it leaves to a test: the unit form with a difference.
func TestFactorsAreFair(t *testing.T) {
	most := map[string]float64{}
	for _, total := range []int64{20, 200, 2000} {
		for _, q := range []float64{0.01, 0.05, 0.2, 0.5, 0.9} {
			ng := max(1, int64(q*float64(total)))
			nb := total - ng
			for _, pb := range []float64{1e-5, 1e-3, 1e-2, 0.1, 0.4} {
				for _, tolerated := range []struct{ ratio, difference float64 }{{1.5, 5e-4}, {1, 0}, {1, 1e-2}, {1.5, 0}, {3, 1e-3}} {
					risk := tolerated.ratio*pb + tolerated.difference
					odds := tolerated.ratio*pb/(1-pb) + tolerated.difference
					if risk >= 1 {
						continue
					}
					for j, theta := range thetas {
						if theta <= tolerated.ratio {
							continue
						}
						var b bets
						product := func(p Pair) float64 {
							b.of(tolerated.ratio, p, 0)
							return b.product(j, tolerated.difference, p)
						}
						unit := func(p Pair) float64 { return bet(theta, tolerated.ratio, tolerated.difference, p).unit(p, 0) }
						for name, m := range map[string]float64{"product": mean(nb, ng, pb, risk, product), "unit": mean(nb, ng, pb, odds/(1+odds), unit)} {
							most[name] = max(most[name], m)
							if m > 1+1e-9 {
								t.Errorf("%s: Nb %d, Ng %d, pb %g, ratio %g, difference %g, theta %g: mean %.9f", name, nb, ng, pb, tolerated.ratio, tolerated.difference, theta, m)
							}
						}
					}
				}
			}
		}
	}
	t.Log(fmt.Sprint(most))
}
