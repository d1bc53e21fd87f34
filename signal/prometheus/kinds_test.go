package prometheus

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// TestMistypedLatencyIsTold: requests and errors stay known, the histogram is empty,
// and the reason is told.
func TestMistypedLatencyIsTold(t *testing.T) {
	requests := stream("requests_total", "a", "", 5, 7, 9)
	for name, c := range map[string]struct {
		latency string
		types   map[string][]string
		series  []*model.SampleStream
		want    string
		asked   string // beside the counters
	}{
		"a histogram": {"d_seconds_bucket", nil,
			streams(stream("d_seconds_bucket", "a", "le=0.1", 1, 2, 3), stream("d_seconds_bucket", "a", "le=+Inf", 1, 2, 3)), "", ""},
		"a native histogram": {"d_seconds", map[string][]string{"d_seconds": {"histogram"}},
			streams(recorded(t, "d_seconds", "a", "", fine5, fine9, fine12)), "", "type d_seconds"},
		"a gauge histogram": {"d_seconds", map[string][]string{"d_seconds": {"gaugehistogram"}},
			streams(recorded(t, "d_seconds", "a", "", fine5, fine9, fine12)), "d_seconds is a gauge histogram", "type d_seconds"},
		"a summary": {"d_seconds", nil,
			streams(stream("d_seconds", "a", "quantile=0.5", 1, 1, 1)), "latency of the target is not known: d_seconds is a summary; use the _bucket series of a histogram", ""},
		"the buckets of a summary": {"d_seconds_bucket", nil,
			streams(stream("d_seconds", "a", "quantile=0.5", 1, 1, 1), stream("d_seconds_sum", "a", "", 1, 2, 3)), "d_seconds is a summary; use the _bucket series", "count d_seconds(_bucket|_count|_sum)? 5m0s"},
		"a gauge": {"d_seconds", map[string][]string{"d_seconds": {"gauge", "gauge"}},
			streams(stream("d_seconds", "a", "", 1, 1, 1)), "d_seconds is a gauge; use the _bucket series", "type d_seconds"},
		"a gauge here, a histogram there": {"d_seconds", map[string][]string{"d_seconds": {"gauge", "histogram"}},
			streams(stream("d_seconds", "a", "", 1, 1, 1)), "d_seconds has no label le", "type d_seconds"},
		"of no known type": {"d_seconds", map[string][]string{"d_seconds": {"unknown"}},
			streams(stream("d_seconds", "a", "", 1, 1, 1)), "d_seconds has no label le", "type d_seconds"},
		"a histogram's sum": {"d_seconds_sum", map[string][]string{"d_seconds": {"histogram"}},
			streams(stream("d_seconds_sum", "a", "", 1, 2, 3)), "d_seconds_sum has no buckets; use d_seconds_bucket", "type d_seconds, type d_seconds_sum"},
		"the base of a histogram": {"d_seconds", nil,
			streams(stream("d_seconds_bucket", "a", "le=+Inf", 1, 2, 3)), "there is no d_seconds, but a histogram d_seconds_bucket; use that", "count d_seconds(_bucket|_count|_sum)? 5m0s"},
		"other labels": {`d_seconds_bucket{version="2"}`, nil,
			streams(stream("d_seconds_bucket", "a", "le=+Inf", 1, 2, 3)), `no series matches d_seconds_bucket{version="2"}, but there are others`, "count d_seconds(_bucket|_count|_sum)? 5m0s"},
		"the buckets of a native one": {"d_seconds_bucket", map[string][]string{"d_seconds": {"histogram"}},
			streams(recorded(t, "d_seconds", "a", "", fine5, fine9, fine12)), "d_seconds is a native histogram; use d_seconds without an ending", "count d_seconds(_bucket|_count|_sum)? 5m0s, type d_seconds, type d_seconds_bucket"},
		"a wrong name": {"duration_bucket", nil,
			nil, "there is no metric of the name in duration_bucket", "count duration(_bucket|_count|_sum)? 5m0s, type duration, type duration_bucket"},
		"a name in a pattern": {`{__name__=~"d.*_bucket"}`, nil,
			nil, `no series matches {__name__=~"d.*_bucket"}`, ""},
		"no le": {"d_seconds_bucket", nil,
			streams(stream("d_seconds_bucket", "a", "", 1, 2, 3)), "d_seconds_bucket has no label le", "type d_seconds, type d_seconds_bucket"},
		"only +Inf": {"d_seconds_bucket", nil,
			streams(stream("d_seconds_bucket", "a", "le=+Inf", 1, 2, 3)), `d_seconds_bucket has no bucket but le="+Inf"`, ""},
		"no +Inf": {"d_seconds_bucket", nil,
			streams(stream("d_seconds_bucket", "a", "le=1", 1, 2, 3)), `latency of the target is not complete: d_seconds_bucket has no bucket le="+Inf"`, ""},
	} {
		server := &stored{series: append(c.series, requests), types: c.types}
		s := server.source(t)
		q := signal.Query{Requests: traffic.BySide[string]{Target: "requests_total"}, Latency: traffic.BySide[string]{Target: c.latency}}
		got, err := s.Counts(t.Context(), q, at(0).Add(time.Millisecond), at(2).Add(time.Millisecond))
		if err != nil || got.Target.State != traffic.Known || got.Target.Value.Requests != 4 {
			t.Errorf("%s: %+v, %v; the requests are known", name, got.Target, err)
		}
		if !strings.Contains(got.Target.Note, c.want) || (c.want == "") != (got.Target.Note == "") {
			t.Errorf("%s: told %q, want %q", name, got.Target.Note, c.want)
		}
		if c.want != "" && !strings.Contains(c.want, "complete") && name != "a gauge histogram" && len(got.Target.Value.Latency.Edges) > 0 {
			t.Errorf("%s: its latency is %v", name, got.Target.Value.Latency)
		}
		asked := slices.DeleteFunc(server.takeAsked(), func(a string) bool { return strings.HasPrefix(a, "range") || strings.Contains(a, "1m") })
		if text := strings.Join(asked, ", "); text != c.asked {
			t.Errorf("%s: asked %q, want %q", name, text, c.asked)
		}
	}
}

