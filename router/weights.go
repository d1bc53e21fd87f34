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

// Sum returns both weights together.
func (p Pair) Sum() int64 { return p.Source + p.Target }

// SameRatio reports whether p and q split traffic in the same way. A pair
// without any weight splits nothing, which is a way of its own.
func (p Pair) SameRatio(q Pair) bool {
	return (p.Sum() == 0) == (q.Sum() == 0) && p.Target*q.Sum() == q.Target*p.Sum()
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
// other entries of the same lever live off the rest. A sum above maxWeight is
// lowered to it, as all of a larger one does not fit into one weight.
func ExpressIn(share traffic.Share, sum, maxWeight int64) Pair {
	sum = min(sum, maxWeight)
	share = min(max(share, traffic.None), traffic.All)
	t := sum * int64(share) / int64(traffic.All)
	return Pair{Source: sum - t, Target: t}
}

// ExpressNear returns weights of exactly the same ratio as want that keep one
// of the weights of have, so that a write has to touch one entry only; want
// itself where there are none.
func ExpressNear(want, have Pair, maxWeight int64) Pair {
	switch {
	case want.Target == 0 && have.Source > 0:
		return Pair{Source: have.Source}
	case want.Source == 0 && have.Target > 0:
		return Pair{Target: have.Target}
	case want.Source == 0 || want.Target == 0:
		return want
	}
	near := Pair{Source: have.Source, Target: have.Source * want.Target / want.Source}
	if near.Target > 0 && near.Target <= maxWeight && near.SameRatio(want) {
		return near
	}
	near = Pair{Source: have.Target * want.Source / want.Target, Target: have.Target}
	if near.Source > 0 && near.Source <= maxWeight && near.SameRatio(want) {
		return near
	}
	return want
}

// Choose decides the weights for share where the lever has the weights have and
// the entries of others weigh others in sum. Weights that already express the
// share stay as they are. With others of non-zero weight the pair's sum is kept.
//
// It returns ErrInexact where a share above 0 would become 0, and ErrNotOwned
// where all traffic goes to others, so that any weight would take from them.
func Choose(share traffic.Share, have Pair, others, maxWeight int64) (Pair, error) {
	want := Express(share, maxWeight)
	if others > 0 {
		if have.Sum() == 0 && share > traffic.None {
			return have, ErrNotOwned
		}
		want = ExpressIn(share, have.Sum(), maxWeight)
	}
	switch {
	case share > traffic.None && want.Target == 0:
		return have, ErrInexact
	case want.SameRatio(have):
		return have, nil
	}
	return want, nil
}

// RoundingNote tells people what became of a share that the data plane cannot
// express exactly; empty if it could.
func RoundingNote(wanted traffic.Share, wrote Pair) string {
	if wrote.Share() == wanted {
		return ""
	}
	return fmt.Sprintf("%s became %s, weights %d and %d", wanted, wrote.Share(), wrote.Source, wrote.Target)
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

// Describe writes the weights of a part as people read them.
func (p Part) Describe() string {
	var words []string
	for _, w := range p.Weights {
		words = append(words, fmt.Sprintf("%s %d", called(w.Entry), w.Weight))
	}
	if p.Name == "" {
		return strings.Join(words, ", ")
	}
	return p.Name + ": " + strings.Join(words, ", ")
}

// called is what people call an entry: a target group by its name instead of its
// ARN, arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/ID (Service
// Authorization Reference, Elastic Load Balancing V2); anything else as it is.
func called(entry string) string {
	arn, resource, is := strings.Cut(entry, ":targetgroup/")
	name, id, whole := strings.Cut(resource, "/")
	if !is || !whole || name == "" || id == "" || !strings.HasPrefix(arn, "arn:") {
		return entry
	}
	return name
}
