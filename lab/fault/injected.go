package fault

import (
	"errors"
	"fmt"
	"time"
)

// End is why a fault is over.
type End string

// The ends.
const (
	Healed End = "healed"  // by somebody
	Over   End = "over"    // its time has passed
	UsedUp End = "used up" // it has bitten as often as it was to
)

// Injected is a fault that was injected, and what became of it.
type Injected struct {
	ID    string    `json:"id"` // such as aws-3, kill-1 or partition-2
	Fault Fault     `json:"fault"`
	Began time.Time `json:"began"`
	Until time.Time `json:"until"`         // when it is over at the latest
	Ended time.Time `json:"ended"`         // zero while it lasts
	End   End       `json:"end,omitempty"` // empty while it lasts

	// Hits are the calls that it bit, by service and action; of a kill the processes
	// that died, and of a partition the connections that met it. Sorted.
	Hits    []Hit `json:"hits,omitempty"`
	Pending int   `json:"pending,omitempty"` // late effects that are still on their way
}

// Hit counts what a fault bit.
type Hit struct {
	Service string `json:"service"` // of a kill: process; of a partition: connection
	Action  string `json:"action"`  // of a kill: the process; of a partition: pods, api-server or aws
	Count   int    `json:"count"`
}

// Lasts says whether it is not over yet.
func (i Injected) Lasts() bool { return i.Ended.IsZero() }

// Count is how often it bit.
func (i Injected) Count() (n int) {
	for _, h := range i.Hits {
		n += h.Count
	}
	return n
}

// Errors of whoever holds faults.
var (
	// ErrUnknown says that there is no fault with an ID.
	ErrUnknown = errors.New("there is no such fault")
	// ErrBusy says that a fault cannot be injected now, because of what is wrong
	// already.
	ErrBusy = errors.New("not now")
	// ErrTooMany says that more were injected than are kept.
	ErrTooMany = fmt.Errorf("%d faults were injected, which is all that is kept; a new lab has none: watari lab down", MaxKept)
)

// MaxKept is how many faults of one holder are kept, over ones included.
const MaxKept = 10_000
