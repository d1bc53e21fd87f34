package accesslog

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"watari.dev/lab/alb"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// balanced starts a load balancer that really forwards, and logs to a file: /new to
// the group of that name, /lost to one without targets, /fixed to nobody, and
// everything else to the old one.
func balanced(t *testing.T, path string) (url string) {
	t.Helper()
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	b := alb.New(alb.Options{AccessLog: log, Seed: 1})
	t.Cleanup(b.Close)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("fail") {
			http.Error(w, "no", http.StatusInternalServerError)
		}
	}))
	t.Cleanup(backend.Close)
	group := func(arn string) alb.TargetGroup {
		return alb.TargetGroup{
			ARN: arn, Name: "shop",
			Targets:     []alb.Target{{Addr: netip.MustParseAddrPort(backend.Listener.Addr().String()), Zone: "eu-west-1a"}},
			HealthCheck: alb.HealthCheck{Path: "/", Interval: 20 * time.Millisecond, Timeout: time.Second, HealthyThreshold: 1, UnhealthyThreshold: 1, MatcherLow: 200, MatcherHigh: 200},
		}
	}
	lost := group(lostGroup)
	lost.Targets = nil
	to := func(arn string) alb.Action {
		return alb.Action{Forward: []alb.WeightedGroup{{TargetGroupARN: arn, Weight: 1}}}
	}
	const listener = "arn:aws:elasticloadbalancing:us-east-2:123456789012:listener/app/shop/50dc6c495c0c9188/0467ef3c8400ae65"
	if err := b.Apply(alb.Config{
		TargetGroups: []alb.TargetGroup{group(oldGroup), group(newGroup), lost},
		Listeners: []alb.Listener{{
			ARN: listener, LoadBalancer: "shop", Bind: "127.0.0.1:0", Default: to(oldGroup),
			Rules: []alb.Rule{
				{ARN: listener + "/1", Priority: 1, Paths: []string{"/new"}, Action: to(newGroup)},
				{ARN: listener + "/2", Priority: 2, Paths: []string{"/lost"}, Action: to(lostGroup)},
				{ARN: listener + "/3", Priority: 3, Paths: []string{"/fixed"}, Action: alb.Action{Fixed: &alb.FixedResponse{Status: 503}}},
			},
		}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, arn := range []string{oldGroup, newGroup} {
		for deadline := time.Now().Add(10 * time.Second); b.Health(arn)[0].State != alb.Healthy; time.Sleep(time.Millisecond) { // between two polls
			if time.Now().After(deadline) {
				t.Fatalf("%s is %+v", arn, b.Health(arn))
			}
		}
	}
	return "http://" + b.Addrs(listener)[0].String()
}

const lostGroup = arnPrefix + "targetgroup/shop-lost/cccccccccccccccc"

// TestAgainstALoadBalancer compares what clients did with what the log says.
func TestAgainstALoadBalancer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "alb-access.log")
	url := balanced(t, path)
	ahead := time.Duration(0) // instead of waiting
	s, err := New(Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s.now = func() time.Time { return time.Now().Add(ahead) }
	s.begin()
	defer s.input.close()
	ahead += 5 * time.Second
	s.look(t.Context())
	from := s.now()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	get := func(path, trace string, wanted int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", `shop "mobile" \ 1.0`)
		if trace != "" {
			request.Header.Set("X-Amzn-Trace-Id", trace)
		}
		answer, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		if answer.StatusCode != wanted {
			t.Errorf("%s answered %s, want %d", path, answer.Status, wanted)
		}
	}
	for range 5 {
		get("/", "", 200)
	}
	get("/?fail", "Root=1-67891233-abcdef012345678912345678;Attempt=1", 500)
	get("/?fail", "Root=1-67891233-abcdef012345678912345678;Attempt=2", 500)
	get("/new", "Root=1-67891233-abcdef012345678912345679", 200)
	get("/new", "Root=1-67891233-abcdef012345678912345679", 200)
	get("/new", "Root=1-67891233-abcdef012345678912345677", 200)
	get("/lost", "", 503)
	get("/fixed", "", 503)

	awaitLines(t, path, 12)
	ahead += 5 * time.Second
	s.look(t.Context())
	ahead += time.Second // lines that are read late belong to the second that ends next
	q := signal.Query{Requests: arns, Errors: traffic.BySide[string]{Source: "5xx", Target: "5xx"}, Latency: traffic.BySide[string]{Source: "1s"}}
	got, err := s.Counts(t.Context(), q, from, s.now())
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Source.Value; got.Source.State != traffic.Known || c.Requests != 6 || c.Errors != 1 || c.Latency.Count() != 6 {
		t.Errorf("source %+v", got.Source)
	}
	if c := got.Target.Value; got.Target.State != traffic.Known || c.Requests != 2 || c.Errors != 0 {
		t.Errorf("target %+v", got.Target)
	}
	q.Requests.Source = "targetgroup/shop-lost"
	if got, err = s.Counts(t.Context(), q, from, s.now()); err != nil || got.Source.Value.Requests != 1 || got.Source.Value.Errors != 1 || got.Source.Value.Latency.Count() != 0 {
		t.Errorf("what the balancer answered for a group without targets: %+v, %v", got.Source, err)
	}
	if r := s.Report(); r.Lines != 12 || r.Retries != 2 || len(r.Notes()) != 1 {
		t.Errorf("%+v", r)
	}
}

// awaitLines waits until the balancer, which logs after it answered, has logged n lines.
func awaitLines(t *testing.T, path string, n int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) { // between two polls
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := 0
		for _, c := range text {
			if c == '\n' {
				lines++
			}
		}
		if lines >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d lines of %d:\n%s", lines, n, text)
		}
	}
}
