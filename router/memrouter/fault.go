package memrouter

import (
	"context"
	"errors"

	"watari.dev/router"
)

// Op is one method of the driver.
type Op string

// The methods that can be counted and made to fail.
const (
	Read    Op = "read"
	Write   Op = "write"
	Settled Op = "settled"
)

// Forever is a Fault.Times without end.
const Forever = -1

// Fault makes calls of one method fail.
type Fault struct {
	Kind    error // one of the router's sentinels; nil means ErrUnavailable
	Times   int   // how many calls; 0 means one
	Lost    bool  // for writes: only the reply is lost, so that the effect is unknown
	Applied bool  // with Lost: the write had happened
	Parts   int   // for writes to several names: how many had been changed; makes the effect partial
	Stall   bool  // no answer until the caller's context ends
	// Wait is called before a write is sent, or with Parts before the rest of it
	// is, and may let time pass: what a full limiter does. The call then succeeds,
	// unless the fault says more or the right to write has ended meanwhile. It must
	// not use the Router.
	Wait func()
}

// Fail queues a fault for the next calls of op.
func (r *Router) Fail(op Op, f Fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Kind == nil && f.Wait == nil {
		f.Kind = router.ErrUnavailable
	}
	r.faults[op] = append(r.faults[op], &f)
}

// Heal removes all faults.
func (r *Router) Heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.faults)
}

// fault counts the call and takes the next fault of op; nil if there is none.
func (r *Router) fault(op Op) *Fault {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[op]++
	if len(r.faults[op]) == 0 {
		return nil
	}
	f := *r.faults[op][0]
	if f.Times > 0 {
		if r.faults[op][0].Times--; r.faults[op][0].Times == 0 {
			r.faults[op] = r.faults[op][1:]
		}
	}
	return &f
}

// wait lets the time pass that a write spends before it is sent.
func (f *Fault) wait() {
	if f != nil && f.Wait != nil {
		f.Wait()
	}
}

// interrupt returns the error of a call that must not go on: its context has
// ended, or its fault says so before anything could happen.
func (f *Fault) interrupt(ctx context.Context, op, on string) error {
	if f != nil && f.Stall {
		<-ctx.Done()
		effect := router.EffectNothing
		if op == setWeights {
			effect = router.EffectUnknown
		}
		return &router.Error{Op: op, On: on, Kind: router.ErrUnavailable, Cause: context.Cause(ctx), Effect: effect}
	}
	if err := ctx.Err(); err != nil {
		return &router.Error{Op: op, On: on, Kind: router.ErrUnavailable, Cause: context.Cause(ctx), Effect: router.EffectNothing}
	}
	if f == nil || f.Lost || f.Parts > 0 || f.Kind == nil {
		return nil
	}
	return &router.Error{Op: op, On: on, Kind: f.Kind, Effect: router.EffectNothing}
}

var errReplyLost = errors.New("the reply was lost")
