package routertest

import (
	"testing"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// bound returns how long a write takes at most until nobody uses the old
// weights, by the driver's own word.
func (h Harness) bound(t testing.TB) time.Duration {
	t.Helper()
	f := h.features(t)
	return f.Propagation + f.Cached
}

func (h Harness) settled(t testing.TB, r router.Receipt) router.Settlement {
	t.Helper()
	s, err := h.Driver.Settled(calling(t), r)
	if err != nil {
		t.Fatalf("settled: %v", err)
	}
	if s.Done != (s.Pending == "") {
		t.Errorf("%+v does not say what it waits for", s)
	}
	return s
}

// untilKnown asks until the driver knows when the write will have settled: some
// learn only by asking that the data plane has it, and a real data plane has a
// clock of its own.
func (h Harness) untilKnown(t *testing.T, r router.Receipt) {
	t.Helper()
	for deadline := time.Now().Add(patience); h.settled(t, r).At.IsZero(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %s the driver still does not know when it settles", patience)
		}
	}
}

func testSettles(t *testing.T, h Harness) {
	r := h.write(t, "settle", 1000)
	bound := h.bound(t)
	if bound > 0 {
		if s := h.settled(t, r); s.Done {
			t.Errorf("settled at once, the bound is %s", bound)
		}
	}
	h.Advance(bound)
	h.untilKnown(t, r)
	h.Advance(bound)
	if s := h.settled(t, r); !s.Done {
		t.Errorf("%s after the write: %+v", 2*bound, s)
	}
	h.write(t, "settle back", traffic.None)
}

func testSettlesWithoutToken(t *testing.T, h Harness) {
	r := h.write(t, "forgotten", 1000)
	r.Token, r.Note = "", ""
	bound := h.bound(t)
	if bound > 0 {
		h.Advance(bound - time.Millisecond)
		if s := h.settled(t, r); s.Done {
			t.Errorf("settled before the bound of %s without knowing", bound)
		}
	}
	h.Advance(3*bound + time.Millisecond)
	if s := h.settled(t, r); !s.Done {
		t.Errorf("%s after the write: %+v", 4*bound, s)
	}
}

func testSettledConflict(t *testing.T, h Harness) {
	r := h.write(t, "overwritten", 1000)
	h.Intrude(50, 50)
	_, err := h.Driver.Settled(calling(t), r)
	wantError(t, err, router.ErrConflict, router.EffectNothing)
	h.Advance(4 * h.bound(t))
	_, err = h.Driver.Settled(calling(t), r)
	wantError(t, err, router.ErrConflict, router.EffectNothing)
}
