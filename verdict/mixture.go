package verdict

import (
	"math"
	"time"
)

// mixture holds M_j of some bets: what a gambler owns who put a part of one unit of
// money on each.
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

// limitPatience divides what the limit form bets between the start and the moves:
// it must not be won by one pod of three that fails for five seconds, which
// happens, but by an outage, which goes on.
const limitPatience = 1e12

// steadyPatience does the same for the steady form: between the start and the
// moves half a minute of failing in a row may be a burst, not five seconds.
const steadyPatience = 1e6

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
		m[j] = mass / float64(len(m))
	}
}

// restart bets mass beside what is there.
func (m mixture) restart(mass float64) {
	if len(m) == 0 {
		return
	}
	each := mass / float64(len(m))
	for j := range m {
		m[j] += each
	}
}

// mostMoney bounds a bet, far beyond any threshold: what has won this much need not
// win more, and infinity is no number that can be stored.
const mostMoney = 1e250

// win multiplies the j-th bet by a factor that is given as its logarithm.
func (m mixture) win(j int, log float64) {
	if m[j] > 0 { // nothing times infinity is no number
		m[j] = min(m[j]*math.Exp(log), mostMoney)
	}
}

// value returns the sum.
func (m mixture) value() (sum float64) {
	for _, v := range m {
		sum += v
	}
	return sum
}

// leastLog bounds the logarithm of what may be nothing.
const leastLog = -700

// logOf returns ln v, bounded below.
func logOf(v float64) float64 {
	if v <= 0 {
		return leastLog
	}
	return max(leastLog, math.Log(v))
}
