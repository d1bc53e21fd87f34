package analyze

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/runner"
	"watari.dev/signal"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// live is a migration of two services over two levers, run by the runner in virtual
// time, with users who fail, are slow and do not pay.
type live struct {
	now    time.Time
	until  time.Time
	stop   context.CancelFunc
	chance *rand.Rand
	levers *memrouter.Router
	store  *memstore.Store
	spec   engine.Spec
	bad    traffic.Counts // per thousand requests of the target, from badFrom on
	from   time.Time
	status engine.Status
	fired  []time.Time // when the live verdict has passed its threshold
	wrote  map[string]traffic.Share
	shares []traffic.Share // of the target, each that was written
	sent   int
}

func (l *live) Now() time.Time { return l.now }

func (l *live) Sleep(_ context.Context, d time.Duration) {
	if l.now = l.now.Add(d); !l.now.Before(l.until) {
		l.stop()
	}
}

func (l *live) Timeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	return context.WithCancel(ctx)
}

func (l *live) Group() runner.Group { return atOnce{} }

// atOnce does what it is given before it returns.
type atOnce struct{}

func (atOnce) Go(task func())                      { task() }
func (atOnce) Wait(context.Context, time.Duration) {}
func (atOnce) WaitAll()                            {}

func leverRef(name string) router.Ref {
	return router.Ref{Name: name, Driver: "mem", ID: name, Source: "old", Target: "new"}
}

func newLive(seed uint64) *live {
	chance := rand.New(rand.NewPCG(seed, 5))
	form := []verdict.Form{verdict.Hybrid, verdict.Unit, verdict.Steady, verdict.Product, verdict.Limit}[seed%5]
	metrics := func(name string) []verdict.Metric {
		return []verdict.Metric{
			{Name: "errors", Kind: verdict.Errors}, {Name: "p99", Kind: verdict.Latency, Quantile: .99},
			{Name: "1s", Kind: verdict.Latency, Edge: time.Second}, {Name: name, Kind: verdict.Events, Event: 1},
		}
	}
	cfg := verdict.Config{Form: form, Unit: 5 * time.Second, Services: []verdict.Service{
		{Name: "web", Route: "public", Metrics: metrics("declined")}, {Name: "pay", Route: "partners", Weight: 2, Metrics: metrics("lost")},
	}}.WithDefaults()
	l := &live{
		now: dawn, until: dawn, chance: chance, wrote: map[string]traffic.Share{}, from: dawn.Add(time.Duration(60+chance.IntN(120)) * time.Second),
		spec: engine.Spec{
			Name: "shop", Source: "old", Target: "new",
			Routes: []engine.RouteSpec{
				{Name: "public", Granularity: 11, SettleWithin: time.Minute, LookEvery: time.Second}, {Name: "partners", Granularity: 11, SettleWithin: time.Minute, LookEvery: time.Second},
			},
			Steps:    []engine.StepSpec{{Share: 1000, Hold: 50 * time.Second}, {Share: 5000, Hold: time.Minute}, {Share: traffic.All, Hold: 10 * time.Minute}},
			Gate:     engine.Gate{Signals: true, Analysis: &cfg, MaxErrorRatio: 1, MinRequests: 10, Window: 10 * time.Second, Interval: time.Second},
			Rollback: engine.Rollback{OnUnknown: engine.UnknownHolds, Manual: seed%3 == 0},
			OnDrift:  engine.DriftReasserts,
		},
	}
	switch seed % 4 {
	case 1:
		l.bad.Errors = 150
	case 2:
		l.bad.Latency.Buckets = []int64{300}
	case 3:
		l.bad.Events = []int64{0, 200}
	}
	l.levers = memrouter.New(memrouter.Config{Now: l.Now, Features: router.Features{MaxWeight: 999, Atomic: true, Propagation: 2 * time.Second}})
	l.store = memstore.New(memstore.WithClock(l.Now))
	for _, r := range l.spec.Routes {
		l.levers.Add(leverRef(r.Name), router.Weight{Entry: "old", Weight: 100}, router.Weight{Entry: "new", Weight: 0})
	}
	return l
}

// Counts is what the users of both sides got; at times nobody knows, counters begin
// again, or one side has no histogram.
func (l *live) Counts(_ context.Context, q signal.Query, from, to time.Time) (counts signal.Counts, err error) {
	share := l.levers.Effective(leverRef(q.Name))[0].Share
	one := func(requests string, rate float64, bad bool) traffic.Reading[traffic.Counts] {
		n := int64(rate * to.Sub(from).Seconds())
		if requests == "" || l.chance.IntN(25) == 0 || !to.After(from) {
			return traffic.Reading[traffic.Counts]{Err: "nobody answered"}
		}
		c := traffic.Counts{Requests: n, Events: []int64{n, 0}, Latency: traffic.Histogram{Edges: []time.Duration{100 * time.Millisecond, time.Second}, Buckets: make([]int64, 3)}}
		for range n {
			slow, failing, event := 5, int64(2), int64(3)
			if bad {
				failing += l.bad.Errors
				if len(l.bad.Events) > 0 {
					event += l.bad.Events[1]
				}
				if len(l.bad.Latency.Buckets) > 0 {
					slow += int(l.bad.Latency.Buckets[0])
				}
			}
			if l.chance.Int64N(1000) < failing {
				c.Errors++
			}
			if l.chance.Int64N(1000) < event {
				c.Events[1]++
			}
			switch p := l.chance.IntN(1000); {
			case p < slow:
				c.Latency.Buckets[2]++
			case p < slow+15:
				c.Latency.Buckets[1]++
			default:
				c.Latency.Buckets[0]++
			}
		}
		if l.chance.IntN(60) == 0 {
			c.Resets = 1
		}
		if l.chance.IntN(80) == 0 {
			c.Latency = traffic.Histogram{}
		}
		return traffic.KnownAt(c, to)
	}
	counts.Source = one(q.Requests.Source, 120*(1-share.Ratio()), false)
	counts.Target = one(q.Requests.Target, 120*share.Ratio(), l.now.After(l.from))
	return counts, nil
}

