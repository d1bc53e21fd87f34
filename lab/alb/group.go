package alb

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
)

// group is a target group. It keeps its targets, and what is known of their
// health, over changes of the configuration.
type group struct {
	arn, name string
	dial      dialFunc
	prober    prober
	log       *slog.Logger
	ctx       context.Context // of the balancer
	running   *sync.WaitGroup // of the balancer; one goroutine per target

	serving atomic.Pointer[[]*target] // who takes the next request
	turn    atomic.Uint64             // round robin

	mu           sync.Mutex
	conf         TargetGroup
	loadBalancer string // name; empty if no listener forwards here
	targets      map[netip.AddrPort]*target
	draining     map[netip.AddrPort]*target
}

// apply takes over a configuration. It returns when no new request can reach
// a target that left.
func (g *group) apply(conf TargetGroup, loadBalancer string) {
	conf.HealthCheck = conf.HealthCheck.withDefaults()
	g.mu.Lock()
	defer g.mu.Unlock()
	recheck := conf.HealthCheck != g.conf.HealthCheck || (loadBalancer != "") != (g.loadBalancer != "")
	g.conf, g.loadBalancer = conf, loadBalancer
	used := loadBalancer != ""

	wanted := make(map[netip.AddrPort]Target, len(conf.Targets))
	for _, t := range conf.Targets {
		wanted[t.Addr] = t
	}
	for addr, t := range g.targets {
		if _, ok := wanted[addr]; !ok {
			delete(g.targets, addr)
			g.draining[addr] = t
			t.startDraining(conf.DeregistrationDelay)
		}
	}
	for addr, in := range wanted {
		if t, ok := g.targets[addr]; ok {
			if recheck {
				t.setUsed(used)
				t.checkNow()
			}
			continue
		}
		if old, ok := g.draining[addr]; ok {
			old.reclaim()
			delete(g.draining, addr)
		}
		t := newTarget(g.ctx, g, in, used)
		g.targets[addr] = t
		g.running.Go(func() { t.run(g.ctx) })
	}
	g.refreshLocked()
}

// removeTargets drains everything: the group was deleted.
func (g *group) removeTargets() {
	g.mu.Lock()
	conf := g.conf
	g.mu.Unlock()
	conf.Targets = nil
	g.apply(conf, "")
}

// servedBy names the load balancer that forwards here, "" for none.
func (g *group) servedBy() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.loadBalancer
}

func (g *group) healthCheck() HealthCheck {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.conf.HealthCheck
}

// refresh works out who takes requests after a change of health.
func (g *group) refresh() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refreshLocked()
}

func (g *group) refreshLocked() {
	serving := decideServing(g.sorted(g.targets))
	g.serving.Store(&serving)
}

// decideServing returns the healthy targets, or if there are none the
// unhealthy ones: the group fails open. New targets get nothing before they
// have passed a check ("Health checks for Application Load Balancer target
// groups").
func decideServing(targets []*target) []*target {
	var healthy, unhealthy []*target
	for _, t := range targets {
		switch t.report().State {
		case Healthy:
			healthy = append(healthy, t)
		case Unhealthy:
			unhealthy = append(unhealthy, t)
		}
	}
	if len(healthy) > 0 {
		return healthy
	}
	return unhealthy
}

// next returns the target of the next request by round robin, nil if there is
// none.
func (g *group) next() *target {
	serving := *g.serving.Load()
	if len(serving) == 0 {
		return nil
	}
	return serving[(g.turn.Add(1)-1)%uint64(len(serving))]
}

func (g *group) forget(t *target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining[t.Addr] == t {
		delete(g.draining, t.Addr)
	}
}

// health lists registered targets, then draining ones, each by address.
func (g *group) health() []Health {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Health
	for _, t := range append(g.sorted(g.targets), g.sorted(g.draining)...) {
		out = append(out, t.report())
	}
	return out
}

func (g *group) sorted(targets map[netip.AddrPort]*target) []*target {
	return slices.SortedFunc(maps.Values(targets), func(a, b *target) int {
		return a.Addr.Compare(b.Addr)
	})
}
