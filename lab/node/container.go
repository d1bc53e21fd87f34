//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// startErrorCode is the exit code of a container whose process could not be
// started, as container runtimes report it.
const startErrorCode = 128

// hookWindow is what a container gets to stop when its preStop hook has used up the grace period
// (kubelet, minimumGracePeriodInSeconds).
const hookWindow = 2 * time.Second

// container runs one container of a pod, attempt after attempt, until it is not
// to run again.
type container struct {
	pod  *podWorker
	name string
	init bool            // runs once, before the others
	stop context.Context // ends when the container is to end for good
	up   chan struct{}   // closed when it has started for the first time
	once sync.Once
}

func newContainer(w *podWorker, name string, init bool, stop context.Context) *container {
	return &container{pod: w, name: name, init: init, stop: stop, up: make(chan struct{})}
}

// run returns when the container has ended for good; its record says how.
func (c *container) run(ctx context.Context) {
	failures := 0
	for tries := 1; c.mayRun(); {
		l, err := c.prepare(ctx)
		if err != nil {
			c.block(err, tries)
			tries++
			if !sleep(c.stop, retryDelay(tries)) {
				return
			}
			continue
		}
		tries = 1
		lasted := c.attempt(ctx, l)
		failures++
		if lasted >= backOffReset {
			failures = 1
		}
		if !c.mayRun() {
			return
		}
		if delay := restartDelay(failures); delay > 0 {
			c.backOff(delay)
			if !sleep(c.stop, delay) {
				return
			}
		}
	}
}

// mayRun says whether the container is to be started (again).
func (c *container) mayRun() bool {
	if c.stop.Err() != nil {
		return false
	}
	t := c.pod.record(c.name).state.Terminated
	if t == nil {
		return true
	}
	spec := &c.pod.latest().Spec
	return shouldRestart(restartPolicy(spec, findContainer(spec, c.name), c.init), t.ExitCode)
}

// block shows why the container cannot be started.
func (c *container) block(err error, tries int) {
	reason, message := "CreateContainerConfigError", err.Error()
	var image errImage
	if errors.As(err, &image) {
		if reason = "ErrImagePull"; tries > 1 {
			reason = "ImagePullBackOff"
		}
	}
	c.pod.update(c.name, func(r *record) {
		if r.state.Terminated != nil {
			r.last = r.state
		}
		r.state = waiting(reason, message)
	})
	c.pod.event(v1.EventTypeWarning, "Failed", "Error: %s: %s", reason, message)
}

func (c *container) backOff(delay time.Duration) {
	message := fmt.Sprintf("back-off %s restarting failed container=%s pod=%s_%s(%s)", delay, c.name, c.pod.name, c.pod.namespace, c.pod.uid)
	c.pod.update(c.name, func(r *record) {
		r.last, r.state = r.state, waiting("CrashLoopBackOff", message)
	})
	c.pod.event(v1.EventTypeWarning, "BackOff", "Back-off %s restarting failed container %s", delay, c.name)
}

// attempt runs the process once and returns how long it lasted.
func (c *container) attempt(ctx context.Context, l attemptPlan) time.Duration {
	logFile, err := c.pod.openLog(c.name, l.number)
	if err != nil {
		c.recordStart(l, time.Now())
		c.recordEnd(l, exit{code: startErrorCode, at: time.Now()}, err)
		return 0
	}
	l.launch.log = logFile
	p, err := c.pod.agent.spawner.start(l.launch)
	logFile.Close() // the child has its own
	if err != nil {
		c.recordStart(l, time.Now())
		c.recordEnd(l, exit{code: startErrorCode, at: time.Now()}, err)
		c.pod.event(v1.EventTypeWarning, "Failed", "Error: %v", err)
		return 0
	}
	c.recordStart(l, p.started)
	c.pod.event(v1.EventTypeNormal, "Started", "Started container %s", c.name)
	c.attend(ctx, p, l)
	c.recordEnd(l, p.exit, nil)
	return p.exit.at.Sub(p.started)
}

