package traffic

import "time"

// Slower returns how many requests of h surely took longer than edge, and how many
// may have: those of the bucket that the edge lies in are on either side of it. Both
// are the same where h has that very edge.
func (h Histogram) Slower(edge time.Duration) (surely, perhaps int64) {
	for i, n := range h.Buckets {
		switch {
		case i > 0 && h.Edges[i-1] >= edge:
			surely, perhaps = surely+n, perhaps+n
		case i >= len(h.Edges) || h.Edges[i] > edge:
			perhaps += n
		}
	}
	return surely, perhaps
}

// Around returns the edges of h between which edge lies, 0 below the lowest; false
// for high where it lies above the highest, and the same twice where h has it.
func (h Histogram) Around(edge time.Duration) (low, high time.Duration, bounded bool) {
	for _, e := range h.Edges {
		switch {
		case e == edge:
			return e, e, true
		case e > edge:
			return low, e, true
		}
		low = e
	}
	return low, 0, false
}
