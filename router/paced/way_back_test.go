package paced_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/router/memrouter"
	"watari.dev/router/paced"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/traffic"
)

// bucket is an account that allows so many calls: it is empty at first, because
// somebody else has used all, and fills by perSecond up to burst.
type bucket struct {
	router.Driver
	perSecond, burst float64

	mu     sync.Mutex
	tokens float64
	at     time.Time
	calls  int
}

func (b *bucket) take(route router.Ref) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens, b.at = min(b.burst, b.tokens+b.perSecond*now.Sub(b.at).Seconds()), now
	b.calls++
	if b.tokens < 1 {
		return &router.Error{Op: "mem: call", On: route.Name, Kind: router.ErrThrottled, Effect: router.EffectNothing}
	}
	b.tokens--
	return nil
}

func (b *bucket) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	if err := b.take(route); err != nil {
		return router.Snapshot{}, err
	}
	return b.Driver.Read(ctx, route)
}

func (b *bucket) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	if err := b.take(change.Route); err != nil {
		return router.Receipt{}, err
	}
	return b.Driver.Write(ctx, change)
}

func (b *bucket) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	if err := b.take(receipt.Route); err != nil {
		return router.Settlement{}, err
	}
	return b.Driver.Settled(ctx, receipt)
}

// takenBack is how a way back went.
type takenBack struct {
	phase   engine.Phase  // after ten minutes at most
	written time.Duration // until the last route was at 0
	said    time.Duration // until it was said
	calls   int
}

// takeBack takes six routes back that share an account.
func takeBack(t *testing.T, perSecond float64, wrap func(router.Driver) router.Driver) (out takenBack) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		mem := memrouter.New(memrouter.Config{Features: router.Features{Propagation: 2 * time.Second}})
		b := &bucket{Driver: mem, perSecond: perSecond, burst: 20, at: began}
		cfg := runner.Config{
			Key: store.Key{Name: "shop"}, Record: json.RawMessage(`{}`), Store: memstore.New(), Holder: store.Holder{ID: "me"},
			Spec:   engine.Spec{Name: "shop", Source: "old", Target: "new", Steps: []engine.StepSpec{{Share: traffic.All}}},
			Orders: []engine.Command{{ID: "1", Verb: engine.TakeBack}}, Routes: map[string]runner.Route{},
		}
		driver := wrap(b)
		for i := range 6 {
			ref := router.Ref{Name: fmt.Sprint(i), Driver: "mem", ID: fmt.Sprint(i), Source: "old", Target: "new"}
			mem.Add(ref, router.Weight{Entry: "old", Weight: 60}, router.Weight{Entry: "new", Weight: 40})
			cfg.Routes[ref.Name] = runner.Route{Ref: ref, Driver: driver}
			cfg.Spec.Routes = append(cfg.Spec.Routes, engine.RouteSpec{Name: ref.Name, Granularity: 11, SettleWithin: time.Minute, LookEvery: time.Second})
		}
		cfg.OnTurn = func(turn runner.Turn) {
			for _, e := range turn.Effects {
				if e.Result.Outcome == engine.Accepted {
					out.written = time.Since(began)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		status, err := runner.Run(ctx, cfg)
		out.phase, out.said, out.calls = status.Phase, time.Since(began), b.calls
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
	return out
}

// TestTakingBackThroughAThrottledAccount: users are back no later than without a
// pacer, with fewer calls, and it is said although the account allows less than the
// looks at all routes need.
func TestTakingBackThroughAThrottledAccount(t *testing.T) {
	for _, perSecond := range []float64{1, 2, 5, 20} {
		plain := takeBack(t, perSecond, func(d router.Driver) router.Driver { return d })
		with := takeBack(t, perSecond, func(d router.Driver) router.Driver { return paced.NewPacer(nil).Wrap(d) })
		t.Logf("%v calls/s: without a pacer %+v, with one %+v", perSecond, plain, with)
		if with.phase != engine.RolledBack || with.said > time.Minute {
			t.Errorf("%v calls/s: %s after %s", perSecond, with.phase, with.said)
		}
		if with.written > plain.written || with.calls > plain.calls {
			t.Errorf("%v calls/s: %+v, without a pacer %+v", perSecond, with, plain)
		}
	}
}
