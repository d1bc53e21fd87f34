package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/traffic"
)

// Size is how much there is to watch.
type Size struct {
	Services, Routes int
	Lasts            time.Duration // whole hours
}

// String names it.
func (s Size) String() string {
	return fmt.Sprintf("%s, %s, %s", plural(s.Services, "service"), plural(s.Routes, "route"), lasts(s.Lasts))
}

func lasts(d time.Duration) string {
	if d%(24*time.Hour) == 0 {
		return plural(int(d/(24*time.Hour)), "day")
	}
	return plural(int(d/time.Hour), "hour")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

var (
	dawn = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	key  = store.Key{Name: "shop"}
)

const (
	arn     = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	perSide = 100 // requests a second of each side of a service
)

// file is a migration of a size, as a user writes it.
func file(size Size) []byte {
	var b bytes.Buffer
	for _, name := range []string{"eks-1-33", "eks-1-36"} {
		fmt.Fprintf(&b, "apiVersion: watari.dev/v1alpha1\nkind: Environment\nmetadata: {name: %s}\nspec: {kubernetes: {kubeconfig: kube/%s.yaml, context: %s}}\n---\n", name, name, name)
	}
	fmt.Fprintf(&b, "apiVersion: watari.dev/v1alpha1\nkind: Migration\nmetadata: {name: %s}\nspec:\n  source: eks-1-33\n  target: eks-1-36\n  aws: {region: eu-west-1}\n  routes:\n", key.Name)
	for n := range size.Routes {
		fmt.Fprintf(&b, `  - name: route-%d
    alb:
      listenerRuleARN: %slistener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/%016x
      source: {targetGroupARN: "%stargetgroup/shop-%d-33/73e2d6bc24d8a067"}
      target: {targetGroupARN: "%stargetgroup/shop-%d-36/73e2d6bc24d8a067"}
`, n, arn, n+1, arn, n, arn, n)
	}
	b.WriteString("  signals:\n")
	for n := range size.Services {
		fmt.Fprintf(&b, `  - service: service-%d
    scrape:
      endpoints: ["http://10.0.3.%d:9100/metrics"]
      requests: {source: 'requests_total{group="s-33"}', target: 'requests_total{group="s-36"}'}
      errors: {source: 'errors_total{group="s-33"}', target: 'errors_total{group="s-36"}'}
      latency: {source: 'latency_seconds_bucket{group="s-33"}', target: 'latency_seconds_bucket{group="s-36"}'}
      interval: 1s
`, n, n+1)
	}
	fmt.Fprintf(&b, "  steps:\n  - {share: 50%%, hold: %dh}\n  - {share: 100%%, hold: 1h}\n", int(size.Lasts.Hours())+24)
	return b.Bytes()
}

// planOf is what the file means.
func planOf(size Size) (plan.Plan, error) {
	bundle, err := v1alpha1.Parse("bench.yaml", file(size))
	if err != nil {
		return plan.Plan{}, fmt.Errorf("the made-up migration: %w", err)
	}
	p := plan.Resolve(bundle, &bundle.Migrations[0])
	for i := range p.Spec.Routes {
		r := &p.Spec.Routes[i]
		r.Granularity, r.SettleWithin, r.LookEvery = 11, time.Minute, time.Second
	}
	return p, nil
}

// clock is virtual time in which everything is answered at once.
type clock struct {
	now time.Time
	end time.Time
	out context.CancelFunc // is called at the end
}

func (c *clock) Now() time.Time { return c.now }

func (c *clock) Sleep(_ context.Context, d time.Duration) {
	if c.now = c.now.Add(d); !c.now.Before(c.end) {
		c.out()
	}
}

func (c *clock) Timeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func (c *clock) Group() runner.Group { return atOnce{} }

// atOnce does what it is given before it returns.
type atOnce struct{}

func (atOnce) Go(task func())                      { task() }
func (atOnce) Wait(context.Context, time.Duration) {}
func (atOnce) WaitAll()                            {}

// lever does what it is asked for.
type lever struct {
	clock   *clock
	share   traffic.Share
	version int
}

func (l *lever) Features(context.Context, router.Ref) (router.Features, error) {
	return router.Features{MaxWeight: 999, Atomic: true}, nil
}

func (l *lever) Read(context.Context, router.Ref) (router.Snapshot, error) {
	weight := int64(l.share) / 100
	return router.Snapshot{Version: fmt.Sprintf("%016x", l.version), At: l.clock.now, Parts: []router.Part{{Share: l.share, Weights: []router.Weight{
		{Entry: "eks-1-33", Side: traffic.Source, Weight: 100 - weight}, {Entry: "eks-1-36", Side: traffic.Target, Weight: weight},
	}}}}, nil
}

func (l *lever) Write(_ context.Context, c router.Change) (router.Receipt, error) {
	l.share, l.version = c.Share, l.version+1
	return router.Receipt{ChangeID: c.ID, Route: c.Route, Share: c.Share, At: l.clock.now}, nil
}

func (l *lever) Settled(context.Context, router.Receipt) (router.Settlement, error) {
	return router.Settlement{Done: true, At: l.clock.now}, nil
}

// edges are those of Prometheus's client libraries.
var edges = func() (out []time.Duration) {
	for _, s := range []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} {
		out = append(out, time.Duration(s*float64(time.Second)))
	}
	return out
}()