func (c *container) recordStart(l attemptPlan, at time.Time) {
	c.pod.update(c.name, func(r *record) {
		if r.state.Terminated != nil {
			r.last = r.state
		}
		r.restarts, r.started, r.ready = l.number, false, false
		r.state = v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}}
	})
}

// recordEnd takes down how the process ended; failed is set if it never began.
func (c *container) recordEnd(l attemptPlan, e exit, failed error) {
	t := &v1.ContainerStateTerminated{ExitCode: e.code, Reason: "Completed", FinishedAt: metav1.NewTime(e.at)}
	switch {
	case failed != nil:
		t.Reason, t.Message = "StartError", failed.Error()
	case e.code != 0:
		t.Reason = "Error"
	}
	if t.Message == "" {
		t.Message = terminationMessage(l, e.code)
	}
	c.pod.update(c.name, func(r *record) {
		t.StartedAt = r.state.Running.StartedAt
		t.ContainerID = containerID(c.pod.uid, c.name, l.number)
		r.state, r.started = v1.ContainerState{Terminated: t}, false
		r.ready = c.init && e.code == 0 // an init container that is done counts as ready
	})
}

// attend stays with a running process until it is gone: it watches its health and stops it
// when it is unhealthy or its time has come.
func (c *container) attend(ctx context.Context, p *process, l attemptPlan) {
	watchCtx, cancel := context.WithCancel(ctx)
	unhealthy := make(chan complaint, 2) // startup or hook, then liveness; nobody waits to send
	var watching sync.WaitGroup
	watching.Go(func() { c.watch(watchCtx, p, l, unhealthy) })
	select {
	case <-p.done:
	case <-c.stop.Done():
		c.pod.event(v1.EventTypeNormal, "Killing", "Stopping container %s", c.name)
		c.terminate(p, l, c.pod.ending.grace)
	case sick := <-unhealthy:
		c.pod.event(v1.EventTypeNormal, "Killing", "Container %s %s and is stopped", c.name, sick.why)
		grace, end := context.WithTimeout(c.pod.ending.grace, sick.grace)
		c.terminate(p, l, grace)
		end()
	}
	cancel()
	watching.Wait()
}

// terminate runs the preStop hook, asks the process to stop, and kills it when grace ends.
func (c *container) terminate(p *process, l attemptPlan, grace context.Context) {
	if l.preStop != nil && grace.Err() == nil && !c.pod.agent.leaving() {
		c.runPreStop(p, l, grace)
		if grace.Err() != nil {
			window, end := context.WithTimeout(c.pod.ending.mercy, hookWindow)
			defer end()
			grace = window
		}
	}
	p.signal(l.stopSignal)
	select {
	case <-p.done:
	case <-grace.Done():
		c.pod.log.Warn("container did not stop in time and is killed", "container", c.name)
		p.kill()
		<-p.done
	}
}

// runPreStop runs the hook until it ends, the process ends or grace does.
func (c *container) runPreStop(p *process, l attemptPlan, grace context.Context) {
	hook, cancel := context.WithCancel(grace)
	defer cancel()
	var waiter sync.WaitGroup
	defer waiter.Wait()
	waiter.Go(func() {
		select {
		case <-p.done:
		case <-hook.Done():
		}
		cancel()
	})
	err := l.target.hook(hook, l.preStop)
	if err != nil && hook.Err() == nil {
		c.pod.event(v1.EventTypeWarning, "FailedPreStopHook", "PreStopHook of container %s failed: %v", c.name, err)
	}
	cancel()
}

// stopSignal is the signal that a container wants, SIGTERM if it does not say.
func stopSignal(l *v1.Lifecycle) syscall.Signal {
	if l != nil && l.StopSignal != nil {
		if sig := unix.SignalNum(string(*l.StopSignal)); sig != 0 {
			return sig
		}
	}
	return syscall.SIGTERM
}
