package alb

import (
	"context"
	"sync"
	"time"
)

// pruneEvery is how often idle connections are looked at.
const pruneEvery = 5 * time.Second

// target is one registration of an address in a group, from RegisterTargets
// to the end of its deregistration delay.
type target struct {
	Target
	group *group
	addr  string // host:port
	pool  *pool

	kick       chan struct{}   // check at once: the health check changed
	registered context.Context // ends with the deregistration
	deregister context.CancelFunc

	mu         sync.Mutex
	health     healthState
	drainUntil time.Time // zero while registered
	reclaimed  bool      // registered again while draining: do not cut
}

func newTarget(ctx context.Context, g *group, t Target, used bool) *target {
	out := &target{
		Target: t,
		group:  g,
		addr:   t.Addr.String(),
		pool:   newPool(g.dial, t.Addr.String()),
		kick:   make(chan struct{}, 1),
		health: unused(),
	}
	out.registered, out.deregister = context.WithCancel(ctx)
	if used {
		out.health = registering()
	}
	return out
}

// run checks health until the target is deregistered, then drains it. ctx ends
// with the balancer.
func (t *target) run(ctx context.Context) {
	t.watch()
	if ctx.Err() == nil && t.drain(ctx) {
		return
	}
	t.pool.cut()
}

// watch checks health. The time that an answer takes does not move the next
// check ("Health check settings").
func (t *target) watch() {
	check := time.NewTicker(t.group.healthCheck().Interval)
	defer check.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	t.probe()
	for {
		select {
		case <-t.registered.Done():
			return
		case <-t.kick:
			check.Reset(t.group.healthCheck().Interval)
			t.probe()
		case <-check.C:
			t.probe()
		case now := <-prune.C:
			t.pool.prune(now)
		}
	}
}

func (t *target) probe() {
	if t.report().State == Unused {
		return
	}
	hc := t.group.healthCheck()
	res := t.group.prober.check(t.registered, t.addr, hc)
	if t.registered.Err() != nil {
		return
	}
	t.mu.Lock()
	before := t.health.state
	if before != Unused {
		t.health = decideHealth(t.health, res, hc)
	}
	after := t.health
	t.mu.Unlock()
	if after.state != before {
		t.group.log.Info("target health changed", "target_group", t.group.arn, "target", t.addr,
			"from", before, "to", after.state, "reason", after.reason)
		t.group.refresh()
	}
}

// setUsed follows the group: its targets are checked and serve only while a
// listener forwards to it.
func (t *target) setUsed(used bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case !used:
		t.health = unused()
	case t.health.state == Unused:
		t.health = registering()
	}
}

func (t *target) checkNow() {
	select {
	case t.kick <- struct{}{}:
	default: // a check is due already
	}
}

// startDraining takes the target out of service: no new request, idle
// connections closed, running requests until the delay has passed.
func (t *target) startDraining(delay time.Duration) {
	t.mu.Lock()
	t.health = healthState{state: Draining, reason: reasonDeregistering, description: "Target deregistration is in progress"}
	t.drainUntil = time.Now().Add(delay)
	t.mu.Unlock()
	t.pool.leave()
	t.deregister()
}

// drain waits until the delay has passed and reports whether the running
// requests go on. The target is shown as draining for all of the delay even if
// nothing runs ("Edit target group attributes", deregistration delay).
func (t *target) drain(ctx context.Context) (reclaimed bool) {
	t.mu.Lock()
	wait := time.NewTimer(time.Until(t.drainUntil))
	t.mu.Unlock()
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wait.C:
	}
	t.group.forget(t)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reclaimed
}

// reclaim is called when the address is registered again while it drains: its
// running requests belong to a registered target once more and are not cut.
func (t *target) reclaim() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reclaimed = true
}

func (t *target) report() Health {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Health{Target: t.Target, State: t.health.state, Reason: t.health.reason, Description: t.health.description}
}
