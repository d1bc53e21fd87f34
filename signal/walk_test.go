package signal

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/traffic"
)

// of returns a counter of a process that shows one value a second: -1 where it is
// not there, -2 where it shows no number. It is born if others of its process were
// there before.
func of(process string, values ...int64) Counter {
	c := Counter{Process: process}
	for i, v := range values {
		if v != -1 {
			c.Samples = append(c.Samples, Sample{at(i), v})
		}
	}
	c.Born = len(values) > 0 && values[0] == -1
	return c
}

func other(c Counter) Counter {
	c.Other = "role"
	return c
}

// TestWhatCountersTell has what happened in public bug reports, and what must stay
// right beside it. Every window begins at the first sample and ends at the last.
func TestWhatCountersTell(t *testing.T) {
	type side = Counters
	all := func(c ...Counter) []Counter { return c }
	for name, c := range map[string]struct {
		side     side
		requests int64
		errors   int64
		resets   int64
	}{
		"errors dip by one": {side{
			Requests: all(of("a", 100000, 100100, 100200, 100300)), Errors: all(of("a", 1200, 1200, 1199, 1200)),
		}, 300, 0, 0},
		"requests dip by one":        {side{Requests: all(of("a", 7654321564, 7654321563, 7654321570))}, 6, 0, 0},
		"a nameless counter dips":    {side{Requests: all(of("", 7654564, 7654563, 7654570))}, 6, 0, 0},
		"few errors dip":             {side{Requests: all(of("a", 1000, 1100, 1200)), Errors: all(of("a", 2, 1, 2))}, 200, 0, 0},
		"the only error dips":        {side{Requests: all(of("a", 1000, 1100, 1200)), Errors: all(of("a", 1, 0, 1))}, 200, 0, 0},
		"a dip, then more than ever": {side{Requests: all(of("a", 1000, 980, 1040)), Errors: all(of("a", 7, 6, 9))}, 40, 2, 0},
		"a replica is a scrape behind, in turn": {side{
			Requests: all(of("a", 10000, 9900, 10200, 10100, 10400)), Errors: all(of("a", 5, 0, 9, 5, 11)),
		}, 400, 6, 0},
		"a replica is behind, by label": {side{
			Requests: all(of("a", 10000, 9950, 10100), of("a", 40, 20, 60)), Errors: all(of("a", 3, 0, 3)),
		}, 120, 0, 0},

		"a process begins again":                   {side{Requests: all(of("a", 100000, 40, 90)), Errors: all(of("a", 1200, 3, 3))}, 90, 3, 1},
		"it begins again, its errors overtake":     {side{Requests: all(of("a", 100000, 40, 90)), Errors: all(of("a", 2, 7, 9))}, 90, 9, 1},
		"it begins again, its errors are the same": {side{Requests: all(of("a", 100000, 40, 90)), Errors: all(of("a", 2, 2, 2))}, 90, 2, 1},
		"it begins again, one code is gone for a while": {side{
			Requests: all(of("a", 100000, 40, 90), of("a", 500, -1, 4)), Errors: all(of("a", 500, -1, 4)),
		}, 94, 4, 1},
		"errors alone begin again":          {side{Requests: all(of("a", 1000, 1100, 1200)), Errors: all(of("a", 400, 3, 5))}, 200, 5, 1},
		"it begins again as something else": {side{Requests: all(of("a", 100000, -1), of("a", -1, 12)), Errors: all(of("a", 70, -1), of("a", -1, 1))}, 12, 1, 1},

		"relabelled": {side{
			Requests: all(of("a", 400000, 400020, -1, -1), of("a", -1, -1, 400040, 400060)), Errors: all(of("a", 1200, 1200, -1, -1), of("a", -1, -1, 1200, 1200)),
		}, 60, 0, 0},
		"relabelled, each code": {side{
			Requests: all(of("a", 9000, -1), of("a", 1000, -1), of("a", -1, 9050), of("a", -1, 1004)), Errors: all(of("a", 1000, -1), of("a", -1, 1004)),
		}, 54, 4, 0},
		"only the errors are relabelled": {side{Requests: all(of("a", 400000, 400020, 400040)), Errors: all(of("a", 1200, -1, -1), of("a", -1, 1201, 1201))}, 40, 1, 0},
		"relabelled and back":            {side{Requests: all(of("a", 5000, -1, 5020), of("a", -1, 5010, -1)), Errors: all(of("a", 50, -1, 50), of("a", -1, 50, -1))}, 20, 0, 0},
		"from a label that nobody asked for": {side{
			Requests: all(other(of("a", 4000, -1)), of("a", -1, 4010)), Errors: all(other(of("a", 50, -1)), of("a", -1, 50)),
		}, 10, 0, 0},
		"from a sum of labels that nobody asked for": {side{
			Requests: all(other(of("a", 9000, 5020)), of("a", -1, 4010)), Errors: all(other(of("a", 100, 50)), of("a", -1, 50)),
		}, 30, 0, 0},
		"old, and who it was is not known": {side{Requests: all(of("a", 10, 20), of("a", -1, 400040)), Errors: all(of("a", -1, 1200))}, 10, 0, 1},
		"the first look was partial": {side{
			Requests: all(of("a", 10000, 10020, 10040), of("a", -1, 90000, 90100)), Errors: all(of("a", -1, 900, 901)),
		}, 140, 1, 1},
		"a later look was partial": {side{
			Requests: all(of("a", 10000, 10020, 10040), of("a", 90000, -1, 90100)), Errors: all(of("a", 900, -1, 901)),
		}, 140, 1, 0},

		"the first errors":                         {side{Requests: all(of("a", 100, 160)), Errors: all(of("a", -1, 7))}, 60, 7, 0},
		"the first code of its kind":               {side{Requests: all(of("a", 100, 160), of("a", -1, 7)), Errors: all(of("a", -1, 7))}, 67, 7, 0},
		"the first requests of all":                {side{Requests: all(of("a", -1, 700)), Errors: all(of("a", -1, 140))}, 700, 140, 0},
		"the first requests beside a health check": {side{Requests: all(of("a", 500, 501, 502), of("a", -1, 80, 160)), Errors: all(of("a", -1, 80, 160))}, 162, 160, 0},
		"a process that nobody looked at":          {side{Requests: all(of("a", 100, 160), Counter{Process: "b", Samples: of("", -1, 5000).Samples})}, 60, 0, 0},

		"a later look missed one, another ended then": {side{
			Requests: all(of("a", 40000, -1, 40010), of("a", 10, 10, -1)), Errors: all(of("a", 1200, -1, 1200), of("a", 10, 10, -1)),
		}, 10, 0, 0},
		"relabelled beside one that was selected before": {side{
			Requests: all(of("a", 7, -1), other(of("a", 400020, -1)), other(of("a", 1200, -1)), of("a", -1, 7), of("a", -1, 400040), of("a", -1, 1200)),
			Errors:   all(other(of("a", 1200, -1)), of("a", -1, 1200)),
		}, 20, 0, 0},
		"a dip of one while another is missed": {side{Requests: all(of("a", 5000, 4990, 5020), of("a", 5000, -1, 5010)), Errors: all(of("a", 50, 50, 50))}, 30, 0, 0},
		"the same, of many":                    {side{Requests: all(of("a", 40000, 40100, 40090, 40300), of("a", 40000, 40100, -1, 40300)), Errors: all(of("a", 500, 500, 500, 500))}, 600, 0, 0},
		"one look shows nothing of it":         {side{Requests: all(of("a", 100000, 0, 100002, 100004)), Errors: all(of("a", 1200, 0, 1200, 1200))}, 4, 0, 1},
		"one look shows another process":       {side{Requests: all(of("a", 100000, 50, 100012, 100014)), Errors: all(of("a", 1200, 3, 1201, 1201))}, 64, 4, 1},
		"errors for one look":                  {side{Requests: all(of("a", 1000, 1100, 1200)), Errors: all(of("a", 1200, 0, 1200))}, 200, 0, 1},
		"it begins again and soon has as many": {side{Requests: all(of("a", 1000, 300, 700, 1100)), Errors: all(of("a", 5, 0, 5, 6))}, 1100, 6, 1},

		"no number in between": {side{Requests: all(of("a", 100, -2, 160)), Errors: all(of("a", 3, -2, 4))}, 60, 1, 0},
		"gone for a while":     {side{Requests: all(of("a", 100, 110, 120), of("a", 50, -1, 60)), Errors: all(of("a", 5, -1, 6))}, 30, 1, 0},
	} {
		c.side.MarkAbsent()
		got, upDown := SumOf(c.side, at(0), at(9))
		want := traffic.Counts{Requests: c.requests, Errors: c.errors, Resets: c.resets}
		if d := cmp.Diff(want, got); d != "" || len(upDown) > 0 {
			t.Errorf("%s (-want +got), %q:\n%s", name, upDown, d)
		}
	}
}

