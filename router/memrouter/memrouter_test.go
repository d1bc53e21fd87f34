package memrouter_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

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

func harness(features router.Features, names ...string) func(*testing.T) routertest.Harness {
	return func(*testing.T) routertest.Harness {
		at := newClock()
		r := memrouter.New(memrouter.Config{Features: features, Now: at.Now})
		route := router.Ref{Name: "public", Driver: "mem", ID: "lever", Names: names, Source: "old", Target: "new"}
		r.Add(route, router.Weight{Entry: "old", Weight: 100}, router.Weight{Entry: "new"})
		absent := route
		absent.ID = "nowhere"
		return routertest.Harness{
			Driver: r, Route: route, Absent: absent,
			Truth: func() []router.Part { return r.Parts(route) },
			Intrude: func(source, target int64) {
				r.Set(route, "an intruder", "old", source)
				r.Set(route, "an intruder", "new", target)
			},
			Foreign: func(weight int64) { r.Set(route, "a neighbour", "other", weight) },
			Inject:  func(f routertest.Fault) { inject(r, at, f) },
			Breaks: map[string]routertest.Break{
				"gone":    {Do: func(n string) { r.Break(route, n, router.ErrNotFound, true) }, Mend: func(n string) { r.Break(route, n, nil, true) }, Shown: true},
				"refused": {Do: func(n string) { r.Break(route, n, router.ErrNotOwned, false) }, Mend: func(n string) { r.Break(route, n, nil, false) }},
			},
			Heal:    r.Heal,
			Advance: at.Advance, Now: at.Now,
		}
	}
}

func inject(r *memrouter.Router, at *clock, f routertest.Fault) {
	fault := memrouter.Fault{Times: f.Times}
	if f.Times == 0 {
		fault.Times = memrouter.Forever
	}
	switch f.Kind {
	case routertest.Throttled:
		fault.Kind = router.ErrThrottled
	case routertest.Denied:
		fault.Kind = router.ErrDenied
	case routertest.RequestLost:
		fault.Lost = true
	case routertest.ReplyLost:
		fault.Lost, fault.Applied = true, true
	case routertest.Stalled:
		fault.Stall = true
	case routertest.Slow:
		fault.Wait = func() { at.Advance(f.Takes) }
		if f.Writes {
			fault.Parts = 1
		}
		f.Writes = true
	}
	if f.Writes {
		r.Fail(memrouter.Write, fault)
		return
	}
	r.Fail(memrouter.Read, fault)
	r.Fail(memrouter.Settled, fault)
}

func TestContract(t *testing.T) {
	t.Run("one part", func(t *testing.T) {
		routertest.Run(t, harness(router.Features{Propagation: 5 * time.Second, Cached: time.Minute}))
	})
	t.Run("three names, coarse", func(t *testing.T) {
		routertest.Run(t, harness(router.Features{MaxWeight: 255, Atomic: true, Propagation: time.Second}, "a", "b", "c"))
	})
	t.Run("three names, one after the other", func(t *testing.T) {
		routertest.Run(t, harness(router.Features{MaxWeight: 255, Propagation: time.Second}, "a", "b", "c"))
	})
	t.Run("at once", func(t *testing.T) {
		routertest.Run(t, harness(router.Features{MaxWeight: 1_000_000, Atomic: true}))
	})
}

func TestNewConnectionsFollowAfterThePropagation(t *testing.T) {
	at := newClock()
	r := memrouter.New(memrouter.Config{Features: router.Features{Propagation: 10 * time.Second}, Now: at.Now})
	route := router.Ref{ID: "lever", Source: "old", Target: "new"}
	r.Add(route, router.Weight{Entry: "old", Weight: 1})
	for _, share := range []traffic.Share{1000, 5000} {
		if _, err := r.Write(context.Background(), router.Change{ID: share.String(), Route: route, Share: share}); err != nil {
			t.Fatal(err)
		}
		at.Advance(6 * time.Second)
	}
	var got []traffic.Share
	for range 3 {
		got = append(got, r.Effective(route)[0].Share)
		at.Advance(5 * time.Second)
	}
	if want := []traffic.Share{1000, 5000, 5000}; !slices.Equal(got, want) {
		t.Errorf("new connections saw %v, want %v", got, want)
	}
}

func TestAPartOfTheNames(t *testing.T) {
	r := memrouter.New(memrouter.Config{})
	route := router.Ref{ID: "lever", Names: []string{"a", "b", "c"}, Source: "old", Target: "new"}
	r.Add(route, router.Weight{Entry: "old", Weight: 1})
	r.Fail(memrouter.Write, memrouter.Fault{Parts: 2, Kind: router.ErrThrottled})
	_, err := r.Write(context.Background(), router.Change{ID: "1", Route: route, Share: 1000})
	var e *router.Error
	if !errors.As(err, &e) || e.Effect != router.EffectPartial || !slices.Equal(e.Changed, []string{"a", "b"}) {
		t.Fatalf("got %v", err)
	}
	s, err := r.Read(context.Background(), route)
	if err != nil || s.Low() != traffic.None || s.High() != 1000 {
		t.Errorf("read %s, %v", s.Describe(), err)
	}
	if n := r.Calls(memrouter.Write); n != 1 {
		t.Errorf("%d writes counted", n)
	}
}
