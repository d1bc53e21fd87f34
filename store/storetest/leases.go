package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"watari.dev/store"
)

const ttl = 30 * time.Second

func mustAcquire(t *testing.T, s Subject, id string) store.Lease {
	t.Helper()
	lease, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, id), ttl, false)
	if err != nil {
		t.Fatalf("acquire for %s: %v", id, err)
	}
	return lease
}

// wantLocked checks that err is a *LockedError of kind that names the holder id.
func wantLocked(t *testing.T, err, kind error, id string) *store.LockedError {
	t.Helper()
	var locked *store.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want a LockedError of kind %v", err, kind)
	}
	if locked.Holder.ID != id || locked.Key != shop {
		t.Errorf("it names %+v of %s, want %s of %s", locked.Holder, locked.Key, id, shop)
	}
	return locked
}

func wantHolder(t *testing.T, s Subject, id string, expires time.Time) {
	t.Helper()
	got, until, held, err := s.Store.Holder(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	if id == "" {
		if held {
			t.Errorf("held by %s, want nobody", got)
		}
		return
	}
	if !held || got.ID != id || !until.Equal(expires) {
		t.Errorf("held %v by %+v until %s, want %s until %s", held, got, until, id, expires)
	}
}

func testLeaseOneHolder(t *testing.T, s Subject) {
	since := s.Clock.Now()
	lease := mustAcquire(t, s, "first")
	if want := since.Add(ttl); !lease.Expires().Equal(want) {
		t.Errorf("expires at %s, want %s", lease.Expires(), want)
	}
	s.Clock.Advance(ttl - 1)
	_, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, "second"), ttl, false)
	locked := wantLocked(t, err, store.ErrLocked, "first")
	if !locked.Expires.Equal(since.Add(ttl)) || !locked.Holder.Since.Equal(since) || locked.Dead {
		t.Errorf("%+v", locked)
	}
	wantHolder(t, s, "first", since.Add(ttl))
	for _, bad := range []time.Duration{0, -time.Second} {
		if _, err := s.Store.Acquire(t.Context(), store.Key{Name: "other"}, holder(s.Clock, "first"), bad, false); err == nil {
			t.Errorf("a lease for %s was given", bad)
		}
	}
	if _, err := s.Store.Acquire(t.Context(), store.Key{Name: "other"}, store.Holder{}, ttl, false); err == nil {
		t.Error("a holder without ID was accepted")
	}
}

func testLeaseExpires(t *testing.T, s Subject) {
	first := mustAcquire(t, s, "first")
	s.Clock.Advance(ttl)
	wantHolder(t, s, "", time.Time{})
	second := mustAcquire(t, s, "second")
	wantLocked(t, first.Renew(t.Context()), store.ErrLost, "second")
	wantHolder(t, s, "second", second.Expires())
	if err := second.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantError(t, "renew after somebody else had it", first.Renew(t.Context()), store.ErrLost)
	wantHolder(t, s, "", time.Time{})
}

func testLeaseRenew(t *testing.T, s Subject) {
	lease := mustAcquire(t, s, "first")
	for _, wait := range []time.Duration{ttl / 2, ttl - 1, ttl + time.Hour} { // the last one ran out, and nobody took it
		s.Clock.Advance(wait)
		if err := lease.Renew(t.Context()); err != nil {
			t.Fatalf("renew after %s: %v", wait, err)
		}
		if want := s.Clock.Now().Add(ttl); !lease.Expires().Equal(want) {
			t.Errorf("expires at %s, want %s", lease.Expires(), want)
		}
		wantHolder(t, s, "first", lease.Expires())
	}
}

func testTakeOver(t *testing.T, s Subject) {
	first := mustAcquire(t, s, "first")
	s.Bury(holder(s.Clock, "first"))
	_, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, "second"), ttl, false)
	if locked := wantLocked(t, err, store.ErrLocked, "first"); !locked.Dead {
		t.Error("it must say that the holder is dead")
	}
	if _, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, "second"), ttl, true); err != nil {
		t.Fatalf("take over: %v", err)
	}
	wantHolder(t, s, "second", s.Clock.Now().Add(ttl))
	wantLocked(t, first.Renew(t.Context()), store.ErrLost, "second")
}

func testNoTakeOverOfTheLiving(t *testing.T, s Subject) {
	mustAcquire(t, s, "first")
	_, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, "second"), ttl, true)
	wantLocked(t, err, store.ErrLocked, "first")
	wantHolder(t, s, "first", s.Clock.Now().Add(ttl))
}

func testRelease(t *testing.T, s Subject) {
	first := mustAcquire(t, s, "first")
	for range 2 { // releasing twice is no error
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wantHolder(t, s, "", time.Time{})
	wantError(t, "renew after release", first.Renew(t.Context()), store.ErrLost)
	mustAcquire(t, s, "second")
}

func testReleaseLost(t *testing.T, s Subject) {
	first := mustAcquire(t, s, "first")
	s.Clock.Advance(ttl)
	second := mustAcquire(t, s, "second")
	if err := first.Release(t.Context()); err != nil {
		t.Errorf("release of a lost lease: %v", err)
	}
	wantHolder(t, s, "second", second.Expires())
}

func testAcquireAgain(t *testing.T, s Subject) {
	before := mustAcquire(t, s, "first")
	s.Clock.Advance(time.Second)
	again := mustAcquire(t, s, "first")
	wantError(t, "renew the lease before", before.Renew(t.Context()), store.ErrLost)
	if err := before.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := again.Renew(t.Context()); err != nil {
		t.Errorf("renew the lease of now: %v", err)
	}
	wantHolder(t, s, "first", again.Expires())
}

func testManyAcquire(t *testing.T, s Subject) {
	for round := range 3 {
		var winners atomic.Int64
		var all sync.WaitGroup
		for n := range 8 {
			all.Go(func() {
				_, err := s.Store.Acquire(t.Context(), shop, holder(s.Clock, fmt.Sprintf("%d of round %d", n, round)), ttl, n%2 == 0)
				switch {
				case err == nil:
					winners.Add(1)
				case !errors.Is(err, store.ErrLocked):
					t.Errorf("acquire: %v", err)
				}
			})
		}
		all.Wait()
		if winners.Load() != 1 {
			t.Errorf("round %d: %d have the lease", round, winners.Load())
		}
		s.Clock.Advance(ttl)
	}
}
