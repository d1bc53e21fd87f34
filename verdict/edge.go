package verdict

import (
	"math"
	"slices"
	"time"

	"watari.dev/traffic"
)

// learn adds to what is known of the source's latency before the edge is fixed.
// An edge that is fixed later than at the start is a choice of the past all the
// same: what is tested comes after it.
func (t *Test) learn(s *State, service, metric int, side traffic.Side, h traffic.Histogram) {
	if side != traffic.Source || h.Empty() {
		return
	}
	m := &s.Services[service].Metrics[metric]
	m.Before = learnt(m.Before, h)
	if !s.Began.IsZero() {
		t.fixEdge(s, service, metric)
	}
}

// learnt adds h to what is known. Where the source's buckets change, what was
// learnt of the old ones is worth less than an edge that it still has: the new ones
// begin anew.
func learnt(before *traffic.Histogram, h traffic.Histogram) *traffic.Histogram {
	if before == nil {
		return &h
	}
	sum := before.Plus(h)
	switch {
	case len(sum.Edges) < len(h.Edges):
		return &h
	case len(sum.Edges) == 0 && len(before.Edges) > 0:
		return before // nothing is learnt of where h's requests lie
	}
	return &sum
}

// fewest is how many requests an edge needs once the target has users. Any edge that
// is fixed before what it is used for keeps the promise, and to compare at none is
// worse than at one that lies a bucket off.
const fewest = 100

// enoughFor is how many requests a quantile should have: ten beyond it, and a
// hundred.
func enoughFor(quantile float64) int64 {
	return max(fewest, int64(math.Ceil(10/(1-quantile))))
}

// fixEdge fixes the edge at or above the source's quantile, if enough is known;
// or at or above the one that was asked for, of the edges that there are.
func (t *Test) fixEdge(s *State, service, metric int) {
	m, cfg := &s.Services[service].Metrics[metric], &t.cfg.Services[service].Metrics[metric]
	switch {
	case cfg.Kind != Latency || m.Edge > 0 || m.Before == nil || len(m.Before.Edges) == 0:
	case cfg.Edge > 0:
		at, _ := slices.BinarySearch(m.Before.Edges, cfg.Edge)
		m.Edge, m.Before = m.Before.Edges[min(at, len(m.Before.Edges)-1)], nil
	case m.Before.Count() >= enoughFor(cfg.Quantile), !s.Began.IsZero() && m.Before.Count() >= fewest:
		m.Edge, m.Before = edgeAbove(*m.Before, cfg.Quantile), nil
	}
}

// edgeAbove returns the lowest edge of h below which the part quantile of the
// requests lies; the highest if none does.
func edgeAbove(h traffic.Histogram, quantile float64) time.Duration {
	below, total := int64(0), float64(h.Count())
	for i, edge := range h.Edges {
		if below += h.Buckets[i]; float64(below) >= quantile*total {
			return edge
		}
	}
	return h.Edges[len(h.Edges)-1]
}
