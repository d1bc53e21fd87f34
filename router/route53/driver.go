package route53

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

const (
	readRecords = "route53: read records"
	setWeights  = "route53: set weights"
	seeSettled  = "route53: see whether the weights settled"
	restoring   = "route53: restore simple records"
)

// backTries is how often a write that must win begins anew at most.
const backTries = 3

// Features implements router.Driver. It reads the records, because their number
// and TTL decide.
func (d *Driver) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	groups, found, err := d.read(ctx, d.calls(false), "route53: describe records", route)
	if err != nil {
		return router.Features{}, err
	}
	batches := len(largest(groups))
	tries, waits := d.retry.Bound()
	f := router.Features{
		MaxWeight: MaxWeight, Atomic: batches == 1, CompareAndSwap: true,
		Propagation: Propagation, Cached: longestTTL(groups, route),
		ReadCalls: found.calls, WriteCalls: batches, SettleCalls: found.calls + batches,
		CallRate: CallsPerSecond, CallTries: tries, CallWaits: waits, BackTries: backTries,
		Limit: "5 calls per second for the whole AWS account",
	}
	if !f.Atomic {
		f.Limit += fmt.Sprintf("; %d names take up to %d batches of 1,000 records or 32,000 characters", len(groups), batches)
	}
	return f, nil
}

// Read implements router.Driver.
func (d *Driver) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	registered, hints := d.registered(route)
	all, found, err := d.look(ctx, d.calls(false), readRecords, route, hints)
	if err != nil {
		return router.Snapshot{}, err
	}
	groups, broken := sound(all, route, d.now())
	if len(groups) == 0 {
		return router.Snapshot{}, noneSound(readRecords, route, broken)
	}
	version, err := versionOf(all)
	if err != nil {
		return router.Snapshot{}, &router.Error{Op: readRecords, On: on(route), Kind: router.ErrUnavailable, Cause: err, Effect: router.EffectNothing}
	}
	if hints != nil {
		registered = registrations(route, found)
		d.owned.Put(ownerKey(route), registered, d.now())
	}
	s := router.Snapshot{Version: version, Broken: broken, Owners: ownersOf(route, registered, groups), Warnings: warnings(groups, route), At: d.now()}
	for _, g := range groups {
		s.Parts = append(s.Parts, g.part(route))
	}
	return s, nil
}

// read returns the record sets of all names of the route, or why one of them is
// no lever of it.
func (d *Driver) read(ctx context.Context, p awscall.Policy, op string, route router.Ref) ([]group, listing, error) {
	groups, found, err := d.look(ctx, p, op, route, nil)
	if err != nil {
		return nil, listing{}, err
	}
	for _, g := range groups {
		if advice, kind := g.problem(route); kind != nil {
			return nil, listing{}, &router.Error{Op: op, On: fmt.Sprintf("%s in zone %s", shown(g.name), route.ID), Kind: kind, Effect: router.EffectNothing, Advice: advice}
		}
	}
	return groups, found, nil
}

// look returns the record sets of all names of the route, whatever they are.
func (d *Driver) look(ctx context.Context, p awscall.Policy, op string, route router.Ref, hints []string) ([]group, listing, error) {
	fail := func(name string, kind error, advice string) ([]group, listing, error) {
		return nil, listing{}, &router.Error{Op: op, On: name, Kind: kind, Effect: router.EffectNothing, Advice: advice}
	}
	if len(route.Names) == 0 {
		return fail(on(route), router.ErrNotFound, "name at least one record in the route")
	}
	if !slices.Contains([]string{"A", "AAAA", "CNAME"}, route.Type) {
		return fail(on(route), router.ErrNotFound, fmt.Sprintf("the type %q is not one of A, AAAA and CNAME", route.Type))
	}
	var names []string
	for _, n := range route.Names {
		names = append(names, canonical(n))
	}
	found, err := d.list(ctx, p, route.ID, names, hints)
	if err != nil {
		return nil, listing{}, awscall.ReadError(op, on(route), err)
	}
	return groupsOf(route, found), found, nil
}

// Write implements router.Driver. Without a version it starts again when
// somebody else was faster, because it must win; with one it gives ErrConflict.
func (d *Driver) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	if change.Share == traffic.None && change.IfVersion == "" {
		return d.takeBack(ctx, change)
	}
	for n := 1; ; n++ {
		receipt, err := d.write(ctx, change)
		if change.IfVersion == "" && n < backTries && errors.Is(err, router.ErrConflict) && router.EffectOf(err) == router.EffectNothing {
			continue
		}
		return receipt, err
	}
}

