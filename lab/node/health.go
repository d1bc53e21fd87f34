//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
)

// complaint asks for the end of an attempt.
type complaint struct {
	why   string
	grace time.Duration
}

// watch runs the postStart hook and the probes of one attempt until ctx ends. What calls for a restart
// is sent to unhealthy, at most once per probe or hook.
func (c *container) watch(ctx context.Context, p *process, l attemptPlan, unhealthy chan<- complaint) {
	if l.postStart != nil {
		if err := l.target.hook(ctx, l.postStart); err != nil {
			if ctx.Err() == nil {
				c.pod.event(v1.EventTypeWarning, "FailedPostStartHook", "PostStartHook of container %s failed: %v", c.name, err)
				unhealthy <- complaint{why: "failed its postStart hook", grace: l.grace}
			}
			return
		}
	}
	if l.startup != nil && !c.awaitStartup(ctx, p, l, unhealthy) {
		return
	}
	c.pod.update(c.name, func(r *record) { r.started, r.ready = true, l.readiness == nil })
	c.once.Do(func() { close(c.up) })

	var probes sync.WaitGroup
	defer probes.Wait()
	if l.liveness != nil {
		probes.Go(func() {
			runProbe(ctx, l.liveness, p.started, l.target.tryProbe, func(err error) bool {
				return err == nil || c.unhealthy("liveness", err, complaint{grace: probeGrace(l.liveness, l.grace)}, unhealthy)
			})
		})
	}
	if l.readiness != nil {
		probes.Go(func() {
			runProbe(ctx, l.readiness, p.started, l.target.tryProbe, func(err error) bool {
				if err != nil {
					c.pod.event(v1.EventTypeWarning, "Unhealthy", "Readiness probe failed: %v", err)
				}
				c.pod.update(c.name, func(r *record) { r.ready = err == nil })
				return true
			})
		})
	}
}

// awaitStartup probes until the container has started; false if it will not.
func (c *container) awaitStartup(ctx context.Context, p *process, l attemptPlan, unhealthy chan<- complaint) bool {
	ok := false
	runProbe(ctx, l.startup, p.started, l.target.tryProbe, func(err error) bool {
		if ok = err == nil; !ok {
			c.unhealthy("startup", err, complaint{grace: probeGrace(l.startup, l.grace)}, unhealthy)
		}
		return false
	})
	return ok
}

// unhealthy asks for a restart; it returns false, as probing is over then.
func (c *container) unhealthy(kind string, err error, sent complaint, to chan<- complaint) bool {
	c.pod.event(v1.EventTypeWarning, "Unhealthy", "%s probe failed: %v", kind, err)
	sent.why = fmt.Sprintf("failed its %s probe", kind)
	to <- sent
	return false
}

// hook runs one lifecycle handler.
func (t target) hook(ctx context.Context, h *v1.LifecycleHandler) error {
	switch {
	case h.Exec != nil:
		return t.exec(ctx, h.Exec)
	case h.HTTPGet != nil:
		return t.http(ctx, h.HTTPGet)
	case h.Sleep != nil:
		if !sleep(ctx, seconds(int32(h.Sleep.Seconds))) {
			return ctx.Err()
		}
		return nil
	}
	return errors.New("this kind of hook is not supported by this node; use exec, httpGet or sleep")
}
