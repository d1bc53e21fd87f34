package sim

import (
	"context"
	"errors"
	"time"

	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// mutantsOfLevers have broken drivers, signals or time-outs.
func mutantsOfLevers() []Mutant {
	return []Mutant{
		{
			Name: "throttled is done", Broken: "What is throttled is taken for done: a write, and the reading that should verify it.",
			Peer:   "argo-rollouts#3333",
			Breaks: []string{"an end is read back", "an end is true", "an end is settled"},
			Driver: func(_ *process, d router.Driver) router.Driver {
				return &careless{Driver: d, believed: map[string]traffic.Share{}}
			},
		},
		{
			Name: "a route is read once", Broken: "A route is read once for each write, and not again.",
			Breaks: []string{"no rise on the unknown", "an end is read back", "an end is true"},
			Driver: func(_ *process, d router.Driver) router.Driver { return &cached{Driver: d} },
		},
		{
			Name: "accepted is settled", Broken: "A write counts as settled as soon as it was accepted.",
			Peer:   "argo-rollouts#4834, argo-rollouts#4433",
			Breaks: []string{"an end is settled"},
			Driver: func(p *process, d router.Driver) router.Driver { return &hasty{d, p, time.Hour} },
		},
		{
			Name: "caches of clients forgotten", Broken: "A write counts as settled while clients still use the answer they have.",
			Breaks: []string{"an end is settled"},
			Driver: func(p *process, d router.Driver) router.Driver { return &hasty{d, p, 0} },
		},
		{
			Name: "right to write never ends", Broken: "The driver knows neither until when it may write nor how long it may take.",
			Breaks: []string{"fencing"},
			Driver: func(_ *process, d router.Driver) router.Driver { return unbound{d} },
		},
		{
			Name: "driver does not compare", Broken: "The driver drops the version that a write rests on.",
			Breaks: []string{"a rise is compared"},
			Driver: func(_ *process, d router.Driver) router.Driver {
				return &written{d, func(c *router.Change) { c.IfVersion = "" }}
			},
		},
		{
			Name: "rounds up", Broken: "A share that cannot be expressed is rounded up.",
			Breaks: []string{"never above the step"},
			Driver: func(p *process, d router.Driver) router.Driver {
				return &written{d, func(c *router.Change) { c.Share = roundedUp(p, c) }}
			},
		},
		{
			Name: "first name stands for all", Broken: "Of a route with several names only the first one is looked at.",
			Breaks: []string{"an end is true", "an end is settled"},
			Driver: func(_ *process, d router.Driver) router.Driver { return &firstName{d} },
		},
		{
			Name: "throttled writes go out later", Broken: "The driver sends a throttled write again by itself, when nobody asks for it any more.",
			Breaks: []string{"no rise but in Shifting", "fencing", "saved before applied"},
			Driver: func(p *process, d router.Driver) router.Driver { return &queued{d, p} },
		},
		{
			Name: "first version for ever", Broken: "A write that was refused is tried again with the version of its first try.",
			Peer:   "argo-rollouts#3779",
			Breaks: []string{"a conflict is read again", "killed anywhere, the same end"},
			Driver: func(_ *process, d router.Driver) router.Driver {
				first := map[string]string{}
				return &written{d, func(c *router.Change) {
					if version, has := first[c.ID]; has {
						c.IfVersion = version
						return
					}
					first[c.ID] = c.IfVersion
				}}
			},
		},
		{
			Name: "a clock error uses up the tries", Broken: "A call that was refused because this machine's clock is off counts as denied: nothing more is tried.",
			Breaks: []string{"killed anywhere, the same end"},
			Driver: func(_ *process, d router.Driver) router.Driver { return clockless{d} },
		},
		{
			Name: "metrics repeat themselves", Broken: "A source of counts that cannot be reached says again what it said last.",
			Breaks: []string{"held and watched", "no rise on the unknown"},
			Config: func(_ *process, cfg *runner.Config) {
				for i := range cfg.Signals {
					cfg.Signals[i].Source = &repeating{Source: cfg.Signals[i].Source}
				}
			},
		},
		{
			Name: "calls without time-out", Broken: "A call that hangs is waited for.",
			Breaks: []string{"rollback in time", "liveness"},
			Config: func(_ *process, cfg *runner.Config) { cfg.Clock = patient{cfg.Clock} },
		},
	}
}

// written is a driver whose writes are changed before they are carried out.
type written struct {
	router.Driver
	change func(*router.Change)
}

func (d *written) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	d.change(&c)
	return d.Driver.Write(ctx, c)
}

// clockless takes a refusal that is about the clock for one that is about rights.
type clockless struct{ router.Driver }

func (d clockless) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	receipt, err := d.Driver.Write(ctx, c)
	var e *router.Error
	if errors.As(err, &e) && errors.Is(e.Kind, router.ErrClockOff) {
		e.Kind = router.ErrDenied
	}
	return receipt, err
}

