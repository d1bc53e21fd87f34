package verdict

import (
	"math"
	"time"
)

// Tally is requests and those of them that were bad.
type Tally struct {
	N   int64 `json:"n"`
	Bad int64 `json:"bad"`
}

// Plus returns the sum of both.
func (t Tally) Plus(u Tally) Tally { return Tally{t.N + u.N, t.Bad + u.Bad} }

// Ratio returns bad requests per request, 0 without any.
func (t Tally) Ratio() float64 {
	if t.N == 0 {
		return 0
	}
	return float64(t.Bad) / float64(t.N)
}

// Pair is what both sides answered in the same span of time.
type Pair struct {
	Source Tally `json:"source"`
	Target Tally `json:"target"`
}

// Plus returns the sum of both.
func (p Pair) Plus(o Pair) Pair { return Pair{p.Source.Plus(o.Source), p.Target.Plus(o.Target)} }

// thetas are the regressions that are bet on: how many times as often as the
// source the target fails. What lies between is found nearly as fast.
var thetas = [...]float64{2, 4, 8, 16, 64, 512}

// firstSteady is the index of the first theta of the steady form, 8. A bet on less
// loses so slowly that two bursts minutes apart would add up.
const firstSteady = 2

// terms is what one bet makes of a pair: the factor of an error of the target, of
// one of the source, and what the tolerated difference costs.
type terms struct {
	up, down float64 // fr and f of the package comment
	cost     float64 // f r eps Ng
}

func bet(theta, ratio, difference float64, p Pair) terms {
	target, source := float64(p.Target.N), float64(p.Source.N)
	if target <= 0 || theta <= ratio {
		return terms{}
	}
	q := target / (target + source)
	f := q * (theta - ratio) / (1 - q + q*theta)
	r := source / (ratio * target)
	return terms{up: f * r, down: f, cost: f * r * difference * target}
}

// bets are the terms of all thetas and fractions for one pair of numbers of
// requests, with the logarithms that every metric of an interval needs alike.
type bets struct {
	source, target int64
	known          bool
	terms          [len(thetas)]terms
	logUp, logDown [len(thetas)]float64
	logOdds        [len(fractions)]float64
}

// of computes what is not known of p's numbers of requests yet, for the thetas from
// first on.
func (b *bets) of(ratio float64, p Pair, first int) {
	if b.known && b.source == p.Source.N && b.target == p.Target.N {
		return
	}
	b.source, b.target, b.known = p.Source.N, p.Target.N, true
	for j := first; j < len(thetas); j++ {
		b.terms[j] = bet(thetas[j], ratio, 1, p)
		b.logUp[j], b.logDown[j] = math.Log(1+b.terms[j].up), math.Log(1-b.terms[j].down)
	}
	odds := ratio * float64(p.Target.N) / float64(max(p.Source.N, 1))
	for i, h := range fractions {
		b.logOdds[i] = math.Log(1 + h*odds)
	}
}

// product is ln e of the product form for the j-th theta.
func (b *bets) product(j int, difference float64, p Pair) float64 {
	return float64(p.Target.Bad)*b.logUp[j] + float64(p.Source.Bad)*b.logDown[j] - b.terms[j].cost*difference
}

// unit is ln e of the unit form. Of the source's bad ones, doubtful are those that
// may not be bad.
func (t terms) unit(p Pair, doubtful int64) float64 {
	n := float64(p.Source.Bad + p.Target.Bad)
	surely := max(1, n-float64(doubtful))
	if n == 0 {
		return -t.cost
	}
	y := float64(p.Target.Bad) / n
	return math.Log(y*(1+t.up)+(1-y)*(1-t.down)) - t.cost/surely
}

// What the steady form may win in a second and in an interval, in logarithms:
// less than it takes even right after the start, so that no burst of five seconds
// wins, however many requests it hits. Slowness comes in longer bursts than
// failure: garbage collections, cold caches.
const (
	steadyErrors = 1.0
	steadySlow   = 0.5
	steadyAtMost = 5 // seconds' worth, in an interval that is longer
)

// steadyCap is what an interval of span may win.
func steadyCap(k Kind, span time.Duration) float64 {
	per := steadyErrors
	if k == Latency || k == Slower {
		per = steadySlow
	}
	return per * min(span.Seconds(), steadyAtMost)
}
