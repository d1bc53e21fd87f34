package verdict

import "math"

// burns are the regressions that the limit form bets on, in multiples of p*.
var burns = [...]float64{2, 4, 8, 16, 32}

// mostLimit is the highest error ratio that is bet on: with 1, a single success
// would lose everything.
const mostLimit = 0.95

// limitBet is one of them, with its logarithms.
type limitBet struct {
	bad, good float64 // ln e of a bad and of a good request
}

// limitBets returns the bets against p*; those above mostLimit are left out, so
// there may be fewer than burns.
func limitBets(limit float64) []limitBet {
	var out []limitBet
	for _, k := range burns {
		if p := k * limit; p <= mostLimit || len(out) == 0 {
			p = min(p, mostLimit)
			out = append(out, limitBet{bad: math.Log(p / limit), good: math.Log((1 - p) / (1 - limit))})
		}
	}
	return out
}

// guardTheta is the index of the theta that the guard of the limit form bets on,
// 16. Any keeps its promise; this one lets a target that fails a hundred times as
// often as the source through almost undamped.
const guardTheta = 3

// mostAtOnce is how much one interval may win, in logarithms: less than it takes.
// What fails together in one second may be one thing that happened once. A factor
// that is cut is still fair.
const mostAtOnce = 8

// whole is ln e of t.
func (b limitBet) whole(t Tally) float64 {
	return float64(t.Bad)*b.bad + float64(t.N-t.Bad)*b.good
}

// factor is ln e of t, with what one interval may win.
func (b limitBet) factor(t Tally) float64 { return min(mostAtOnce, b.whole(t)) }
