package analyze

import (
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Lag is a quantile of the latency with its band.
type Lag struct {
	At   time.Duration `json:"at"`
	Low  time.Duration `json:"low"`
	High time.Duration `json:"high"` // -1: nobody can say, it may lie above all edges
}

// fromRequests is from how many requests on the band holds.
const fromRequests = 100

// lagOf returns the quantile q of a histogram with the band that holds the true
// one at all times with a chance of 1-alpha/2. It is zero for an empty one, and
// the band includes what the width of the buckets hides.
func lagOf(h traffic.Histogram, q, alpha float64) Lag {
	at, some := h.Quantile(q)
	if !some {
		return Lag{}
	}
	band := verdict.Band(h.Count(), fromRequests, alpha/2)
	return Lag{At: at, Low: edgeBelow(h, q-band), High: edgeAt(h, q+band)}
}

// edgeAt is the lowest edge below which the part q of the requests lies; -1 if
// none is.
func edgeAt(h traffic.Histogram, q float64) time.Duration {
	below, total := int64(0), float64(h.Count())
	for i, edge := range h.Edges {
		if below += h.Buckets[i]; float64(below) >= q*total {
			return edge
		}
	}
	return -1
}

// edgeBelow is the highest edge below which less than the part q lies.
func edgeBelow(h traffic.Histogram, q float64) time.Duration {
	low, below, total := time.Duration(0), int64(0), float64(h.Count())
	for i, edge := range h.Edges {
		if below += h.Buckets[i]; float64(below) >= q*total {
			return low
		}
		low = edge
	}
	return low
}
