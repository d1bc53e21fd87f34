package bench

import (
	"context"
	"fmt"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/signal/prometheus"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// Case is what is played.
type Case struct {
	Fault  Fault
	Target Target
	Every  int // seconds between two scrapes
}

// Forms are those of the verdict.
var Forms = []verdict.Form{verdict.Hybrid, verdict.Unit, verdict.Steady, verdict.Product, verdict.Limit}

// file is a migration as a user writes it, with the defaults for everything that is
// left open.
const file = `
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: source}
spec: {kubernetes: {context: source}}
---
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: target}
spec: {kubernetes: {context: target}}
---
apiVersion: watari.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec:
  source: source
  target: target
  routes:
  - name: public
    alb:
      listenerRuleARN: arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee
      source: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-1-33/73e2d6bc24d8a067"}
      target: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-1-36/73e2d6bc24d8a067"}
  signals:
  - prometheus:
      url: http://prometheus:9090
      interval: %ds
      requests: 'requests_total{side="${environment}"}'
      errors: 'errors_total{side="${environment}"}'
      latency: 'seconds_bucket{side="${environment}"}'
  steps:
  - {share: 25%%, hold: 24h}
  - {share: 100%%, hold: 24h}
  gate: {analysis: {errors: {form: %s}}}
  rollback: {onUnknown: hold}
`

// planOf is what the file means for a form.
func planOf(form verdict.Form, every int) (plan.Plan, error) {
	bundle, err := v1alpha1.Parse("bench.yaml", fmt.Appendf(nil, file, every, form))
	if err != nil {
		return plan.Plan{}, fmt.Errorf("the made-up migration: %w", err)
	}
	p := plan.Resolve(bundle, &bundle.Migrations[0])
	for i := range p.Spec.Routes {
		r := &p.Spec.Routes[i]
		r.Granularity, r.SettleWithin, r.LookEvery = 11, time.Minute, time.Second
	}
	p.Spec.Gate.Interval = turn
	return p, nil
}

// turn is how often the gate is asked: three times in each interval of the scrapes
// that are usual, which is often enough, and quicker to play than each second.
const turn = 5 * time.Second

// player knows the plans of all forms.
type player struct{ plans []plan.Plan }

func newPlayer(every int) (*player, error) {
	p := &player{}
	for _, form := range Forms {
		one, err := planOf(form, every)
		if err != nil {
			return nil, err
		}
		p.plans = append(p.plans, one)
	}
	return p, nil
}

// Outcome is how a migration has gone.
type Outcome string

// The outcomes.
const (
	RolledBack Outcome = "rolled back"
	Healthy    Outcome = "healthy"   // at the end
	NotKnown   Outcome = "not known" // at the end, or for so long that watari takes back for it if nobody says otherwise
)

// play plays a case and returns what each form makes of it. What is seen does not
// depend on the form, so the runner looks once, and never takes back; then the engine
// decides with each form, from the very same observations.
func (p *player) play(c Case, seed uint64) ([]Outcome, error) {
	turns, err := p.watch(newWorld(c, seed))
	if err != nil {
		return nil, err
	}
	var out []Outcome
	for i := range p.plans {
		o, err := outcome(p.plans[i].Spec, turns)
		if err != nil {
			return nil, fmt.Errorf("form %s: %w", Forms[i], err)
		}
		out = append(out, o)
	}
	return out, nil
}

// outcome lets the engine decide.
func outcome(spec engine.Spec, turns []runner.Turn) (Outcome, error) {
	var status engine.Status
	blind := false
	for _, t := range turns {
		status, _ = engine.Step(spec, status, t.Seen, t.At)
		if status.Verdict.State == engine.Degraded || status.Phase.TakingBack() {
			return RolledBack, nil
		}
		blind = blind || !status.BlindAt.IsZero() && t.At.Sub(status.BlindAt) >= spec.Rollback.UnknownAfter
	}
	switch status.Phase {
	case engine.Holding:
	case engine.Pending:
		return NotKnown, nil // it does not begin
	default:
		return "", fmt.Errorf("the made-up migration is %s: %s", status.Phase, status.Reason)
	}
	if blind || status.Verdict.State != engine.Healthy {
		return NotKnown, nil
	}
	return Healthy, nil
}

// watch lets the runner watch a world, with a verdict that takes nothing back.
func (p *player) watch(w *world) ([]runner.Turn, error) {
	source, err := w.source()
	if err != nil {
		return nil, err
	}
	spec, analysis := p.plans[0].Spec, *p.plans[0].Spec.Gate.Analysis
	analysis.Alpha, analysis.Limit = 1e-300, .5 // nothing is ever worse
	spec.Gate.Analysis = &analysis
	sig := p.plans[0].Signals[0]
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	c := &clock{world: w, stop: stop}
	for w.at < 0 {
		w.second()
	}
	var turns []runner.Turn
	status, err := runner.Run(ctx, runner.Config{
		Key: store.Key{Name: "shop"}, Spec: spec, Record: []byte(`{}`), Store: memstore.New(), Clock: c, Holder: store.Holder{ID: "bench"},
		Routes:  map[string]runner.Route{"public": {Ref: p.plans[0].Levers[0].Ref, Driver: &lever{c}}},
		Signals: []runner.Signal{{Service: sig.Service, Source: source, Query: sig.Query, Every: sig.Every}},
		OnTurn:  func(t runner.Turn) { turns = append(turns, t) },
	})
	if ctx.Err() == nil {
		return nil, fmt.Errorf("the made-up migration is %s: %s, %w", status.Phase, status.Reason, err)
	}
	return turns, nil
}

// source asks the servers of a world.
func (w *world) source() (signal.Source, error) {
	one, err := prometheus.New(prometheus.Config{URL: "http://prometheus:9090", Transport: w.servers.Source})
	if err != nil || w.servers.Source == w.servers.Target {
		return one, err
	}
	other, err := prometheus.New(prometheus.Config{URL: "http://other:9090", Transport: w.servers.Target})
	return signal.Sides(one, other), err
}

// clock is virtual time, in which everything is answered at once.
type clock struct {
	world *world
	part  time.Duration // of a second
	stop  context.CancelFunc
}

func (c *clock) Now() time.Time { return dawn.Add(time.Duration(c.world.at)*time.Second + c.part) }

func (c *clock) Sleep(_ context.Context, d time.Duration) {
	for c.part += d; c.part >= time.Second; c.part -= time.Second {
		c.world.second()
	}
	if c.world.at >= lasts {
		c.stop()
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
type lever struct{ clock *clock }

func (l *lever) Features(context.Context, router.Ref) (router.Features, error) {
	return router.Features{MaxWeight: 999, Atomic: true}, nil
}

func (l *lever) Read(_ context.Context, of router.Ref) (router.Snapshot, error) {
	have := l.clock.world.share
	weight := int64(have) / 100
	return router.Snapshot{Version: have.String(), At: l.clock.Now(), Parts: []router.Part{{Share: have, Weights: []router.Weight{
		{Entry: of.Source, Side: traffic.Source, Weight: 100 - weight}, {Entry: of.Target, Side: traffic.Target, Weight: weight},
	}}}}, nil
}

func (l *lever) Write(_ context.Context, c router.Change) (router.Receipt, error) {
	l.clock.world.share = c.Share
	return router.Receipt{ChangeID: c.ID, Route: c.Route, Share: c.Share, At: l.clock.Now()}, nil
}

func (l *lever) Settled(context.Context, router.Receipt) (router.Settlement, error) {
	return router.Settlement{Done: true, At: l.clock.Now()}, nil
}
