package scrape

import (
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// TestMistypedMetricsAreTold shows the same kind of page twice, with more counted.
func TestMistypedMetricsAreTold(t *testing.T) {
	for name, c := range map[string]struct {
		requests, errors, latency string
		page                      string // N is 1, then 2
		why                       string // in Err, where the side is not known
		note                      string
	}{
		"a histogram": {"r_total", "", "d_bucket",
			"# TYPE d histogram\nd_bucket{le=\"0.1\"} N\nd_bucket{le=\"+Inf\"} N\nd_sum N\nd_count N\n", "", ""},
		"no types at all": {"r_total", "e", "d_bucket",
			"e 0\nd_bucket{le=\"0.1\"} N\nd_bucket{le=\"+Inf\"} N\n", "", ""},
		"a summary": {"r_total", "", "d",
			"# TYPE d summary\nd{quantile=\"0.5\"} 0.1\nd_sum N\nd_count N\n", "", "latency of the target is not known: d is a summary; use the _bucket series of a histogram"},
		"the buckets of a summary": {"r_total", "", "d_bucket",
			"# TYPE d summary\nd{quantile=\"0.5\"} 0.1\nd_sum N\nd_count N\n", "", "d is a summary; use the _bucket series"},
		"a summary's sum": {"r_total", "", "d_sum",
			"# TYPE d summary\nd_sum N\nd_count N\n", "", "d is a summary; use the _bucket series"},
		"a histogram's name": {"r_total", "", "d",
			"# TYPE d histogram\nd_bucket{le=\"+Inf\"} N\nd_sum N\nd_count N\n", "", "there is no d, but a histogram d_bucket; use that"},
		"a histogram's sum": {"r_total", "", "d_sum",
			"# TYPE d histogram\nd_bucket{le=\"+Inf\"} N\nd_sum N\nd_count N\n", "", "d_sum has no buckets; use d_bucket"},
		"a native histogram": {"r_total", "", "d_bucket",
			"# TYPE d histogram\nd_bucket{le=\"+Inf\"} N\nd_sum N\nd_count N\n", "", `d_bucket has no bucket but le="+Inf", as a native histogram has in text; let the application show classic buckets too`},
		"a gauge of seconds": {"r_total", "", "d",
			"# TYPE d gauge\nd 0.2\n", "", "d is a gauge; use the _bucket series"},
		"a counter of seconds": {"r_total", "", "d_total",
			"# TYPE d_total counter\nd_total N\n", "", "d_total is a counter; use the _bucket series"},
		"a counter of seconds in OpenMetrics": {"r_total", "", "d_total",
			"# TYPE d counter\nd_total N\n# EOF\n", "", "d_total is a counter; use the _bucket series"},
		"other labels": {"r_total", "", `d_bucket{version="2"}`,
			"# TYPE d histogram\nd_bucket{le=\"+Inf\"} N\nd_sum N\nd_count N\n", "", `no series matches d_bucket{version="2"}, but there are others of d_bucket; correct its labels`},
		"a wrong name": {"r_total", "", "duration_bucket",
			"# TYPE d histogram\nd_bucket{le=\"+Inf\"} N\n", "", "there is no metric of the name in duration_bucket; correct it"},
		"no +Inf": {"r_total", "", "d_bucket",
			"d_bucket{le=\"1\"} N\n", "", "latency of the target is not complete"},
		"a gauge histogram": {"r_total", "", "d_bucket",
			"# TYPE d gaugehistogram\nd_bucket{le=\"+Inf\"} N\nd_gcount N\nd_gsum N\n# EOF\n", "", "d is a gauge histogram; use"},

		"requests in flight":     {"in_flight", "", "", "# TYPE in_flight gauge\nin_flight N\n", "requests: in_flight is a gauge, not a counter; use a counter (on http://a/metrics)", ""},
		"errors of now":          {"r_total", "failing", "", "# TYPE failing gauge\nfailing N\n", "errors: failing is a gauge, not a counter", ""},
		"quantiles as requests":  {"d", "", "", "# TYPE d summary\nd{quantile=\"0.5\"} 0.1\nd_count N\n", "requests: d is a summary, whose quantiles are no counters; use d_count", ""},
		"all buckets":            {"d_bucket", "", "", "# TYPE d histogram\nd_bucket{le=\"1\"} N\nd_bucket{le=\"+Inf\"} N\n", "requests: d_bucket counts each request in several buckets; use d_count", ""},
		"seconds":                {"d_sum", "", "", "# TYPE d histogram\nd_bucket{le=\"1\"} N\nd_sum N\n", "requests: d_sum adds up what was observed", ""},
		"a gauge of like name":   {"r_total", "x_total", "", "# TYPE x gauge\nx 4\nx_total{code=\"1\"} 0\n", "", ""},
		"no errors, other codes": {"r_total", `x_total{code="500"}`, "", "# TYPE x gauge\nx 4\nx_total{code=\"200\"} N\n", "", ""},
	} {
		q := signal.Query{Name: "test", Requests: traffic.BySide[string]{Target: c.requests}, Errors: traffic.BySide[string]{Target: c.errors}, Latency: traffic.BySide[string]{Target: c.latency}}
		s, p := scripted(t, Config{Queries: []signal.Query{q}}, "")
		var looks []time.Time
		for _, n := range []string{"1", "2"} {
			page := "r_total N\n" + c.page
			if strings.HasSuffix(page, "# EOF\n") {
				page = "# TYPE r counter\n" + page
			}
			p.set("a", strings.ReplaceAll(page, "N\n", n+"\n"))
			looks = append(looks, s.look(t.Context()))
		}
		got := counts(t, s, q, looks[0], looks[1]).Target
		state := traffic.Known
		if c.why != "" {
			state = traffic.Unknown
		}
		if got.State != state || !strings.Contains(got.Err, c.why) {
			t.Errorf("%s: %+v, want %s %q", name, got, state, c.why)
		}
		if !strings.Contains(got.Note, c.note) || (c.note == "") != (got.Note == "") {
			t.Errorf("%s: told %q, want %q", name, got.Note, c.note)
		}
		if c.note == "" && c.latency != "" && got.Value.Latency.Count() != 1 {
			t.Errorf("%s: latency %v", name, got.Value.Latency)
		}
	}
}

// TestNotesDoNotComeAndGo: a look without new requests has the same note.
func TestNotesDoNotComeAndGo(t *testing.T) {
	q := signal.Query{Name: "test", Requests: traffic.BySide[string]{Target: "r_total"}, Latency: traffic.BySide[string]{Target: "d_bucket"}}
	s, p := scripted(t, Config{Queries: []signal.Query{q}}, "r_total 0\n")
	from := s.look(t.Context())
	for i, page := range []string{"r_total 0\n", "r_total 4\n", "r_total 4\n", "r_total 5\n"} {
		p.set("a", page)
		to := s.look(t.Context())
		got := counts(t, s, q, from, to).Target
		if told := strings.Contains(got.Note, "no metric of the name in d_bucket"); got.State != traffic.Known || told != (i > 0) {
			t.Errorf("look %d: %+v", i, got)
		}
		from = to
	}
}
