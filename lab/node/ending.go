//go:build linux

package node

import (
	"context"
	"sync"
	"time"
)

// ending holds the stages of a pod's end. Each stage is a context, so that everybody can wait
// for it: first the containers are asked to stop, then their grace is over,
// and without mercy nothing is waited for any more.
type ending struct {
	stopping context.Context
	grace    context.Context
	mercy    context.Context

	stop, endGrace, endMercy context.CancelFunc

	mu    sync.Mutex
	timer *time.Timer
	at    time.Time // when the timer fires
}

func newEnding() *ending {
	e := &ending{}
	e.stopping, e.stop = context.WithCancel(context.Background())
	e.mercy, e.endMercy = context.WithCancel(context.Background())
	e.grace, e.endGrace = context.WithCancel(e.mercy)
	return e
}

// begin asks the containers to stop within grace. Called again it can only shorten
// the time that is left; a grace of zero or less ends all mercy.
func (e *ending) begin(grace time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.stop()
	if grace <= 0 {
		e.endMercy()
		return
	}
	at := time.Now().Add(grace)
	switch {
	case e.timer == nil:
		e.timer, e.at = time.AfterFunc(grace, e.endGrace), at
	case at.Before(e.at):
		e.timer.Reset(grace)
		e.at = at
	}
}

// close releases the timer and all contexts.
func (e *ending) close() {
	e.begin(0)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.timer != nil {
		e.timer.Stop()
	}
}
