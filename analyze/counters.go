package analyze

import (
	"cmp"
	"math"
	"slices"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Grid is what counters showed at equal distances: at From, From+Every and so on.
// All series have a value for each of these moments.
type Grid struct {
	Service       string
	From          time.Time
	Every         time.Duration
	Source        SideCounters
	Target        SideCounters
	Events        []string
	OnlySource    bool          // the target was not asked for
	LongestAbsent time.Duration // a series that comes back after no longer than this was not looked at; 0 is 5 min
}

// SideCounters are one side's series.
type SideCounters struct {
	Requests, Errors []Series
	Latency          []Series   // buckets of histograms, cumulative
	Events           [][]Series // of each of the grid's Events
}

// Series is one counter.
type Series struct {
	Instance string        // the process that counts, so that its series are known to begin together
	Group    string        // Latency: which histogram the bucket belongs to
	Edge     time.Duration // Latency: of the bucket; signal.Rest for all requests
	Values   []float64     // NaN where there was none
}

// usualAbsence is Prometheus's own lookback: what is gone for longer is gone.
const usualAbsence = 5 * time.Minute

// Counters makes a recording of grids, one for each service, over the same
// moments. A counter that falls began again, and all that it shows counts. One
// that appears counts from zero if its process was seen before; otherwise it is
// only what comes later is compared with. While a counter is missing that comes
// back, its side is not known, and caught up with when it does.
func Counters(name string, grids []Grid) Recording {
	out := Recording{Name: name}
	var sides [][2][]traffic.Reading[traffic.Counts]
	for _, g := range grids {
		out.Services = append(out.Services, Service{Name: g.Service, Full: len(g.Source.Latency) > 0, Events: g.Events})
		n := g.moments()
		both := [2][]traffic.Reading[traffic.Counts]{g.side(g.Source, n), make([]traffic.Reading[traffic.Counts], max(0, n-1))}
		if !g.OnlySource {
			both[1] = g.side(g.Target, n)
		}
		sides = append(sides, both)
	}
	if len(grids) == 0 {
		return out
	}
	since := make([]traffic.BySide[time.Time], len(grids))
	for i := range since {
		since[i] = traffic.BySide[time.Time]{Source: grids[i].From, Target: grids[i].From}
	}
	for k := range len(sides[0][0]) {
		for i, g := range grids {
			if k >= len(sides[i][0]) {
				continue
			}
			to := g.From.Add(time.Duration(k+1) * g.Every)
			in := verdict.Interval{Service: i, To: to, From: since[i], Source: sides[i][0][k], Target: sides[i][1][k]}
			if in.Source.State == traffic.Known {
				since[i].Source = to
			}
			if in.Target.State == traffic.Known {
				since[i].Target = to
			}
			out.add(in)
		}
	}
	out.began()
	return out
}

func (g Grid) moments() int {
	most := 0
	for _, side := range []SideCounters{g.Source, g.Target} {
		for _, s := range side.Requests {
			most = max(most, len(s.Values))
		}
	}
	return most
}

// side counts one side between all moments. What was counted while the side was
// not known belongs to the next interval in which it is.
func (g Grid) side(c SideCounters, n int) []traffic.Reading[traffic.Counts] {
	out := make([]traffic.Reading[traffic.Counts], max(0, n-1))
	seen, missing := seenAt(c), g.missing(c, n)
	grown := make([]traffic.Counts, n)
	for _, s := range c.Requests {
		s.grow(seen[s.Instance], func(k int, by int64, again bool) {
			grown[k].Requests += by
			if again {
				grown[k].Resets++
			}
		})
	}
	for _, s := range c.Errors {
		s.grow(seen[s.Instance], func(k int, by int64, _ bool) { grown[k].Errors += by })
	}
	for i, event := range c.Events {
		for k := range grown {
			grown[k].Events = append(grown[k].Events, 0)
		}
		for _, s := range event {
			s.grow(seen[s.Instance], func(k int, by int64, _ bool) { grown[k].Events[i] += by })
		}
	}
	addLatency(grown, c.Latency, seen)
	var open traffic.Counts
	for k := range out {
		open = open.Plus(grown[k+1])
		switch {
		case !anySeen(c.Requests, k+1):
			out[k] = traffic.Reading[traffic.Counts]{Err: "no counter of it was there"}
		case missing[k+1]:
			out[k] = traffic.Reading[traffic.Counts]{Err: "an instance was not seen for a while"}
		default:
			// Neither is read at the same instant: what is above is cut.
			open.Errors = min(open.Errors, open.Requests)
			for i := range open.Events {
				open.Events[i] = min(open.Events[i], open.Requests)
			}
			out[k] = traffic.KnownAt(open, g.From.Add(time.Duration(k+1)*g.Every))
			open = traffic.Counts{}
		}
	}
	return out
}

// grow says by how much s grew at each moment, and whether it began again.
func (s Series) grow(seen []bool, at func(k int, by int64, again bool)) {
	last, known := int64(0), false
	for k, v := range s.Values {
		now, ok := signal.CounterValue(v)
		switch {
		case !ok:
		case known && now >= last:
			at(k, now-last, false)
		case known:
			at(k, now, true)
		case k > 0 && slices.Contains(seen[:k], true):
			at(k, now, false) // it began at zero, after a look that did not show it
		}
		if ok {
			last, known = now, true
		}
	}
}

// seenAt says of each process at which moments any of its series was there.
func seenAt(c SideCounters) map[string][]bool {
	seen := map[string][]bool{}
	for _, all := range append([][]Series{c.Requests, c.Errors, c.Latency}, c.Events...) {
		for _, s := range all {
			if seen[s.Instance] == nil {
				seen[s.Instance] = make([]bool, len(s.Values))
			}
			for k, v := range s.Values {
				if !math.IsNaN(v) {
					seen[s.Instance][k] = true
				}
			}
		}
	}
	return seen
}

func anySeen(all []Series, k int) bool {
	return slices.ContainsFunc(all, func(s Series) bool { return !math.IsNaN(s.Values[k]) })
}

// missing says when a series was gone that came back.
func (g Grid) missing(c SideCounters, n int) []bool {
	longest := g.LongestAbsent
	if longest == 0 {
		longest = usualAbsence
	}
	out := make([]bool, n)
	for _, s := range c.Requests {
		last := -1
		for k, v := range s.Values {
			if math.IsNaN(v) {
				continue
			}
			if last >= 0 && time.Duration(k-last)*g.Every <= longest {
				for m := last + 1; m < k; m++ {
					out[m] = true
				}
			}
			last = k
		}
	}
	return out
}

// addLatency adds the histograms. The buckets of one begin again together: where
// one fell, all did.
func addLatency(grown []traffic.Counts, buckets []Series, seen map[string][]bool) {
	groups := map[string][]Series{}
	for _, b := range buckets {
		groups[b.Group] = append(groups[b.Group], b)
	}
	names := make([]string, 0, len(groups))
	for name := range groups {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		of := groups[name]
		slices.SortFunc(of, func(a, b Series) int { return cmp.Compare(a.Edge, b.Edge) })
		of = slices.CompactFunc(of, func(a, b Series) bool { return a.Edge == b.Edge }) // le="1" and le="1.0"
		addHistogram(grown, of, seen[of[0].Instance])
	}
}

func addHistogram(grown []traffic.Counts, buckets []Series, seen []bool) {
	by, again := make([][]int64, len(grown)), make([]bool, len(grown))
	for i, b := range buckets {
		b.grow(seen, func(k int, n int64, reset bool) {
			if by[k] == nil {
				by[k] = make([]int64, len(buckets))
			}
			by[k][i] = n
			again[k] = again[k] || reset
		})
	}
	for k, cumulative := range by {
		if cumulative == nil {
			continue
		}
		if again[k] {
			for i, b := range buckets {
				cumulative[i], _ = signal.CounterValue(b.Values[k])
			}
		}
		grown[k].Latency = grown[k].Latency.Plus(histogram(buckets, cumulative))
	}
}

// histogram turns cumulative buckets into those of one latency each.
func histogram(buckets []Series, cumulative []int64) traffic.Histogram {
	var h traffic.Histogram
	below := int64(0)
	for i, upTo := range cumulative {
		in := max(0, upTo-below) // buckets are not read at one instant, so one may be ahead of the next
		below += in
		if edge := buckets[i].Edge; edge != signal.Rest {
			h.Edges = append(h.Edges, edge)
		}
		h.Buckets = append(h.Buckets, in)
	}
	if len(h.Buckets) == len(h.Edges) { // no +Inf
		h.Buckets = append(h.Buckets, 0)
	}
	return h
}
