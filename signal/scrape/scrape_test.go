package scrape

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustNew(t testing.TB, c Config) *Source {
	t.Helper()
	c.Queries = append(c.Queries, query(), signaltest.ExporterQuery())
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// look scrapes every endpoint once.
func (s *Source) look(ctx context.Context) time.Time {
	for _, e := range s.endpoints {
		e.look(ctx)
	}
	return time.Now()
}

func TestContract(t *testing.T) {
	for _, format := range []string{"text", "OpenMetrics, gzipped"} {
		t.Run(format, func(t *testing.T) {
			signaltest.Run(t, func(t *testing.T) signaltest.World { return world(t, format != "text") })
		})
	}
}

func world(t *testing.T, openMetrics bool) signaltest.World {
	var exporter signaltest.Exporter
	var broken string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case broken != "":
			http.Error(w, broken, http.StatusServiceUnavailable)
		case openMetrics:
			writeOpenMetrics(t, w, r, exporter.Text())
		default:
			_, _ = io.WriteString(w, exporter.Text())
		}
	}))
	t.Cleanup(server.Close)
	source := mustNew(t, Config{Endpoints: []string{server.URL}})
	return signaltest.World{
		Source: source, Query: signaltest.ExporterQuery(),
		Malformed: signal.Query{Requests: traffic.BySide[string]{Source: `requests_total{side=`}},
		Serve:     exporter.Serve, Restart: exporter.Restart, Resets: true,
		Break: func(why string) { broken = why }, Heal: func() { broken = "" },
		Look: func(t *testing.T) time.Time { return source.look(t.Context()) },
	}
}

func writeOpenMetrics(t *testing.T, w http.ResponseWriter, r *http.Request, text string) {
	if !strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text;version=1.0.0") || r.Header.Get("Accept-Encoding") != "gzip" {
		t.Errorf("it asks for %q, %q", r.Header.Get("Accept"), r.Header.Get("Accept-Encoding"))
	}
	w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0; charset=utf-8")
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	for _, metric := range []string{"requests counter", "errors counter", "paid counter", "declined counter", "seconds histogram"} {
		name, _, _ := strings.Cut(metric, " ")
		_, _ = fmt.Fprintf(z, "# TYPE %s\n", metric)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, name) {
				_, _ = fmt.Fprintf(z, "%s # {trace_id=\"x\"} 0.5 1.5\n", strings.TrimSpace(line)) // an exemplar
			}
		}
	}
	_, _ = io.WriteString(z, "# TYPE other gauge\nother 1\n# EOF\n")
	if err := z.Close(); err != nil {
		t.Error(err)
	}
}

// pages is an http.RoundTripper whose hosts answer with scripted texts.
type pages struct {
	mu     sync.Mutex
	byHost map[string]string // "!why" is an error, "hang" never answers
	asked  map[string]int

	redirects map[string]*url.URL
}

func (p *pages) set(host, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byHost[host] = text
}

func (p *pages) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	text := p.byHost[r.URL.Host]
	p.asked[r.URL.Host]++
	p.mu.Unlock()
	if to := p.redirects[r.URL.Host]; to != nil {
		return redirect(r, to), nil
	}
	if text == "hang" {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if why, bad := strings.CutPrefix(text, "!"); bad {
		return nil, errors.New(why)
	}
	kind := "text/plain"
	if strings.HasSuffix(text, "# EOF\n") {
		kind = "application/openmetrics-text"
	}
	return &http.Response{
		Status: "200 OK", StatusCode: 200, Header: http.Header{"Content-Type": {kind}},
		Body: io.NopCloser(strings.NewReader(text)), Request: r,
	}, nil
}

// scripted returns a source over hosts named a, b and so on, with their texts.
func scripted(t testing.TB, c Config, texts ...string) (*Source, *pages) {
	p := &pages{byHost: map[string]string{}, asked: map[string]int{}}
	for i, text := range texts {
		host := string(rune('a' + i))
		p.byHost[host] = text
		c.Endpoints = append(c.Endpoints, "http://"+host+"/metrics")
	}
	c.Transport = p
	return mustNew(t, c), p
}

