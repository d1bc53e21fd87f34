package prometheus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

// scrapeInterval is what makes the contract quick; Prometheus takes any.
const scrapeInterval = "50ms"

// findPrometheus returns the server's binary, or skips.
func findPrometheus(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	switch {
	case err == nil:
		return path
	case os.Getenv("WATARI_REQUIRE_PROMETHEUS") == "1":
		t.Fatalf("no prometheus in PATH, and WATARI_REQUIRE_PROMETHEUS=1 wants it: run hack/prometheus.sh as root (Debian package prometheus)")
	default:
		t.Skip("NOT TESTED against a real Prometheus: there is none in PATH; hack/prometheus.sh installs it as root (Debian package prometheus)")
	}
	return ""
}

// target is one process that Prometheus scrapes.
type target struct {
	url string

	native bool   // it shows native histograms, which text cannot
	extra  string // it shows after its counters

	mu       sync.Mutex
	exporter signaltest.Exporter
	tick     int
}

func (g *target) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.native {
		g.writeNative(w)
		return
	}
	_, _ = fmt.Fprintf(w, "# TYPE tick gauge\ntick %d\n%s%s", g.tick, g.exporter.Text(), g.extra)
}

func (g *target) change(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f()
}

// startPrometheus runs a server that scrapes targets, and returns its URL.
func startPrometheus(t *testing.T, binary string, targets []*target, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	var addresses []string
	for _, g := range targets {
		server := httptest.NewServer(g)
		t.Cleanup(server.Close)
		g.url = strings.TrimPrefix(server.URL, "http://")
		addresses = append(addresses, fmt.Sprintf("%q", g.url))
	}
	config := fmt.Sprintf("global: {scrape_interval: %s, scrape_timeout: %[1]s}\nscrape_configs:\n- job_name: contract\n  static_configs:\n  - targets: [%s]\n",
		scrapeInterval, strings.Join(addresses, ", "))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, append(flags, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address=127.0.0.1:0", "--log.level=info")...)
	logs := &serverLog{found: make(chan string, 1)}
	cmd.Stderr = logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // its data is thrown away
	select {
	case address := <-logs.found:
		return "http://" + address
	case <-time.After(20 * time.Second):
		t.Fatalf("prometheus does not listen:\n%s", logs.text())
		return ""
	}
}

// serverLog collects a log and finds the address that the server listens on.
type serverLog struct {
	mu    sync.Mutex
	all   strings.Builder
	found chan string
}

var listening = regexp.MustCompile(`msg="Listening on" address=([0-9.:]+)`)

func (w *serverLog) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	if m := listening.FindStringSubmatch(w.all.String()); m != nil {
		select {
		case w.found <- m[1]:
		default: // said already
		}
	}
	return len(b), nil
}

func (w *serverLog) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// breakable lets requests through until it is told otherwise, and counts them.
type breakable struct {
	mu    sync.Mutex
	why   string
	asked int
	next  http.RoundTripper
}

// takeAsked returns how many requests there were since the last call.
func (b *breakable) takeAsked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.asked
	b.asked = 0
	return n
}

func (b *breakable) set(why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.why = why
}

func (b *breakable) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	why := b.why
	b.asked++
	b.mu.Unlock()
	if why == "" {
		return b.next.RoundTrip(r)
	}
	return &http.Response{Status: "503 Service Unavailable", StatusCode: 503, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(why)), Request: r}, nil
}

