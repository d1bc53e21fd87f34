package paced

import (
	"context"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Wrap returns driver at the pace of p. A driver that is a router.Restorer stays
// one.
func (p *Pacer) Wrap(driver router.Driver) router.Driver {
	d := &paced{driver: driver, pacer: p}
	if r, ok := driver.(router.Restorer); ok {
		return &restorer{paced: d, restorer: r}
	}
	return d
}

type paced struct {
	driver router.Driver
	pacer  *Pacer
}

type restorer struct {
	*paced
	restorer router.Restorer
}

// operation is one call of a driver, as messages and the pacer know it.
type operation struct {
	name    string // "read weights"
	route   router.Ref
	write   bool
	settles bool // it follows a read
}

func (d *paced) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	f, err := send(ctx, d.pacer, operation{name: "describe weights", route: route}, func() (router.Features, error) {
		return d.driver.Features(ctx, route)
	})
	if err == nil {
		f.HeldBack += LongestHold
	}
	return f, err
}

func (d *paced) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	return send(ctx, d.pacer, operation{name: "read weights", route: route}, func() (router.Snapshot, error) {
		return d.driver.Read(ctx, route)
	})
}

// Write sends what takes a route back at once, whatever else is held back.
func (d *paced) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	if change.Share == traffic.None && change.IfVersion == "" {
		return d.takeBack(ctx, change)
	}
	r, err := send(ctx, d.pacer, operation{name: "set weights", route: change.Route, write: true}, func() (router.Receipt, error) {
		return d.driver.Write(ctx, change)
	})
	if err == nil && r.Share > traffic.None {
		d.pacer.rose(routeOf(change.Route))
	}
	return r, err
}

func (d *paced) takeBack(ctx context.Context, change router.Change) (router.Receipt, error) {
	p, route := d.pacer, routeOf(change.Route)
	p.begin(route)
	began := p.now()
	r, err := d.driver.Write(ctx, change)
	now, kind := p.now(), answerOf(ctx, err)
	p.end(route, kind, now)
	p.learn(matter{route, true}, kind, began, now)
	return r, err
}

func (d *paced) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	op := operation{name: "see whether the weights settled", route: receipt.Route, settles: true}
	return send(ctx, d.pacer, op, func() (router.Settlement, error) { return d.driver.Settled(ctx, receipt) })
}

func (d *restorer) Restorable(ctx context.Context, route router.Ref, keep traffic.Side) ([]router.Restoration, error) {
	return send(ctx, d.pacer, operation{name: "read what can be restored", route: route}, func() ([]router.Restoration, error) {
		return d.restorer.Restorable(ctx, route, keep)
	})
}

func (d *restorer) Restore(ctx context.Context, route router.Ref, keep traffic.Side, notAfter time.Time) (router.Receipt, error) {
	return send(ctx, d.pacer, operation{name: "restore", route: route, write: true}, func() (router.Receipt, error) {
		return d.restorer.Restore(ctx, route, keep, notAfter)
	})
}

// send makes one call that is not urgent, or says until when it is held back.
func send[T any](ctx context.Context, p *Pacer, op operation, call func() (T, error)) (T, error) {
	m, began := matter{routeOf(op.route), op.write}, p.now()
	if h, held := p.admit(m, op.settles, began); held {
		var none T
		return none, h.error(op)
	}
	out, err := call()
	p.learn(m, answerOf(ctx, err), began, p.now())
	return out, err
}

// error says that op was not sent; people get the end of the hold in whole seconds,
// rounded up.
func (h hold) error(op operation) error {
	return &router.Error{
		Op: op.route.Driver + ": " + op.name, On: "route " + op.route.Name, Kind: router.ErrHeldBack, Effect: router.EffectNothing,
		Advice: "not asked until " + h.until.Add(time.Second-1).Format(time.TimeOnly) + " " + h.why + "; taking back goes first", RetryAt: h.until,
	}
}
