//go:build linux

package node

import (
	"context"
	"errors"
	"time"

	v1 "k8s.io/api/core/v1"
)

// bindTime is given to a process before the first probe when the pod asks for no delay. Nearly every
// server needs some milliseconds to listen, and a first probe that fails costs a whole period.
const bindTime = 100 * time.Millisecond

// tryProbe performs a probe once.
func (t target) tryProbe(ctx context.Context, p *v1.Probe) error {
	ctx, cancel := context.WithTimeout(ctx, seconds(max(1, p.TimeoutSeconds)))
	defer cancel()
	switch {
	case p.Exec != nil:
		return t.exec(ctx, p.Exec)
	case p.HTTPGet != nil:
		return t.http(ctx, p.HTTPGet)
	case p.TCPSocket != nil:
		return t.tcp(ctx, p.TCPSocket)
	}
	return errors.New("this kind of probe is not supported by this node; use exec, httpGet or tcpSocket")
}

// runProbe probes until ctx ends. report is called whenever a result holds, again and again
// while it does, with nil or why not; it returns false to end probing.
func runProbe(ctx context.Context, p *v1.Probe, started time.Time, try func(context.Context, *v1.Probe) error, report func(error) bool) {
	if !sleep(ctx, time.Until(started.Add(max(bindTime, seconds(p.InitialDelaySeconds))))) {
		return
	}
	ticker := time.NewTicker(seconds(max(1, p.PeriodSeconds)))
	defer ticker.Stop()
	counts := threshold{success: p.SuccessThreshold, failure: p.FailureThreshold}
	for {
		err := try(ctx, p)
		if ctx.Err() != nil {
			return // the container is ending; this result says nothing
		}
		if counts.add(err == nil) && !report(err) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }

// sleep waits; false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