// TestBucketsUnderOtherNames: a bucket is the same whatever its edge is written like,
// and a histogram goes on under new labels.
func TestBucketsUnderOtherNames(t *testing.T) {
	second, rest := time.Second, Rest
	bucket := func(edge time.Duration, values ...int64) Bucket { return Bucket{edge, of("a", values...)} }
	want := traffic.Histogram{Edges: []time.Duration{second}, Buckets: []int64{12, 3}}
	for name, latency := range map[string][][]Bucket{
		"1 becomes 1.0":       {{bucket(second, 1000, 1005, -1, -1), bucket(second, -1, -1, 1010, 1012), bucket(rest, 1100, 1105, 1111, 1115)}},
		"in any order":        {{bucket(second, -1, -1, 1010, 1012), bucket(rest, 1100, 1105, 1111, 1115), bucket(second, 1000, 1005, -1, -1)}},
		"both for a while":    {{bucket(second, 1000, 1005, 1010, -1), bucket(second, -1, 1005, 1010, 1012), bucket(rest, 1100, 1105, 1111, 1115)}},
		"both all the time":   {{bucket(second, 1000, 1005, 1010, 1012), bucket(second, 1000, 1005, 1010, 1012), bucket(rest, 1100, 1105, 1111, 1115)}},
		"one dips":            {{bucket(second, 1000, 999, 1010, 1012), bucket(rest, 1100, 1105, 1111, 1115)}},
		"a new set of labels": {{bucket(second, 1000, 1005, -1, -1), bucket(rest, 1100, 1105, -1, -1)}, {bucket(second, -1, -1, 1010, 1012), bucket(rest, -1, -1, 1111, 1115)}},
	} {
		c := Counters{Requests: []Counter{of("a", 1100, 1105, 1111, 1115)}, Latency: latency}
		c.MarkAbsent()
		if d := cmp.Diff(traffic.Counts{Requests: 15, Latency: want}, Sum(c, at(0), at(9))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// TestBucketsThatComeAndGo: what is not counted in a bucket of its own is not known to
// have been slower, or quicker, than its edge.
func TestBucketsThatComeAndGo(t *testing.T) {
	bucket := func(edge time.Duration, values ...int64) Bucket { return Bucket{edge, of("a", values...)} }
	for name, c := range map[string]struct {
		requests Counter
		buckets  []Bucket
		parts    []string // second by second
	}{
		"a release with other edges at the same address": {
			of("a", 1000, 1100, 20, 120, 220), []Bucket{bucket(time.Second, 1000, 1100, -1), bucket(2*time.Second, -1, -1, 20, 120, 220), bucket(Rest, 1000, 1100, 20, 120, 220)},
			[]string{"{[1s] [100 0]}", "{[2s] [20 0]}", "{[2s] [100 0]}", "{[2s] [100 0]}"},
		},
		"a bucket is dropped": {
			of("a", 1000, 1100, 1200, 1300), []Bucket{bucket(time.Second, 1000, 1100, -1), bucket(2*time.Second, 1000, 1100, 1200, 1300), bucket(Rest, 1000, 1100, 1200, 1300)},
			[]string{"{[1s 2s] [100 0 0]}", "{[2s] [100 0]}", "{[2s] [100 0]}"},
		},
		"a bucket is new": {
			of("a", 1000, 1100, 1200, 1300), []Bucket{bucket(time.Second, -1, -1, 1200, 1300), bucket(2*time.Second, 1000, 1100, 1200, 1300), bucket(Rest, 1000, 1100, 1200, 1300)},
			[]string{"{[2s] [100 0]}", "{[2s] [100 0]}", "{[1s 2s] [100 0 0]}"},
		},
		"one look misses a bucket": {
			of("a", 1000, 1100, 1200, 1300, 1400), []Bucket{bucket(time.Second, 1000, 1100, -1, 1300, 1400), bucket(Rest, 1000, 1100, 1200, 1300, 1400)},
			[]string{"{[1s] [100 0]}", "{[] [100]}", "{[] [100]}", "{[1s] [100 0]}"},
		},
		"one look misses all": {
			of("a", 1000, 1100, 1200, 1300), []Bucket{bucket(time.Second, 1000, -1, 1200, 1300), bucket(Rest, 1000, -1, 1200, 1300)},
			[]string{"{[] []}", "{[1s] [200 0]}", "{[1s] [100 0]}"},
		},
		"nothing happens": {
			of("a", 1000, 1000), []Bucket{bucket(time.Second, 1000, 1000), bucket(Rest, 1000, 1000)}, []string{"{[1s] [0 0]}"},
		},
	} {
		all := Counters{Requests: []Counter{c.requests}, Latency: [][]Bucket{c.buckets}}
		all.MarkAbsent()
		for i, want := range c.parts {
			if got := fmt.Sprint(Sum(all, at(i), at(i+1)).Latency); got != want {
				t.Errorf("%s, second %d: %s, want %s", name, i, got, want)
			}
		}
	}
}

// TestSeveralProcessesInOneName: what goes up and down is said to, and a process that
// begins again is not taken for several.
func TestSeveralProcessesInOneName(t *testing.T) {
	for name, c := range map[string]struct {
		requests []Counter
		want     string
	}{
		"two in turn":                  {[]Counter{of("a", 1000, 50, 1010, 55, 1020, 60)}, "[a]"},
		"three in turn":                {[]Counter{of("a", 1000, 50, 500, 1010, 55, 505, 1020, 60, 510, 1030, 70)}, "[a]"},
		"at random":                    {[]Counter{of("a", 1000, 1003, 50, 52, 53, 1010, 500, 1020, 60, 511, 1025, 70, 1030)}, "[a]"},
		"each with codes":              {[]Counter{of("a", 900, 45, 909, 50, 918, 55), of("a", 100, 5, 101, 5, 102, 6)}, "[a]"},
		"in nobody's name":             {[]Counter{of("", 1000, 50, 1010, 55, 1020, 60)}, "[]"},
		"one of two":                   {[]Counter{of("b", 1000, 50, 1010, 55, 1020, 60), of("a", 1, 2, 3, 4, 5, 6)}, "[b]"},
		"it began again":               {[]Counter{of("a", 1000, 5, 400, 900, 1400, 2000)}, "[]"},
		"again and again":              {[]Counter{of("a", 1000, 5, 400, 900, 0, 500, 1200, 3, 300)}, "[]"},
		"again and again, seen rarely": {[]Counter{of("a", 2000, 600, 1600, 2300, 300, 1300, 2300, 1000, 2000, 800, 1800, 2500, 700, 1700, 400)}, "[]"},
		"a replica is behind":          {[]Counter{of("a", 1000, 990, 1010, 1000, 1020, 1010)}, "[]"},
		"only up":                      {[]Counter{of("a", 1, 1000, 1001, 5000)}, "[]"},
		"a pod label for each":         {[]Counter{of("a", 1000, -1, 1010, -1, 1020, -1), of("a", -1, 50, -1, 55, -1, 60)}, "[]"},
	} {
		all := Counters{Requests: c.requests}
		all.MarkAbsent()
		_, upDown := SumOf(all, at(0), at(20))
		if name == "in nobody's name" {
			if len(upDown) != 1 || upDown[0] != "" {
				t.Errorf("%s: %q", name, upDown)
			}
			continue
		}
		if got := fmt.Sprint(upDown); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if _, later := SumOf(all, at(0), at(20).Add(upDownFor)); len(later) > 0 {
			t.Errorf("%s: %s is still doubted when it is long past", name, later)
		}
	}
}

// TestWhatReallyHappenedIsCounted plays processes that count, begin again, are
// relabelled, are missed by a look or seen through a replica that is behind, and
// compares the sums with what the looks can have shown.
func TestWhatReallyHappenedIsCounted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const looks = 12
		requests, errors := [][]int64{make([]int64, looks)}, [][]int64{make([]int64, looks)}
		absent := func() []int64 {
			all := make([]int64, looks)
			for i := range all {
				all[i] = -1
			}
			return all
		}
		requests[0], errors[0] = absent(), absent()
		r, e := rapid.Int64Range(1000, 1_000_000).Draw(t, "requests before"), rapid.Int64Range(0, 500).Draw(t, "errors before")
		label, first := 0, traffic.Counts{Requests: r, Errors: e}
		var want traffic.Counts
		last, dipped := first, false
		for i := range looks {
			if i > 0 {
				n := rapid.Int64Range(0, 200).Draw(t, "requests")
				bad := rapid.Int64Range(0, n).Draw(t, "errors")
				r, e = r+n, e+bad
				switch rapid.IntRange(0, 9).Draw(t, "what") {
				case 0: // it begins again, and counts less than before the next look
					if last.Requests > 4*n && (last.Requests < certainlyBack || last.Requests > 5000) {
						r, e = n, bad
						want.Requests, want.Errors, want.Resets = want.Requests+n, want.Errors+bad, want.Resets+1
						last = traffic.Counts{Requests: n, Errors: bad}
						requests[label][i], errors[label][i] = r, e
						continue
					}
				case 1: // other labels
					requests, errors = append(requests, absent()), append(errors, absent())
					label++
				case 2: // this look finds nothing
					continue
				case 3: // what a replica knows, which is behind
					if !dipped && last.Requests > 100 {
						requests[label][i] = last.Requests - last.Requests/100
						errors[label][i] = max(0, last.Errors-last.Requests/100)
						dipped = true
						continue
					}
				}
			}
			if i > 0 {
				want.Requests, want.Errors = want.Requests+r-last.Requests, want.Errors+e-last.Errors
			}
			last = traffic.Counts{Requests: r, Errors: e}
			requests[label][i], errors[label][i] = r, e
		}
		// What fails is slow: the bucket of a second holds the others.
		want.Latency = traffic.Histogram{Edges: []time.Duration{time.Second}, Buckets: []int64{want.Requests - want.Errors, want.Errors}}
		var c Counters
		for i := range requests {
			quick := slices.Clone(requests[i])
			for k := range quick {
				quick[k] -= max(0, errors[i][k])
			}
			c.Requests, c.Errors = append(c.Requests, of("a", requests[i]...)), append(c.Errors, of("a", errors[i]...))
			c.Latency = append(c.Latency, []Bucket{{time.Second, of("a", quick...)}, {Rest, of("a", requests[i]...)}})
		}
		c.MarkAbsent()
		if d := cmp.Diff(want, Sum(c, at(0), at(looks))); d != "" {
			t.Fatalf("requests %v, errors %v (-want +got):\n%s", requests, errors, d)
		}
	})
}
