package alb

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestApplyRefusesWhatItCannotServe(t *testing.T) {
	groups := twoSides(t)
	good := oneListener(groups, 1, 0)
	r := newHealthyRig(t, good)
	for _, c := range []struct {
		name   string
		change func(c *Config)
		says   string
	}{
		{"not loopback", func(c *Config) { c.Listeners[0].Bind = "10.0.0.1:80" }, "not a loopback"},
		{"no address", func(c *Config) { c.Listeners[0].Bind = "localhost:80" }, "not a loopback"},
		{"unknown group", func(c *Config) { c.Listeners[0].Default.Forward[0].TargetGroupARN = "x" }, "does not exist"},
		{"weight", func(c *Config) { c.Listeners[0].Default.Forward[0].Weight = 1000 }, "outside of 0..999"},
		{"no action", func(c *Config) { c.Listeners[0].Default = Action{} }, "either a forward or a fixed response"},
		{"both actions", func(c *Config) { c.Listeners[0].Default.Fixed = &FixedResponse{Status: 200} }, "either a forward"},
		{"rule order", func(c *Config) {
			a := c.Listeners[0].Default
			c.Listeners[0].Rules = []Rule{{Priority: 2, Action: a}, {Priority: 1, Action: a}}
		}, "ascending priority"},
		{"group twice", func(c *Config) { c.TargetGroups = append(c.TargetGroups, c.TargetGroups[0]) }, "taken"},
		{"target twice", func(c *Config) {
			c.TargetGroups[0].Targets = append(c.TargetGroups[0].Targets, c.TargetGroups[0].Targets[0])
		}, "listed twice"},
		{"address twice", func(c *Config) {
			c.Listeners[0].Bind = "127.0.0.1:1"
			c.Listeners = append(c.Listeners, c.Listeners[0])
		}, "taken by another listener"},
		{"address in use", func(c *Config) {
			l := c.Listeners[0]
			l.ARN, l.Bind = "other", r.addr()
			c.Listeners = append(c.Listeners, l)
		}, "listen on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := oneListener([]TargetGroup{groups[0], groups[1]}, 0, 1)
			c.change(&bad)
			if err := r.b.Apply(bad); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if _, body := r.get("/"); body != "source" {
				t.Errorf("reached %s: a refused configuration must change nothing", body)
			}
		})
	}
}

func TestListenersComeAndGo(t *testing.T) {
	groups := twoSides(t)
	c := oneListener(groups, 1, 0)
	r := newHealthyRig(t, c)
	r.get("/")
	kept := r.addr()

	second := c.Listeners[0]
	second.ARN = listenerARN + "2"
	second.Default.Forward = []WeightedGroup{{targetARN, 1}}
	c.Listeners = append(c.Listeners, second)
	r.apply(c)
	if r.addr() != kept || r.b.listenersOpen() != 1 {
		t.Errorf("listener %s with %d connections, want %s with the one it had", r.addr(), r.b.listenersOpen(), kept)
	}
	other := r.b.Addrs(second.ARN)[0].String()
	if resp, err := r.client.Get("http://" + other); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}

	// Delete the second and create a third on its address, in one step.
	third := second
	third.ARN, third.Bind = listenerARN+"3", other
	third.Default = Action{Fixed: &FixedResponse{Status: 418}}
	c.Listeners = []Listener{c.Listeners[0]}
	r.apply(c)
	c.Listeners = append(c.Listeners, third)
	r.apply(c)
	fourth := third
	fourth.ARN, fourth.Default = listenerARN+"4", Action{Fixed: &FixedResponse{Status: 419}}
	c.Listeners[1] = fourth
	r.apply(c)
	if resp, err := r.client.Get("http://" + other); err != nil || resp.StatusCode != 419 {
		t.Errorf("%v, %v: want the new listener to have taken the address over", resp, err)
	} else {
		resp.Body.Close()
	}
}

func TestApplyAfterClose(t *testing.T) {
	b := New(Options{})
	b.Close()
	if err := b.Apply(Config{}); err != ErrClosed {
		t.Errorf("error %v, want ErrClosed", err)
	}
	b.Close() // harmless
}

func TestCloseLetsRequestsEnd(t *testing.T) {
	s := newSlow(t)
	r := newHealthyRig(t, oneGroup(s.Target))
	short, addr := r.ask(s), r.addr()
	done := make(chan struct{})
	go func() { r.b.Close(); close(done) }()
	eventually(t, "the balancer does not accept any more", func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	close(s.release)
	if code := short(); code != 200 {
		t.Errorf("a request that ended within the grace got %d, want 200", code)
	}
	<-done
}

// TestApplyUnderLoad changes weights, targets, health checks and rules as fast
// as it can while clients of all kinds send requests. Nothing may be lost.
func TestApplyUnderLoad(t *testing.T) {
	var targets []Target
	for range 4 {
		targets = append(targets, backend(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		}))
	}
	config := func(i int) Config {
		rng := rand.New(rand.NewPCG(uint64(i), 0))
		a, b := source(targets[0], targets[1]), destination(targets[2], targets[3])
		a.DeregistrationDelay, b.DeregistrationDelay = time.Minute, time.Minute
		a.HealthCheck.UnhealthyThreshold, b.HealthCheck.UnhealthyThreshold = 1000, 1000 // only removal takes a target out
		switch i % 4 {
		case 1:
			a.Targets = a.Targets[:1]
		case 2:
			a.Targets = a.Targets[:1]
			b.HealthCheck.Interval += time.Millisecond
		}
		c := oneListener([]TargetGroup{a, b}, 1+rng.IntN(999), rng.IntN(999))
		c.Listeners[0].Rules = []Rule{{Priority: 1 + i%3, Paths: []string{"/rule"}, Action: c.Listeners[0].Default}}
		c.Listeners[0].IdleTimeout = time.Minute + time.Duration(i)*time.Second
		return c
	}
	r := newHealthyRig(t, config(0))
	var sent, lost atomic.Int64
	var clients sync.WaitGroup
	const perClient, parallel = 50, 24
	for n := range parallel {
		clients.Go(func() {
			client := newClient()
			defer client.CloseIdleConnections()
			client.Transport.(*http.Transport).DisableKeepAlives = n%4 == 0
			for i := range perClient {
				body := strings.Repeat("x", (i%3)*30_000)
				resp, err := client.Post(r.url()+[]string{"/", "/rule"}[i%2], "text/plain", strings.NewReader(body))
				sent.Add(1)
				if err != nil {
					lost.Add(1)
					t.Error(err)
					continue
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 200 || err != nil || string(got) != body {
					lost.Add(1)
					t.Errorf("HTTP %d, %d of %d bytes, %v", resp.StatusCode, len(got), len(body), err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { clients.Wait(); close(finished) }()
	applied := 0
	for running := true; running; applied++ {
		select {
		case <-finished:
			running = false
		case <-time.After(2 * time.Millisecond): // the pace of changes, not a wait for something
			if err := r.b.Apply(config(applied)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if sent.Load() != perClient*parallel || lost.Load() != 0 || applied < 10 {
		t.Errorf("%d sent, %d lost, %d changes", sent.Load(), lost.Load(), applied)
	}
}
