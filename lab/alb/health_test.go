package alb

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestDecideHealth(t *testing.T) {
	hc := HealthCheck{HealthyThreshold: 3, UnhealthyThreshold: 2}
	results := map[byte]result{
		'+': {ok: true},
		'-': {reason: reasonTimeout, description: "Request timed out"},
		'5': {reason: reasonCodeMismatch, description: "Health checks failed with these codes: [500]"},
	}
	for _, c := range []struct {
		from   healthState
		checks string
		want   State
		reason string
	}{
		{registering(), "", Initial, reasonRegistering},
		{registering(), "+", Healthy, ""},                       // one passed check is enough for a new target
		{registering(), "-", Initial, reasonInitialChecking},    // one failed check is not
		{registering(), "-+", Healthy, ""},                      //
		{registering(), "--", Unhealthy, reasonTimeout},         //
		{registering(), "--5", Unhealthy, reasonCodeMismatch},   // the last reason counts
		{registering(), "--++", Unhealthy, reasonTimeout},       // an unhealthy target needs the threshold,
		{registering(), "--+++", Healthy, ""},                   // in a row
		{registering(), "--++-++", Unhealthy, reasonTimeout},    //
		{registering(), "+-", Healthy, ""},                      //
		{registering(), "+-+-+-", Healthy, ""},                  //
		{registering(), "+--", Unhealthy, reasonTimeout},        //
		{registering(), "+--+++-+--", Unhealthy, reasonTimeout}, //
	} {
		h := c.from
		for i := range len(c.checks) {
			h = decideHealth(h, results[c.checks[i]], hc)
		}
		if h.state != c.want || h.reason != c.reason || (h.reason == "") != (h.description == "") {
			t.Errorf("after %q: %s %q %q, want %s %q", c.checks, h.state, h.reason, h.description, c.want, c.reason)
		}
	}
}

// moody is a target whose health check gives a status of choice.
func moody(t *testing.T, name string) (Target, *atomic.Int32) {
	status := new(atomic.Int32)
	status.Store(200)
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/mood") {
			if r.UserAgent() != "ELB-HealthChecker/2.0" {
				w.WriteHeader(599)
				return
			}
			w.WriteHeader(int(status.Load()))
			return
		}
		io.WriteString(w, name)
	}), status
}

func TestHealthOnTheWire(t *testing.T) {
	a, moodA := moody(t, "a")
	b, moodB := moody(t, "b")
	g := source(a, b)
	g.HealthCheck.Path = "/mood"
	r := newHealthyRig(t, oneListener([]TargetGroup{g}, 1))

	moodA.Store(500)
	r.await(sourceARN, a.Addr, Unhealthy)
	if h := r.health(sourceARN, a.Addr); h.Reason != "Target.ResponseCodeMismatch" || h.Description != "Health checks failed with these codes: [500]" {
		t.Errorf("health %+v", h)
	}
	for range 20 {
		if _, body := r.get("/"); body != "b" {
			t.Fatalf("reached %s, want the healthy target", body)
		}
	}

	moodB.Store(404)
	r.await(sourceARN, b.Addr, Unhealthy)
	seen := map[string]int{}
	for range 20 { // all are unhealthy: the group fails open
		_, body := r.get("/")
		seen[body]++
	}
	if seen["a"] != 10 || seen["b"] != 10 {
		t.Errorf("requests %v, want both targets of the group that failed open", seen)
	}

	moodA.Store(200)
	r.await(sourceARN, a.Addr, Healthy)
	if h := r.health(sourceARN, a.Addr); h.Reason != "" || h.Description != "" {
		t.Errorf("a healthy target has a reason: %+v", h)
	}

	g.HealthCheck.MatcherLow, g.HealthCheck.MatcherHigh = 200, 499
	r.apply(oneListener([]TargetGroup{g}, 1))
	r.await(sourceARN, b.Addr, Healthy)
}

func TestHealthReasons(t *testing.T) {
	dead := Target{Addr: refused(t)}
	hung := rawListener(t)
	g := source(dead, hung)
	g.HealthCheck.Timeout = 50 * time.Millisecond
	r := newRig(t, oneListener([]TargetGroup{g}, 1))
	for addr, want := range map[Target]string{dead: "Target.FailedHealthChecks", hung: "Target.Timeout"} {
		r.await(sourceARN, addr.Addr, Unhealthy)
		if h := r.health(sourceARN, addr.Addr); h.Reason != want {
			t.Errorf("health %+v, want %s", h, want)
		}
	}
}

func TestUnusedGroup(t *testing.T) {
	groups := twoSides(t)
	idle := groups[1].Targets[0]
	r := newRig(t, oneListener(groups, 1)) // the second group is in no rule
	if h := r.health(targetARN, idle.Addr); h.State != Unused || h.Reason != "Target.NotInUse" {
		t.Errorf("health %+v, want unused", h)
	}
	r.applyHealthy(oneListener(groups, 1, 0)) // a weight of zero uses it
	if _, body := r.get("/"); body != "source" {
		t.Errorf("reached %s", body)
	}
	r.apply(oneListener(groups, 1))
	if h := r.health(targetARN, idle.Addr); h.State != Unused {
		t.Errorf("health %+v, want unused again", h)
	}
}

func TestInitialTargetsGetNoRequests(t *testing.T) {
	target, mood := moody(t, "new")
	mood.Store(500)
	g := source(target)
	g.HealthCheck.Path = "/mood"
	g.HealthCheck.UnhealthyThreshold = 1_000_000
	r := newRig(t, oneListener([]TargetGroup{g}, 1))
	eventually(t, "the first check has failed", func() bool {
		return r.health(sourceARN, target.Addr).Reason == "Elb.InitialHealthChecking"
	})
	if code, _ := r.get("/"); code != 503 {
		t.Errorf("HTTP %d, want 503: the only target has not passed a check yet", code)
	}
	mood.Store(200)
	r.await(sourceARN, target.Addr, Healthy)
	if code, _ := r.get("/"); code != 200 {
		t.Errorf("HTTP %d, want 200 after one passed check", code)
	}
}
