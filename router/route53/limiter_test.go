package route53

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

func TestLimiterKeepsTheRateAndLetsUrgentCallsGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(5)
		for range 5 { // the burst
			if err := l.Wait(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		enter := func(name string, urgent bool) {
			all.Go(func() {
				if err := l.Wait(t.Context(), urgent); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			})
			synctest.Wait()
		}
		enter("first", false)
		enter("second", false)
		enter("rollback 1", true)
		enter("rollback 2", true)
		all.Wait()
		if want := []string{"rollback 1", "rollback 2", "first", "second"}; !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
		if took := time.Since(start); took < 790*time.Millisecond || took > 810*time.Millisecond {
			t.Errorf("4 calls beyond the burst took %v, want 800 ms", took)
		}
	})
}

func TestLimiterForgetsWhoGaveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimiter(1)
		if err := l.Wait(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := l.Wait(brief, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		start := time.Now()
		if err := l.Wait(t.Context(), false); err != nil || time.Since(start) > 910*time.Millisecond {
			t.Errorf("waited %v, %v: the turn of who gave up must go to the next", time.Since(start), err)
		}
	})
}

func TestTakingBackGoesBeforeReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := zoneOf(1, 90, 10)
		l := NewLimiter(1)
		d := newDriver(f, Options{Limiter: l, Now: time.Now}, quick)
		if err := l.Wait(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var read, back time.Time
		all.Go(func() {
			if _, err := d.Read(t.Context(), r); err != nil {
				t.Error(err)
			}
			read = time.Now()
		})
		synctest.Wait()
		all.Go(func() {
			if _, err := d.Write(t.Context(), router.Change{ID: "back", Route: r, Share: traffic.None}); err != nil {
				t.Error(err)
			}
			back = time.Now()
		})
		all.Wait()
		if !back.Before(read) {
			t.Errorf("the read that came first ended at %v, the rollback at %v", read, back)
		}
	})
}

// TestNothingIsSentWhoseRightEndedInTheQueue lets the lease end while a write
// waits for its turn, and while it waits to be repeated.
func TestNothingIsSentWhoseRightEndedInTheQueue(t *testing.T) {
	for name, throttled := range map[string]int{"for its turn": 0, "to be repeated": 3} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, r := zoneOf(1, 100, 0)
				l := NewLimiter(1)
				d := newDriver(f, Options{Limiter: l, Now: time.Now}, awscall.Policy{First: time.Minute})
				right := 1500 * time.Millisecond // the read takes the token after one second, the write would take the next
				if throttled > 0 {
					l = NewLimiter(1e6)
					d.limiter, right = l, time.Nanosecond
					f.faults = []routertest.Fault{{Kind: routertest.Throttled, Writes: true, Times: throttled}}
				} else if err := l.Wait(t.Context(), false); err != nil {
					t.Fatal(err)
				}
				_, err := d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000, NotAfter: time.Now().Add(right)})
				if !errors.Is(err, router.ErrExpired) || router.EffectOf(err) != router.EffectNothing || f.writes != 0 {
					t.Errorf("%d writes carried out, %v", f.writes, err)
				}
				if left := 3 - throttled; throttled > 0 && (len(f.faults) == 0 || f.faults[0].Times != 2+left) {
					t.Errorf("it was sent again after the right had ended: %+v", f.faults)
				}
			})
		})
	}
}