func TestRealPrometheus(t *testing.T) {
	t.Parallel()
	binary := findPrometheus(t)
	targets := make([]*target, 24) // more than the contract has tests
	for i := range targets {
		targets[i] = &target{}
	}
	url := startPrometheus(t, binary, targets)
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client, err := api.NewClient(api.Config{Address: url, RoundTripper: transport})
	if err != nil {
		t.Fatal(err)
	}
	ask := v1.NewAPI(client)
	for _, g := range targets { // Prometheus starts scraping some seconds after it started
		g.look(t, ask)
	}
	next := 0
	take := func(t *testing.T) (*target, *Source, *breakable) {
		t.Helper()
		if next == len(targets) {
			t.Fatal("the contract has more tests than there are targets: raise their number")
		}
		next++
		transport := &breakable{next: transport}
		s, err := New(Config{URL: url, Settle: time.Millisecond, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		return targets[next-1], s, transport
	}
	t.Run("contract", func(t *testing.T) {
		signaltest.Run(t, func(t *testing.T) signaltest.World {
			g, s, transport := take(t)
			return g.world(s, transport, ask)
		})
	})
	t.Run("an instance that is down fails its side", func(t *testing.T) {
		g, s, transport := take(t)
		testInstanceDown(t, g.world(s, transport, ask), g)
	})
	t.Run("a window without a new sample asks three small questions", func(t *testing.T) {
		g, s, transport := take(t)
		testUnchanged(t, g.world(s, transport, ask), transport)
	})
	t.Run("what is no histogram or counter is told", func(t *testing.T) {
		g, s, transport := take(t)
		testMistyped(t, g.world(s, transport, ask), g)
	})
	t.Run("errors and events need a metric of their name", func(t *testing.T) {
		g, s, transport := take(t)
		testErrorsMetric(t, g.world(s, transport, ask))
	})
}

func (g *target) world(s *Source, transport *breakable, ask v1.API) signaltest.World {
	q := signaltest.ExporterQuery()
	expressions := []*string{&q.Requests.Source, &q.Requests.Target, &q.Errors.Source, &q.Errors.Target, &q.Latency.Source, &q.Latency.Target}
	for i := range q.Events {
		expressions = append(expressions, &q.Events[i].Count.Source, &q.Events[i].Count.Target)
	}
	for _, e := range expressions {
		*e = strings.Replace(*e, "}", fmt.Sprintf(",instance=%q}", g.url), 1)
	}
	broken, last := false, time.Time{}
	return signaltest.World{
		Source: s, Query: q,
		Malformed: signal.Query{Requests: traffic.BySide[string]{Target: "sum(requests_total)"}},
		Serve:     func(side traffic.Side, c traffic.Counts) { g.change(func() { g.exporter.Serve(side, c) }) },
		Restart:   func(side traffic.Side) { g.change(func() { g.exporter.Restart(side) }) },
		Resets:    true,
		Break:     func(why string) { broken = true; transport.set(why) },
		Heal:      func() { broken = false; transport.set("") },
		Look: func(t *testing.T) time.Time {
			if broken {
				last = time.Now()
				return last
			}
			at := g.look(t, ask)
			for !at.After(last) { // a scrape is of when it began, which may be before the change that it shows
				at = g.look(t, ask)
			}
			last = at
			return at
		},
	}
}

// look waits until Prometheus has scraped the target once more, and returns an
// instant at which that scrape is the last one.
func (g *target) look(t *testing.T, ask v1.API) time.Time {
	t.Helper()
	var want int
	g.change(func() { g.tick++; want = g.tick })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		value, _, err := ask.Query(ctx, fmt.Sprintf("tick{instance=%q}[10s]", g.url), time.Now())
		matrix, _ := value.(model.Matrix) // empty while the server is not ready
		for _, stream := range matrix {
			for _, p := range stream.Values {
				if int(p.Value) == want {
					return p.Timestamp.Time().Add(time.Millisecond) // Settle
				}
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("prometheus does not scrape %s: %v", g.url, err)
		case <-time.After(5 * time.Millisecond): // polled, with a deadline
		}
	}
}

func testInstanceDown(t *testing.T, w signaltest.World, g *target) {
	w.Serve(traffic.Source, traffic.Counts{Requests: 5})
	w.Look(t)
	g.change(func() { g.exporter = signaltest.Exporter{} })
	before := w.Look(t)
	to := waitFor(t, func() (time.Time, bool) { // the process answers, without the counters
		at := w.Look(t)
		got, err := w.Source.Counts(t.Context(), w.Query, before, at)
		return at, err == nil && got.Source.State == traffic.Unknown
	})
	if got, err := w.Source.Counts(t.Context(), w.Query, before, to); err != nil || !strings.Contains(got.Source.Err, "no new sample") {
		t.Errorf("gone: %+v, %v", got.Source, err)
	}
	g.mu.Lock() // a process that hangs: Prometheus's scrapes time out
	defer g.mu.Unlock()
	waitFor(t, func() (time.Time, bool) {
		got, err := w.Source.Counts(t.Context(), w.Query, to, time.Now())
		return time.Time{}, err == nil && got.Source.State == traffic.Failed && strings.Contains(got.Source.Err, g.url+" of job contract does not answer Prometheus's scrapes since")
	})
}

func testUnchanged(t *testing.T, w signaltest.World, transport *breakable) {
	answered := func(n int64) traffic.Counts {
		return traffic.Counts{Requests: n, Latency: traffic.Histogram{Edges: signaltest.Edges(), Buckets: []int64{n, 0, 0, 0}}}
	}
	w.Serve(traffic.Source, answered(5))
	first := w.Look(t)
	w.Serve(traffic.Source, answered(7))
	second := w.Look(t)
	w.Query = w.Query.Only(traffic.Source)
	names := strings.Replace(w.Query.Requests.Source, "requests_total{", `{__name__=~"requests_total|errors_total",`, 1)
	for what, c := range map[string]struct {
		requests string
		to       time.Time // the instant after that of a sample is no sample's
		asked    int
		state    traffic.State
		why      string
	}{
		"a new sample":                {w.Query.Requests.Source, second, 6, traffic.Known, ""},
		"none":                        {w.Query.Requests.Source, first.Add(time.Millisecond), 3, traffic.Unknown, "no new sample of requests_total"},
		"none, of several names":      {names, first.Add(time.Millisecond), 3, traffic.Unknown, "no new sample of {__name__="},
		"none, as there is no series": {`requests_total{side="nobody"}`, second, 2, traffic.Unknown, "no series matches"},
	} {
		w.Query.Requests.Source = c.requests
		transport.takeAsked()
		got, err := w.Source.Counts(t.Context(), w.Query, first, c.to)
		if asked := transport.takeAsked(); err != nil || got.Source.State != c.state || !strings.Contains(got.Source.Err, c.why) || asked != c.asked {
			t.Errorf("%s: asked %d times, %+v, %v; want %d, %s %s", what, asked, got.Source, err, c.asked, c.state, c.why)
		}
	}
}

// testMistyped needs what the server knows of types.
func testMistyped(t *testing.T, w signaltest.World, g *target) {
	g.change(func() {
		g.extra = "# TYPE took_seconds summary\ntook_seconds{quantile=\"0.5\"} 0.1\ntook_seconds_sum 3\ntook_seconds_count 9\n# TYPE age_seconds gauge\nage_seconds 4\n"
	})
	w.Serve(traffic.Source, traffic.Counts{Requests: 5})
	first := w.Look(t)
	w.Serve(traffic.Source, traffic.Counts{Requests: 7})
	second := w.Look(t)
	w.Query = w.Query.Only(traffic.Source)
	w.Query.Events = nil
	of := func(name string) string { return fmt.Sprintf("%s{instance=%q}", name, g.url) }
	for name, want := range map[string]string{
		"took_seconds":        "latency of the source is not known: took_seconds is a summary; use the _bucket series of a histogram",
		"took_seconds_bucket": "took_seconds is a summary; use the _bucket series of a histogram",
		"took_seconds_sum":    "took_seconds is a summary; use the _bucket series of a histogram",
		"age_seconds":         "age_seconds is a gauge; use the _bucket series of a histogram",
		"age_seconds_bucket":  "age_seconds is a gauge; use the _bucket series of a histogram",
		"never_bucket":        "there is no metric of the name in never_bucket",
	} {
		w.Query.Latency.Source = of(name)
		got, err := w.Source.Counts(t.Context(), w.Query, first, second)
		if err != nil || got.Source.State != traffic.Known || got.Source.Value.Requests != 7 || !got.Source.Value.Latency.Empty() || !strings.Contains(got.Source.Note, want) {
			t.Errorf("latency %s: %+v, %v; want %s", name, got.Source, err, want)
		}
	}
	w.Query.Latency.Source = ""
	for name, want := range map[string]string{
		"age_seconds":      "errors: age_seconds is a gauge, not a counter; use a counter",
		"took_seconds":     "errors: took_seconds is a summary, whose quantiles are no counters; use took_seconds_count",
		"took_seconds_sum": "errors: took_seconds_sum adds up what was observed, not how often; use took_seconds_count",
	} {
		w.Query.Errors.Source = of(name)
		got, err := w.Source.Counts(t.Context(), w.Query, first, second)
		if err != nil || got.Source.State != traffic.Unknown || !strings.Contains(got.Source.Err, want) {
			t.Errorf("errors %s: %+v, %v; want %s", name, got.Source, err, want)
		}
	}
}

func testErrorsMetric(t *testing.T, w signaltest.World) {
	w.Serve(traffic.Source, traffic.Counts{Requests: 5})
	first := w.Look(t)
	w.Serve(traffic.Source, traffic.Counts{Requests: 5})
	second := w.Look(t)
	for query, want := range map[string]traffic.State{
		`errors_total{side="none of that name"}`: traffic.Known, // no error yet
		`typo_total{side="source"}`:              traffic.Unknown,
		`{__name__=~"typo.*"}`:                   traffic.Unknown,
	} {
		w.Query.Errors.Source = query
		got, err := w.Source.Counts(t.Context(), w.Query, first, second)
		if err != nil || got.Source.State != want || got.Source.Value.Errors != 0 {
			t.Errorf("errors %s: %+v, %v; want %s", query, got.Source, err, want)
		}
		w.Query.Errors.Source = ""
		w.Query.Events = []signal.Event{{Name: "event", Count: traffic.BySide[string]{Source: query}}}
		got, err = w.Source.Counts(t.Context(), w.Query, first, second)
		if err != nil || got.Source.State != want || want == traffic.Known && fmt.Sprint(got.Source.Value.Events) != "[0]" {
			t.Errorf("event %s: %+v, %v; want %s", query, got.Source, err, want)
		}
		w.Query.Events = nil
	}
}

// waitFor asks until it is so, for at most ten seconds.
func waitFor(t *testing.T, so func() (time.Time, bool)) time.Time {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		if at, yes := so(); yes {
			return at
		}
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 10 s")
		}
		time.Sleep(10 * time.Millisecond) // polled, with a deadline
	}
}
