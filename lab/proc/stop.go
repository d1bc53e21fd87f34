//go:build linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// pollInterval bounds how long a wait for the end of a process lasts before the
// context is looked at again.
const pollInterval = 50 * time.Millisecond

// Outcome says how a process ended.
type Outcome string

// The outcomes.
const (
	AlreadyGone Outcome = "already gone" // nothing was sent
	Ended       Outcome = "ended"        // after TERM
	Killed      Outcome = "killed"       // by KILL, after the grace was over
)

// Stopped is a process and how it ended.
type Stopped struct {
	Found
	Outcome Outcome
	Took    time.Duration
}

// Stop ends one process of lab: TERM, and KILL if it still lives after grace.
// Before each signal the mark and the start time are checked again. When ctx is
// done it kills at once. It returns after the process has ended.
func Stop(ctx context.Context, lab string, f Found, grace time.Duration) (Stopped, error) {
	return stop(ctx, f, grace, func() bool { return Alive(lab, f.Identity) })
}

// stop is Stop with the check that comes before each signal.
func stop(ctx context.Context, f Found, grace time.Duration, alive func() bool) (Stopped, error) {
	began := time.Now()
	stopped := func(o Outcome) Stopped { return Stopped{Found: f, Outcome: o, Took: time.Since(began)} }

	h, err := openHandle(f.PID, alive)
	if errors.Is(err, errGone) {
		return stopped(AlreadyGone), nil
	}
	if err != nil {
		return Stopped{}, fmt.Errorf("stop %s: %w", f, err)
	}
	defer h.close()

	if err := h.signal(unix.SIGTERM); err != nil {
		return stopped(AlreadyGone), ignoreGone(err)
	}
	if h.wait(ctx, grace) {
		return stopped(Ended), nil
	}
	if err := h.signal(unix.SIGKILL); err != nil {
		return stopped(Ended), ignoreGone(err)
	}
	if !h.wait(context.WithoutCancel(ctx), killBound) {
		return Stopped{}, fmt.Errorf("stop %s: it still lives %s after KILL; it hangs in the kernel (state D), look at its disk", f, killBound)
	}
	return stopped(Killed), nil
}

// kill sends KILL at once, without asking the process to end.
func kill(ctx context.Context, f Found, alive func() bool) (Stopped, error) {
	began := time.Now()
	h, err := openHandle(f.PID, alive)
	if errors.Is(err, errGone) {
		return Stopped{Found: f, Outcome: AlreadyGone}, nil
	}
	if err != nil {
		return Stopped{}, fmt.Errorf("kill %s: %w", f, err)
	}
	defer h.close()
	if err := h.signal(unix.SIGKILL); err != nil {
		return Stopped{Found: f, Outcome: AlreadyGone}, ignoreGone(err)
	}
	if !h.wait(context.WithoutCancel(ctx), killBound) {
		return Stopped{}, fmt.Errorf("kill %s: it still lives %s after KILL; it hangs in the kernel (state D), look at its disk", f, killBound)
	}
	return Stopped{Found: f, Outcome: Killed, Took: time.Since(began)}, nil
}

// killBound is how long a killed process may take to disappear. The kernel
// needs milliseconds unless the process hangs in I/O.
const killBound = 10 * time.Second

// StopAll ends every process of lab that Find finds, those that appear meanwhile
// included: TERM to all, then KILL to those that outlive grace. It returns what
// it stopped, and the joined errors of what it could not stop.
func StopAll(ctx context.Context, lab string, grace time.Duration) ([]Stopped, error) {
	var all []Stopped
	deadline := time.Now().Add(grace)
	for range maxSweeps {
		found, err := Find(lab)
		if err != nil {
			return all, err
		}
		if len(found) == 0 {
			return all, nil
		}
		swept, err := stopTogether(ctx, lab, found, max(0, time.Until(deadline)))
		all = append(all, swept...)
		if err != nil {
			return all, err
		}
	}
	return all, fmt.Errorf("stop the processes of the lab %s: new ones appeared %d times; something outside of the lab starts them", lab, maxSweeps)
}

// maxSweeps bounds how often StopAll looks again. A process that is between
// fork and exec shows its parent's environment, so one sweep may miss it; its
// own children need another.
const maxSweeps = 20

func stopTogether(ctx context.Context, lab string, found []Found, grace time.Duration) ([]Stopped, error) {
	type result struct {
		stopped Stopped
		err     error
	}
	results := make(chan result)
	for _, f := range found {
		go func() {
			s, err := Stop(ctx, lab, f, grace)
			results <- result{s, err}
		}()
	}
	var all []Stopped
	var errs []error
	for range found {
		r := <-results
		if r.err != nil {
			errs = append(errs, r.err)
		} else if r.stopped.Outcome != AlreadyGone {
			all = append(all, r.stopped)
		}
	}
	return all, errors.Join(errs...)
}

// A handle is a pidfd: it stays with one process and never passes on to another
// that gets the same number (pidfd_open(2)).
type handle struct {
	fd    int
	alive func() bool // whether the process is the one that is meant, and lives
}

// openHandle opens a process. The check comes after the opening, so a handle
// that passed it belongs to the process that was checked.
func openHandle(pid int, alive func() bool) (*handle, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil, errGone
	case errors.Is(err, unix.ENOSYS):
		return nil, fmt.Errorf("pidfd_open: this kernel is older than Linux 5.3, with which the lab cannot stop a process safely: %w", err)
	case err != nil:
		return nil, fmt.Errorf("pidfd_open: %w", err)
	}
	h := &handle{fd: fd, alive: alive}
	if !alive() {
		h.close()
		return nil, errGone
	}
	return h, nil
}

func (h *handle) close() { _ = unix.Close(h.fd) }

func (h *handle) signal(sig unix.Signal) error {
	if !h.alive() {
		return errGone
	}
	err := unix.PidfdSendSignal(h.fd, sig, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return errGone
	}
	return err
}

// wait reports whether the process ended within limit. A pidfd becomes readable
// when its process ends.
func (h *handle) wait(ctx context.Context, limit time.Duration) bool {
	deadline := time.Now().Add(limit)
	for {
		left := min(pollInterval, time.Until(deadline))
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(h.fd), Events: unix.POLLIN}}, max(0, int(left.Milliseconds())))
		if n > 0 && err == nil {
			return true
		}
		if ctx.Err() != nil || !time.Now().Before(deadline) {
			return false
		}
	}
}

func ignoreGone(err error) error {
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}
