package signal

import (
	"math"
	"time"

	"watari.dev/traffic"
)

// Sample is what a counter showed at one moment.
type Sample struct {
	At    time.Time
	Value int64 // at least 0, or one of the marks below
}

// Marks that stand in place of a value.
const (
	// Absent says that a look at the process showed others of its counters and not
	// this one. The first look of a gap is enough.
	Absent int64 = -1
	// NoNumber says that the counter was there and showed NaN or the like.
	NoNumber int64 = -2
)

// Counter is one series of a number that only grows, or starts again from zero
// when the process that counts does: its samples, ascending. Moments at which it
// did not change may be left out.
type Counter struct {
	Samples []Sample
	// Born says that a look at its process did not show the counter before its first
	// sample: if that is no more than the process can have counted since, it counts
	// as a whole. Otherwise the first sample is only what later ones are compared with.
	Born bool
	// Process is who counts, if that is known. Its counters begin again together,
	// which is one reset; without a name each is on its own.
	Process string
	// Other is empty for a counter that is asked for. One of the same metric that is not
	// may be what a new one was before it was relabelled: it is not counted, and Other
	// names the labels by which it is not asked for. Those of one name are renamed together.
	Other string
}

// Counters are what one side's counts are made of.
type Counters struct {
	Requests, Errors []Counter
	Latency          [][]Bucket  // one element per histogram
	Events           [][]Counter // one element per event of the query, in its order
}

// Bucket is the counter of requests that took up to Edge, as in Prometheus's
// cumulative histograms.
type Bucket struct {
	Edge time.Duration // Rest for the bucket of all requests
	Counter
}

// Rest is the edge of the bucket without one, le="+Inf".
const Rest = time.Duration(math.MaxInt64)

// EdgeOf returns the edge of a bucket whose le label, read as a number, is
// seconds; false for one that no latency has.
func EdgeOf(seconds float64) (time.Duration, bool) {
	switch ns := math.Round(seconds * float64(time.Second)); {
	case math.IsInf(seconds, 1):
		return Rest, true
	case ns >= 0 && ns < math.MaxInt64: // not NaN either
		return time.Duration(ns), true
	default:
		return 0, false
	}
}

// CounterValue returns the whole part of what a counter shows; false for what no
// counter of requests can show: negative, infinite or no number. Taking whole
// parts before differences lets windows add up even for counters with fractions.
func CounterValue(v float64) (int64, bool) {
	if v >= 0 && v < math.MaxInt64 { // not NaN either
		return int64(v), true
	}
	return 0, false
}

// Increase returns by how much the counter grew between its last sample at or
// before from and its last sample at or before to; see Walk for what a fall means.
func (c Counter) Increase(from, to time.Time) int64 {
	return Sum(Counters{Requests: []Counter{c}}, from, to).Requests
}

// HistogramOf returns what the buckets of one histogram gained between from and
// to, as Increase does. They start again together: where one did, all did.
func HistogramOf(buckets []Bucket, from, to time.Time) traffic.Histogram {
	return Sum(Counters{Latency: [][]Bucket{buckets}}, from, to).Latency
}
