package datadog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/traffic"
)

// cells returns what was read of a series from cell 0 on; -1 is no point.
func cells(counts ...int) series {
	s := series{next: int64(len(counts)), points: map[int64]point{}}
	for n, count := range counts {
		if count >= 0 {
			s.points[int64(n)] = point{count: int64(count)}
		}
	}
	return s
}

var (
	minute   = grid{every: 20 * time.Second, delay: time.Minute, alive: time.Minute} // alive is 3 cells
	requests = wanted{requests: &expression{text: "the requests"}}
)

func TestGrid(t *testing.T) {
	for at, want := range map[time.Duration]int64{ // since 1970
		0: -3, 19 * time.Second: -3, 20 * time.Second: -2, time.Minute: 0, 79 * time.Second: 0, 80 * time.Second: 1, -time.Nanosecond: -4,
	} {
		if got := minute.taken(time.Unix(0, int64(at))); got != want {
			t.Errorf("at %s cells before %d are taken, want %d", at, got, want)
		}
	}
	if got := minute.begin(2); !got.Equal(time.Unix(40, 0)) {
		t.Error(got)
	}
}

func TestDecideReading(t *testing.T) {
	long := grid{every: 20 * time.Second, delay: time.Minute, alive: 5 * time.Minute}
	for name, c := range map[string]struct {
		grid     grid
		requests series
		from, to int64
		want     int64  // requests
		why      string // instead
	}{
		"every cell has a point":         {minute, cells(9, 1, 2, 3), 1, 4, 6, ""},
		"zeros are points":               {minute, cells(9, 0, 0, 0), 1, 4, 0, ""},
		"between points none is zero":    {minute, cells(9, -1, 2, -1, 3), 1, 5, 5, ""},
		"zero although nothing is in it": {minute, cells(9, -1, -1, 3), 1, 3, 0, ""},
		"the next point is later":        {minute, cells(9, 1, -1, 3), 1, 3, 1, ""},
		"nothing yet after it":           {minute, cells(9, 1, -1), 1, 3, 0, "no point since 00:00:40; it may be late"},
		"nothing at all":                 {minute, cells(-1, -1, -1, -1), 1, 4, 0, "no point at 00:00:20 nor in the 1m0s before"},
		"begins in the window":           {minute, cells(-1, -1, -1, 3), 1, 4, 0, "no point at 00:00:20 nor in"},
		"begins with the window":         {minute, cells(-1, -1, -1, 3), 3, 4, 3, ""},
		"too far apart":                  {minute, cells(9, -1, -1, -1, 3), 1, 5, 0, "no point for more than 1m0s after 00:00:20"},
		"gone":                           {minute, cells(9, -1, -1, -1, -1, -1), 1, 3, 0, "no point for more than 1m0s after 00:00:20"},
		"a minute's metric":              {long, cells(5, -1, -1, 5, -1, -1, 5, -1, -1, 5, -1, -1, 5), 10, 13, 0, "a point every 1m0s only: set every to 1m0s"},
		"few points tell nothing":        {long, cells(-1, -1, -1, 5, -1, -1, 5, -1, -1, 5, -1, -1, 5), 10, 13, 5, ""},
		"sparse, but on the grid":        {long, cells(5, -1, -1, 5, -1, -1, 5, -1, 5, -1, -1, -1, 5), 10, 13, 5, ""},
	} {
		got := decideReading(c.grid, requests, seen{requests: c.requests}, c.from, c.to)
		switch {
		case c.why != "":
			if got.State != traffic.Unknown || !strings.Contains(got.Err, c.why) {
				t.Errorf("%s: %+v, want %s", name, got, c.why)
			}
		case got.State != traffic.Known || got.Value.Requests != c.want || !got.At.Equal(c.grid.begin(c.to)):
			t.Errorf("%s: %+v, want %d up to %s", name, got, c.want, c.grid.begin(c.to))
		}
	}
}

func TestErrorsAndEvents(t *testing.T) {
	all := wanted{requests: &expression{text: "r"}, errors: &expression{text: "e", metric: "e"}, events: []*expression{{text: "v"}, nil}}
	got := seen{requests: cells(9, 4, -1, 3), errors: cells(9, -1, 2, -1), events: []series{cells(9, 40, -1, -1), {}}}
	got.requests.points[1] = point{count: 4, skew: -3 * time.Second}
	got.requests.points[3] = point{count: 3, skew: 2 * time.Second}
	r := decideReading(minute, all, got, 1, 4)
	want := traffic.Counts{Requests: 7, Errors: 2, Events: []int64{7, 0}, Skew: -3 * time.Second}
	if d := cmp.Diff(want, r.Value); r.State != traffic.Known || d != "" {
		t.Errorf("%+v (-want +got):\n%s", r, d)
	}
	got.missing = []expression{*all.errors}
	if r := decideReading(minute, all, got, 1, 4); r.State != traffic.Unknown || !strings.Contains(r.Err, "knows no metric e") {
		t.Errorf("%+v", r)
	}
}

