package routertest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/router"
	"watari.dev/traffic"
)

// right is how long the suite may write, where it matters.
const right = 10 * time.Second

// RunEnded is the part of Run about changes whose right to be written ends, for
// harnesses on which all of it takes too long.
func RunEnded(t *testing.T, newHarness func(*testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"has ended", testEnded},
		{"ends while it waits", testEndsWhileItWaits},
		{"ends between batches", testEndsBetweenBatches},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newHarness(t)) })
	}
}

func testEnded(t *testing.T, h Harness) {
	h.Intrude(60, 40)
	before := h.Truth()
	for _, share := range []traffic.Share{1000, traffic.None, traffic.All} {
		for _, ago := range []time.Duration{0, time.Nanosecond, 24 * time.Hour} {
			_, err := h.Driver.Write(calling(t), router.Change{ID: "late", Route: h.Route, Share: share, NotAfter: h.Now().Add(-ago)})
			wantError(t, err, router.ErrExpired, router.EffectNothing)
			if d := cmp.Diff(before, h.Truth()); d != "" {
				t.Errorf("%s was written %s after the right to it had ended:\n%s", share, ago, d)
			}
		}
	}
	if _, err := h.Driver.Write(calling(t), router.Change{ID: "in time", Route: h.Route, Share: traffic.None, NotAfter: h.Now().Add(right)}); err != nil {
		t.Errorf("in time: %v", err)
	}
	if got := h.share(t); got != traffic.None {
		t.Errorf("the share is %s after it was written in time", got)
	}
}

func testEndsWhileItWaits(t *testing.T, h Harness) {
	before := h.Truth()
	h.Inject(Fault{Kind: Slow, Times: 1, Takes: right})
	_, err := h.Driver.Write(calling(t), router.Change{ID: "slow", Route: h.Route, Share: 1000, NotAfter: h.Now().Add(right)})
	wantError(t, err, router.ErrExpired, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("it was written after the right to it had ended:\n%s", d)
	}
	h.Heal()
	h.Inject(Fault{Kind: Slow, Times: 1, Takes: right})
	r, err := h.Driver.Write(calling(t), router.Change{ID: "just", Route: h.Route, Share: 1000, NotAfter: h.Now().Add(right + time.Nanosecond)})
	if err != nil || r.Share != 1000 || h.share(t) != 1000 {
		t.Errorf("just in time it gave %+v, %v; the share is %s", r, err, h.share(t))
	}
}

// testEndsBetweenBatches is for routes whose parts do not change in one call.
func testEndsBetweenBatches(t *testing.T, h Harness) {
	if h.features(t).Atomic || len(h.Truth()) < 2 {
		t.Skip("all of this route changes in one call")
	}
	h.Inject(Fault{Kind: Slow, Writes: true, Times: 1, Takes: right})
	_, err := h.Driver.Write(calling(t), router.Change{ID: "half", Route: h.Route, Share: traffic.All, NotAfter: h.Now().Add(right)})
	wantError(t, err, router.ErrExpired, router.EffectPartial)
	var e *router.Error
	if !errors.As(err, &e) || len(e.Changed) == 0 || len(e.Changed) == len(h.Truth()) {
		t.Fatalf("%v does not name a part of the names", err)
	}
	for _, p := range h.Truth() {
		have, _ := weights(h.Route, p)
		if changed := have.Share() == traffic.All; changed != slices.Contains(e.Changed, p.Name) {
			t.Errorf("%q has %s, said to be changed: %v", p.Name, have.Share(), e.Changed)
		}
	}
	h.Heal()
	h.write(t, "the rest", traffic.All)
	if got := h.share(t); got != traffic.All {
		t.Errorf("the share is %s after the rest was written", got)
	}
}
