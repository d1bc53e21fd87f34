package fault

import "context"

// Holder is whoever lets faults bite. Its methods may be called from several
// goroutines.
type Holder interface {
	// Inject lets a fault bite, and returns when it is in force.
	Inject(ctx context.Context, f Fault) (Injected, error)
	// List returns every fault that was injected, over ones included, the oldest
	// first.
	List(ctx context.Context) ([]Injected, error)
	// Heal ends one fault. One that is over is left as it is. The error is
	// ErrUnknown if there is none. Late effects that are on their way still arrive.
	Heal(ctx context.Context, id string) (Injected, error)
	// HealAll ends every fault and returns those that it ended.
	HealAll(ctx context.Context) ([]Injected, error)
}
