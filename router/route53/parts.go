package route53

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"watari.dev/router"
	"watari.dev/traffic"
)

// sound tells the names that can be moved from those that cannot.
func sound(groups []group, route router.Ref, now time.Time) (good []group, broken []router.PartProblem) {
	for _, g := range groups {
		advice, kind := g.problem(route)
		if kind == nil && !g.simple() && g.find(route.Source) == nil {
			advice, kind = missingSource(g), router.ErrNotOwned
		}
		if kind == nil {
			good = append(good, g)
			continue
		}
		broken = append(broken, router.PartProblem{Name: g.name, Kind: kind, Text: advice, Share: g.exposure(route, now)})
	}
	return good, broken
}

func missingSource(g group) string {
	return "create the source's record first; its set identifiers are " + g.identifiers()
}

// exposure is what a name that cannot be moved sends to the target, as far as its
// records tell. A name without records sends nobody anywhere.
func (g group) exposure(route router.Ref, now time.Time) traffic.Reading[traffic.Share] {
	switch {
	case len(g.sets) == 0:
		return traffic.KnownAt(traffic.None, now)
	case g.simple() && route.Create == nil:
		return traffic.Reading[traffic.Share]{Err: "the route does not say what the target's record answers"}
	case g.simple():
		return traffic.KnownAt(g.part(route).Share, now)
	}
	for _, s := range g.sets {
		if s.Weight == nil {
			return traffic.Reading[traffic.Share]{Err: "its records have another routing policy"}
		}
	}
	if have, _ := g.split(route); have.Sum() > 0 || g.find(route.Source) != nil || g.find(route.Target) != nil {
		return traffic.KnownAt(g.part(route).Share, now)
	}
	return traffic.Reading[traffic.Share]{Err: "its records are those of others: " + g.identifiers()}
}

// noneSound is the error of a route of which no name can be moved, or not those names.
func noneSound(op string, route router.Ref, broken []router.PartProblem) error {
	first := broken[0]
	e := &router.Error{Op: op, On: on(route), Kind: first.Kind, Effect: router.EffectNothing, Left: broken}
	if len(broken) == 1 {
		e.On, e.Advice = fmt.Sprintf("%s in zone %s", shown(first.Name), route.ID), first.Text
	}
	return e
}

// checks are the health checks of the records that a change writes.
func (n nameChange) checks() (ids []string) {
	for _, c := range n.changes {
		if id := aws.ToString(c.ResourceRecordSet.HealthCheckId); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}
