package signal

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"watari.dev/traffic"
)

// gain is what the counters of a side gained in a span of time.
type gain struct {
	requests, errors, resets int64
	events                   []int64
	upTo                     []histogram
}

func newGain(c *Counters) *gain {
	g := &gain{}
	if len(c.Events) > 0 {
		g.events = make([]int64, len(c.Events))
	}
	if len(c.Latency) > 0 {
		g.upTo = make([]histogram, len(c.Latency))
	}
	return g
}

// counts returns the gain as counts.
func (g *gain) counts() traffic.Counts {
	out := traffic.Counts{Requests: g.requests, Errors: g.errors, Resets: g.resets, Events: g.events}
	for _, h := range g.upTo {
		out.Latency = out.Latency.Plus(h.latency())
	}
	return out
}

// histogram is what the buckets of one histogram gained.
type histogram struct {
	grown map[time.Duration]int64 // by edge, cumulative
	last  []time.Duration         // edges that there were at the last moment
	dead  map[time.Duration]bool  // edges that did not count all the time
	some  bool                    // anything was gained
}

func (h *histogram) add(t *track) {
	if h.grown == nil {
		h.grown = map[time.Duration]int64{}
	}
	h.grown[t.part.edge] += t.grown
}

// compare leaves out the edges that do not count at this moment what the bucket of all
// requests does: they are gone, or have only just appeared.
func (h *histogram) compare(tracks []*track, all *track) {
	var there []time.Duration
	gained := false
	for _, t := range tracks {
		gained = gained || t.histogram == all.histogram && t.grown > 0
	}
	for _, t := range tracks {
		if t.histogram != all.histogram || t.counter.Other != "" {
			continue
		}
		switch whole := t.begun && all.again && t.grown == t.value; {
		case t.there() && all.there() && (t.shown == all.shown && t.begun == all.begun || whole):
			there = append(there, t.part.edge)
		case gained:
			if h.dead == nil {
				h.dead = map[time.Duration]bool{}
			}
			h.dead[t.part.edge] = true
		}
	}
	if h.some = h.some || gained; gained || !h.some {
		h.last = there
	}
}

// there reports whether the counter is there at the moment, be it with the value of
// before.
func (t *track) there() bool { return t.sampled || t.shown && !t.gone }

// latency turns cumulative buckets into those of one latency each.
func (h *histogram) latency() traffic.Histogram {
	edges := h.last
	if h.some {
		edges = slices.Collect(maps.Keys(h.grown))
	}
	edges = slices.DeleteFunc(slices.Clone(edges), func(edge time.Duration) bool { return h.dead[edge] })
	if len(edges) == 0 {
		return traffic.Histogram{}
	}
	slices.Sort(edges)
	var out traffic.Histogram
	var below int64 // counted in the buckets so far
	for _, edge := range edges {
		in := max(0, h.grown[edge]-below) // buckets are not read at one instant, so one may be ahead of the next
		below += in
		if edge != Rest {
			out.Edges = append(out.Edges, edge)
		}
		out.Buckets = append(out.Buckets, in)
	}
	if len(out.Buckets) == len(out.Edges) { // no +Inf
		out.Buckets = append(out.Buckets, 0)
	}
	return out
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
