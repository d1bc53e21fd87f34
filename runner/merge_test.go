package runner

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/traffic"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// drawCounts draws what a runner writes: windows that begin where a side was known
// last, sides that are not known for a while, counters that begin again.
func drawCounts(t *rapid.T) (out []store.Entry) {
	services := []string{"web", "api"}[:rapid.IntRange(1, 2).Draw(t, "services")]
	from := map[string]traffic.BySide[time.Time]{}
	edges := [][]time.Duration{{time.Millisecond, time.Second}, {time.Second}, nil}
	step := 0
	for n := range rapid.IntRange(1, 40).Draw(t, "looks") {
		at := noon.Add(time.Duration(n+1) * time.Second)
		if rapid.IntRange(0, 9).Draw(t, "moves") == 0 {
			step++
		}
		var data countsData
		for _, service := range services {
			in := engine.Interval{Service: service, By: "requests", To: at, From: from[service], Step: step, Intended: traffic.Share(100 * step)}
			if in.From.Source.IsZero() {
				in.From = traffic.BySide[time.Time]{Source: noon, Target: noon}
			}
			next := in.From
			reading := func(name string, begins *time.Time) traffic.Reading[traffic.Counts] {
				switch rapid.IntRange(0, 9).Draw(t, name) {
				case 0, 1:
					return traffic.Reading[traffic.Counts]{Err: rapid.SampledFrom([]string{"due in 1s", "due in 2s"}).Draw(t, "why")}
				case 2:
					return traffic.FailedAt[traffic.Counts](fmt.Errorf("refused"), at)
				}
				*begins = at
				c := traffic.Counts{Requests: int64(rapid.IntRange(0, 9).Draw(t, "requests")), Events: []int64{1, 2}}
				c.Errors = min(c.Requests, 2)
				if e := rapid.SampledFrom(edges).Draw(t, "edges"); e != nil {
					c.Latency = traffic.Histogram{Edges: e, Buckets: make([]int64, len(e)+1)}
					c.Latency.Buckets[0] = c.Requests
				}
				if rapid.IntRange(0, 9).Draw(t, "resets") == 0 {
					c.Resets = 1
				}
				return traffic.KnownAt(c, at)
			}
			in.Source, in.Target = reading("source", &next.Source), reading("target", &next.Target)
			from[service] = next
			data.Intervals = append(data.Intervals, in)
		}
		b, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, store.Entry{At: at, Kind: store.Counts, Data: b})
	}
	return out
}

// told is what entries say of one side of one service in one hold.
type told struct {
	requests, errors, resets, events int64
	buckets                          map[string]int64 // by upper edge; of each width by itself
	seconds                          []time.Time      // that are known, by their end
}

// sayings returns what entries say, and each window that is not known.
func sayings(t *rapid.T, entries []store.Entry) (map[string]*told, []string) {
	all, gone := map[string]*told{}, []string{}
	for _, e := range entries {
		var data countsData
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		for _, in := range data.Intervals {
			for side, r := range map[traffic.Side]traffic.Reading[traffic.Counts]{traffic.Source: in.Source, traffic.Target: in.Target} {
				name := fmt.Sprint(in.Service, side, in.Step, in.Intended)
				if r.State != traffic.Known {
					gone = append(gone, fmt.Sprint(in.Service, side, in.To, r.State))
					continue
				}
				s := all[name]
				if s == nil {
					s = &told{buckets: map[string]int64{}}
					all[name] = s
				}
				s.requests, s.errors, s.resets = s.requests+r.Value.Requests, s.errors+r.Value.Errors, s.resets+r.Value.Resets
				for _, n := range r.Value.Events {
					s.events += n
				}
				for i, n := range r.Value.Latency.Buckets {
					s.buckets[fmt.Sprint(r.Value.Latency.Edges, i)] += n
				}
				for at := in.From.Of(side).Add(time.Second); !at.After(in.To); at = at.Add(time.Second) {
					s.seconds = append(s.seconds, at)
				}
			}
		}
	}
	for _, s := range all {
		for edge, n := range s.buckets {
			if n == 0 {
				delete(s.buckets, edge)
			}
		}
		slices.SortFunc(s.seconds, time.Time.Compare)
	}
	return all, gone
}

func TestMergedCountsSayTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawCounts(t)
		merged := MergeCounts(entries)
		before, unknownBefore := sayings(t, entries)
		after, unknownAfter := sayings(t, merged)
		if len(before) != len(after) {
			t.Fatalf("%d streams became %d", len(before), len(after))
		}
		for name, was := range before {
			is := after[name]
			if is == nil || fmt.Sprintf("%+v", *is) != fmt.Sprintf("%+v", *was) {
				t.Fatalf("%s:\n%+v became\n%+v", name, was, is)
			}
		}
		for _, gone := range unknownAfter {
			if !slices.Contains(unknownBefore, gone) {
				t.Fatalf("%s was known", gone)
			}
		}
		if len(merged) > len(entries) {
			t.Fatalf("%d entries became %d", len(entries), len(merged))
		}
		for i, e := range merged[1:] {
			if e.At.Before(merged[i].At) {
				t.Fatalf("%s comes after %s", e.At, merged[i].At)
			}
		}
		// Merging what is merged says the same once more.
		again, _ := sayings(t, MergeCounts(merged))
		if fmt.Sprint(len(again)) != fmt.Sprint(len(after)) {
			t.Fatalf("%d streams became %d", len(after), len(again))
		}
		for name, was := range after {
			if is := again[name]; is == nil || fmt.Sprintf("%+v", *is) != fmt.Sprintf("%+v", *was) {
				t.Fatalf("%s a second time:\n%+v became\n%+v", name, was, is)
			}
		}
	})
}

// TestWhatIsNotKnownStaysNotKnown: windows of which nothing is known later are in the
// merged entries for all of their time.
func TestWhatIsNotKnownStaysNotKnown(t *testing.T) {
	entry := func(n int, from time.Time, source traffic.Reading[traffic.Counts]) store.Entry {
		at := noon.Add(time.Duration(n) * time.Second)
		known := traffic.KnownAt(traffic.Counts{Requests: 1}, at)
		b, err := json.Marshal(countsData{Intervals: []engine.Interval{{To: at, From: traffic.BySide[time.Time]{Source: from, Target: at.Add(-time.Second)}, Source: source, Target: known}}})
		if err != nil {
			t.Fatal(err)
		}
		return store.Entry{At: at, Kind: store.Counts, Data: b}
	}
	var entries []store.Entry
	for n := 1; n <= 20; n++ {
		entries = append(entries, entry(n, noon, traffic.Reading[traffic.Counts]{Err: "nobody answers"}))
	}
	merged := MergeCounts(entries)
	var data countsData
	if len(merged) != 1 || json.Unmarshal(merged[0].Data, &data) != nil || len(data.Intervals) != 1 || data.Merged != 20 {
		t.Fatalf("%s", merged)
	}
	in := data.Intervals[0]
	if in.Source.State != traffic.Unknown || in.Source.Err != "nobody answers" || !in.From.Source.Equal(noon) || !in.To.Equal(noon.Add(20*time.Second)) {
		t.Errorf("%+v", in)
	}
	if in.Target.Value.Requests != 20 || !in.From.Target.Equal(noon) {
		t.Errorf("%+v", in.Target)
	}
}
