//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"watari.dev/lab/fault"
)

// Inject lets something go wrong in the lab in dir and returns when it does: the
// process is dead, the side is cut off, the next call meets the rule. An empty dir
// is DefaultDir. The error wraps fault.ErrBusy if the component is down already or
// the side is cut off already, and ErrNoLab if there is no lab that is ready.
//
// Every fault ends by itself, and all of them end with the lab.
func Inject(ctx context.Context, dir string, f fault.Fault) (fault.Injected, error) {
	if err := f.Check(); err != nil {
		return fault.Injected{}, err
	}
	h, err := connectHolders(dir)
	if err != nil {
		return fault.Injected{}, fmt.Errorf("inject a fault: %w", err)
	}
	holder := h.sides
	if f.AWS != nil {
		holder = h.aws
	}
	injected, err := holder.Inject(ctx, f)
	if err != nil {
		return fault.Injected{}, fmt.Errorf("inject a fault: %w", err)
	}
	return injected, nil
}

// Faults returns every fault that was injected into the lab in dir since its start,
// over ones included, with what each has bitten, in the order of their beginning.
func Faults(ctx context.Context, dir string) ([]fault.Injected, error) {
	h, err := connectHolders(dir)
	if err != nil {
		return nil, fmt.Errorf("list the faults: %w", err)
	}
	calls, err := h.aws.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the faults: %w", err)
	}
	sides, err := h.sides.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the faults: %w", err)
	}
	return slices.SortedFunc(slices.Values(append(calls, sides...)), byBegin), nil
}

// Heal ends one fault of the lab in dir, and returns when it is healed: a component
// that was held down is ready again, a side can be reached again. One that is over
// is left as it is. The error wraps fault.ErrUnknown if there is none with that ID.
func Heal(ctx context.Context, dir, id string) (fault.Injected, error) {
	h, err := connectHolders(dir)
	if err != nil {
		return fault.Injected{}, fmt.Errorf("heal %s: %w", id, err)
	}
	if strings.HasPrefix(id, "aws-") {
		return h.aws.Heal(ctx, id)
	}
	return h.sides.Heal(ctx, id)
}

// HealAll ends every fault of the lab in dir and returns those that it ended.
func HealAll(ctx context.Context, dir string) ([]fault.Injected, error) {
	h, err := connectHolders(dir)
	if err != nil {
		return nil, fmt.Errorf("heal the lab: %w", err)
	}
	calls, err := h.aws.HealAll(ctx)
	sides, sidesErr := h.sides.HealAll(ctx)
	if err = errors.Join(err, sidesErr); err != nil {
		return nil, fmt.Errorf("heal the lab: %w", err)
	}
	return slices.SortedFunc(slices.Values(append(calls, sides...)), byBegin), nil
}

// holders are who hold the faults of a lab.
type holders struct{ aws, sides fault.Holder }

// connectHolders finds the holders of a lab that is ready.
func connectHolders(dir string) (holders, error) {
	info, err := Status(dir)
	if err != nil {
		return holders{}, err
	}
	if info.State != Ready {
		return holders{}, fmt.Errorf("the lab in %s is %s, not ready: %w", info.Dir, info.State, ErrNoLab)
	}
	return holders{
		aws:   fault.Client{URL: info.AWS.Endpoint + "/_lab/faults", Token: info.Control.Token},
		sides: fault.Client{URL: info.Control.Endpoint + faultsPath, Token: info.Control.Token},
	}, nil
}
