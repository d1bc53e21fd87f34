package alb

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// slow is a target whose requests wait for release.
type slow struct {
	Target
	asked   chan struct{}
	release chan struct{}
}

func newSlow(t *testing.T) slow {
	s := slow{asked: make(chan struct{}, 100), release: make(chan struct{})}
	s.Target = backend(t, func(w http.ResponseWriter, r *http.Request) {
		s.asked <- struct{}{}
		select {
		case <-s.release:
			io.WriteString(w, "slow")
		case <-r.Context().Done():
		}
	})
	return s
}

// ask sends a request in the background and waits until the target has it.
func (r *rig) ask(s slow) (code func() int) {
	r.Helper()
	var wg sync.WaitGroup
	var status int
	wg.Go(func() {
		if resp, err := r.client.Get(r.url()); err == nil {
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			status = resp.StatusCode
		}
	})
	r.Cleanup(wg.Wait)
	select {
	case <-s.asked:
	case <-time.After(10 * time.Second):
		r.Fatal("the request did not reach the target")
	}
	return func() int { wg.Wait(); return status }
}

func TestDeregisteredTargetFinishesItsRequests(t *testing.T) {
	s, other := newSlow(t), backend(t, says("other"))
	g := source(s.Target)
	g.DeregistrationDelay = time.Hour
	r := newHealthyRig(t, oneListener([]TargetGroup{g}, 1))
	code := r.ask(s)
	g.Targets = []Target{other}
	r.applyHealthy(oneListener([]TargetGroup{g}, 1))

	if h := r.health(sourceARN, s.Addr); h.State != Draining || h.Reason != "Target.DeregistrationInProgress" {
		t.Errorf("health %+v, want draining", h)
	}
	for range 20 {
		if _, body := r.get("/"); body != "other" {
			t.Fatalf("a new request reached %q, want the registered target", body)
		}
	}
	close(s.release)
	if got := code(); got != 200 {
		t.Errorf("the running request got HTTP %d, want 200", got)
	}
	if h := r.health(sourceARN, s.Addr); h.State != Draining {
		t.Errorf("health %+v: a target is shown as draining for all of the delay", h)
	}
}

func TestDeregistrationDelayCutsRequests(t *testing.T) {
	for _, delay := range []time.Duration{0, 100 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			s := newSlow(t)
			g := source(s.Target)
			g.DeregistrationDelay = delay
			r := newHealthyRig(t, oneListener([]TargetGroup{g}, 1))
			code := r.ask(s)
			g.Targets = nil
			start := time.Now()
			r.apply(oneListener([]TargetGroup{g}, 1))
			if got := code(); got != http.StatusBadGateway {
				t.Errorf("the cut request got HTTP %d, want 502", got)
			}
			if took := time.Since(start); took < delay {
				t.Errorf("cut after %s, want not before %s", took, delay)
			}
			r.await(sourceARN, s.Addr, "")
			if got, _ := r.get("/"); got != http.StatusServiceUnavailable {
				t.Errorf("HTTP %d, want 503: no target is registered", got)
			}
		})
	}
}

func TestRemovedGroupAndListenerDrain(t *testing.T) {
	s := newSlow(t)
	g := source(s.Target)
	g.DeregistrationDelay = time.Hour
	r := newHealthyRig(t, oneListener([]TargetGroup{g}, 1))
	code, addr := r.ask(s), r.addr()
	r.apply(Config{})
	if got := r.b.Health(sourceARN); got != nil {
		t.Errorf("health of a deleted group: %v", got)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("the deleted listener still accepts")
	}
	close(s.release)
	if got := code(); got != 200 {
		t.Errorf("the running request got HTTP %d, want 200", got)
	}
}

// TestCutTargetIsNotTheAnswer: a target that is cut off between choice and
// connection costs nothing, because no byte was sent; without another target
// the answer is 502.
func TestCutTargetIsNotTheAnswer(t *testing.T) {
	a, b := backend(t, says("a")), backend(t, says("b"))
	r := newHealthyRig(t, oneGroup(a, b))
	pools := r.b.groups[sourceARN].targets
	pools[a.Addr].pool.cut()
	for range 10 {
		if code, body := r.get("/"); code != 200 || body != "b" {
			t.Fatalf("HTTP %d %q, want b", code, body)
		}
	}
	pools[b.Addr].pool.cut()
	if code, _ := r.get("/"); code != http.StatusBadGateway {
		t.Errorf("HTTP %d, want 502", code)
	}
}