// users come to both sides alike.
type users struct{ dice *rand.Rand }

func (u *users) Counts(_ context.Context, _ signal.Query, from, to time.Time) (signal.Counts, error) {
	return signal.Counts{Source: u.side(from, to), Target: u.side(from, to)}, nil
}

func (u *users) side(from, to time.Time) traffic.Reading[traffic.Counts] {
	c := traffic.Counts{Latency: traffic.Histogram{Edges: edges, Buckets: make([]int64, len(edges)+1)}}
	c.Requests = int64(to.Sub(from).Seconds() * perSide * (0.8 + 0.4*u.dice.Float64()))
	for range c.Requests {
		if u.dice.IntN(1000) == 0 {
			c.Errors++
		}
		c.Latency.Buckets[min(int(2+u.dice.ExpFloat64()*1.5), len(edges))]++
	}
	return traffic.KnownAt(c, to)
}

// watch lets the runner watch a share for as long as the size says, and says how much memory it
// had at most.
func watch(size Size, s *filestore.Store, c *clock) (heap uint64, err error) {
	p, err := planOf(size)
	if err != nil {
		return 0, err
	}
	record, err := p.Encode()
	if err != nil {
		return 0, err
	}
	routes := map[string]runner.Route{}
	for _, l := range p.Levers {
		routes[l.Ref.Name] = runner.Route{Ref: l.Ref, Driver: &lever{clock: c}}
	}
	var signals []runner.Signal
	for _, sig := range p.Signals {
		signals = append(signals, runner.Signal{Service: sig.Service, Query: sig.Query, Every: sig.Every, Source: &users{rand.New(rand.NewPCG(1, uint64(len(signals))))}})
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c.end, c.out = c.now.Add(size.Lasts), stop
	turns := 0
	status, err := runner.Run(ctx, runner.Config{
		Key: key, Spec: p.Spec, Record: record, Routes: routes, Signals: signals, Store: s, Clock: c,
		Holder: store.Holder{ID: "bench", User: "bench", Host: "here", PID: 1, Since: c.now},
		OnTurn: func(runner.Turn) {
			if turns++; turns%500 == 0 {
				heap = max(heap, inUse())
			}
		},
	})
	if err != nil && ctx.Err() == nil {
		return heap, err
	}
	if status.Phase != engine.Holding || status.Held < size.Lasts*9/10 {
		return heap, fmt.Errorf("the made-up migration is %s (%s) and has held for %s", status.Phase, status.Reason, status.Held)
	}
	return heap, nil
}