// witness takes down what is written.
type witness struct {
	*memrouter.Router
	live *live
}

func (w witness) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	receipt, err := w.Router.Write(ctx, c)
	l := w.live
	if err != nil {
		return receipt, err
	}
	l.wrote[c.Route.Name] = receipt.Share
	most := max(l.wrote["public"], l.wrote["partners"])
	if n := len(l.shares); n == 0 || l.shares[n-1] != most {
		l.shares = append(l.shares, most)
	}
	return receipt, nil
}

// run lets the runner do its work for some minutes, and another one after it. Somebody
// else changes a lever, and an operator goes on where it stops.
func (l *live) run(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	l.stop, l.until = stop, l.until.Add(4*time.Minute)
	intruded := dawn.Add(time.Duration(30+l.chance.IntN(200)) * time.Second)
	cfg := runner.Config{
		Key: store.Key{Name: "shop"}, Spec: l.spec, Record: []byte(`{}`), Store: l.store, Clock: l, Holder: store.Holder{ID: "me"}, Routes: map[string]runner.Route{},
	}
	for i, r := range l.spec.Routes {
		cfg.Routes[r.Name] = runner.Route{Ref: leverRef(r.Name), Driver: witness{l.levers, l}}
		by := traffic.BySide[string]{Source: "s", Target: "t"}
		cfg.Signals = append(cfg.Signals, runner.Signal{
			Service: l.spec.Gate.Analysis.Services[i].Name, Source: l,
			Query: signal.Query{Name: r.Name, Requests: by, Errors: by, Latency: by, Events: []signal.Event{{Name: "all", Count: by}, {Name: "x", Count: by}}},
		})
	}
	cfg.OnTurn = func(turn runner.Turn) {
		before := l.status.Analysis
		l.status = turn.Status
		if a := turn.Status.Analysis; a != nil && a.Fired != nil && (before == nil || before.Fired == nil) {
			l.fired = append(l.fired, turn.At)
		}
		if !intruded.After(l.now) && turn.Status.Phase == engine.Holding {
			l.levers.Set(leverRef("public"), "somebody", "new", 900) // more than was asked for: written again
			intruded = dawn.Add(time.Hour)
		}
		if turn.Status.Phase == engine.Paused && l.now.Sub(turn.Status.Since) > 5*time.Second {
			l.sent++
			c := turn.Status.Bound(engine.Command{ID: fmt.Sprint(l.sent), Verb: engine.Resume, By: "ann", At: l.now})
			if err := l.store.Submit(ctx, cfg.Key, store.Command{ID: c.ID, Kind: string(c.Verb), By: c.By, At: c.At, Attempt: c.Attempt, Step: c.Step, Situation: c.Situation}); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := runner.Run(ctx, cfg); err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if l.until.Sub(l.now) > 0 || l.status.Phase.Ended() {
		return
	}
	if l.until.Before(dawn.Add(8 * time.Minute)) { // and another process goes on
		l.run(t)
	}
}

// TestALiveMigrationIsReplayed: of a migration that the runner has run, the journal
// gives the evidence of the live verdict to the bit, of errors, latency and events, and
// when it passed its threshold; and each change of the share.
func TestALiveMigrationIsReplayed(t *testing.T) {
	found, resumed := map[string]int{}, 0
	for seed := range uint64(16) {
		l := newLive(seed)
		l.run(t)
		entries := func() iter.Seq2[store.Entry, error] { return l.store.Journal(t.Context(), store.Key{Name: "shop"}) }
		attempts, err := Journal("shop", entries, l.spec.Gate.Analysis.Services)
		if err != nil || len(attempts) != 1 {
			t.Fatalf("seed %d: %d attempts, %v", seed, len(attempts), err)
		}
		got := Replay(attempts[0], attempts[0].Settings(*l.spec.Gate.Analysis))
		want := l.status.Analysis
		if math.Float64bits(got.LogE) != math.Float64bits(want.LogE) || math.Float64bits(got.Peak) != math.Float64bits(want.Peak) {
			t.Errorf("seed %d (%s, %s): replayed to ln E %v, peak %v; live it was %v, %v", seed, l.spec.Gate.Analysis.Form, l.status.Phase, got.LogE, got.Peak, want.LogE, want.Peak)
		}
		resumed += l.sent
		if len(got.Rollbacks) != len(l.fired) {
			t.Fatalf("seed %d: replayed %d rollbacks, live there were %d", seed, len(got.Rollbacks), len(l.fired))
		}
		for i, b := range got.Rollbacks {
			if !b.At.Equal(l.fired[i]) {
				t.Errorf("seed %d: replayed to %s, live it was %s", seed, b.At.Format(time.TimeOnly), l.fired[i].Format(time.TimeOnly))
			}
			found[b.Finding.Metric]++
		}
		var shares []traffic.Share
		for _, r := range got.Rises {
			shares = append(shares, r.To)
		}
		if fmt.Sprint(shares) != fmt.Sprint(l.shares) {
			t.Errorf("seed %d: rises to %v, and %v were written", seed, shares, l.shares)
		}
	}
	t.Log(found, resumed)
	if found["errors"] == 0 || found["p99"]+found["1s"] == 0 || found["declined"] == 0 || resumed == 0 {
		t.Errorf("the test looks at too little: %v, %d commands", found, resumed)
	}
}
