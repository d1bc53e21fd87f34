package signal

import (
	"cmp"
	"math"
	"slices"
	"time"

	"watari.dev/traffic"
)

// Sample is what a counter showed at one moment.
type Sample struct {
	At    time.Time
	Value int64
}

// Counter is one series of a number that only grows, or starts again from zero
// when the process that counts does: its samples, ascending. Moments at which it
// did not change may be left out.
type Counter struct {
	Samples []Sample
	// Born says that the counter began, at zero, after a look at its process that
	// did not show it: its first sample counts as a whole. Otherwise the first
	// sample is only what later ones are compared with.
	Born bool
	// Process is who counts, if that is known. Counters of one process that begin
	// again at the same moment are one reset; without a name each is one of its own.
	Process string
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
// before from and its last sample at or before to. A value below the one before
// is a counter that started again: all of it counts. A restart after which the
// counter has already overtaken its old value looks like growth by the difference.
func (c Counter) Increase(from, to time.Time) int64 {
	return increases([]Counter{c}, from, to)[0]
}

// HistogramOf returns what the buckets of one histogram gained between from and
// to, as Increase does. They start again together: where one fell, all did.
func HistogramOf(buckets []Bucket, from, to time.Time) traffic.Histogram {
	if len(buckets) == 0 {
		return traffic.Histogram{}
	}
	buckets = slices.Clone(buckets)
	slices.SortStableFunc(buckets, func(a, b Bucket) int { return cmp.Compare(a.Edge, b.Edge) })
	buckets = slices.CompactFunc(buckets, func(a, b Bucket) bool { return a.Edge == b.Edge }) // le="1" and le="1.0"
	counters := make([]Counter, len(buckets))
	for i, b := range buckets {
		counters[i] = b.Counter
	}
	var h traffic.Histogram
	var below int64 // counted in the buckets so far
	for i, upTo := range increases(counters, from, to) {
		in := max(0, upTo-below) // buckets are not read at one instant, so one may be ahead of the next
		below += in
		if edge := buckets[i].Edge; edge == Rest {
			h.Buckets = append(h.Buckets, in)
		} else {
			h.Edges, h.Buckets = append(h.Edges, edge), append(h.Buckets, in)
		}
	}
	if len(h.Buckets) == len(h.Edges) { // no +Inf
		h.Buckets = append(h.Buckets, 0)
	}
	return h
}

// Sum adds up what one side's counters gained between from and to. Errors and
// events are part of the requests: since they are not read at the same instant,
// what is above is cut.
//
// Resets are the moments at which a counter of requests fell, counted once per
// process, so that windows add up. A counter that began in the window is none. One
// that comes back later than others of its process, as those with rare labels do,
// is one more: when it began again is not known.
func Sum(c Counters, from, to time.Time) traffic.Counts {
	sum := traffic.Counts{Requests: total(c.Requests, from, to), Resets: resets(c.Requests, from, to)}
	sum.Errors = min(total(c.Errors, from, to), sum.Requests)
	for _, event := range c.Events {
		sum.Events = append(sum.Events, min(total(event, from, to), sum.Requests))
	}
	for _, h := range c.Latency {
		sum.Latency = sum.Latency.Plus(HistogramOf(h, from, to))
	}
	return sum
}

func total(counters []Counter, from, to time.Time) (n int64) {
	for _, c := range counters {
		n += c.Increase(from, to)
	}
	return n
}

// resets counts the moments within the window at which counters began again: one
// per process that is known, one per counter of others.
func resets(counters []Counter, from, to time.Time) (n int64) {
	type moment struct {
		process string
		at      int64
	}
	seen := map[moment]bool{}
	for _, c := range counters {
		for _, at := range c.falls(from, to) {
			m := moment{c.Process, at.UnixNano()}
			if c.Process == "" || !seen[m] {
				n++
			}
			seen[m] = true
		}
	}
	return n
}

// falls returns when, within the window, the counter showed less than before.
func (c Counter) falls(from, to time.Time) (at []time.Time) {
	next, last := c.baseline(from)
	for ; next < len(c.Samples) && !c.Samples[next].At.After(to); next++ {
		if c.Samples[next].Value < last {
			at = append(at, c.Samples[next].At)
		}
		last = c.Samples[next].Value
	}
	return at
}

// increases returns the increase of each counter of a group that starts again
// together.
func increases(group []Counter, from, to time.Time) []int64 {
	grown, last, next := make([]int64, len(group)), make([]int64, len(group)), make([]int, len(group))
	for i, c := range group {
		next[i], last[i] = c.baseline(from)
	}
	for {
		at, more := earliest(group, next, to)
		if !more {
			return grown
		}
		before, again := slices.Clone(last), false
		for i, c := range group {
			if n := next[i]; n < len(c.Samples) && c.Samples[n].At.Equal(at) {
				last[i] = c.Samples[n].Value
				next[i]++
				again = again || last[i] < before[i]
			}
		}
		for i := range group {
			if again {
				grown[i] += last[i]
			} else {
				grown[i] += last[i] - before[i]
			}
		}
	}
}

// baseline returns the index of the first sample that may add to an increase
// after from, and the value that it is compared with.
func (c Counter) baseline(from time.Time) (next int, value int64) {
	next, _ = slices.BinarySearchFunc(c.Samples, from, func(s Sample, t time.Time) int {
		if s.At.After(t) {
			return 1
		}
		return -1
	})
	switch {
	case next > 0:
		return next, c.Samples[next-1].Value
	case c.Born || len(c.Samples) == 0:
		return 0, 0
	default:
		return 1, c.Samples[0].Value
	}
}

// earliest returns the time of the first sample not yet seen, up to to.
func earliest(group []Counter, next []int, to time.Time) (at time.Time, found bool) {
	for i, c := range group {
		if n := next[i]; n < len(c.Samples) && !c.Samples[n].At.After(to) && (!found || c.Samples[n].At.Before(at)) {
			at, found = c.Samples[n].At, true
		}
	}
	return at, found
}
