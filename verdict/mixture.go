package verdict

import "math"

// mixture holds ln M_j of some bets: what a gambler owns who put a part of one
// unit of money on each.
type mixture []float64

// startMass is how much of the money is bet at the start; the rest is kept for
// restarts.
const startMass = 0.5

// open bets mass, spread evenly.
func (m mixture) open(mass float64) {
	for j := range m {
		m[j] = math.Log(mass / float64(len(m)))
	}
}

// restart bets mass beside what is there.
func (m mixture) restart(mass float64) {
	if mass <= 0 {
		return
	}
	each := math.Log(mass / float64(len(m)))
	for j := range m {
		m[j] = logAdd(m[j], each)
	}
}

// value returns ln of the sum.
func (m mixture) value() float64 {
	top := math.Inf(-1)
	for _, v := range m {
		top = max(top, v)
	}
	if math.IsInf(top, -1) {
		return top
	}
	sum := 0.0
	for _, v := range m {
		if d := v - top; d > -40 { // smaller parts are below the precision of the sum
			sum += math.Exp(d)
		}
	}
	return top + math.Log(sum)
}

// logAdd returns ln(e^a + e^b).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(a, -1) {
		return a
	}
	return a + math.Log1p(math.Exp(b-a))
}
