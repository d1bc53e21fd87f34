package all

import (
	"context"
	"fmt"
	"sync"
	"time"

	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/router/metered"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// connectAgain is how long to wait before something is connected again that could
// not be.
const connectAgain = 5 * time.Second

// RoutesLater is Routes for a migration under way: a lever that cannot be connected
// keeps no other one from being watched and taken back. It is connected when it is
// asked something, and until that succeeds every answer says why it did not.
func RoutesLater(ctx context.Context, levers []plan.Lever, meter *metered.Meter) map[string]runner.Route {
	c := newConnector(levers, meter)
	out := map[string]runner.Route{}
	var connecting sync.Mutex
	for _, l := range levers {
		connect := func(ctx context.Context) (router.Driver, error) {
			connecting.Lock()
			defer connecting.Unlock()
			return c.driver(ctx, l)
		}
		d, err := connect(ctx)
		if err != nil {
			d = &laterDriver{connect: connect, failed: err, at: time.Now()}
		}
		out[l.Ref.Name] = runner.Route{Ref: l.Ref, Driver: d, Patience: l.Patience}
	}
	return out
}

// laterDriver is a driver that could not be made when it should have been.
type laterDriver struct {
	connect func(context.Context) (router.Driver, error)

	mu     sync.Mutex
	made   router.Driver
	failed error
	at     time.Time
}

// driver returns the driver, or why there is none yet. Nothing was asked of the data
// plane then, as while nobody is signed in.
func (d *laterDriver) driver(ctx context.Context, op string, route router.Ref) (router.Driver, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.made == nil && time.Since(d.at) >= connectAgain {
		d.made, d.failed = d.connect(ctx)
		d.at = time.Now()
	}
	if d.made != nil {
		return d.made, nil
	}
	return nil, &router.Error{Op: route.Driver + ": " + op, On: "route " + route.Name, Kind: router.ErrSignedOut, Cause: d.failed, Effect: router.EffectNothing,
		Advice: "it is connected as soon as that is mended"}
}

func (d *laterDriver) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	made, err := d.driver(ctx, "describe weights", route)
	if err != nil {
		return router.Features{}, err
	}
	return made.Features(ctx, route)
}

func (d *laterDriver) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	made, err := d.driver(ctx, "read weights", route)
	if err != nil {
		return router.Snapshot{}, err
	}
	return made.Read(ctx, route)
}

func (d *laterDriver) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	made, err := d.driver(ctx, "set weights", change.Route)
	if err != nil {
		return router.Receipt{}, err
	}
	return made.Write(ctx, change)
}

func (d *laterDriver) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	made, err := d.driver(ctx, "see whether the weights settled", receipt.Route)
	if err != nil {
		return router.Settlement{}, err
	}
	return made.Settled(ctx, receipt)
}

// SignalsLater is Signals for a migration under way: a signal that cannot be
// connected is one that cannot be read, until it can be. What not knowing means is
// the plan's to say, and taking back needs no signal.
func SignalsLater(ctx context.Context, signals []plan.Signal) (connected []runner.Signal, closing func()) {
	ctx, cancel := context.WithCancel(ctx)
	w := &wiring{all: signals, made: map[any]signal.Source{}}
	var connecting sync.Mutex
	for _, s := range signals {
		later := &laterSource{connect: func() (signal.Source, signal.Query, error) {
			connecting.Lock()
			defer connecting.Unlock()
			return w.source(ctx, s)
		}}
		source, query, err := later.now(time.Now())
		if err != nil {
			source, query = later, s.Query
		}
		connected = append(connected, runner.Signal{Service: s.Service, Source: source, Query: query, Every: s.Every})
	}
	return connected, func() {
		cancel()
		w.running.Wait()
	}
}

// laterSource is a signal that is connected when that is possible.
type laterSource struct {
	connect func() (signal.Source, signal.Query, error)

	mu     sync.Mutex
	made   signal.Source
	query  signal.Query // as the source reads it
	failed error
	at     time.Time
}

// now connects the source if that is due.
func (s *laterSource) now(now time.Time) (signal.Source, signal.Query, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made == nil && (s.at.IsZero() || now.Sub(s.at) >= connectAgain) {
		s.made, s.query, s.failed = s.connect()
		s.at = now
	}
	return s.made, s.query, s.failed
}

// Counts implements signal.Source.
func (s *laterSource) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	source, query, err := s.now(time.Now())
	if err != nil || source == nil {
		failed := traffic.FailedAt[traffic.Counts](fmt.Errorf("connect %s: %w", q.Name, err), to)
		return signal.Counts{Source: failed, Target: failed}, nil
	}
	return source.Counts(ctx, sidesOf(query, q), from, to)
}

// sidesOf asks query about the sides that asked is about.
func sidesOf(query, asked signal.Query) signal.Query {
	switch {
	case asked.Requests.Target == "":
		return query.Only(traffic.Source)
	case asked.Requests.Source == "":
		return query.Only(traffic.Target)
	default:
		return query
	}
}
