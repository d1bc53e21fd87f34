package alb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"watari.dev/lab/podnet"
)

// closeGrace is how long Close waits for running requests.
const closeGrace = 2 * time.Second

// ErrClosed is returned by Apply after Close.
var ErrClosed = errors.New("alb: the balancer is closed")

// Options are what a Balancer needs besides its Config.
type Options struct {
	AccessLog io.Writer    // one line per request; nil for none
	Seed      uint64       // of every random choice, and of the cookies' key
	Logger    *slog.Logger // nil for none

	// Observe is told of every request after it ended; nil for nobody. It is
	// called from many goroutines and must not block.
	Observe func(Observation)

	// Dial connects to targets; nil means podnet.DialContext.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Balancer is the data plane of all load balancers of one lab. Its methods may
// be called from several goroutines.
type Balancer struct {
	log       *slog.Logger
	dial      dialFunc
	listen    func(ctx context.Context, network, addr string) (net.Listener, error)
	prober    prober
	dice      *dice
	sealer    sealer
	accessLog accessLog
	observe   func(Observation)
	metrics   *metrics
	snapshot  atomic.Pointer[snapshot]

	ctx     context.Context // ends with Close; targets live in it
	cancel  context.CancelFunc
	running sync.WaitGroup // listeners and targets

	mu        sync.Mutex
	closed    bool
	listeners map[string]*listener
	groups    map[string]*group
}

// New returns a balancer that serves nothing yet.
func New(opts Options) *Balancer {
	b := &Balancer{
		log:       opts.Logger,
		dial:      opts.Dial,
		listen:    new(net.ListenConfig).Listen,
		dice:      newDice(opts.Seed),
		sealer:    newSealer(opts.Seed),
		accessLog: accessLog{out: opts.AccessLog},
		observe:   opts.Observe,
		listeners: make(map[string]*listener),
		groups:    make(map[string]*group),
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.dial == nil {
		b.dial = podnet.DialContext
	}
	b.prober = prober{b.dial}
	b.metrics = newMetrics(b)
	b.snapshot.Store(&snapshot{})
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// Apply makes the configuration the one that the next request sees. Sockets
// and connections of listeners that stay are kept, targets that stay keep
// their health, targets that left are drained. On an error (a configuration
// that cannot be served, an address that is taken) nothing has changed.
func (b *Balancer) Apply(c Config) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return ErrClosed
	}
	if err := c.validate(); err != nil {
		return fmt.Errorf("alb: apply configuration: %w", err)
	}
	opened, err := b.openNew(c.Listeners)
	if err != nil {
		return fmt.Errorf("alb: apply configuration: %w", err)
	}
	b.applyGroups(c)
	b.applyListeners(c.Listeners, opened)
	b.removeGroups(c.TargetGroups)
	return nil
}

// openNew binds the addresses that are not served yet, all or none.
func (b *Balancer) openNew(listeners []Listener) ([]*listener, error) {
	var opened []*listener
	for _, conf := range listeners {
		if _, ok := b.listeners[socketKey(conf)]; ok {
			continue
		}
		l, err := openListener(b.ctx, b, conf)
		if err != nil {
			for _, o := range opened {
				o.socket.Close()
			}
			return nil, err
		}
		opened = append(opened, l)
	}
	return opened, nil
}

func (b *Balancer) applyGroups(c Config) {
	usedBy := decideUse(c.Listeners)
	for _, conf := range c.TargetGroups {
		g, ok := b.groups[conf.ARN]
		if !ok {
			g = b.newGroup(conf)
			b.groups[conf.ARN] = g
		}
		g.apply(conf, usedBy[conf.ARN])
	}
}

func (b *Balancer) newGroup(conf TargetGroup) *group {
	g := &group{
		arn:      conf.ARN,
		name:     conf.Name,
		dial:     b.dial,
		prober:   b.prober,
		log:      b.log,
		ctx:      b.ctx,
		running:  &b.running,
		targets:  make(map[netip.AddrPort]*target),
		draining: make(map[netip.AddrPort]*target),
	}
	g.serving.Store(&[]*target{})
	return g
}

// decideUse says by which load balancer each group is used. A weight of zero
// uses a group too.
func decideUse(listeners []Listener) map[string]string {
	used := make(map[string]string)
	for _, l := range listeners {
		actions := []Action{l.Default}
		for _, r := range l.Rules {
			actions = append(actions, r.Action)
		}
		for _, a := range actions {
			for _, w := range a.Forward {
				if used[w.TargetGroupARN] == "" {
					used[w.TargetGroupARN] = l.LoadBalancer
				}
			}
		}
	}
	return used
}

// applyListeners swaps the routing, then starts and stops listeners.
func (b *Balancer) applyListeners(listeners []Listener, opened []*listener) {
	for _, l := range opened {
		b.listeners[l.key] = l
	}
	next := make(snapshot, len(listeners))
	for _, conf := range listeners {
		key := socketKey(conf)
		b.listeners[key].current.Store(&conf)
		next[key] = compileRouting(conf, b.groups)
	}
	b.snapshot.Store(&next)
	for _, l := range opened {
		b.running.Go(func() { l.run(b.ctx) })
	}
	for key, l := range b.listeners {
		if next[key] == nil {
			delete(b.listeners, key)
			l.socket.Close() // the address is free when Apply returns
			b.running.Go(func() {
				ctx, cancel := context.WithTimeout(b.ctx, l.idleTimeout())
				defer cancel()
				l.close(ctx)
			})
		}
	}
}

// removeGroups drains groups that are gone. It comes after the swap: no
// request can choose them any more.
func (b *Balancer) removeGroups(groups []TargetGroup) {
	keep := make(map[string]bool, len(groups))
	for _, g := range groups {
		keep[g.ARN] = true
	}
	for arn, g := range b.groups {
		if !keep[arn] {
			delete(b.groups, arn)
			g.removeTargets()
		}
	}
}

// Health returns the state of the group's targets, registered ones first, then
// those that drain; nil if the balancer does not know the group.
func (b *Balancer) Health(targetGroupARN string) []Health {
	b.mu.Lock()
	g := b.groups[targetGroupARN]
	b.mu.Unlock()
	if g == nil {
		return nil
	}
	return g.health()
}

// Addrs returns where the listener's sockets listen, in the order of their
// Bind; it tells which port a Bind with port 0 got.
func (b *Balancer) Addrs(listenerARN string) []netip.AddrPort {
	listeners, _ := b.present()
	var out []netip.AddrPort
	for _, l := range listeners {
		if l.conf().ARN == listenerARN {
			out = append(out, l.addr())
		}
	}
	return out
}

// Metrics serves the Prometheus text format.
func (b *Balancer) Metrics() http.Handler { return b.metrics.handler() }

// Close stops listening, gives running requests a moment and then ends
// everything. It returns when nothing runs any more.
func (b *Balancer) Close() {
	b.mu.Lock()
	b.closed = true
	listeners := b.listeners
	b.listeners = nil
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	var closing sync.WaitGroup
	for _, l := range listeners {
		closing.Go(func() { l.close(ctx) })
	}
	closing.Wait()
	b.cancel()
	b.running.Wait()
}

// present lists the listeners by ARN and Bind, and the groups by ARN.
func (b *Balancer) present() ([]*listener, []*group) {
	b.mu.Lock()
	defer b.mu.Unlock()
	listeners := slices.SortedFunc(maps.Values(b.listeners), func(x, y *listener) int {
		return cmp.Or(cmp.Compare(x.conf().ARN, y.conf().ARN), cmp.Compare(x.key, y.key))
	})
	groups := slices.SortedFunc(maps.Values(b.groups), func(x, y *group) int { return cmp.Compare(x.arn, y.arn) })
	return listeners, groups
}

// finish turns a record into a log line and metrics.
func (b *Balancer) finish(r *record) {
	r.finished = time.Now()
	b.metrics.request(r)
	if b.observe != nil {
		b.observe(r.observation())
	}
	if err := b.accessLog.write(r); err != nil {
		b.log.Warn("access log line lost", "cause", err)
	}
}
