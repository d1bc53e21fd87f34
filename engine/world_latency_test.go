package engine

import (
	"slices"
	"time"

	"watari.dev/traffic"
)

// timing is what becomes of the latencies of a side: "none" are counted, or in "other"
// buckets than those of the other side; empty for nothing.
type timing string

// of returns what the requests of r took, as the signal shows it.
func (how timing) of(r traffic.Reading[traffic.Counts], latency time.Duration) traffic.Reading[traffic.Counts] {
	switch how {
	case "none":
		r.Value.Latency = traffic.Histogram{}
	case "other":
		h := traffic.Histogram{Edges: []time.Duration{25 * time.Millisecond, 250 * time.Millisecond, 2500 * time.Millisecond}, Buckets: make([]int64, 4)}
		at, _ := slices.BinarySearch(h.Edges, latency)
		h.Buckets[at] = r.Value.Requests
		r.Value.Latency = h
	}
	return r
}
