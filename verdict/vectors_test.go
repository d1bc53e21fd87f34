package verdict

import (
	"math"
	"testing"
)

func pair(nb, ng, b, g int64) Pair { return Pair{Tally{nb, b}, Tally{ng, g}} }

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 6e-7 {
		t.Errorf("%s: %.6f, want %.6f", what, got, want)
	}
}

func TestVectorsErrorRatio(t *testing.T) {
	pairs := []Pair{pair(1900, 100, 2, 1), pair(1800, 200, 2, 3), pair(1000, 1000, 1, 9)}
	run := func(mass float64, restartBefore int, restart float64, unit bool) (out []float64) {
		m := make(mixture, len(thetas))
		m.open(mass)
		for i, p := range pairs {
			if i == restartBefore {
				m.restart(restart)
			}
			for j, theta := range thetas {
				if unit {
					m.win(j, bet(theta, 1.5, 5e-4, p).unit(p, 0))
					continue
				}
				var b bets
				b.of(1.5, p, 0)
				m.win(j, b.product(j, 5e-4, p))
			}
			out = append(out, math.Log(m.value()))
		}
		return out
	}
	for name, c := range map[string]struct{ got, want []float64 }{
		"product":       {run(1, -1, 0, false), []float64{0.160843, 2.193606, 4.053486}},
		"unit":          {run(1, -1, 0, true), []float64{0.789043, 1.819098, 2.153562}},
		"unit restarts": {run(.5, 2, .25, true), []float64{0.095896, 1.125951, 1.534091}},
	} {
		for i := range c.want {
			near(t, name, c.got[i], c.want[i])
		}
	}
}

func TestVectorLimit(t *testing.T) {
	bets := limitBets(.002)
	m := make(mixture, len(bets))
	m.open(1)
	for j, b := range bets {
		m.win(j, b.whole(Tally{3000, 18}))
	}
	near(t, "limit", math.Log(m.value()), 5.844865)
}

func TestVectorLatency(t *testing.T) {
	m := make(mixture, len(thetas))
	m.open(1)
	for i := range 8 {
		p := pair(190, 10, 2, int64(1-i%2))
		for j, theta := range thetas {
			m.win(j, bet(theta, 1.5, 0, p).unit(p, 0))
		}
	}
	near(t, "latency", math.Log(m.value()), 0.743172)
}

func TestVectorsBand(t *testing.T) {
	near(t, "band", Band(10000, 1, .005), 0.030016)
	near(t, "band", Band(190000, 1, .005), 0.006956)
	near(t, "band", Band(1000, 100, .05), 0.082845)
}

func TestVectorsBounds(t *testing.T) {
	low, high := Bounds(Tally{10000, 300}, .005)
	near(t, "low", low, 0.022752)
	near(t, "high", high, 0.038594)
	low, high = Bounds(Tally{190000, 1900}, .005)
	near(t, "low", low, 0.008890)
	near(t, "high", high, 0.011198)
}

func TestVectorsPromotion(t *testing.T) {
	var logs [len(fractions)]float64
	better(&logs, pair(190000, 10000, 190, 8), 1.5, 5e-4, 1)
	near(t, "first", betterValue(&logs), 3.243992)
	better(&logs, pair(150000, 50000, 160, 48), 1.5, 5e-4, 1)
	near(t, "second", betterValue(&logs), 17.638061)
	var none [len(fractions)]float64
	better(&none, pair(190000, 10000, 0, 0), 1.5, 5e-4, 1)
	near(t, "no errors", betterValue(&none), 3.557785)
	near(t, "upper bound", UpperBound(pair(190000, 10000, 190, 8), 0, 1, .05), 1.976426)
}

func TestVectorsSplit(t *testing.T) {
	near(t, "off", SplitEvidence(9380, 620, .05, 0), 11.574883)
	near(t, "balanced", SplitEvidence(9500, 500, .05, 0), -2.324083)
}

func TestVectorDispersion(t *testing.T) {
	var pairs []Pair
	for _, p := range [][2]int64{{0, 4}, {1, 3}, {0, 0}, {5, 7}, {0, 6}} {
		pairs = append(pairs, pair(950, 50, p[1], p[0]))
	}
	near(t, "dispersion", Dispersion(pairs), 16.299595)
}

func TestVectorRamp(t *testing.T) {
	u := UpperBound(pair(190000, 10000, 190, 8), 0, 1, .05)
	near(t, "share", RampShare(20, 200, 300e9, (u-1)*.001), 0.341381)
}
