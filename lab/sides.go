//go:build linux

package lab

import (
	"context"
	"errors"

	"watari.dev/lab/fault"
	"watari.dev/lab/link"
)

// sidePlan is what of a side can be made to go wrong.
type sidePlan struct {
	components map[fault.Component][]string // their names; more than one only of nodes
	relays     []relayPlan
}

// relayPlan is one way into a side or out of it.
type relayPlan struct {
	name       string // for people: api-server or aws
	listen, to string // host:port
}

// side is a side whose ways are open.
type side struct {
	sidePlan
	links  []*link.Link // one for each relay
	relays []*link.Relay
}

// openSides opens the ways of all sides.
func openSides(ctx context.Context, plans map[string]sidePlan) (map[string]*side, error) {
	sides := map[string]*side{}
	for name, plan := range plans {
		s := &side{sidePlan: plan}
		sides[name] = s
		for _, r := range plan.relays {
			way := link.New()
			relay, err := link.StartRelay(ctx, way, r.listen, r.to)
			if err != nil {
				return nil, errors.Join(err, closeSides(sides))
			}
			s.links, s.relays = append(s.links, way), append(s.relays, relay)
		}
	}
	return sides, nil
}

func closeSides(sides map[string]*side) error {
	var errs []error
	for _, s := range sides {
		for _, relay := range s.relays {
			errs = append(errs, relay.Close())
		}
	}
	return errors.Join(errs...)
}

// healSides makes every way whole.
func healSides(sides map[string]*side) {
	for _, s := range sides {
		s.set(link.Whole)
	}
}

// set cuts all ways of the side or makes them whole.
func (s *side) set(to link.State) {
	for _, way := range s.links {
		way.Set(to)
	}
}

// met returns how many connections met a cut since the start, by way.
func (s *side) met() map[string]int {
	met := map[string]int{}
	for i, r := range s.sidePlan.relays {
		met[r.name] += s.links[i].Met()
	}
	return met
}