// query asks for r{s="s"} and r{s="t"}.
func query() signal.Query {
	return signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: `r{s="s"}`, Target: `r{s="t"}`}}
}

// asks are queries that ask for these selectors.
func asks(selectors ...string) (out []signal.Query) {
	for _, s := range selectors {
		out = append(out, signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: s}})
	}
	return out
}

func counts(t *testing.T, s *Source, q signal.Query, from, to time.Time) signal.Counts {
	t.Helper()
	got, err := s.Counts(t.Context(), q, from, to)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, what string, got traffic.Reading[traffic.Counts], state traffic.State, requests int64, why string) {
	t.Helper()
	if got.State != state || got.Value.Requests != requests || !strings.Contains(got.Err, why) {
		t.Errorf("%s: got %+v, want %s, %d requests, %q", what, got, state, requests, why)
	}
}

func TestSeveralEndpointsAddUp(t *testing.T) {
	s, p := scripted(t, Config{}, "r{s=\"s\",i=\"1\"} 10\nr{s=\"t\"} 1\n", "r{s=\"s\"} 100\n", "other 1\n")
	first := s.look(t.Context())
	p.set("a", "r{s=\"s\",i=\"1\"} 13\nr{s=\"t\"} 2\nr{s=\"s\",i=\"2\"} 7\n")
	p.set("b", "r{s=\"s\"} 50\n") // started again
	second := s.look(t.Context())
	got := counts(t, s, query(), first, second)
	want(t, "source", got.Source, traffic.Known, 3+7+50, "")
	want(t, "target", got.Target, traffic.Known, 1, "")

	p.set("b", "!connection refused")
	p.set("c", "!no route to host")
	p.set("a", "r{s=\"s\",i=\"1\"} 14\nr{s=\"t\"} 3\nr{s=\"s\",i=\"2\"} 7\n")
	third := s.look(t.Context())
	got = counts(t, s, query(), second, third)
	want(t, "a side that one of its endpoints hides", got.Source, traffic.Failed, 0, "scrape http://b/metrics: connection refused (last answer 0s before)")
	if strings.Contains(got.Source.Err, "http://c") {
		t.Errorf("an endpoint without its counters does not matter: %s", got.Source.Err)
	}
	want(t, "a side whose endpoint answers", got.Target, traffic.Known, 1, "")

	p.set("b", "r{s=\"s\"} 59\n")
	fourth := s.look(t.Context())
	want(t, "again from the last known window", counts(t, s, query(), second, fourth).Source, traffic.Known, 1+9, "")
}

func TestEndpointThatNeverAnsweredFailsBothSides(t *testing.T) {
	s, _ := scripted(t, Config{}, "r{s=\"s\"} 1\nr{s=\"t\"} 1\n", "!connection refused")
	first := s.look(t.Context())
	second := s.look(t.Context())
	got := counts(t, s, query(), first, second)
	want(t, "source", got.Source, traffic.Failed, 0, "scrape http://b/metrics: connection refused")
	want(t, "target", got.Target, traffic.Failed, 0, "scrape http://b/metrics: connection refused")
}

func TestUnknownSaysWhy(t *testing.T) {
	s, p := scripted(t, Config{Queries: asks("nothing_like_it")}, "r{s=\"s\"} 1\n")
	begin := time.Now()
	got := counts(t, s, query(), begin.Add(-time.Second), begin)
	want(t, "before the first scrape", got.Source, traffic.Unknown, 0, "http://a/metrics was not scraped yet")
	first := s.look(t.Context())
	want(t, "no second scrape", counts(t, s, query(), first, time.Now()).Source, traffic.Unknown, 0, "was not scraped between")
	p.set("a", "r{s=\"t\"} 0\n")
	second := s.look(t.Context())
	got = counts(t, s, query(), first, second)
	want(t, "gone", got.Source, traffic.Unknown, 0, `matches r{s="s"} any more`)
	want(t, "born at zero", got.Target, traffic.Unknown, 0, "only just appeared")
	third := s.look(t.Context())
	want(t, "zero at both ends", counts(t, s, query(), second, third).Target, traffic.Known, 0, "")
	q := query()
	q.Requests.Source = `nothing_like_it`
	want(t, "never there", counts(t, s, q, second, third).Source, traffic.Unknown, 0, "no counter on http://a/metrics matches nothing_like_it")
}

