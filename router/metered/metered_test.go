package metered_test

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/router/metered"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

func newMeter(t *testing.T) (*metered.Meter, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	m, err := metered.NewMeter(registry)
	if err != nil {
		t.Fatal(err)
	}
	return m, registry
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func memory() (*memrouter.Router, router.Ref) { return memoryAt(newClock()) }

func memoryAt(at *clock) (*memrouter.Router, router.Ref) {
	r := memrouter.New(memrouter.Config{Now: at.Now})
	route := router.Ref{Name: "public", ID: "lever", Source: "old", Target: "new"}
	r.Add(route, router.Weight{Entry: "old", Weight: 100}, router.Weight{Entry: "new"})
	return r, route
}

func TestContract(t *testing.T) {
	routertest.Run(t, func(t *testing.T) routertest.Harness {
		m, _ := newMeter(t)
		at := newClock()
		r, route := memoryAt(at)
		absent := route
		absent.ID = "nowhere"
		return routertest.Harness{
			Driver: m.Wrap("mem", r), Route: route, Absent: absent,
			Truth: func() []router.Part { return r.Parts(route) },
			Intrude: func(source, target int64) {
				r.Set(route, "an intruder", "old", source)
				r.Set(route, "an intruder", "new", target)
			},
			Foreign: func(weight int64) { r.Set(route, "a neighbour", "other", weight) },
			Inject:  func(f routertest.Fault) { inject(r, at, f) },
			Heal:    r.Heal, Advance: at.Advance, Now: at.Now, Checks: 20,
		}
	})
}

func inject(r *memrouter.Router, at *clock, f routertest.Fault) {
	kinds := map[routertest.Kind]error{routertest.Throttled: router.ErrThrottled, routertest.Denied: router.ErrDenied}
	fault := memrouter.Fault{
		Kind: kinds[f.Kind], Times: f.Times, Stall: f.Kind == routertest.Stalled,
		Lost: f.Kind == routertest.ReplyLost || f.Kind == routertest.RequestLost, Applied: f.Kind == routertest.ReplyLost,
	}
	if f.Times == 0 {
		fault.Times = memrouter.Forever
	}
	if f.Kind == routertest.Slow {
		fault.Wait, f.Writes = func() { at.Advance(f.Takes) }, true
	}
	ops := []memrouter.Op{memrouter.Read, memrouter.Settled}
	if f.Writes {
		ops = []memrouter.Op{memrouter.Write}
	}
	for _, op := range ops {
		r.Fail(op, fault)
	}
}

func TestCallsFailuresAndWritesAreCounted(t *testing.T) {
	m, registry := newMeter(t)
	r, route := memory()
	d := m.Wrap("mem", r)
	ctx := context.Background()
	for _, share := range []traffic.Share{1000, traffic.None} {
		if _, err := d.Write(ctx, router.Change{ID: share.String(), Route: route, Share: share}); err != nil {
			t.Fatal(err)
		}
	}
	r.Fail(memrouter.Write, memrouter.Fault{Kind: router.ErrThrottled})
	if _, err := d.Write(ctx, router.Change{ID: "3", Route: route, Share: 5000}); err == nil {
		t.Fatal("the fault was swallowed")
	}
	if _, err := d.Read(ctx, route); err != nil {
		t.Fatal(err)
	}
	got := m.Totals()
	if !maps.Equal(got.Calls, map[string]int{"write": 3, "read": 1}) || !maps.Equal(got.Failures, map[string]int{"throttled": 1}) {
		t.Errorf("counted %v and %v", got.Calls, got.Failures)
	}
	if len(got.Writes) != 2 || got.Writes[0].Share != 1000 || got.Writes[1].Share != traffic.None || got.Writes[0].Route != "public" {
		t.Errorf("writes %+v", got.Writes)
	}
	if n, err := testutil.GatherAndCount(registry, "watari_router_calls_total", "watari_router_failures_total", "watari_router_seconds"); err != nil || n != 5 {
		t.Errorf("%d series, %v", n, err)
	}
	got.Calls["write"] = 99
	if m.Totals().Calls["write"] != 3 {
		t.Error("the totals are not a copy")
	}
}

func TestOnlyTheLastWritesAreKept(t *testing.T) {
	m, _ := newMeter(t)
	r, route := memory()
	d := m.Wrap("mem", r)
	for i := range 1003 {
		if _, err := d.Write(context.Background(), router.Change{Route: route, Share: traffic.Share(i%2) * 1000}); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Totals(); len(got.Writes) != 1000 || got.Dropped != 3 {
		t.Errorf("%d writes kept, %d dropped", len(got.Writes), got.Dropped)
	}
}

// restorable is a driver that can convert back.
type restorable struct{ router.Driver }

func (restorable) Restore(context.Context, router.Ref, traffic.Side, time.Time) (router.Receipt, error) {
	return router.Receipt{Share: traffic.All}, nil
}

func (restorable) Restorable(context.Context, router.Ref, traffic.Side) ([]router.Restoration, error) {
	return []router.Restoration{{Name: "api.example.com"}}, nil
}

func TestARestorerStaysOne(t *testing.T) {
	m, _ := newMeter(t)
	r, route := memory()
	if _, ok := m.Wrap("mem", r).(router.Restorer); ok {
		t.Error("a driver that cannot restore claims it")
	}
	d, ok := m.Wrap("mem", restorable{r}).(router.Restorer)
	if !ok {
		t.Fatal("a driver that can restore lost it")
	}
	if got, err := d.Restore(context.Background(), route, traffic.Target, time.Time{}); err != nil || got.Share != traffic.All {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := d.Restorable(context.Background(), route, traffic.Target); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if got := m.Totals(); got.Calls["restore"] != 1 || got.Calls["restorable"] != 1 || len(got.Writes) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRegisteringTwiceFails(t *testing.T) {
	_, registry := newMeter(t)
	if _, err := metered.NewMeter(registry); err == nil {
		t.Error("no error")
	}
}
