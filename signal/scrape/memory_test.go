package scrape

import (
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

// page shows n series that nobody asks for, one of the same metric among them, and two
// that somebody does.
func page(n, value int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "other_seconds_bucket{path=\"/api/v1/things\",pod=\"web-%d\",le=\"0.5\"} %d\n", i, value)
	}
	fmt.Fprintf(&b, "r{s=\"elsewhere\"} %d\nr{s=\"s\"} %d\nr{s=\"t\"} %d\n", value, value, value)
	return b.String()
}

// TestOnlyWhatIsAskedForIsRemembered: an endpoint that shows thousands of series costs
// the memory of those that the queries select.
func TestOnlyWhatIsAskedForIsRemembered(t *testing.T) {
	s, p := scripted(t, Config{}, page(5000, 10))
	first := s.look(t.Context())
	for n := range 5 {
		p.set("a", page(5000, 11+n))
		s.look(t.Context())
	}
	h := &s.endpoints[0].history
	if len(h.byKey) != 2 || len(h.byName) != 1 || len(h.rest) > 2 {
		t.Errorf("%d series of %d metrics are remembered, and %d sums; 2 of one were asked for", len(h.byKey), len(h.byName), len(h.rest))
	}
	got := counts(t, s, query(), first, time.Now())
	want(t, "source", got.Source, traffic.Known, 5, "")
	want(t, "target", got.Target, traffic.Known, 5, "")
}

// TestWhatNobodyAsksForIsBounded: an endpoint may show any number of processes of the
// metric that is asked for, under labels that are not.
func TestWhatNobodyAsksForIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 3 * maxRest {
		fmt.Fprintf(&b, "r{s=\"elsewhere\",instance=\"%d\"} %d\n", i, i)
	}
	s, p := scripted(t, Config{}, "")
	for n := range 3 {
		p.set("a", b.String()+fmt.Sprintf("r{s=\"s\"} %d\n", n))
		s.look(t.Context())
	}
	if n := len(s.endpoints[0].history.rest); n > maxRest {
		t.Errorf("%d sums are remembered", n)
	}
}

// TestWhatWasNotAskedForIsRefused: its counts are not there, and no zero either.
func TestWhatWasNotAskedForIsRefused(t *testing.T) {
	s, _ := scripted(t, Config{}, page(1, 1))
	now := s.look(t.Context())
	q := query()
	q.Errors.Source = `other_seconds_bucket`
	if _, err := s.Counts(t.Context(), q, now.Add(-time.Second), now); err == nil || !strings.Contains(err.Error(), "was not named when the source was made") {
		t.Errorf("%v", err)
	}
}

// TestRoomIsSharedByEndpoints: many small endpoints take no more memory than one large
// one, and what is forgotten makes room.
func TestRoomIsSharedByEndpoints(t *testing.T) {
	three := func(from int) (text string) {
		for i := range 3 {
			text += fmt.Sprintf("r{s=\"s\",i=\"%d\"} 1\n", from+i)
		}
		return text
	}
	s, p := scripted(t, Config{MaxSeries: 5, History: time.Nanosecond}, three(0), three(0))
	s.look(t.Context())
	if a, b := s.endpoints[0].history.failure(time.Now()), s.endpoints[1].history.failure(time.Now()); a != "" || !strings.Contains(b, "than the 5 for which there is memory") {
		t.Errorf("%q, %q", a, b)
	}
	p.set("a", "") // its series are forgotten with the next look
	s.look(t.Context())
	s.look(t.Context())
	if s.look(t.Context()); s.endpoints[1].history.failure(time.Now()) != "" || s.endpoints[0].room.taken.Load() != 3 {
		t.Errorf("%q, %d taken", s.endpoints[1].history.failure(time.Now()), s.endpoints[0].room.taken.Load())
	}
}

// BenchmarkMemoryOfASeries says how many bytes a series takes that changes at each of
// the 600 looks of the history: go test -bench MemoryOfASeries -benchtime 1x.
func BenchmarkMemoryOfASeries(b *testing.B) {
	const series = 1000
	for b.Loop() {
		s, p := scripted(b, Config{}, "")
		before := heap()
		e := s.endpoints[0]
		for n := range 600 {
			var text strings.Builder
			for i := range series {
				fmt.Fprintf(&text, "r{s=\"s\",code=\"200\",path=\"/api/v1/things/%d\",pod=\"web-5d8f7c9b4-%d\"} %d\n", i%100, i, n)
			}
			p.set("a", text.String())
			e.look(b.Context())
		}
		p.set("a", "")
		b.ReportMetric(float64(heap()-before)/series, "B/series")
		if len(e.history.byKey) != series {
			b.Fatalf("%d series", len(e.history.byKey))
		}
		runtime.KeepAlive(s)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestOtherServersAreNotScraped: what a redirect names is another endpoint.
func TestOtherServersAreNotScraped(t *testing.T) {
	s, p := scripted(t, Config{}, "r{s=\"s\"} 1\n", "r{s=\"s\"} 1\n")
	s.endpoints = s.endpoints[:1]
	p.redirects = map[string]*url.URL{"a": {Scheme: "http", Host: "b", Path: "/metrics"}}
	now := s.look(t.Context())
	want(t, "elsewhere", counts(t, s, query(), now.Add(-time.Second), now).Source, traffic.Failed, 0, "http://a/metrics redirects to http://b/metrics, another server")
	if p.asked["b"] != 0 {
		t.Error("the other server was asked")
	}
}

func redirect(r *http.Request, to *url.URL) *http.Response {
	return &http.Response{Status: "302 Found", StatusCode: http.StatusFound, Header: http.Header{"Location": {to.String()}}, Body: http.NoBody, Request: r}
}
