package alb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

const (
	readWeights = "alb: read weights"
	setWeights  = "alb: set weights"
	seeSettled  = "alb: see whether the weights settled"
)

// Features implements router.Driver. It reads the lever for its stickiness, and the
// target groups for what they speak.
func (d *Driver) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	f, _, err := d.readForward(ctx, "alb: describe weights", route)
	if err != nil {
		return router.Features{}, err
	}
	tries, waits := d.retry.Bound()
	return router.Features{
		CallTries: tries, CallWaits: waits,
		MaxWeight: MaxWeight, Atomic: true, Propagation: d.margin, Cached: f.sticky,
		ReadCalls: 1, WriteCalls: 2, SettleCalls: 1, GRPC: d.speaksGRPC(ctx, route),
		Limit: "modifications: a few calls per second for each account and region",
	}, nil
}

// Read implements router.Driver.
func (d *Driver) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	f, version, err := d.readForward(ctx, readWeights, route)
	if err != nil {
		return router.Snapshot{}, err
	}
	return router.Snapshot{
		Parts: []router.Part{f.part(route)}, Version: version,
		Warnings: warnings(f, route), Owners: d.owners(ctx, route.ID), At: d.now(),
	}, nil
}

// Write implements router.Driver: read, compare, replace, read back.
func (d *Driver) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	p := d.modifying(change.NotAfter)
	if err := p.Right(); err != nil {
		return router.Receipt{}, awscall.WriteError(setWeights, name(change.Route.ID), err)
	}
	if change.Share == traffic.None {
		d.tagged.Keep(change.Route.ID, d.now())
	}
	actions, err := d.readActions(ctx, setWeights, change.Route.ID)
	if err != nil {
		return router.Receipt{}, err
	}
	f, version, err := understood(setWeights, change.Route, actions)
	if err != nil {
		return router.Receipt{}, err
	}
	decided, err := decideWrite(f, change)
	if err != nil {
		return router.Receipt{}, err
	}
	receipt := router.Receipt{ChangeID: change.ID, Route: change.Route, Share: decided.pair.Share(), Note: decided.note, At: d.now()}
	if decided.groups == nil {
		return receipt, nil
	}
	if change.IfVersion != "" && change.IfVersion != version {
		return router.Receipt{}, refusal(change, router.ErrConflict, "it has now "+f.part(change.Route).Describe())
	}
	if err := d.writeActions(ctx, p, change.Route.ID, replaced(actions, f, decided.groups)); err != nil {
		return router.Receipt{}, err
	}
	receipt.At = d.now()
	return d.verified(ctx, receipt, decided.pair)
}

// verified reads the lever back. A read that fails does not undo the write, so
// it only becomes a note; Settled reads again anyway.
func (d *Driver) verified(ctx context.Context, receipt router.Receipt, wrote router.Pair) (router.Receipt, error) {
	f, version, err := d.readForward(ctx, setWeights, receipt.Route)
	have, _ := f.split(receipt.Route)
	switch {
	case errors.Is(err, router.ErrNotOwned), errors.Is(err, router.ErrNotFound):
		return router.Receipt{}, overwritten(receipt.Route, err)
	case err != nil:
		receipt.Note = joined(receipt.Note, "written but not read back: "+err.Error())
	case have != wrote:
		return router.Receipt{}, overwritten(receipt.Route, fmt.Errorf("it has now %s", f.part(receipt.Route).Describe()))
	default:
		receipt.Token = version
	}
	return receipt, nil
}

func overwritten(route router.Ref, cause error) error {
	return &router.Error{Op: setWeights, On: name(route.ID), Kind: router.ErrConflict, Effect: router.EffectUnknown,
		Cause: fmt.Errorf("it was written and overwritten at once: %w", cause), Advice: "find out who else writes it"}
}

// Settled implements router.Driver: the lever still has the share, and the time
// for all nodes and for the last sticky client has passed.
func (d *Driver) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	f, _, err := d.readForward(ctx, seeSettled, receipt.Route)
	if err != nil {
		return router.Settlement{}, err
	}
	if have, _ := f.split(receipt.Route); have.Share() != receipt.Share {
		return router.Settlement{}, &router.Error{Op: seeSettled, On: name(receipt.Route.ID), Kind: router.ErrConflict, Effect: router.EffectNothing,
			Cause: fmt.Errorf("it is at %s and was written as %s", have.Share(), receipt.Share)}
	}
	due := receipt.At.Add(d.margin + f.sticky)
	s := router.Settlement{At: due, Warnings: warnings(f, receipt.Route)}
	left := due.Sub(d.now())
	switch {
	case receipt.At.IsZero():
		s.At, s.Pending = time.Time{}, "nobody knows when it was written; write it again"
	case left <= 0:
		s.Done = true
	case f.sticky > 0 && left <= f.sticky:
		s.Pending = fmt.Sprintf("%s until the last client that sticks to its target group moves", left.Round(time.Second))
	default:
		s.Pending = fmt.Sprintf("%s until all nodes of the load balancer have it", (left - f.sticky).Round(time.Second))
	}
	return s, nil
}

// readForward reads the lever and returns its forward action and its version.
func (d *Driver) readForward(ctx context.Context, op string, route router.Ref) (forward, string, error) {
	actions, err := d.readActions(ctx, op, route.ID)
	if err != nil {
		return forward{}, "", err
	}
	return understood(op, route, actions)
}

// understood makes sense of actions, or says that they are not a lever of route.
func understood(op string, route router.Ref, actions []types.Action) (forward, string, error) {
	f, err := findForward(actions)
	advice := "choose a rule that forwards to the source's target group"
	if err == nil && !f.has(route.Source) && !f.has(route.Target) {
		err, advice = errNoGroup, "it forwards to "+groupNames(f.groups)
	}
	version := ""
	if err == nil {
		version, err = versionOf(actions)
	}
	if err != nil {
		return forward{}, "", &router.Error{Op: op, On: name(route.ID), Kind: router.ErrNotOwned, Cause: err, Effect: router.EffectNothing, Advice: advice}
	}
	return f, version, nil
}
