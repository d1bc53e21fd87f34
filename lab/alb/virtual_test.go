package alb

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// These tests run in virtual time over a network of pipes, with the defaults
// that AWS documents.

const (
	virtualFront  = "127.0.0.1:8000"
	virtualTarget = "127.0.0.1:9000"
)

// virtual starts a balancer with one group of one target that serves handler;
// a nil handler is a target that accepts nothing.
func virtual(t *testing.T, handler http.Handler, delay time.Duration) (b *Balancer, client *http.Client, log *syncBuffer, config Config) {
	t.Helper()
	mem := newMemNet()
	log = &syncBuffer{}
	b = New(Options{AccessLog: log, Dial: mem.dial})
	b.listen = mem.listen
	client = &http.Client{Transport: &http.Transport{DialContext: mem.dial}}
	server := &http.Server{Handler: handler}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		b.Close()
		server.Close()
	})
	if handler != nil {
		ln, _ := mem.listen(t.Context(), "tcp", virtualTarget)
		go server.Serve(ln)
	}
	config = Config{
		Listeners: []Listener{{ARN: listenerARN, LoadBalancer: "shop", Bind: virtualFront,
			Default: Action{Forward: []WeightedGroup{{sourceARN, 1}}}}},
		TargetGroups: []TargetGroup{{ARN: sourceARN, Name: "source", DeregistrationDelay: delay,
			Targets: []Target{{Addr: netip.MustParseAddrPort(virtualTarget)}}}},
	}
	if err := b.Apply(config); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return b, client, log, config
}

func virtualGet(t *testing.T, client *http.Client) (status int, took time.Duration) {
	t.Helper()
	start := time.Now()
	resp, err := client.Get("http://" + virtualFront + "/work")
	if err != nil {
		t.Fatal(err)
	}
	io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return resp.StatusCode, time.Since(start)
}

// work passes health checks and lets "/work" take its time.
func work(d time.Duration) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/work" {
			return
		}
		select {
		case <-time.After(d):
		case <-r.Context().Done():
		}
	})
}

func TestTargetThatDoesNotAnswerIs504AfterSixtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client, _, _ := virtual(t, work(time.Hour), 0)
		if status, took := virtualGet(t, client); status != 504 || took != 60*time.Second {
			t.Errorf("HTTP %d after %s, want 504 after 1m0s", status, took)
		}
	})
}

func TestTargetThatDoesNotAcceptIs504AfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, client, _, _ := virtual(t, nil, 0)
		time.Sleep(time.Minute) // two failed checks: the group fails open
		if h := b.Health(sourceARN)[0]; h.State != Unhealthy || h.Reason != "Target.Timeout" {
			t.Fatalf("health %+v", h)
		}
		if status, took := virtualGet(t, client); status != 504 || took != 10*time.Second {
			t.Errorf("HTTP %d after %s, want 504 after 10s", status, took)
		}
	})
}

func TestDeregistrationDelayOfFiveMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, client, _, config := virtual(t, work(time.Hour), 300*time.Second)
		config.Listeners[0].IdleTimeout = 4000 * time.Second // above the request: only the drain ends it
		if err := b.Apply(config); err != nil {
			t.Fatal(err)
		}
		type answer struct {
			status int
			took   time.Duration
		}
		answers := make(chan answer)
		go func() {
			status, took := virtualGet(t, client)
			answers <- answer{status, took}
		}()
		synctest.Wait()
		config.TargetGroups[0].Targets = nil
		if err := b.Apply(config); err != nil {
			t.Fatal(err)
		}
		time.Sleep(299 * time.Second)
		synctest.Wait()
		if h := b.Health(sourceARN); len(h) != 1 || h[0].State != Draining {
			t.Errorf("after 299 s: %+v, want draining", h)
		}
		if got := <-answers; got.status != 502 || got.took != 300*time.Second {
			t.Errorf("HTTP %d after %s, want 502 after 5m0s", got.status, got.took)
		}
		synctest.Wait()
		if h := b.Health(sourceARN); len(h) != 0 {
			t.Errorf("after the delay: %+v, want no target", h)
		}
	})
}

