package memrouter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

var _ router.Driver = (*Router)(nil)

const setWeights = "mem: set weights"

// Who writes without being named as an owner: the driver itself, and whoever
// added the lever.
const (
	watari  = "watari"
	creator = "its creator"
)

// Features implements router.Driver.
func (r *Router) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	if err := (*Fault)(nil).interrupt(ctx, "mem: describe", on(route)); err != nil {
		return router.Features{}, err
	}
	return r.config.Features, nil
}

// Read implements router.Driver.
func (r *Router) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	const op = "mem: read weights"
	if err := r.fault(Read).interrupt(ctx, op, on(route)); err != nil {
		return router.Snapshot{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, err := r.find(op, route)
	if err != nil {
		return router.Snapshot{}, err
	}
	good, broken := r.divided(route, l, true)
	if len(good) == 0 {
		return router.Snapshot{}, &router.Error{Op: op, On: on(route), Kind: broken[0].Kind, Effect: router.EffectNothing, Left: broken}
	}
	return router.Snapshot{
		Parts: good, Broken: broken, Version: l.versionText(), Owners: l.owners(), At: r.config.Now(),
	}, nil
}

// Write implements router.Driver.
func (r *Router) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	f := r.fault(Write)
	if err := f.interrupt(ctx, setWeights, on(change.Route)); err != nil {
		return router.Receipt{}, err
	}
	if f == nil || f.Parts == 0 {
		f.wait()
	}
	if router.Ended(change.NotAfter, r.config.Now()) {
		return router.Receipt{}, refused(change, router.ErrExpired, "")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, err := r.find(setWeights, change.Route)
	if err != nil {
		return router.Receipt{}, err
	}
	if _, broken := r.divided(change.Route, l, false); len(broken) > 0 {
		if change.Share == traffic.None && change.IfVersion == "" {
			return r.takeBack(l, change, broken)
		}
		return router.Receipt{}, refused(change, broken[0].Kind, broken[0].Describe())
	}
	d, err := decide(l, change, r.config.Features.MaxWeight)
	if err != nil {
		return router.Receipt{}, err
	}
	return r.apply(l, change, d, f)
}

// decision is what a write will do.
type decision struct {
	parts   []router.Part // all of them, as they should be
	share   traffic.Share // the lowest that was chosen
	note    string
	changed bool
}

// decide chooses the weights of every part; it changes nothing.
func decide(l *lever, change router.Change, maxWeight int64) (decision, error) {
	d := decision{share: traffic.All}
	for _, p := range sidedAll(change.Route, l.parts) {
		have, others := split(p)
		want, err := router.Choose(change.Share, have, others, maxWeight)
		if err != nil {
			return d, refused(change, err, "give the entries larger weights, or leave this step out")
		}
		d.share, d.note = min(d.share, want.Share()), router.RoundingNote(change.Share, want)
		if want != have || !holds(p, change.Route.Target) {
			d.changed = true
			p = put(put(p, change.Route.Source, want.Source), change.Route.Target, want.Target)
		}
		d.parts = append(d.parts, sided(change.Route, p))
	}
	if d.changed && change.IfVersion != "" && change.IfVersion != l.versionText() {
		return d, refused(change, router.ErrConflict, "read it again: "+l.writer+" wrote last")
	}
	return d, nil
}

// apply does what was decided, as far as the fault lets it.
func (r *Router) apply(l *lever, change router.Change, d decision, f *Fault) (router.Receipt, error) {
	switch {
	case f != nil && f.Parts > 0:
		if err := r.applyPart(l, change, d, f); err != nil {
			return router.Receipt{}, err
		}
	case f != nil && f.Lost && !f.Applied:
		return router.Receipt{}, lost(change)
	}
	now := r.config.Now()
	if d.changed {
		l.parts = d.parts
		l.commit(watari, now)
	}
	if f != nil && f.Lost {
		return router.Receipt{}, lost(change)
	}
	return router.Receipt{
		ChangeID: change.ID, Route: change.Route, Share: d.share, Token: l.versionText(), Note: d.note, At: now,
	}, nil
}

// applyPart changes as many names as the fault says and returns why the others
// were not; nil if nothing keeps it from those.
func (r *Router) applyPart(l *lever, change router.Change, d decision, f *Fault) error {
	n := min(f.Parts, len(d.parts))
	copy(l.parts, d.parts[:n])
	l.commit(watari, r.config.Now())
	f.wait()
	kind := f.Kind
	if router.Ended(change.NotAfter, r.config.Now()) {
		kind = router.ErrExpired
	}
	if kind == nil {
		return nil
	}
	var names []string
	for _, p := range d.parts[:n] {
		names = append(names, p.Name)
	}
	return &router.Error{Op: setWeights, On: on(change.Route), Kind: kind, Effect: router.EffectPartial, Changed: names}
}

// owners names whoever wrote last, if that was somebody else.
func (l *lever) owners() []traffic.Owner {
	if l.writer == watari || l.writer == creator {
		return nil
	}
	return []traffic.Owner{{Name: l.writer, Sure: traffic.Surely, Proof: "it wrote last"}}
}

// Settled implements router.Driver.
func (r *Router) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	const op = "mem: see whether it settled"
	if err := r.fault(Settled).interrupt(ctx, op, on(receipt.Route)); err != nil {
		return router.Settlement{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l, err := r.find(op, receipt.Route)
	if err != nil {
		return router.Settlement{}, err
	}
	for _, p := range named(receipt.Route, sidedAll(receipt.Route, l.parts)) {
		if p.Share != receipt.Share {
			return router.Settlement{}, &router.Error{Op: op, On: on(receipt.Route), Kind: router.ErrConflict, Effect: router.EffectNothing,
				Cause: fmt.Errorf("it is at %s and was written as %s", p.Share, receipt.Share)}
		}
	}
	due := receipt.At.Add(r.config.Features.Propagation + r.config.Features.Cached)
	if left := due.Sub(r.config.Now()); left > 0 {
		return router.Settlement{At: due, Pending: fmt.Sprintf("%s until no client uses the old weights", left.Round(time.Second))}, nil
	}
	return router.Settlement{Done: true, At: due}, nil
}

// find returns the lever of route if the migration may use it.
func (r *Router) find(op string, route router.Ref) (*lever, error) {
	l, ok := r.levers[route.ID]
	if !ok {
		return nil, &router.Error{Op: op, On: on(route), Kind: router.ErrNotFound, Effect: router.EffectNothing}
	}
	for _, p := range l.parts {
		if !holds(p, route.Source) && !holds(p, route.Target) {
			return nil, &router.Error{Op: op, On: on(route), Kind: router.ErrNotOwned, Effect: router.EffectNothing, Advice: "it has neither side's entry"}
		}
	}
	return l, nil
}

// named returns the parts whose names the route has; a route of a part of a lever's
// names is what was written when others could not be.
func named(route router.Ref, parts []router.Part) []router.Part {
	if len(route.Names) == 0 {
		return parts
	}
	return slices.DeleteFunc(parts, func(p router.Part) bool { return !slices.Contains(route.Names, p.Name) })
}

func holds(p router.Part, entry string) bool {
	return slices.ContainsFunc(p.Weights, func(w router.Weight) bool { return w.Entry == entry })
}

func refused(change router.Change, kind error, advice string) error {
	return &router.Error{Op: setWeights, On: on(change.Route), Kind: kind, Effect: router.EffectNothing, Advice: advice}
}

func lost(change router.Change) error {
	return &router.Error{Op: setWeights, On: on(change.Route), Kind: router.ErrUnavailable, Cause: errReplyLost, Effect: router.EffectUnknown}
}
