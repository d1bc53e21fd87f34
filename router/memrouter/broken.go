package memrouter

import (
	"slices"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Break makes the part of one name one that cannot be moved: every write of it is
// refused as kind. A broken part that is shown is one that reading names as well, as
// if it were deleted; the other kind looks as before. It reports whether there is
// such a part. A kind of nil mends it.
func (r *Router) Break(route router.Ref, name string, kind error, shown bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.levers[route.ID]
	if !ok || !slices.ContainsFunc(l.parts, func(p router.Part) bool { return p.Name == name }) {
		return false
	}
	if l.broken == nil {
		l.broken = map[string]breakage{}
	}
	l.broken[name] = breakage{kind, shown}
	if kind == nil {
		delete(l.broken, name)
	}
	l.version++
	return true
}

// breakage is why a part cannot be moved.
type breakage struct {
	kind  error
	shown bool
}

// divided returns the parts of a lever that can be moved, as a reader or a writer
// finds them, and what is wrong with the others.
func (r *Router) divided(route router.Ref, l *lever, reading bool) (good []router.Part, broken []router.PartProblem) {
	for _, p := range sidedAll(route, l.parts) {
		b, is := l.broken[p.Name]
		if !is || reading && !b.shown {
			good = append(good, p)
			continue
		}
		problem := router.PartProblem{Name: p.Name, Kind: b.kind, Text: "it is gone", Share: traffic.KnownAt(traffic.None, r.config.Now())}
		if !b.shown {
			problem.Text, problem.Share.Value = "the data plane refuses to change it", p.Share
		}
		broken = append(broken, problem)
	}
	return good, broken
}

// takeBack writes 0 to every part that can be moved.
func (r *Router) takeBack(l *lever, change router.Change, broken []router.PartProblem) (router.Receipt, error) {
	var names []string
	for _, p := range broken {
		names = append(names, p.Name)
	}
	rest := *l
	rest.parts = slices.DeleteFunc(slices.Clone(l.parts), func(p router.Part) bool { return slices.Contains(names, p.Name) })
	d, err := decide(&rest, change, r.config.Features.MaxWeight)
	if err != nil {
		return router.Receipt{}, err
	}
	e := &router.Error{Op: setWeights, On: on(change.Route), Kind: broken[0].Kind, Effect: router.EffectNothing, Left: broken}
	if d.changed {
		e.Effect = router.EffectPartial
		for _, p := range d.parts {
			e.Changed = append(e.Changed, p.Name)
			l.parts[slices.IndexFunc(l.parts, func(q router.Part) bool { return q.Name == p.Name })] = p
		}
		l.commit(watari, r.config.Now())
	}
	if len(d.parts) == 0 {
		return router.Receipt{}, e
	}
	return router.Receipt{ChangeID: change.ID, Route: change.Route.Without(names), Share: traffic.None, Token: l.versionText(), At: r.config.Now()}, e
}