// TestNotesDoNotComeAndGo: a window without requests has the same note, so that it is
// told once; before the first request of all there may be no histogram yet.
func TestNotesDoNotComeAndGo(t *testing.T) {
	q := signal.Query{Requests: traffic.BySide[string]{Target: "requests_total"}, Latency: traffic.BySide[string]{Target: "d_bucket"}}
	s := (&stored{series: streams(stream("requests_total", "a", "", 0, 0, 4, 4, 9))}).source(t)
	for from, want := range []string{"", "no metric of the name in d_bucket", "no metric of the name in d_bucket", "no metric of the name in d_bucket"} {
		got, err := s.Counts(t.Context(), q, at(from).Add(time.Millisecond), at(from+1).Add(time.Millisecond))
		if note := got.Target.Note; err != nil || got.Target.State != traffic.Known || !strings.Contains(note, want) || (want == "") != (note == "") {
			t.Errorf("from %d: %+v, %v; want %q", from, got.Target, err, want)
		}
	}
}

// TestWhatIsNoCounterIsUnknown: a gauge, a summary or all buckets at once count no
// requests, errors or events.
func TestWhatIsNoCounterIsUnknown(t *testing.T) {
	requests := stream("requests_total", "a", "", 5, 7, 9)
	query := func(requests, errors, event string) signal.Query {
		return signal.Query{
			Requests: traffic.BySide[string]{Target: requests}, Errors: traffic.BySide[string]{Target: errors},
			Events: []signal.Event{{Name: "paid", Count: traffic.BySide[string]{Target: event}}},
		}
	}
	gauges := map[string][]string{"in_flight": {"gauge"}, "good": {"counter"}, "d_seconds": {"histogram"}}
	for name, c := range map[string]struct {
		query  signal.Query
		series []*model.SampleStream
		want   string // in Err; empty if the side is known
	}{
		"counters":            {query("good", "requests_total", "untold"), streams(stream("good", "a", "", 1, 2, 3), stream("untold", "a", "", 0, 0, 1)), ""},
		"requests in flight":  {query("in_flight", "", ""), streams(stream("in_flight", "a", "", 3, 1, 4)), "requests: in_flight is a gauge, not a counter"},
		"errors that go down": {query("requests_total", "in_flight", ""), streams(stream("in_flight", "a", "", 0, 1, 0)), "errors: in_flight is a gauge, not a counter"},
		"an event":            {query("requests_total", "", "in_flight"), streams(stream("in_flight", "a", "", 0, 1, 0)), "event: in_flight is a gauge, not a counter"},
		"a summary":           {query("d", "", ""), streams(stream("d", "a", "quantile=0.5", 0, 0, 1)), "requests: d is a summary"},
		"all buckets":         {query("d_seconds_bucket", "", ""), streams(stream("d_seconds_bucket", "a", "le=1", 0, 1, 2), stream("d_seconds_bucket", "a", "le=+Inf", 0, 1, 2)), "counts each request in several buckets; use d_seconds_count"},
		"one bucket":          {query(`d_seconds_bucket{le="+Inf"}`, "", ""), streams(stream("d_seconds_bucket", "a", "le=1", 0, 1, 2), stream("d_seconds_bucket", "a", "le=+Inf", 0, 1, 2)), ""},
		"the sum of seconds":  {query("d_seconds_sum", "", ""), streams(stream("d_seconds_sum", "a", "", 0, 1, 2)), "requests: d_seconds_sum adds up what was observed"},
	} {
		s := (&stored{series: append(c.series, requests), types: gauges}).source(t)
		got, err := s.Counts(t.Context(), c.query, at(0).Add(time.Millisecond), at(2).Add(time.Millisecond))
		state := traffic.Known
		if c.want != "" {
			state = traffic.Unknown
		}
		if err != nil || got.Target.State != state || !strings.Contains(got.Target.Err, c.want) {
			t.Errorf("%s: %+v, %v; want %s %q", name, got.Target, err, state, c.want)
		}
	}
}