func TestErrorsThatDoNotExistYet(t *testing.T) {
	const ok = "r{s=\"s\",code=\"200\"} 5\nr{s=\"t\",code=\"200\"} 5\n"
	s, p := scripted(t, Config{Queries: asks(`r{s="s",code=~"5.."}`, `r{s="t",code=~"5.."}`, `typo_total{s="s"}`)}, ok)
	first := s.look(t.Context())
	p.set("a", "r{s=\"s\",code=\"200\"} 7\nr{s=\"t\",code=\"200\"} 6\nr{s=\"t\",code=\"500\"} 4\n")
	second := s.look(t.Context())
	q := query()
	q.Errors = traffic.BySide[string]{Source: `r{s="s",code=~"5.."}`, Target: `r{s="t",code=~"5.."}`}
	got := counts(t, s, q, first, second)
	if got.Source.State != traffic.Known || got.Source.Value.Errors != 0 {
		t.Errorf("the metric is there, no error was counted yet: %+v", got.Source)
	}
	if got.Target.Value.Requests != 5 || got.Target.Value.Errors != 4 {
		t.Errorf("the first errors count from zero: %+v", got.Target)
	}
	q.Errors.Source = `typo_total{s="s"}`
	want(t, "no such metric", counts(t, s, q, first, second).Source, traffic.Unknown, 0, `nothing on http://a/metrics has the name in typo_total{s="s"}`)
}

func event(name, source, target string) signal.Event {
	return signal.Event{Name: name, Count: traffic.BySide[string]{Source: source, Target: target}}
}

func TestEventsThatDoNotExistYet(t *testing.T) {
	const text = "r{s=\"s\"} 5\nr{s=\"t\"} 5\npaid{s=\"s\"} 1\n"
	s, p := scripted(t, Config{Queries: asks(`clicks{s="t"}`, `paid{s="s"}`, `paid{s="t"}`, `paid{s="s",refused="yes"}`, `typo_total{s="s"}`, `elsewhere{s="s"}`)}, text, "")
	first := s.look(t.Context())
	p.set("a", "r{s=\"s\"} 9\nr{s=\"t\"} 7\npaid{s=\"s\"} 2\npaid{s=\"t\"} 1\nclicks{s=\"t\"} 3\n")
	p.set("b", "elsewhere{s=\"s\"} 3\n")
	second := s.look(t.Context())
	q := query()
	q.Events = []signal.Event{event("clicked", "", `clicks{s="t"}`), event("paid", `paid{s="s"}`, `paid{s="t"}`), event("refused", `paid{s="s",refused="yes"}`, "")}
	got := counts(t, s, q, first, second)
	if text := fmt.Sprint(got.Source.Value.Events, got.Target.Value.Events); text != "[0 1 0] [2 1 0]" {
		t.Errorf("%s: what is not asked for or has no series yet is 0, what is above the requests is cut", text)
	}
	q.Events = append(q.Events, event("wrong", `typo_total{s="s"}`, `paid{s="t"}`))
	got = counts(t, s, q, first, second)
	want(t, "no such metric", got.Source, traffic.Unknown, 0, `nothing on http://a/metrics has the name in typo_total{s="s"}`)
	want(t, "the other side", got.Target, traffic.Known, 2, "")
	q.Events[3].Count.Source = `elsewhere{s="s"}`
	want(t, "a metric of an endpoint without requests", counts(t, s, q, first, second).Source, traffic.Unknown, 0, "elsewhere")
}

