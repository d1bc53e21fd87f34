package router

import (
	"fmt"
	"strings"

	"watari.dev/traffic"
)

// Pair is a source and a target weight.
type Pair struct{ Source, Target int64 }

// Share returns the target's part of p, rounded down to a basis point; 0 if
// both are zero.
func (p Pair) Share() traffic.Share {
	if p.Source+p.Target == 0 {
		return traffic.None
	}
	return traffic.Share(p.Target * int64(traffic.All) / (p.Source + p.Target))
}

// Express returns the weights up to maxWeight whose share is closest to share
// and never above it. Among equals it takes those whose sum is nearest to 100,
// because people read them as percent. The two are never both zero.
func Express(share traffic.Share, maxWeight int64) Pair {
	switch {
	case share <= traffic.None:
		return Pair{Source: min(100, maxWeight)}
	case share >= traffic.All:
		return Pair{Target: min(100, maxWeight)}
	}
	p, rest := int64(share), int64(traffic.All-share)
	best := Pair{Source: min(100, maxWeight)}
	for t := int64(1); t <= maxWeight; t++ {
		s := (t*rest + p - 1) / p // the smallest source weight that does not exceed share
		if s > maxWeight {
			break
		}
		if c := (Pair{Source: s, Target: t}); c.closer(best) {
			best = c
		}
	}
	return best
}

// ExpressIn is Express for two weights whose sum must stay as it is, because
// other entries of the same lever live off the rest.
func ExpressIn(share traffic.Share, sum int64) Pair {
	t := sum * int64(share) / int64(traffic.All)
	return Pair{Source: sum - t, Target: t}
}

// closer reports whether p lies nearer to the wanted share than q; both lie at
// or below it.
func (p Pair) closer(q Pair) bool {
	left, right := p.Target*(q.Source+q.Target), q.Target*(p.Source+p.Target)
	if left != right {
		return left > right
	}
	return distance(p.Source+p.Target, 100) < distance(q.Source+q.Target, 100)
}

func distance(a, b int64) int64 { return max(a-b, b-a) }

func (p Part) describe() string {
	var words []string
	for _, w := range p.Weights {
		words = append(words, fmt.Sprintf("%s %d", w.Entry, w.Weight))
	}
	if p.Name == "" {
		return strings.Join(words, ", ")
	}
	return p.Name + ": " + strings.Join(words, ", ")
}
