//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"watari.dev/lab/proc"
)

const (
	readyBound    = 2 * time.Minute // for one component, on a slow and busy machine
	readyInterval = 50 * time.Millisecond
)

// keeper keeps one component alive from the moment its needs are ready until it
// is told to stop and nobody needs the component any more.
type keeper struct {
	component
	layout layout
	board  *board
	log    *slog.Logger

	kills chan killOrder // while it is ready

	needs, users []*keeper
	served       chan struct{} // closed when it is ready for the first time
	ended        chan struct{} // closed when its process is gone for good
}

// newKeepers returns a keeper for each component, tied to those it needs.
func newKeepers(l layout, b *board, log *slog.Logger, components []component) []*keeper {
	byName := map[string]*keeper{}
	var keepers []*keeper
	for _, c := range components {
		k := &keeper{
			component: c, layout: l, board: b, log: log.With("component", c.name), kills: make(chan killOrder),
			served: make(chan struct{}), ended: make(chan struct{}),
		}
		for _, name := range c.after {
			needed := byName[name]
			k.needs = append(k.needs, needed)
			needed.users = append(needed.users, k)
		}
		byName[c.name] = k
		keepers = append(keepers, k)
	}
	return keepers
}

// keep runs until ctx is done, or until the component has failed to come up,
// which it returns.
func (k *keeper) keep(ctx context.Context) error {
	defer close(k.ended)
	defer k.set(func(c *ComponentInfo) {
		c.Process = proc.Identity{}
		if c.State != Failed {
			c.State = Stopped
		}
	})
	for _, needed := range k.needs {
		select {
		case <-needed.served:
		case <-ctx.Done():
			return nil
		}
	}
	var h history
	first := time.Now()
	for {
		began := time.Now()
		reason := k.live(ctx, first)
		if ctx.Err() != nil {
			return nil
		}
		var killed killed
		if errors.As(reason, &killed) {
			if !k.holdDown(ctx, killed) {
				return nil
			}
			continue // a kill says nothing about the component
		}
		h = h.ended(time.Since(began))
		h.everReady = k.everReady()
		delay, giveUp := decideRestart(h)
		if giveUp {
			k.set(func(c *ComponentInfo) { c.State, c.Reason = Failed, reason.Error() })
			return fmt.Errorf("%w (tried %d times)", reason, h.failures)
		}
		k.log.Warn("ended by itself; starting it again", "reason", reason, "in", delay)
		k.set(func(c *ComponentInfo) {
			c.State, c.Process, c.Reason = Restarting, proc.Identity{}, reason.Error()
			c.Restarts++
		})
		if !sleep(ctx, delay) {
			return nil
		}
	}
}

func (k *keeper) everReady() bool {
	select {
	case <-k.served:
		return true
	default:
		return false
	}
}

// live is one life of the process: it returns when it is gone, and why, unless
// ctx is done.
func (k *keeper) live(ctx context.Context, first time.Time) error {
	process, err := proc.Start(proc.Spec{
		Lab: k.layout.dir, Name: k.name, Path: k.path, Args: k.args,
		Dir: k.layout.data(), Log: k.layout.log(k.name),
	})
	if err != nil {
		return err
	}
	defer k.end(ctx, process)
	found := process.Found()
	k.set(func(c *ComponentInfo) { c.State, c.Process, c.Since = Starting, found.Identity, found.Since })
	if err := k.awaitReady(ctx, process); err != nil {
		return err
	}
	k.log.Info("ready", "pid", found.PID, "after", time.Since(found.Since).Round(time.Millisecond))
	k.set(func(c *ComponentInfo) {
		c.State, c.Reason = Ready, ""
		if c.ReadyAfter == 0 {
			c.ReadyAfter = time.Since(first)
		}
	})
	if !k.everReady() {
		close(k.served)
	}
	select {
	case <-process.Done():
		return errors.New(process.Exit())
	case order := <-k.kills:
		return k.obey(ctx, process, order)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// killOrder is the order to kill a component and to hold it down.
type killOrder struct {
	hold time.Duration   // from its death to the next start
	heal <-chan struct{} // closed to end the hold early
	done chan<- error    // gets the outcome, once
}

// killed is why a component that was killed on request has ended.
type killed struct{ killOrder }

func (k killed) Error() string {
	return fmt.Sprintf("killed with kill -9 by a fault, held down for %s", k.hold)
}

// obey kills the process. Its end is the order's if it has died of it.
func (k *keeper) obey(ctx context.Context, process *proc.Process, order killOrder) error {
	stopped, err := process.Kill(ctx)
	if err == nil && stopped.Outcome != proc.Killed {
		err = errors.New("it had just ended by itself")
	}
	if err != nil {
		order.done <- fmt.Errorf("kill %s: %w", k.name, err)
		return err
	}
	k.set(func(c *ComponentInfo) {
		c.State, c.Process, c.Reason = HeldDown, proc.Identity{}, killed{order}.Error()
		c.Restarts++
	})
	order.done <- nil
	return killed{order}
}

// holdDown waits until a killed component may start again, and reports whether ctx
// is not done.
func (k *keeper) holdDown(ctx context.Context, order killed) bool {
	k.log.Warn("killed by a fault", "hold", order.hold)
	timer := time.NewTimer(max(order.hold, firstDelay))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-order.heal:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}

// awaitReady polls until the process serves, has ended or takes too long.
func (k *keeper) awaitReady(ctx context.Context, process *proc.Process) error {
	if k.ready == nil {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	for {
		err := k.ready(bounded)
		select {
		case <-process.Done(): // first: another process may answer at its address
			return fmt.Errorf("%s before it was ready", process.Exit())
		default:
		}
		if err == nil {
			return nil
		}
		if !sleep(bounded, readyInterval) {
			return fmt.Errorf("not ready after %s: %w", readyBound, err)
		}
	}
}

// end stops the process if it still lives: at once if it did not become ready,
// and after all that need it when the lab stops.
func (k *keeper) end(ctx context.Context, process *proc.Process) {
	if ctx.Err() != nil {
		k.set(func(c *ComponentInfo) { c.State = Stopping })
		for _, user := range k.users {
			<-user.ended
		}
	}
	grace := k.grace
	if grace == 0 {
		grace = defaultGrace
	}
	stopped, err := process.Stop(context.WithoutCancel(ctx), grace)
	if err != nil {
		k.log.Error("could not be stopped", "error", err)
		return
	}
	if stopped.Outcome != proc.AlreadyGone {
		k.log.Info("stopped", "outcome", stopped.Outcome, "after", stopped.Took.Round(time.Millisecond))
	}
}

func (k *keeper) set(apply func(*ComponentInfo)) { k.board.changeComponent(k.name, apply) }

// sleep waits for d and reports whether ctx is not done.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
