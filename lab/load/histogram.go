package load

import (
	"math/bits"
	"time"
)

// Latencies are counted in buckets of one microsecond below 64 us and in 32
// buckets per doubling above, so that a quantile is at most 1/32 too high. The
// last bucket ends above maxTimeout.
const (
	subBits = 5
	sub     = 1 << subBits
	octaves = 22
	buckets = 2*sub + octaves*sub
)

type histogram struct {
	counts [buckets]int64
	count  int64
	max    time.Duration
}

func bucketOf(d time.Duration) int {
	us := uint64(max(d, 0) / time.Microsecond)
	if us < 2*sub {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return min(2*sub+(shift-1)*sub+int(us>>shift)-sub, buckets-1)
}

// upper returns the largest latency of a bucket.
func upper(bucket int) time.Duration {
	if bucket < 2*sub {
		return time.Duration(bucket+1)*time.Microsecond - 1
	}
	shift := (bucket-2*sub)/sub + 1
	top := uint64((bucket-2*sub)%sub + sub + 1)
	return time.Duration(top<<shift)*time.Microsecond - 1
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(d)]++
	h.count++
	h.max = max(h.max, d)
}

// quantile returns the latency that the share q of requests did not exceed.
func (h *histogram) quantile(q float64) time.Duration {
	rank := int64(q*float64(h.count) + 0.999999999)
	var seen int64
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= rank {
			return min(upper(i), h.max)
		}
	}
	return h.max
}

// Latency is a summary of the latencies of requests that were answered well.
type Latency struct {
	Count int64         `json:"count"`
	P50   time.Duration `json:"p50Nanos"`
	P90   time.Duration `json:"p90Nanos"`
	P99   time.Duration `json:"p99Nanos"`
	P999  time.Duration `json:"p999Nanos"`
	Max   time.Duration `json:"maxNanos"`
}

func (h *histogram) summary() Latency {
	return Latency{
		Count: h.count, P50: h.quantile(0.5), P90: h.quantile(0.9), P99: h.quantile(0.99), P999: h.quantile(0.999), Max: h.max,
	}
}
