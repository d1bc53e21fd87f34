package runner

import (
	"context"
	"sync"
	"time"
)

// Clock is the time that a run lives in, and how it does several things at once.
// The machine's is the default; a simulation brings its own, in which all of it
// happens in an order that its seed decides.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or when ctx is done.
	Sleep(ctx context.Context, d time.Duration)
	// Timeout is context.WithTimeout by this clock.
	Timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)
	// Group returns an empty group of tasks.
	Group() Group
}

// Group is tasks that are under way at the same time as the loop.
type Group interface {
	// Go begins a task.
	Go(task func())
	// Wait returns when a task has ended since it returned last, when d has passed,
	// or when ctx is done.
	Wait(ctx context.Context, d time.Duration)
	// WaitAll returns when every task has ended.
	WaitAll()
}

// machine is the time and the goroutines of this process.
type machine struct{}

func (machine) Now() time.Time { return time.Now() }

func (machine) Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

func (machine) Timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

func (machine) Group() Group { return &goroutines{ended: make(chan struct{}, 1)} }

type goroutines struct {
	wg    sync.WaitGroup
	ended chan struct{} // one token for those that have
}

func (g *goroutines) Go(task func()) {
	g.wg.Go(func() {
		task()
		select {
		case g.ended <- struct{}{}:
		default: // the waiter was told already
		}
	})
}

func (g *goroutines) Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-g.ended:
	}
}

func (g *goroutines) WaitAll() { g.wg.Wait() }

// left returns how long it is until at, by the wall clock and by the monotonic
// one, whichever is sooner: a machine that was suspended has not moved the second
// (time, "Monotonic Clocks"), and somebody may set the first.
func left(now, at time.Time) time.Duration {
	return min(at.Sub(now), at.Round(0).Sub(now.Round(0)))
}
