package verdict

import (
	"math"
	"time"
)

// mixture holds ln M_j of some bets: what a gambler owns who put a part of one
// unit of money on each.
type mixture []float64

// How the money is spent: startMass at the start, moveMass when shares begin to
// move again, which is when things are likely to break, tailMass after the
// horizon, and the rest evenly until then. Together they are one.
const (
	startMass = 0.5
	moveMass  = 0.2
	tailMass  = 0.1
	evenMass  = 1 - startMass - moveMass - tailMass
)

// limitPatience, a logarithm, divides what the limit form bets between the start and the moves:
// it must not be won by one pod of three that fails for five seconds, which
// happens, but by an outage, which goes on.
const limitPatience = 10 * math.Ln10

// steadyPatience does the same for the steady form: between the start and the
// moves half a minute of failing in a row may be a burst, not five seconds.
const steadyPatience = 6 * math.Ln10

// moveSpending is what is bet on the k-th move after the start, k from 1: all of
// them together bet moveMass.
func moveSpending(k int) float64 { return moveMass / (float64(k) * float64(k+1)) }

// spending returns how much of the rest is bet until a time since the start. It
// never reaches evenMass+tailMass.
func (t *Test) spending(since time.Duration) float64 {
	part := float64(since) / float64(max(t.cfg.Horizon, 1))
	mass := evenMass * min(part, 1)
	if part > 1 {
		mass += tailMass * (1 - 1/part)
	}
	return mass
}

// open bets mass, spread evenly.
func (m mixture) open(mass float64) {
	for j := range m {
		m[j] = math.Log(mass / float64(len(m)))
	}
}

// restart bets mass beside what is there; logMass is its logarithm, -Inf for
// none.
func (m mixture) restart(logMass float64) {
	if len(m) == 0 || math.IsInf(logMass, -1) {
		return
	}
	each := logMass - logCount[len(m)]
	for j := range m {
		if each-m[j] > -40 { // less is below the precision of the sum
			m[j] = logAdd(m[j], each)
		}
	}
}

// logCount is the logarithm of how many bets a mixture has.
var logCount = func() (out [len(thetas) + 1]float64) {
	for n := range out {
		out[n] = math.Log(float64(n))
	}
	return out
}()

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
