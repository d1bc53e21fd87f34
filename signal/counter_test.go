package signal

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/traffic"
)

func at(s int) time.Time { return time.Unix(int64(1000+s), 0) }

// samples returns one sample per value, a second apart; -1 leaves one out.
func samples(values ...int64) (out []Sample) {
	for i, v := range values {
		if v >= 0 {
			out = append(out, Sample{at(i), v})
		}
	}
	return out
}

func TestIncrease(t *testing.T) {
	for name, c := range map[string]struct {
		counter  Counter
		from, to int
		want     int64
	}{
		"growth":                           {Counter{Samples: samples(5, 7, 10)}, 0, 2, 5},
		"ends included at to, not at from": {Counter{Samples: samples(5, 7, 10)}, 1, 2, 3},
		"between samples nothing":          {Counter{Samples: samples(5, -1, -1, 10)}, 1, 2, 0},
		"over a hole":                      {Counter{Samples: samples(5, -1, -1, 10)}, 1, 3, 5},
		"reset":                            {Counter{Samples: samples(100, 3, 4)}, 0, 2, 4},
		"reset to zero":                    {Counter{Samples: samples(100, 0, 4)}, 0, 1, 0},
		"two resets":                       {Counter{Samples: samples(100, 3, 2, 9)}, 0, 3, 12},
		"first sample is a baseline":       {Counter{Samples: samples(-1, 40, 42)}, 0, 2, 2},
		"born counts from zero":            {Counter{Samples: samples(-1, 40, 42), Born: true}, 0, 2, 42},
		"born before the window":           {Counter{Samples: samples(40, 42), Born: true}, 0, 1, 2},
		"nothing yet":                      {Counter{Samples: samples(-1, -1, 40), Born: true}, 0, 1, 0},
		"no samples":                       {Counter{}, 0, 9, 0},
	} {
		if got := c.counter.Increase(at(c.from), at(c.to)); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestWindowsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counter{
			Samples: samples(rapid.SliceOfN(rapid.Int64Range(-1, 9), 0, 12).Draw(t, "samples")...),
			Born:    rapid.Bool().Draw(t, "born"),
		}
		if len(c.Samples) > 0 && c.Samples[0].At.Equal(at(0)) {
			c.Born = false // nothing was before it
		}
		var parts int64
		from := 0
		for to := range 12 {
			if rapid.Bool().Draw(t, "cut") {
				parts += c.Increase(at(from), at(to))
				from = to
			}
		}
		parts += c.Increase(at(from), at(12))
		if whole := c.Increase(at(0), at(12)); parts != whole || whole < 0 {
			t.Fatalf("parts %d, whole %d", parts, whole)
		}
	})
}