// TestRegisteredAgainWhileDraining: the running request is a registered
// target's once more, and outlives the first registration's delay.
func TestRegisteredAgainWhileDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, client, _, config := virtual(t, work(50*time.Second), 10*time.Second)
		status := make(chan int)
		go func() {
			got, _ := virtualGet(t, client)
			status <- got
		}()
		synctest.Wait()
		without := config
		without.TargetGroups = slices.Clone(config.TargetGroups)
		without.TargetGroups[0].Targets = nil
		for _, c := range []Config{without, config} {
			if err := b.Apply(c); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if h := b.Health(sourceARN); len(h) != 1 || h[0].State != Healthy {
			t.Errorf("health %+v, want one target that has passed its first check", h)
		}
		if got := <-status; got != 200 {
			t.Errorf("the running request got HTTP %d, want 200", got)
		}
	})
}

// TestHealthCheckSchedule counts checks with the default interval of 30 s and
// thresholds of 5 and 2.
func TestHealthCheckSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var status, checks atomic.Int32
		status.Store(200)
		b, _, _, _ := virtual(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			checks.Add(1)
			time.Sleep(4 * time.Second) // the answer's time does not move the next check
			w.WriteHeader(int(status.Load()))
		}), 0)
		state := func() State { synctest.Wait(); return b.Health(sourceARN)[0].State }
		if got := state(); got != Initial {
			t.Errorf("before the first answer: %s", got)
		}
		time.Sleep(5 * time.Second)
		if got := state(); got != Healthy {
			t.Errorf("after one passed check: %s", got)
		}
		status.Store(500)
		time.Sleep(30 * time.Second)
		if got := state(); got != Healthy {
			t.Errorf("after one failed check: %s", got)
		}
		time.Sleep(30 * time.Second)
		if got := state(); got != Unhealthy {
			t.Errorf("after two failed checks: %s", got)
		}
		status.Store(200)
		time.Sleep(4 * 30 * time.Second)
		if got := state(); got != Unhealthy {
			t.Errorf("after four passed checks: %s", got)
		}
		time.Sleep(30 * time.Second)
		if got := state(); got != Healthy {
			t.Errorf("after five passed checks: %s", got)
		}
		if n := checks.Load(); n != 8 {
			t.Errorf("%d checks in 215 s, want 8: one at once, then one each 30 s", n)
		}
	})
}

func TestIdleConnectionsEndAfterSixtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, client, _, _ := virtual(t, work(0), 0)
		virtualGet(t, client)
		time.Sleep(59 * time.Second)
		if n := b.listenersOpen(); n != 1 {
			t.Errorf("%d client connections after 59 s, want 1", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := b.listenersOpen(); n != 0 {
			t.Errorf("%d client connections after 61 s, want 0", n)
		}
		time.Sleep(5 * time.Second) // the next look at the target's side
		pool := b.groups[sourceARN].targets[netip.MustParseAddrPort(virtualTarget)].pool
		pool.mu.Lock()
		defer pool.mu.Unlock()
		if len(pool.idle)+len(pool.active) != 0 {
			t.Errorf("%d idle and %d active connections to the target, want none", len(pool.idle), len(pool.active))
		}
	})
}

// TestCookieExpires: after the duration without a request a client is free.
func TestCookieExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		defer b.Close()
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
		h := http.Header{}
		b.sealer.setCookies(h, sourceARN, 10*time.Second, time.Now())
		for _, c := range (&http.Response{Header: h}).Cookies() {
			req.AddCookie(c)
		}
		time.Sleep(10*time.Second - time.Millisecond)
		if got := b.sealer.stuckGroup(req, time.Now()); got != sourceARN {
			t.Errorf("before the end: stuck to %q", got)
		}
		time.Sleep(time.Millisecond)
		if got := b.sealer.stuckGroup(req, time.Now()); got != "" {
			t.Errorf("after the end: still stuck to %q", got)
		}
	})
}
