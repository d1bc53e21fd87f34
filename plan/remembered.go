package plan

import "watari.dev/engine"

// Remembered takes the bounds of the routes over from the plan that a migration
// under way is remembered with, as their drivers gave them when it began. So nobody
// has to be asked before it is watched again, and a route that is gone, or that
// nobody may read, keeps no other one from that.
func (p Plan) Remembered(running Plan) Plan {
	routes, levers := make([]engine.RouteSpec, len(p.Spec.Routes)), make([]Lever, len(p.Levers))
	copy(routes, p.Spec.Routes)
	copy(levers, p.Levers)
	for i, r := range routes {
		for _, known := range running.Spec.Routes {
			if known.Name == r.Name {
				routes[i] = known
			}
		}
	}
	for i, l := range levers {
		if known, has := running.Lever(l.Ref.Name); has {
			levers[i].Patience = known.Patience
		}
	}
	p.Spec.Routes, p.Levers = routes, levers
	return p
}
