package signal

import (
	"cmp"
	"slices"
	"time"

	"watari.dev/traffic"
)

// gain is what the counters of a side gained in a span of time.
type gain struct {
	requests, errors, resets int64
	events                   []int64
	upTo                     []map[time.Duration]int64 // of each histogram, by edge, cumulative
}

func newGain(c *Counters) *gain {
	g := &gain{}
	if len(c.Events) > 0 {
		g.events = make([]int64, len(c.Events))
	}
	if len(c.Latency) > 0 {
		g.upTo = make([]map[time.Duration]int64, len(c.Latency))
	}
	return g
}

func (g *gain) add(histogram int, edge time.Duration, grown int64) {
	if g.upTo[histogram] == nil {
		g.upTo[histogram] = map[time.Duration]int64{}
	}
	g.upTo[histogram][edge] += grown
}

// counts returns the gain as counts; every histogram has all its edges.
func (g *gain) counts(c *Counters) traffic.Counts {
	out := traffic.Counts{Requests: g.requests, Errors: g.errors, Resets: g.resets, Events: g.events}
	for i, buckets := range c.Latency {
		out.Latency = out.Latency.Plus(histogram(buckets, g.upTo[i]))
	}
	return out
}

// histogram turns cumulative buckets into those of one latency each.
func histogram(buckets []Bucket, upTo map[time.Duration]int64) traffic.Histogram {
	var edges []time.Duration
	for _, b := range buckets {
		if b.Other == "" {
			edges = append(edges, b.Edge)
		}
	}
	if len(edges) == 0 {
		return traffic.Histogram{}
	}
	slices.Sort(edges)
	edges = slices.Compact(edges)
	var h traffic.Histogram
	var below int64 // counted in the buckets so far
	for _, edge := range edges {
		in := max(0, upTo[edge]-below) // buckets are not read at one instant, so one may be ahead of the next
		below += in
		if edge != Rest {
			h.Edges = append(h.Edges, edge)
		}
		h.Buckets = append(h.Buckets, in)
	}
	if len(h.Buckets) == len(h.Edges) { // no +Inf
		h.Buckets = append(h.Buckets, 0)
	}
	return h
}

// oneOfEach returns one counter for each edge: le="1" and le="1.0" are one bucket,
// whether they are there together or one after the other.
func oneOfEach(buckets []Bucket) []Bucket {
	sorted := slices.Clone(buckets)
	slices.SortStableFunc(sorted, func(a, b Bucket) int { return cmp.Compare(a.Edge, b.Edge) })
	var out []Bucket
	for _, b := range sorted {
		if n := len(out); n > 0 && out[n-1].Edge == b.Edge {
			out[n-1].Counter = together(out[n-1].Counter, b.Counter)
			continue
		}
		out = append(out, b)
	}
	return out
}

// together makes one counter of two that count the same: where both are there, what
// the higher one shows.
func together(a, b Counter) Counter {
	out := Counter{Process: a.Process, Other: a.Other, Born: a.Born}
	if len(b.Samples) > 0 && (len(a.Samples) == 0 || b.Samples[0].At.Before(a.Samples[0].At)) {
		out.Born = b.Born
	}
	last, now := Absent, [2]int64{Absent, Absent}
	for i, j := 0, 0; i < len(a.Samples) || j < len(b.Samples); {
		var at time.Time
		if j >= len(b.Samples) || i < len(a.Samples) && !b.Samples[j].At.Before(a.Samples[i].At) {
			at = a.Samples[i].At
		} else {
			at = b.Samples[j].At
		}
		for i < len(a.Samples) && a.Samples[i].At.Equal(at) {
			now[0], i = a.Samples[i].Value, i+1
		}
		for j < len(b.Samples) && b.Samples[j].At.Equal(at) {
			now[1], j = b.Samples[j].Value, j+1
		}
		if value := max(now[0], now[1]); value != last || value >= 0 {
			out.Samples, last = append(out.Samples, Sample{at, value}), value
		}
	}
	return out
}
