package analyze

import (
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/signal"
	"watari.dev/traffic"
)

var none = math.NaN()

func series(instance string, values ...float64) Series {
	return Series{Instance: instance, Values: values}
}

func TestCountersOfASide(t *testing.T) {
	for name, c := range map[string]struct {
		side SideCounters
		want []string // requests/errors of each interval, ? where it is not known
	}{
		"differences":                        {SideCounters{Requests: []Series{series("a", 10, 15, 15)}, Errors: []Series{series("a", 1, 2, 2)}}, []string{"5/1", "0/0"}},
		"a counter that begins again":        {SideCounters{Requests: []Series{series("a", 10, 4, 6)}}, []string{"4/0 reset", "2/0"}},
		"a new instance begins somewhere":    {SideCounters{Requests: []Series{series("a", 10, 11, 12), series("b", none, 100, 103)}}, []string{"1/0", "4/0"}},
		"a new series of a known instance":   {SideCounters{Requests: []Series{series("a", 10, 20, 30)}, Errors: []Series{series("a", none, none, 2)}}, []string{"10/0", "10/2"}},
		"an instance that is gone":           {SideCounters{Requests: []Series{series("a", 10, 20, 30), series("b", 5, none, none)}}, []string{"10/0", "10/0"}},
		"one that comes back is caught up":   {SideCounters{Requests: []Series{series("a", 10, 20, 30), series("b", 5, none, 9)}}, []string{"?", "24/0"}},
		"nobody was there":                   {SideCounters{Requests: []Series{series("a", none, none, 7)}}, []string{"?", "0/0"}},
		"more errors than requests are cut":  {SideCounters{Requests: []Series{series("a", 1, 2, 3)}, Errors: []Series{series("a", 0, 5, 5)}}, []string{"1/1", "1/0"}},
		"what no counter shows is no number": {SideCounters{Requests: []Series{series("a", 1, -2, 3)}}, []string{"0/0", "2/0"}},
	} {
		g := Grid{From: dawn, Every: time.Minute, Source: c.side, OnlySource: true}
		r := Counters("t", []Grid{g})
		var got []string
		for _, turn := range r.Turns {
			counts, known := turn.Intervals[0].Source.Get()
			text := "?"
			if known {
				text = itoa(counts.Requests) + "/" + itoa(counts.Errors)
				if counts.Resets > 0 {
					text += " reset"
				}
			}
			got = append(got, text)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func itoa(n int64) string { return string(rune('0' + n/10))[:btoi(n > 9)] + string(rune('0'+n%10)) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestCountersOfLatency(t *testing.T) {
	bucket := func(group string, edge time.Duration, values ...float64) Series {
		return Series{Instance: "a", Group: group, Edge: edge, Values: values}
	}
	side := SideCounters{
		Requests: []Series{series("a", 0, 10, 14)},
		Latency: []Series{
			bucket("x", signal.Rest, 0, 6, 2), bucket("x", 100*time.Millisecond, 0, 5, 2), // begins again
			bucket("y", 100*time.Millisecond, 0, 1, 2), bucket("y", signal.Rest, 0, 4, 6),
		},
	}
	r := Counters("t", []Grid{{From: dawn, Every: time.Minute, Source: side, OnlySource: true}})
	for i, want := range [][]int64{{6, 4}, {3, 1}} {
		if got := r.Turns[i].Intervals[0].Source.Value.Latency; !slices.Equal(got.Buckets, want) || len(got.Edges) != 1 {
			t.Errorf("interval %d: %v, want %v", i, got, want)
		}
	}
}

// TestCountersLoseNothing: of an instance that never goes for good, all that it
// counted after it was first seen is counted once.
func TestCountersLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "moments")
		values, value, first, last := make([]float64, n), 0, -1, 0
		for k := range values {
			value += rapid.IntRange(0, 9).Draw(t, "more")
			values[k] = float64(value)
			if k > 0 && k < n-1 && rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
				values[k] = none
				continue
			}
			if first < 0 {
				first = value
			}
			last = value
		}
		r := Counters("t", []Grid{{From: dawn, Every: time.Second, Source: SideCounters{Requests: []Series{series("a", values...)}}, OnlySource: true}})
		var sum int64
		var until time.Time
		for _, turn := range r.Turns {
			in := turn.Intervals[0]
			if in.Source.State != traffic.Known {
				continue
			}
			if !until.IsZero() && !in.From.Source.Equal(until) {
				t.Fatalf("a window begins at %s, the one before ends at %s", in.From.Source, until)
			}
			sum, until = sum+in.Source.Value.Requests, in.To
		}
		if sum != int64(last-first) {
			t.Fatalf("%v: counted %d, want %d", values, sum, last-first)
		}
	})
}
