package wire

import (
	"context"
	"sync"
	"time"
)

// Later runs functions a fixed delay after they were handed in, one after the
// other and in the order they came, as changes travel from a control plane to
// its data plane.
type Later struct {
	delay time.Duration
	kick  chan struct{}

	mu    sync.Mutex
	queue []due
}

type due struct {
	at time.Time
	do func()
}

// NewLater delays every function by delay. Nothing runs before Run is called.
func NewLater(delay time.Duration) *Later {
	return &Later{delay: delay, kick: make(chan struct{}, 1)}
}

// Do hands in a function.
func (l *Later) Do(f func()) {
	l.mu.Lock()
	l.queue = append(l.queue, due{at: time.Now().Add(l.delay), do: f})
	l.mu.Unlock()
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Run runs what is due until ctx ends. What is not due by then is dropped: a
// restarted emulator hands over its whole state again.
func (l *Later) Run(ctx context.Context) {
	for {
		next, wait, ok := l.next(time.Now())
		if ok && wait <= 0 {
			next()
			continue
		}
		if !ok {
			wait = time.Hour // nothing to do: the kick wakes us
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-l.kick:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// next removes the first function if it is due, or says how long to wait.
func (l *Later) next(now time.Time) (do func(), wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 {
		return nil, 0, false
	}
	first := l.queue[0]
	if wait := first.at.Sub(now); wait > 0 {
		return nil, wait, true
	}
	l.queue = l.queue[1:]
	return first.do, 0, true
}