func TestHistogramOf(t *testing.T) {
	bucket := func(edge time.Duration, values ...int64) Bucket {
		return Bucket{edge, Counter{Samples: samples(values...)}}
	}
	ms := time.Millisecond
	for name, c := range map[string]struct {
		buckets []Bucket
		want    traffic.Histogram
	}{
		"none": {},
		"cumulative, in any order": {
			[]Bucket{bucket(Rest, 10, 20), bucket(10*ms, 1, 4), bucket(100*ms, 5, 11)},
			traffic.Histogram{Edges: []time.Duration{10 * ms, 100 * ms}, Buckets: []int64{3, 3, 4}},
		},
		"a reset that only one bucket shows": {
			[]Bucket{bucket(10*ms, 2, 2), bucket(Rest, 100, 5)},
			traffic.Histogram{Edges: []time.Duration{10 * ms}, Buckets: []int64{2, 3}},
		},
		"one bucket ahead of the next": {
			[]Bucket{bucket(10*ms, 0, 5), bucket(Rest, 0, 4)},
			traffic.Histogram{Edges: []time.Duration{10 * ms}, Buckets: []int64{5, 0}},
		},
		"without +Inf": {
			[]Bucket{bucket(10*ms, 0, 5)},
			traffic.Histogram{Edges: []time.Duration{10 * ms}, Buckets: []int64{5, 0}},
		},
		"one edge twice": {
			[]Bucket{bucket(10*ms, 0, 5), bucket(10*ms, 0, 5), bucket(Rest, 0, 6)},
			traffic.Histogram{Edges: []time.Duration{10 * ms}, Buckets: []int64{5, 1}},
		},
	} {
		if d := cmp.Diff(c.want, HistogramOf(c.buckets, at(0), at(1))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestSumCutsPartsToRequests(t *testing.T) {
	one := func(v int64) []Counter { return []Counter{{Samples: samples(0, v)}, {Samples: samples(0, v)}} }
	got := Sum(Counters{Requests: one(3), Errors: one(4), Events: [][]Counter{one(1), nil, one(5)}}, at(0), at(1))
	if d := cmp.Diff(traffic.Counts{Requests: 6, Errors: 6, Events: []int64{2, 0, 6}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestResets(t *testing.T) {
	of := func(process string, values ...int64) Counter {
		return Counter{Samples: samples(values...), Process: process}
	}
	born := func(c Counter) Counter { c.Born = true; return c }
	for name, c := range map[string]struct {
		requests []Counter
		from, to int
		want     int64
	}{
		"growth":                           {[]Counter{of("a", 5, 7, 7)}, 0, 2, 0},
		"fell":                             {[]Counter{of("a", 5, 3, 4)}, 0, 2, 1},
		"fell to zero":                     {[]Counter{of("a", 5, 0)}, 0, 1, 1},
		"twice":                            {[]Counter{of("a", 5, 3, 1)}, 0, 2, 2},
		"ends included at to, not at from": {[]Counter{of("a", 5, 3, 1)}, 1, 2, 1},
		"after the window":                 {[]Counter{of("a", 5, 6, 1)}, 0, 1, 0},
		"over a hole":                      {[]Counter{of("a", 5, -1, 1)}, 0, 2, 1},
		"born":                             {[]Counter{of("a", 5, 6), born(of("a", -1, 4))}, 0, 1, 0},
		"born, then again":                 {[]Counter{born(of("a", -1, 4, 2))}, 0, 2, 1},
		"a first sample is a baseline":     {[]Counter{of("a", -1, 4, 2)}, 0, 2, 1},
		"together in one process":          {[]Counter{of("a", 5, 3), of("a", 9, 0), of("a", 1, 2)}, 0, 1, 1},
		"two processes":                    {[]Counter{of("a", 5, 3), of("b", 9, 0)}, 0, 1, 2},
		"processes without names":          {[]Counter{of("", 5, 3), of("", 9, 0)}, 0, 1, 2},
		"one comes back later":             {[]Counter{of("a", 5, 3, 4), of("a", 9, -1, 2)}, 0, 2, 1},
		"near where it was":                {[]Counter{of("a", 100, 99, 101)}, 0, 2, 0},
		"near in all":                      {[]Counter{of("a", 1000, 999), of("a", 10, 3)}, 0, 1, 0},
		"nothing":                          {nil, 0, 1, 0},
		"no samples":                       {[]Counter{of("a")}, 0, 1, 0},
	} {
		if got := Sum(Counters{Requests: c.requests}, at(c.from), at(c.to)).Resets; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	for name, c := range map[string]Counters{
		"errors":                {Requests: []Counter{of("a", 100, 200)}, Errors: []Counter{of("a", 50, 3)}},
		"an event":              {Requests: []Counter{of("a", 100, 200)}, Events: [][]Counter{{of("a", 50, 3)}}},
		"a bucket":              {Requests: []Counter{of("a", 100, 200)}, Latency: [][]Bucket{{{time.Second, of("a", 50, 3)}, {Rest, of("a", 100, 3)}}}},
		"errors of another":     {Requests: []Counter{of("a", 100, 200)}, Errors: []Counter{of("b", 50, 3)}},
		"a nameless one":        {Requests: []Counter{of("a", 100, 200)}, Errors: []Counter{of("", 50, 3)}},
		"all of it":             {Requests: []Counter{of("a", 100, 2)}, Errors: []Counter{of("a", 50, 0)}, Events: [][]Counter{{of("a", 50, 3)}}},
		"a nameless histogram":  {Latency: [][]Bucket{{{time.Second, of("", 50, 3)}, {Rest, of("", 100, 3)}}}},
		"errors and a bucket":   {Requests: []Counter{of("a", 100, 200)}, Errors: []Counter{of("a", 50, 3)}, Latency: [][]Bucket{{{Rest, of("a", 100, 3)}}}},
		"errors with a new one": {Requests: []Counter{of("a", 100, 200)}, Errors: []Counter{of("a", 50, 3), {Samples: samples(-1, 4), Born: true, Process: "a"}}},
	} {
		if got := Sum(c, at(0), at(1)); got.Resets != 1 {
			t.Errorf("%s began again: %+v", name, got)
		}
	}
}

// TestSumsAddUp cuts a window in two: both parts make the whole, resets included.
func TestSumsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const length = 8
		counters := func(name string, most int) (out []Counter) {
			for range rapid.IntRange(0, most).Draw(t, name) {
				out = append(out, Counter{
					Samples: samples(rapid.SliceOfN(rapid.Int64Range(-1, 9), 0, length).Draw(t, name+"'s samples")...),
					Process: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, name+"'s process"),
				})
			}
			return out
		}
		// What is cut to the requests does not add up, so the requests are many.
		all := Counters{Requests: append(counters("requests", 4), Counter{Samples: samples(0, 1000, 2000, 3000, 4000, 5000, 6000, 7000)})}
		all.Errors, all.Events = counters("errors", 2), [][]Counter{counters("event 0", 2), counters("event 1", 2)}
		from := rapid.IntRange(0, length-2).Draw(t, "from")
		to := rapid.IntRange(from+1, length-1).Draw(t, "to")
		cut := rapid.IntRange(from, to).Draw(t, "cut")
		parts := Sum(all, at(from), at(cut)).Plus(Sum(all, at(cut), at(to)))
		if d := cmp.Diff(Sum(all, at(from), at(to)), parts); d != "" {
			t.Fatalf("the parts (+) are not the whole (-):\n%s", d)
		}
	})
}

func TestNumbers(t *testing.T) {
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1), 1e30} {
		if v, ok := CounterValue(bad); ok {
			t.Errorf("%v became %d", bad, v)
		}
	}
	if v, ok := CounterValue(2.9); !ok || v != 2 {
		t.Errorf("%d, %v", v, ok)
	}
	for _, bad := range []float64{-0.1, math.NaN(), math.Inf(-1), 1e10} {
		if edge, ok := EdgeOf(bad); ok {
			t.Errorf("%v became %s", bad, edge)
		}
	}
	for seconds, want := range map[float64]time.Duration{0.005: 5 * time.Millisecond, 0: 0, 2.5: 2500 * time.Millisecond, math.Inf(1): Rest} {
		if got, ok := EdgeOf(seconds); !ok || got != want {
			t.Errorf("%v became %s, %v", seconds, got, ok)
		}
	}
}
