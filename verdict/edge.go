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
	sum := h
	if m.Before != nil {
		sum = m.Before.Plus(h)
	}
	m.Before = &sum
	if !s.Began.IsZero() {
		t.fixEdge(s, service, metric)
	}
}

// enoughFor is how many requests a quantile needs: ten beyond it, and a hundred.
func enoughFor(quantile float64) int64 {
	return max(100, int64(math.Ceil(10/(1-quantile))))
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
	case m.Before.Count() >= enoughFor(cfg.Quantile):
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