func TestResetsAreCountedOncePerProcess(t *testing.T) {
	page := func(values ...int) (text string) {
		for i, labels := range []string{`code="200"`, `code="500"`, `instance="x",code="200"`, `instance="x",code="500"`} {
			text += fmt.Sprintf("r{s=\"s\",%s} %d\n", labels, values[i])
		}
		return text
	}
	s, p := scripted(t, Config{}, page(10, 10, 10, 10), page(10, 10, 10, 10))
	ends := []time.Time{s.look(t.Context())}
	for _, pages := range [][2]string{
		{page(11, 11, 11, 11), page(10, 10, 10, 10)},
		{page(1, 2, 11, 11), page(10, 10, 10, 10)}, // the first endpoint itself
		{page(1, 2, 3, 4), page(3, 10, 10, 10)},    // one that it speaks for, and the second endpoint
		{page(0, 2, 3, 0), page(3, 10, 11, 0)},     // three
		{page(0, 2, 3, 0), page(3, 10, 11, 0)},
	} {
		p.set("a", pages[0])
		p.set("b", pages[1])
		ends = append(ends, s.look(t.Context()))
	}
	var sum int64
	for i, wanted := range []int64{0, 1, 2, 3, 0} {
		got := counts(t, s, query(), ends[i], ends[i+1]).Source
		if got.State != traffic.Known || got.Value.Resets != wanted || got.Value.Skew != 0 {
			t.Errorf("window %d: %+v, want %d resets", i, got, wanted)
		}
		sum += wanted
	}
	if got := counts(t, s, query(), ends[0], ends[5]).Source.Value.Resets; got != sum {
		t.Errorf("%d resets in all, want %d", got, sum)
	}
}

func TestReadingIsNotFromTheFuture(t *testing.T) {
	requests, err := selector.Parse("r")
	if err != nil {
		t.Fatal(err)
	}
	to := time.Now()
	back := view{looked: true, based: true, fresh: true, matched: true, atBase: true, atEnd: true, until: to.Add(time.Second), has: []bool{true}}
	if got := decideReading(selector.Side{Requests: requests}, []view{back}, to.Add(-time.Second), to); got.State != traffic.Known || !got.At.Equal(to) {
		t.Errorf("the clock was set back: %+v, want %s", got, to)
	}
	earlier := back
	earlier.until = to.Add(-time.Millisecond)
	if got := decideReading(selector.Side{Requests: requests}, []view{back, earlier}, to.Add(-time.Second), to); !got.At.Equal(earlier.until) {
		t.Errorf("%+v, want %s", got, earlier.until)
	}
}

func TestValuesThatNoCounterHas(t *testing.T) {
	const text = "# TYPE g gauge\ng 5\ng_total 1\n# TYPE sum summary\nsum{quantile=\"0.9\"} 4\nsum_count 10\n"
	s, p := scripted(t, Config{Queries: asks("g", "sum_count", `{__name__=~"sum.*"}`)}, "r{s=\"s\"} 5\nr{s=\"t\"} 9\n"+text)
	first := s.look(t.Context())
	p.set("a", "r{s=\"s\"} NaN\nr{s=\"t\"} -3\n"+strings.NewReplacer("5", "8", "10", "12").Replace(text))
	s.look(t.Context())
	p.set("a", "r{s=\"s\"} 7\nr{s=\"t\"} 10.9\n"+strings.NewReplacer("5", "8", "10", "12").Replace(text))
	last := s.look(t.Context())
	got := counts(t, s, query(), first, last)
	want(t, "NaN in between", got.Source, traffic.Known, 2, "")
	want(t, "negative in between", got.Target, traffic.Known, 1, "")
	q := query()
	q.Requests = traffic.BySide[string]{Source: "g", Target: "sum_count"}
	got = counts(t, s, q, first, last)
	want(t, "a gauge", got.Source, traffic.Unknown, 0, "requests: g is a gauge, not a counter")
	want(t, "a summary's count", got.Target, traffic.Known, 2, "")
	q.Requests.Target = `{__name__=~"sum.*"}`
	want(t, "quantiles are left out", counts(t, s, q, first, last).Target, traffic.Known, 2, "")
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	var gzipped bytes.Buffer
	z := gzip.NewWriter(&gzipped)
	_, _ = io.WriteString(z, strings.Repeat("r 1\n", 1000))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		header http.Header
		body   string
		status int
		want   string
	}{
		"status":                 {nil, "r 1\n", 404, "it answered 404 Not Found"},
		"not metrics":            {http.Header{"Content-Type": {"text/html"}}, "<html>", 200, "not readable"},
		"half a line":            {nil, "r{s=\"s\"} 1\nr{s=", 200, "not readable"},
		"OpenMetrics cut short":  {http.Header{"Content-Type": {"application/openmetrics-text"}}, "# TYPE r counter\nr_total 1\n", 200, "not readable"},
		"gzip that is none":      {http.Header{"Content-Encoding": {"gzip"}}, "r 1\n", 200, "gzipped"},
		"gzip cut short":         {http.Header{"Content-Encoding": {"gzip"}}, gzipped.String()[:20], 200, "read its answer"},
		"more than the counters": {nil, "r{s=\"s\"} 1\nr{s=\"s\",i=\"1\"} 1\nr{s=\"s\",i=\"2\"} 1\nr{s=\"s\",i=\"3\"} 1\n", 200, "than the 3 for which there is memory"},
		"shorter than announced": {http.Header{"Content-Length": {"100"}}, "r 1\n", 200, "read its answer"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for key, values := range c.header {
					w.Header()[key] = values
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			s := mustNew(t, Config{Endpoints: []string{server.URL}, MaxSeries: 3})
			first := s.look(t.Context())
			got := counts(t, s, query(), first.Add(-time.Minute), first)
			want(t, "source", got.Source, traffic.Failed, 0, c.want)
			want(t, "target", got.Target, traffic.Failed, 0, "scrape "+server.URL)
		})
	}
}

func TestRunLooksAtEachIntervalAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := scripted(t, Config{Interval: 2 * time.Second, Timeout: time.Second}, "r{s=\"s\"} 1\n", "hang")
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- s.Run(ctx) }()
		begin := time.Now()
		synctest.Wait()
		p.set("a", "r{s=\"s\"} 4\n")
		time.Sleep(2*time.Second + time.Millisecond) // the bubble's clock
		synctest.Wait()
		got := counts(t, s, query(), begin.Add(time.Millisecond), time.Now())
		want(t, "one endpoint hangs", got.Source, traffic.Failed, 0, "scrape http://b/metrics: no answer within 1s")
		p.set("b", "r{s=\"s\"} 20\n")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		want(t, "one answered late", counts(t, s, query(), begin.Add(time.Millisecond), time.Now()).Source, traffic.Unknown, 0, "nothing is remembered of http://b/metrics")
		p.mu.Lock()
		if p.asked["a"] != 4 || p.asked["b"] != 4 {
			t.Errorf("asked %v times in 6 s, want 4 each", p.asked)
		}
		p.mu.Unlock()
		p.set("b", "hang")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if why := s.endpoints[1].history.failure(time.Now()); why != "" {
			t.Errorf("ending a scrape is not the endpoint's failure: %s", why)
		}
	})
}

func TestLookAtTheInstantOfAQuestionBelongsToTheNextWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := scripted(t, Config{}, "r{s=\"s\"} 1\n")
		first := s.look(t.Context())
		_ = counts(t, s, query(), first, first)
		p.set("a", "r{s=\"s\"} 3\n")
		time.Sleep(time.Second) // the bubble's clock
		second := s.look(t.Context())
		before := counts(t, s, query(), first, second)
		p.set("a", "r{s=\"s\"} 10\n")
		s.look(t.Context()) // no time has passed
		time.Sleep(time.Second)
		third := s.look(t.Context())
		want(t, "the same window as before", counts(t, s, query(), first, second).Source, before.Source.State, before.Source.Value.Requests, "")
		want(t, "the window after", counts(t, s, query(), second, third).Source, traffic.Known, 9-before.Source.Value.Requests, "")
	})
}

func TestHistoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, p := scripted(t, Config{History: time.Minute}, "", "!refused", "r{s=\"s\"} 1\n")
		h := &s.endpoints[0].history
		begin := time.Now()
		for n := range 1000 {
			p.set("a", fmt.Sprintf("r{s=\"s\"} %d\nr{s=\"x%d\"} 1\n", n, n))
			s.look(t.Context())
			p.set("c", "!refused")
			time.Sleep(time.Second) // the bubble's clock
		}
		if len(h.looks) > 70 || len(h.byKey) > 70 || len(h.byName["r"]) != len(h.byKey) {
			t.Errorf("%d looks, %d series", len(h.looks), len(h.byKey))
		}
		for i, what := range map[int]string{1: "one that never answered", 2: "one that answered once"} {
			if n := len(s.endpoints[i].history.looks); n > 70 {
				t.Errorf("%s: %d looks", what, n)
			}
		}
		if _, found := s.endpoints[2].history.success(time.Now()); !found {
			t.Error("the last answer must be kept, however old: the next one is compared with it")
		}
		for key, s := range h.byKey {
			if len(s.samples) > 70 {
				t.Errorf("%s: %d samples", key, len(s.samples))
			}
		}
		s.endpoints = s.endpoints[:1]
		now := time.Now()
		want(t, "the last minute", counts(t, s, query(), now.Add(-time.Minute), now).Source, traffic.Known, 59, "") // from 60 s ago to the look 1 s ago
		want(t, "what is forgotten", counts(t, s, query(), begin, now).Source, traffic.Unknown, 0, "nothing is remembered")
	})
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]Config{
		"no endpoints":      {},
		"no URL":            {Endpoints: []string{"10.0.0.1:9090"}},
		"other scheme":      {Endpoints: []string{"ftp://10.0.0.1/metrics"}},
		"twice":             {Endpoints: []string{"http://a/metrics", "http://a/metrics"}},
		"negative interval": {Endpoints: []string{"http://a/metrics"}, Interval: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestExpressionsAreRefusedWithTheRemedy(t *testing.T) {
	s, _ := scripted(t, Config{}, "r 1\n")
	for text, wanted := range map[string]string{
		`sum(rate(r[5m]))`: "is an expression, which cannot be counted exactly: name the counter itself",
		`r[5m]`:            "is an expression, which cannot be counted exactly: name the counter itself",
		`r offset 5m`:      "is an expression, which cannot be counted exactly: name the counter itself",
		`r{a=`:             "is not a selector",
		`{}`:               "is not a selector",
		`{s=~".*"}`:        "it would match everything",
	} {
		for _, q := range []signal.Query{
			{Requests: traffic.BySide[string]{Source: text}},
			{Requests: traffic.BySide[string]{Source: "r"}, Errors: traffic.BySide[string]{Source: text}},
			{Requests: traffic.BySide[string]{Target: "r"}, Latency: traffic.BySide[string]{Target: text}},
			{Requests: traffic.BySide[string]{Source: "r"}, Events: []signal.Event{event("paid", "r", ""), event("lost", text, "")}},
		} {
			if _, err := s.Counts(t.Context(), q, time.Now(), time.Now()); err == nil || !strings.Contains(err.Error(), wanted) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func BenchmarkLook10kSeries(b *testing.B) {
	var text strings.Builder
	text.WriteString("# TYPE r counter\n")
	for n := range 10_000 {
		fmt.Fprintf(&text, "r{s=\"s\",code=\"200\",path=\"/api/v1/things/%d\",pod=\"web-5d8f7c9b4-%d\"} %d\n", n%100, n, n)
	}
	s, _ := scripted(b, Config{}, text.String())
	for b.Loop() {
		s.look(b.Context())
	}
}

func BenchmarkCounts10kSeries(b *testing.B) {
	var text strings.Builder
	for n := range 10_000 {
		fmt.Fprintf(&text, "r{s=\"s\",n=\"%d\"} %d\n", n, n)
	}
	s, _ := scripted(b, Config{}, text.String())
	first := s.look(b.Context())
	last := s.look(b.Context())
	for b.Loop() {
		if _, err := s.Counts(b.Context(), query(), first, last); err != nil {
			b.Fatal(err)
		}
	}
}
