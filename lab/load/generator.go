package load

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRunTwice is returned when a Generator is run a second time.
var ErrRunTwice = errors.New("load: a generator runs once; make a new one")

// Generator sends the requests of one load. All methods may be called at the
// same time.
type Generator struct {
	plan   plan
	users  map[Kind][]*user
	ledger *ledger
	log    *requestLog // nil if there is none
	slots  chan struct{}
	ran    atomic.Bool
}

// New checks the configuration and makes a generator of it. Nothing is sent or
// resolved before Run.
func New(cfg Config) (*Generator, error) {
	p, err := decidePlan(cfg)
	if err != nil {
		return nil, err
	}
	g := &Generator{plan: p, users: map[Kind][]*user{}, ledger: newLedger(time.Now()), slots: make(chan struct{}, p.Workers)}
	if p.Log != nil {
		g.log = newRequestLog(p.Log)
	}
	server := askServer(p.resolver)
	for _, kind := range kinds {
		if p.Clients.weight(kind) == 0 {
			continue
		}
		for range p.Users {
			u := &user{kind: kind, port: p.port, fixed: p.literal}
			if !p.literal.IsValid() {
				u.cache = newCache(server, p.host, kind == Forever)
			}
			g.users[kind] = append(g.users[kind], u)
		}
	}
	return g, nil
}

// Run sends requests until ctx ends or the duration is over, then waits for
// those that are under way: until each has been answered or timed out. The
// error says that the account does not add up or that the log is not complete;
// failed requests are no error.
func (g *Generator) Run(ctx context.Context) error {
	if !g.ran.CompareAndSwap(false, true) {
		return ErrRunTwice
	}
	g.resolveForever(ctx)
	start := time.Now()
	g.ledger.start(start)

	var underWay sync.WaitGroup
	g.sendAll(ctx, start, &underWay)
	underWay.Wait()

	g.ledger.stop(time.Now())
	for _, users := range g.users {
		for _, u := range users {
			u.closeIdle()
		}
	}
	err := g.Snapshot().Check()
	if g.log != nil {
		err = errors.Join(err, g.log.flush())
	}
	return err
}

// Snapshot returns the account as it is now. It takes well under a millisecond.
func (g *Generator) Snapshot() Result { return g.ledger.result(time.Now()) }

// Mark begins a new segment: a request belongs to the segment in which it is
// sent, however long it takes. The first segment is called "start". There can
// be 256 segments; then Mark returns an error and the last one goes on.
func (g *Generator) Mark(name string) error { return g.ledger.mark(name, time.Now()) }

// resolveForever lets the users that resolve only once do so. Whoever fails
// tries again with the first request.
func (g *Generator) resolveForever(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, g.plan.Timeout)
	defer cancel()
	var all sync.WaitGroup
	for _, u := range g.users[Forever] {
		if u.cache == nil {
			continue
		}
		all.Go(func() {
			if _, err := u.cache.resolve(ctx); err != nil {
				slog.Warn("load: a user could not resolve at the start", "host", g.plan.host, "err", err)
			}
		})
	}
	all.Wait()
}

// sendAll lets every request go at its time, whatever became of those before.
func (g *Generator) sendAll(ctx context.Context, start time.Time, underWay *sync.WaitGroup) {
	rng := rand.New(rand.NewPCG(g.plan.Seed, 1))
	arrivals := schedule{rate: g.plan.Rate, arrivals: g.plan.Arrivals, rng: rand.New(rand.NewPCG(g.plan.Seed, 2))}
	timer := time.NewTimer(0)
	defer timer.Stop()
	base := context.WithoutCancel(ctx) // what is under way is not cut
	for {
		offset := time.Duration(arrivals.next() * float64(time.Second))
		if g.plan.Duration > 0 && offset >= g.plan.Duration {
			return
		}
		intended := start.Add(offset)
		if wait := time.Until(intended); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		} else if ctx.Err() != nil {
			return
		}
		kind := decideKind(g.plan.Clients, rng.Float64())
		g.send(base, intended, g.users[kind][rng.IntN(g.plan.Users)], underWay)
	}
}

// send lets one user send one request, and does not wait for it.
func (g *Generator) send(ctx context.Context, intended time.Time, u *user, underWay *sync.WaitGroup) {
	t := g.ledger.send(u.kind, intended, time.Now())
	select {
	case g.slots <- struct{}{}:
	default:
		g.finish(t, attempt{class: Class{Cause: Overload}})
		return
	}
	underWay.Go(func() {
		defer func() { <-g.slots }()
		ctx, cancel := context.WithDeadline(ctx, t.sent.Add(g.plan.Timeout))
		defer cancel()
		g.finish(t, u.do(ctx, &g.plan))
	})
}

func (g *Generator) finish(t ticket, a attempt) {
	end := time.Now()
	detail := ""
	if a.err != nil {
		detail = a.err.Error()
	}
	g.ledger.end(t, a.class, end, a.retries, detail)
	if g.log == nil {
		return
	}
	g.log.write(line{
		Sent: t.sent, Segment: t.segment.name, Client: t.kind, Lag: t.sent.Sub(t.intended), Latency: end.Sub(t.intended),
		Class: a.class, Pod: a.pod, Addr: a.addr, Retries: a.retries, Detail: detail,
	})
}