func (d *Driver) write(ctx context.Context, change router.Change) (router.Receipt, error) {
	p := d.modifying(change.Share == traffic.None, change.NotAfter)
	if err := p.Right(); err != nil {
		return router.Receipt{}, awscall.WriteError(setWeights, on(change.Route), err)
	}
	groups, _, err := d.read(ctx, p, setWeights, change.Route)
	if err != nil {
		return router.Receipt{}, err
	}
	decided, err := decideWrite(groups, change)
	if err != nil {
		return router.Receipt{}, err
	}
	if len(decided.batches) > 0 && change.IfVersion != "" {
		if err := compare(groups, change); err != nil {
			return router.Receipt{}, err
		}
	}
	w := writer{d: d, p: p, op: setWeights, route: change.Route, id: change.ID, groups: groups}
	token, err := w.send(ctx, decided.batches)
	if err != nil {
		return router.Receipt{}, err
	}
	return router.Receipt{ChangeID: change.ID, Route: change.Route, Share: decided.share, Token: token, Note: decided.note, At: d.now()}, nil
}

func compare(groups []group, change router.Change) error {
	version, err := versionOf(groups)
	if err == nil && version == change.IfVersion {
		return nil
	}
	var now []router.Part
	for _, g := range groups {
		now = append(now, g.part(change.Route))
	}
	return &router.Error{Op: setWeights, On: on(change.Route), Kind: router.ErrConflict, Cause: err, Effect: router.EffectNothing,
		Advice: "it has now " + router.Snapshot{Parts: now}.Describe()}
}

// writer sends the batches of one write in turn.
type writer struct {
	d      *Driver
	p      awscall.Policy
	op     string
	route  router.Ref
	id     string
	groups []group // as they were read
}

// send returns the IDs of AWS's changes, or what was changed before it failed.
func (w writer) send(ctx context.Context, batches [][]nameChange) (token string, err error) {
	var ids []string
	for i, b := range batches {
		id, err := w.sendOne(ctx, b)
		if err != nil {
			return "", w.failed(ctx, batches[:i], b, err)
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, ","), nil
}

func (w writer) sendOne(ctx context.Context, b []nameChange) (string, error) {
	batch := &types.ChangeBatch{Comment: aws.String("watari " + w.id)}
	for _, n := range b {
		batch.Changes = append(batch.Changes, n.changes...)
	}
	out, err := awscall.Write(ctx, w.p, func(ctx context.Context) (*sdk.ChangeResourceRecordSetsOutput, error) {
		return w.d.api.ChangeResourceRecordSets(ctx, &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &w.route.ID, ChangeBatch: batch})
	})
	if err != nil {
		return "", err
	}
	if out.ChangeInfo == nil {
		return "", nil // accepted without an ID: Settled takes the bound
	}
	return strings.TrimPrefix(aws.ToString(out.ChangeInfo.Id), "/change/"), nil
}

// failed describes a batch that failed after others were written. A refused
// batch is a conflict if its records are no longer those that were read.
func (w writer) failed(ctx context.Context, written [][]nameChange, b []nameChange, err error) error {
	e := awscall.WriteError(w.op, on(w.route), err)
	var refused *types.InvalidChangeBatch
	if errors.As(err, &refused) {
		e.Cause = fmt.Errorf("%w: %s", e.Cause, strings.Join(refused.Messages[:min(3, len(refused.Messages))], "; "))
		if w.changed(ctx, b) {
			e.Kind = router.ErrConflict
		}
	}
	if len(written) > 0 {
		e.Changed = namesOf(written)
		if e.Effect == router.EffectNothing {
			e.Effect = router.EffectPartial
		}
	}
	return e
}

// changed reports whether the records of a batch differ from what was read.
func (w writer) changed(ctx context.Context, b []nameChange) bool {
	names := namesOf([][]nameChange{b})
	part := w.route
	part.Names = names
	now, _, err := w.d.read(ctx, w.p, w.op, part)
	if err != nil {
		return errors.Is(err, router.ErrNotFound) || errors.Is(err, router.ErrNotOwned)
	}
	before := slices.DeleteFunc(slices.Clone(w.groups), func(g group) bool { return !slices.Contains(names, g.name) })
	was, err := versionOf(before)
	is, err2 := versionOf(now)
	return err != nil || err2 != nil || was != is
}

// on is what messages call the route: its only name, or how many there are.
func on(route router.Ref) string {
	switch n := len(route.Names); n {
	case 0:
		return "zone " + route.ID
	case 1:
		return fmt.Sprintf("%s in zone %s", shown(route.Names[0]), route.ID)
	default:
		return fmt.Sprintf("%d names (%s, ...) in zone %s", n, shown(route.Names[0]), route.ID)
	}
}
