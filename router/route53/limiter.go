package route53

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// CallsPerSecond is how many calls of Route 53 AWS allows an account, all
// callers and all actions together (Route 53 Developer Guide, "Quotas").
const CallsPerSecond = 5

// Limiter spaces the calls of one account. Urgent callers, which take traffic
// back, go before all others; apart from that it is first come, first served.
type Limiter struct {
	mu      sync.Mutex
	rate    *rate.Limiter
	urgent  []*waiter
	others  []*waiter
	waiting bool // a timer will let the next one through
}

type waiter struct{ turn chan struct{} }

// NewLimiter allows that many calls per second and a burst of as many.
func NewLimiter(perSecond float64) *Limiter {
	return &Limiter{rate: rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))}
}

// Wait returns nil when a call may be made, or the error of ctx.
func (l *Limiter) Wait(ctx context.Context, urgent bool) error {
	w := &waiter{turn: make(chan struct{})}
	l.mu.Lock()
	if urgent {
		l.urgent = append(l.urgent, w)
	} else {
		l.others = append(l.others, w)
	}
	l.admit()
	l.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
		l.leave(w)
		return context.Cause(ctx)
	}
}

// admit lets through whom the rate allows now and arms a timer for the next
// one. The caller holds the lock.
func (l *Limiter) admit() {
	for len(l.urgent)+len(l.others) > 0 && !l.waiting {
		r := l.rate.Reserve()
		if d := r.Delay(); d > 0 {
			r.Cancel() // whose turn it is then is decided then
			l.waiting = true
			time.AfterFunc(d, l.next)
			return
		}
		queue := &l.others
		if len(l.urgent) > 0 {
			queue = &l.urgent
		}
		close((*queue)[0].turn)
		*queue = (*queue)[1:]
	}
}

func (l *Limiter) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	l.admit()
}

// leave takes a waiter out of the queue that gave up.
func (l *Limiter) leave(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	is := func(o *waiter) bool { return o == w }
	l.urgent = slices.DeleteFunc(l.urgent, is)
	l.others = slices.DeleteFunc(l.others, is)
}