// TestWindowsAddUp cuts what was read anywhere: the whole is known if and only if all
// of its parts are, and then they make it. Metrics that are too coarse are left out.
func TestWindowsAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := cells(rapid.SliceOfN(rapid.IntRange(-1, 4), 4, 30).Draw(t, "counts")...)
		errs := cells(rapid.SliceOfN(rapid.IntRange(-1, 4), len(s.points), len(s.points)).Draw(t, "errors")...)
		for n, p := range errs.points {
			errs.points[n] = point{count: min(p.count, s.points[n].count)}
		}
		if _, coarse := coarseness(s, s.next); coarse {
			return
		}
		read := func(from, to int64) traffic.Reading[traffic.Counts] {
			return decideReading(minute, wanted{requests: requests.requests, errors: requests.requests}, seen{requests: s, errors: errs}, from, to)
		}
		from := rapid.Int64Range(0, s.next-2).Draw(t, "from")
		to := rapid.Int64Range(from+2, s.next).Draw(t, "to")
		cut := rapid.Int64Range(from+1, to-1).Draw(t, "cut")
		first, second, whole := read(from, cut), read(cut, to), read(from, to)
		if known := first.State == traffic.Known && second.State == traffic.Known; known != (whole.State == traffic.Known) && !strings.Contains(first.Err+second.Err+whole.Err, "a point every") {
			t.Fatalf("%+v and %+v, but %+v", first, second, whole)
		} else if d := cmp.Diff(first.Value.Plus(second.Value), whole.Value); known && d != "" {
			t.Fatalf("the parts (-) are not the whole (+):\n%s", d)
		}
	})
}

// TestSeriesKeepsWhatIsSettled reads a series again and again while points come late:
// what was known once never changes.
func TestSeriesKeepsWhatIsSettled(t *testing.T) {
	const alive = 3
	rapid.Check(t, func(t *rapid.T) {
		var s series
		stored := map[int64]point{}
		known := map[int64]traffic.Reading[traffic.Counts]{}
		from := int64(100)
		for next := from + 1; next < from+20; next++ {
			for range rapid.IntRange(0, 2).Draw(t, "points") { // some of them late
				stored[rapid.Int64Range(max(from, next-5), next-1).Draw(t, "cell")] = point{count: rapid.Int64Range(0, 9).Draw(t, "count")}
			}
			lo, missing := s.missing(from, next, alive)
			if !missing {
				t.Fatalf("cell %d is said to be known", next-1)
			}
			lo = rapid.Int64Range(max(from, lo-4), lo).Draw(t, "as others need it")
			read := map[int64]point{}
			for n := lo; n < next; n++ {
				if p, has := stored[n]; has {
					read[n] = p
				}
			}
			s.store(lo, next, read, alive)
			if s.first != from || s.next != next {
				t.Fatalf("knows %d..%d, want %d..%d", s.first, s.next, from, next)
			}
			for n := from; n < next; n++ {
				r := decideReading(minute, requests, seen{requests: s.between(from)}, n, n+1)
				if was, is := known[n]; is && !strings.Contains(r.Err, "a point every") {
					if d := cmp.Diff(was, r); d != "" {
						t.Fatalf("cell %d changed (-before +after):\n%s", n, d)
					}
				}
				if r.State == traffic.Known {
					known[n] = r
				}
			}
		}
	})
}

func TestSettled(t *testing.T) {
	for name, c := range map[string]struct {
		series series
		want   int64
	}{
		"nothing read":           {cells(), 0},
		"a point in the end":     {cells(1, 2), 2},
		"none after it":          {cells(1, -1, -1), 1},
		"none for longer":        {cells(1, -1, -1, -1, -1), 2},
		"never a point":          {cells(-1, -1, -1, -1, -1), 2},
		"never, and not so long": {cells(-1, -1), 0},
	} {
		if got := c.series.settled(3); got != c.want {
			t.Errorf("%s: cells before %d are settled, want %d", name, got, c.want)
		}
	}
}

func TestSeriesForgets(t *testing.T) {
	var s series
	s.store(0, 10, map[int64]point{9: {count: 1}}, 3)
	s.store(10, 10+kept, map[int64]point{kept: {count: 2}}, 3)
	if s.first != 10 || s.next != 10+kept || len(s.points) != 1 {
		t.Errorf("%+v", s)
	}
	s.store(5000, 5001, map[int64]point{5000: {count: 3}}, 3) // after a hole
	if s.first != 5000 || s.next != 5001 || len(s.points) != 1 {
		t.Errorf("%+v", s)
	}
}
