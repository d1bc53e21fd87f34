package traffic

import (
	"math"
	"slices"
	"time"
)

// Counts is what one side answered during one interval: numbers of requests,
// not rates, so that intervals can be added.
type Counts struct {
	Requests int64     `json:"requests"`
	Errors   int64     `json:"errors"`           // requests that failed by the fault of the side; part of Requests
	Latency  Histogram `json:"latency"`          // empty where the signal has none
	Events   []int64   `json:"events,omitempty"` // the query's own counts, in its order; each part of Requests
	// Resets is how many counters began again at zero within the interval. What
	// they had counted since they were last looked at is missing: with Resets the
	// numbers are lower bounds.
	Resets int64 `json:"resets,omitempty"`
	// Skew is how far the clock of whoever counted is ahead of ours, as far as it
	// is known; what was counted belongs to moments that far from those it names.
	Skew time.Duration `json:"skew,omitempty"`
}

// Plus returns the sum of both, with the larger skew of the two.
func (c Counts) Plus(d Counts) Counts {
	sum := Counts{
		Requests: c.Requests + d.Requests, Errors: c.Errors + d.Errors, Latency: c.Latency.Plus(d.Latency),
		Events: plus(c.Events, d.Events), Resets: c.Resets + d.Resets, Skew: c.Skew,
	}
	if d.Skew.Abs() > c.Skew.Abs() {
		sum.Skew = d.Skew
	}
	return sum
}

func plus(a, b []int64) []int64 {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(b) == 0 {
		return a
	}
	sum := slices.Clone(a)
	for i, n := range b {
		sum[i] += n
	}
	return sum
}

// ErrorRatio returns errors per request in 0..1, and false without requests.
func (c Counts) ErrorRatio() (float64, bool) {
	if c.Requests <= 0 {
		return 0, false
	}
	return float64(c.Errors) / float64(c.Requests), true
}

// Histogram counts requests by latency. Buckets[i] holds those in
// (Edges[i-1], Edges[i]]; the last bucket, one more than there are edges, holds
// the rest.
type Histogram struct {
	Edges   []time.Duration `json:"edges,omitempty"` // ascending upper bounds
	Buckets []int64         `json:"buckets,omitempty"`
}

// Empty reports whether h has no bucket at all.
func (h Histogram) Empty() bool { return len(h.Buckets) == 0 }

// Count returns how many requests h holds.
func (h Histogram) Count() (n int64) {
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// Plus returns the sum of two histograms. Where their edges differ only the
// edges that both have remain, because a count can be moved to a wider bucket
// but never split.
func (h Histogram) Plus(g Histogram) Histogram {
	switch {
	case h.Empty():
		return g
	case g.Empty():
		return h
	}
	edges := commonEdges(h.Edges, g.Edges)
	sum := Histogram{Edges: edges, Buckets: h.widened(edges)}
	for i, n := range g.widened(edges) {
		sum.Buckets[i] += n
	}
	return sum
}

// Quantile returns the latency below which the part q of the requests lies,
// interpolated inside its bucket as Prometheus's histogram_quantile does. It
// returns false for an empty histogram. Where the quantile lies in the last
// bucket, the highest edge is returned: a lower bound.
func (h Histogram) Quantile(q float64) (time.Duration, bool) {
	total := h.Count()
	if total == 0 || len(h.Edges) == 0 {
		return 0, false
	}
	rank, below := q*float64(total), int64(0)
	for i, edge := range h.Edges {
		in := h.Buckets[i]
		if in > 0 && float64(below+in) >= rank {
			low := time.Duration(0)
			if i > 0 {
				low = h.Edges[i-1]
			}
			part := math.Max(0, rank-float64(below)) / float64(in)
			return low + time.Duration(part*float64(edge-low)), true
		}
		below += in
	}
	return h.Edges[len(h.Edges)-1], true
}

func (h Histogram) widened(edges []time.Duration) []int64 {
	out, at := make([]int64, len(edges)+1), 0
	for i, n := range h.Buckets {
		for at < len(edges) && (i >= len(h.Edges) || h.Edges[i] > edges[at]) {
			at++
		}
		out[at] += n
	}
	return out
}

func commonEdges(a, b []time.Duration) []time.Duration {
	var out []time.Duration
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			out = append(out, a[i])
			i, j = i+1, j+1
		case a[i] < b[j]:
			i++
		default:
			j++
		}
	}
	return out
}
