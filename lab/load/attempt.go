package load

import (
	"context"
	"time"
)

// attempt is what one request of a user led to.
type attempt struct {
	class   Class
	pod     string
	addr    string
	retries int64
	err     error
}

// do sends one request as the user does it, and classifies its end.
func (u *user) do(ctx context.Context, p *plan) attempt {
	a, again := u.try(ctx, p, true)
	if again && p.RetryDead {
		a, _ = u.try(ctx, p, false)
		a.retries = 1
	}
	return a
}

// try sends the request once. again says that HTTP libraries would send it
// again: the connection was a kept one and died without a word of an answer.
func (u *user) try(ctx context.Context, p *plan, mayReuse bool) (a attempt, again bool) {
	c, err := u.connect(ctx, mayReuse)
	if err != nil {
		return attempt{class: decideFailed(err), err: err}, false
	}
	got, keep, began, err := exchange(ctx, c, p.header, u.kind == Fresh)
	a = attempt{class: decideAnswered(got.code, got.side), pod: got.pod, addr: c.RemoteAddr().String(), err: err}
	if err != nil {
		a.class = decideFailed(err)
		again = c.reused && !began && (a.class.Cause == Reset || a.class.Cause == EOF)
	}
	if keep {
		u.giveBack(c, time.Now())
	} else {
		_ = c.Close() // whatever is left of it, the request has ended
	}
	return a, again
}
