package verdict

import "math"

// fractions are the bets that the target is good: h of the package comment.
var fractions = [...]float64{.1, .25, .5, .75, .95}

// logMiss is ln(1-h).
var logMiss = func() (out [len(fractions)]float64) {
	for i, h := range fractions {
		out[i] = math.Log1p(-h)
	}
	return out
}()

// better adds to each bet what a pair says: ln e of the promotion form, divided
// by the dispersion.
func better(into *[len(fractions)]float64, p Pair, ratio, difference, dispersion float64) {
	var b bets
	b.of(ratio, p, len(thetas))
	b.better(into, p, difference, dispersion)
}

// better is that of bets that are made ready.
func (b *bets) better(into *[len(fractions)]float64, p Pair, difference, dispersion float64) {
	if p.Target.N == 0 || p.Source.N == 0 {
		return // without the other side nothing is compared
	}
	per := 1 / dispersion
	cost := difference * float64(p.Target.N)
	for i, h := range fractions {
		into[i] += (float64(p.Target.Bad)*logMiss[i] + float64(p.Source.Bad)*b.logOdds[i] + h*cost) * per
	}
}

// betterValue is ln E of the mixture.
func betterValue(logs *[len(fractions)]float64) float64 {
	top := math.Inf(-1)
	for _, v := range logs {
		top = max(top, v)
	}
	sum := 0.0
	for _, v := range logs {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum/float64(len(logs)))
}

// UpperBound returns U: with a chance of 1-advance the target fails less than U
// times as often as the source, plus difference. It is +Inf where the source
// shows too few bad requests to say.
func UpperBound(p Pair, difference, dispersion, advance float64) float64 {
	enough := func(ratio float64) bool {
		var logs [len(fractions)]float64
		better(&logs, p, ratio, difference, dispersion)
		return betterValue(&logs) >= -math.Log(advance)
	}
	low, high := 0.0, 1.0
	for !enough(high) {
		low, high = high, high*2
		if high > 1e6 {
			return math.Inf(1)
		}
	}
	for range 60 {
		if mid := (low + high) / 2; enough(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}