// unbound writes whenever it comes to it.
type unbound struct{ router.Driver }

func (d unbound) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	c.NotAfter = time.Time{}
	return d.Driver.Write(context.WithoutCancel(ctx), c)
}

// careless takes what was throttled for what it wanted.
type careless struct {
	router.Driver
	believed map[string]traffic.Share
}

func (d *careless) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	receipt, err := d.Driver.Write(ctx, c)
	if errors.Is(err, router.ErrThrottled) {
		d.believed[c.Route.Name] = c.Share
		return router.Receipt{ChangeID: c.ID, Route: c.Route, Share: c.Share}, nil
	}
	delete(d.believed, c.Route.Name)
	return receipt, err
}

func (d *careless) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	s, err := d.Driver.Read(ctx, route)
	if share, has := d.believed[route.Name]; has && errors.Is(err, router.ErrThrottled) {
		return router.Snapshot{Parts: []router.Part{{Share: share}}}, nil
	}
	return s, err
}

func (d *careless) Settled(ctx context.Context, r router.Receipt) (router.Settlement, error) {
	s, err := d.Driver.Settled(ctx, r)
	if errors.Is(err, router.ErrThrottled) {
		return router.Settlement{Done: true}, nil
	}
	return s, err
}

// cached reads a route again only after it has written to it.
type cached struct {
	router.Driver
	last *router.Snapshot
}

func (d *cached) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	d.last = nil
	return d.Driver.Write(ctx, c)
}

func (d *cached) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	if d.last != nil {
		return *d.last, nil
	}
	s, err := d.Driver.Read(ctx, route)
	if err == nil {
		d.last = &s
	}
	return s, err
}

// hasty says that a write has settled by early before it has; with 0, before what
// clients cache has ended.
type hasty struct {
	router.Driver
	process *process
	early   time.Duration
}

func (d *hasty) Settled(ctx context.Context, r router.Receipt) (router.Settlement, error) {
	s, err := d.Driver.Settled(ctx, r)
	early := d.early
	if features, known := d.Features(ctx, r.Route); known == nil && early == 0 {
		early = features.Cached
	}
	if err == nil && !s.Done && !d.process.wall().Before(s.At.Add(-early)) {
		return router.Settlement{Done: true, At: d.process.wall()}, nil
	}
	return s, err
}

// roundedUp is the smallest share not below the wished one that the lever has.
func roundedUp(p *process, c *router.Change) traffic.Share {
	for _, l := range p.levers {
		if l.ref.Name != c.Route.Name || c.Share == traffic.None {
			continue
		}
		for share := c.Share; share < traffic.All; share++ {
			if got, err := router.Choose(share, l.parts[0], 0, l.MaxWeight); err == nil && got.Share() > c.Share {
				return got.Share()
			}
		}
	}
	return c.Share
}

// firstName looks at the first name of a route, and takes what it shows for what
// the route is.
type firstName struct{ router.Driver }

func (d *firstName) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	s, err := d.Driver.Read(ctx, route)
	s.Parts = s.Parts[:min(1, len(s.Parts))]
	return s, err
}

func (d *firstName) Settled(ctx context.Context, r router.Receipt) (router.Settlement, error) {
	settlement, err := d.Driver.Settled(ctx, r)
	if !errors.Is(err, router.ErrConflict) {
		return settlement, err
	}
	s, unread := d.Read(ctx, r.Route)
	if unread != nil || s.High() != r.Share {
		return settlement, err
	}
	return router.Settlement{Done: true, At: s.At}, nil
}

// queued sends what was throttled again, on its own account.
type queued struct {
	router.Driver
	process *process
}

func (d *queued) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	receipt, err := d.Driver.Write(ctx, c)
	if errors.Is(err, router.ErrThrottled) {
		p := d.process
		c.NotAfter = time.Time{}
		p.at(p.now+5*time.Second, func() {
			if !p.dead && !p.over {
				p.begin(p, func() { _, _ = d.Write(context.Background(), c) })
			}
		})
	}
	return receipt, err
}

// repeating keeps what was counted last.
type repeating struct {
	signal.Source
	last signal.Counts
}

func (s *repeating) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	out, err := s.Source.Counts(ctx, q, from, to)
	for _, side := range []struct {
		now, last *traffic.Reading[traffic.Counts]
	}{{&out.Source, &s.last.Source}, {&out.Target, &s.last.Target}} {
		switch side.now.State {
		case traffic.Known:
			*side.last = *side.now
		case traffic.Failed:
			if side.last.State == traffic.Known {
				*side.now = *side.last
				side.now.At = to
			}
		}
	}
	return out, err
}

// patient is a clock by which nothing takes too long.
type patient struct{ runner.Clock }

func (patient) Timeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}
