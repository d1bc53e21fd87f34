package route53

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/traffic"
)

// Restore implements router.Restorer: every name gets a simple record again,
// which answers what the record of the side keep answers. Only a route that may
// convert (Ref.Convert) may be converted back.
func (d *Driver) Restore(ctx context.Context, route router.Ref, keep traffic.Side, notAfter time.Time) (router.Receipt, error) {
	p := d.modifying(false, notAfter)
	if err := p.Right(); err != nil {
		return router.Receipt{}, awscall.WriteError(restoring, on(route), err)
	}
	groups, _, err := d.read(ctx, p, restoring, route)
	if err != nil {
		return router.Receipt{}, err
	}
	var all []nameChange
	for _, g := range groups {
		n, err := decideRestore(g, route, keep)
		if err != nil {
			return router.Receipt{}, err
		}
		if len(n.changes) > 0 {
			all = append(all, n)
		}
	}
	id := "restore " + route.Name
	token, err := writer{d: d, p: p, op: restoring, route: route, id: id, groups: groups}.send(ctx, pack(all))
	if err != nil {
		return router.Receipt{}, err
	}
	share := traffic.None
	if keep == traffic.Target {
		share = traffic.All
	}
	return router.Receipt{ChangeID: id, Route: route, Share: share, Token: token, Note: restoredNote(all), At: d.now()}, nil
}

// decideRestore returns the changes that leave one simple record at a name: both
// weighted ones are deleted as they were read, in the batch that creates it.
func decideRestore(g group, route router.Ref, keep traffic.Side) (nameChange, error) {
	refuse := func(advice string) (nameChange, error) {
		return nameChange{}, &router.Error{Op: restoring, On: fmt.Sprintf("%s in zone %s", shown(g.name), route.ID),
			Kind: router.ErrNotOwned, Effect: router.EffectNothing, Advice: advice}
	}
	n := nameChange{name: g.name}
	share := g.part(route).Share
	var kept, dropped *types.ResourceRecordSet
	switch keep {
	case traffic.Source:
		kept, dropped = g.find(route.Source), g.find(route.Target)
	case traffic.Target:
		kept, dropped = g.find(route.Target), g.find(route.Source)
	}
	switch {
	case keep == traffic.NoSide:
		return refuse("say which side to keep")
	case keep == traffic.Source && share != traffic.None, keep == traffic.Target && share != traffic.All:
		return refuse(fmt.Sprintf("bring all of it to the %s first: the target's share is %s", keep, share))
	case g.simple():
		return n, nil
	case !route.Convert:
		return refuse("the route does not permit to convert records; convert: true in it does")
	case kept == nil:
		return refuse("it has no record of the " + keep.String())
	case dropped == nil && len(g.sets) > 1, dropped != nil && len(g.sets) > 2:
		return refuse("delete the weighted records of others first; it has " + g.identifiers())
	}
	simple := *kept
	simple.SetIdentifier, simple.Weight = nil, nil
	simple.HealthCheckId = nil // a simple record has none (Developer Guide, "Values specific for simple records")
	if g.sideOf(simple, route) != keep {
		// Read would take it for the other side's from then on.
		return refuse(fmt.Sprintf("the record of the %s does not answer what tells the sides apart in the route; make it simple by hand", keep))
	}
	for _, set := range g.sets {
		n.changes = append(n.changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: &set})
	}
	n.changes = append(n.changes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: &simple})
	return n, nil
}

// restoredNote says what became of a route's names.
func restoredNote(restored []nameChange) string {
	if len(restored) == 0 {
		return "simple already"
	}
	var names []string
	for _, n := range restored {
		names = append(names, n.name)
	}
	return "simple again: " + fewOf(names)
}
