package alb

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestObservations(t *testing.T) {
	groups := []TargetGroup{source(backend(t, says("ok"))), destination(Target{Addr: refused(t)})}
	var mu sync.Mutex
	var seen []Observation
	r := &rig{T: t, log: &syncBuffer{}, client: newClient()}
	r.b = New(Options{AccessLog: r.log, Seed: 1, Observe: func(o Observation) {
		mu.Lock()
		defer mu.Unlock()
		if o.At.IsZero() || o.LoadBalancer != shopID || (o.TargetTime >= 0) != (o.TargetStatus == 200) {
			t.Errorf("%+v", o)
		}
		o.At, o.TargetTime, o.LoadBalancer = time.Time{}, 0, ""
		seen = append(seen, o)
	}})
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		r.b.Close()
	})
	r.apply(oneListener(groups, 1, 0))
	r.await(sourceARN, groups[0].Targets[0].Addr, Healthy)
	r.await(targetARN, groups[1].Targets[0].Addr, Unhealthy)
	r.get("/")
	r.apply(oneListener(groups, 0, 1))
	r.get("/")
	r.apply(oneListener(groups, 0, 0))
	r.get("/")
	r.lines(3)
	mu.Lock()
	defer mu.Unlock()
	if want := []Observation{
		{TargetGroup: sourceARN, Chosen: true, Status: 200, TargetStatus: 200},
		{TargetGroup: targetARN, Chosen: true, Status: 502, ConnectionError: true},
		{Status: 503},
	}; !slices.Equal(seen, want) {
		t.Errorf("%+v\nwant %+v", seen, want)
	}
}