// TestTypesAreAskedOnceAMinute: both sides share a question about types, and what
// becomes of it changes nothing else.
func TestTypesAreAskedOnceAMinute(t *testing.T) {
	hang := func(r *http.Request) error { <-r.Context().Done(); return r.Context().Err() }
	fail := func(*http.Request) error { return errors.New("no metadata here") }
	for name, metadata := range map[string]func(*http.Request) error{"answered": nil, "fails": fail, "hangs": hang} {
		synctest.Test(t, func(t *testing.T) {
			server := &stored{series: streams(stream("requests", "a", "", 5, 7, 9), stream("d", "a", "", 1, 1, 1)), types: map[string][]string{"d": {"gauge"}}, metadata: metadata}
			s := server.source(t)
			defer s.Close()
			q := signal.Query{Requests: traffic.BySide[string]{Source: "requests", Target: "requests"}, Latency: traffic.BySide[string]{Source: "d", Target: "d"}}
			ask := func() (types int) {
				began := time.Now()
				got, err := s.Counts(t.Context(), q, at(0).Add(time.Millisecond), at(2).Add(time.Millisecond))
				if took := time.Since(began); err != nil || took > 2*asideWithin {
					t.Errorf("%s: %v after %s", name, err, took)
				}
				want := "d has no label le"
				if metadata == nil {
					want = "d is a gauge"
				}
				for _, r := range []traffic.Reading[traffic.Counts]{got.Source, got.Target} {
					if r.State != traffic.Known || r.Value.Requests != 4 || !strings.Contains(r.Note, want) {
						t.Errorf("%s: %+v, want %s", name, r, want)
					}
				}
				for _, asked := range server.takeAsked() {
					if strings.HasPrefix(asked, "type") {
						types++
					}
				}
				return types
			}
			first := ask()
			if first == 0 || first > 3 {
				t.Errorf("%s: asked %d times", name, first)
			}
			for range 5 {
				time.Sleep(9 * time.Second) // of virtual time
				if again := ask(); again != 0 {
					t.Errorf("%s: asked %d times within the minute", name, again)
				}
			}
			time.Sleep(time.Minute)
			if again := ask(); again != first {
				t.Errorf("%s: asked %d times after a minute, first %d times", name, again, first)
			}
		})
	}
}
