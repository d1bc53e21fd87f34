//go:build linux

package lab

import (
	"context"
	"errors"

	"watari.dev/lab/fault"
)

// Inject lets something go wrong in the lab in dir and returns when it does: the
// process is dead, the side is cut off, the next call meets the rule. An empty dir
// is DefaultDir. The error wraps fault.ErrBusy if the component is down already or
// the side is cut off already.
//
// Every fault ends by itself, and all of them end with the lab.
func Inject(ctx context.Context, dir string, f fault.Fault) (fault.Injected, error) {
	if err := f.Check(); err != nil {
		return fault.Injected{}, err
	}
	return fault.Injected{}, errors.New("not built yet")
}

// Faults returns every fault that was injected into the lab in dir since its start,
// over ones included, with what each has bitten, in the order of their beginning.
func Faults(ctx context.Context, dir string) ([]fault.Injected, error) {
	return nil, errors.New("not built yet")
}

// Heal ends one fault of the lab in dir, and returns when it is healed: a component
// that was held down is ready again, a side can be reached again. The error wraps
// fault.ErrUnknown if there is none with that ID.
func Heal(ctx context.Context, dir, id string) (fault.Injected, error) {
	return fault.Injected{}, errors.New("not built yet")
}

// HealAll ends every fault of the lab in dir and returns those that it ended.
func HealAll(ctx context.Context, dir string) ([]fault.Injected, error) {
	return nil, errors.New("not built yet")
}
