package routertest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/router"
	"watari.dev/traffic"
)

// wantError checks the kind and the effect of err and that its text can be
// read by people: it names the operation and the object.
func wantError(t testing.TB, err error, kind error, effect router.Effect) {
	t.Helper()
	var e *router.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Fatalf("got %v, want a router.Error of the kind %q", err, kind)
	}
	if got := router.EffectOf(err); got != effect {
		t.Errorf("%v: want %q", err, effect)
	}
	if e.Op == "" || e.On == "" || !strings.Contains(err.Error(), e.On) || !strings.Contains(err.Error(), e.Op) {
		t.Errorf("%q does not say what was attempted on what", err)
	}
}

func testConflict(t *testing.T, h Harness) {
	stale := h.read(t).Version
	h.Intrude(70, 30)
	before := h.Truth()
	_, err := h.Driver.Write(calling(t), router.Change{ID: "stale", Route: h.Route, Share: 5000, IfVersion: stale})
	wantError(t, err, router.ErrConflict, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("a conflict changed the weights:\n%s", d)
	}
}

func testNoVersion(t *testing.T, h Harness) {
	h.read(t)
	h.Intrude(20, 80)
	if _, err := h.Driver.Write(calling(t), router.Change{ID: "back", Route: h.Route, Share: traffic.None}); err != nil {
		t.Fatal(err)
	}
	if got := h.share(t); got != traffic.None {
		t.Errorf("the share is %s after it was taken back", got)
	}
}

func testSameChangeTwice(t *testing.T, h Harness) {
	change := router.Change{ID: "once", Route: h.Route, Share: 1000, IfVersion: h.read(t).Version}
	first, err := h.Driver.Write(calling(t), change)
	if err != nil {
		t.Fatal(err)
	}
	before := h.Truth()
	second, err := h.Driver.Write(calling(t), change)
	if err != nil {
		t.Fatalf("the same change again: %v", err)
	}
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("the same change again changed the weights:\n%s", d)
	}
	if first.Share != second.Share || first.ChangeID != second.ChangeID {
		t.Errorf("receipts %+v and %+v of one change", first, second)
	}
}

func testReplyLost(t *testing.T, h Harness) {
	change := router.Change{ID: "lost", Route: h.Route, Share: 2500, IfVersion: h.read(t).Version}
	h.Inject(Fault{Kind: ReplyLost, Writes: true, Times: 1})
	_, err := h.Driver.Write(calling(t), change)
	wantError(t, err, router.ErrUnavailable, router.EffectUnknown)
	h.Heal()
	if got := h.read(t); got.Low() != 2500 || got.High() != 2500 || h.share(t) != 2500 {
		t.Errorf("read %s to %s after the reply was lost, the truth is %s", got.Low(), got.High(), h.share(t))
	}
	if r, err := h.Driver.Write(calling(t), change); err != nil || r.Share != 2500 {
		t.Errorf("repeating it gave %+v, %v", r, err)
	}
}

func testRequestLost(t *testing.T, h Harness) {
	before := h.Truth()
	change := router.Change{ID: "lost", Route: h.Route, Share: 2500, IfVersion: h.read(t).Version}
	h.Inject(Fault{Kind: RequestLost, Writes: true, Times: 1})
	_, err := h.Driver.Write(calling(t), change)
	wantError(t, err, router.ErrUnavailable, router.EffectUnknown)
	h.Heal()
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("the request was lost and yet:\n%s", d)
	}
	if r, err := h.Driver.Write(calling(t), change); err != nil || r.Share != 2500 || h.share(t) != 2500 {
		t.Errorf("repeating it gave %+v, %v", r, err)
	}
}

func testThrottledForEver(t *testing.T, h Harness) {
	before := h.Truth()
	h.Inject(Fault{Kind: Throttled, Writes: true})
	_, err := h.Driver.Write(calling(t), router.Change{ID: "much", Route: h.Route, Share: 1000})
	wantError(t, err, router.ErrThrottled, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("throttled and yet:\n%s", d)
	}
	h.Heal()
	h.Inject(Fault{Kind: Throttled})
	_, err = h.Driver.Read(calling(t), h.Route)
	wantError(t, err, router.ErrThrottled, router.EffectNothing)
}

func testThrottledOnce(t *testing.T, h Harness) {
	change := router.Change{ID: "once", Route: h.Route, Share: 1000}
	h.Inject(Fault{Kind: Throttled, Writes: true, Times: 1})
	if _, err := h.Driver.Write(calling(t), change); err != nil {
		wantError(t, err, router.ErrThrottled, router.EffectNothing) // a driver may leave the retry to its caller
		if err := h.writeWhenDue(t, change); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.share(t); got != 1000 {
		t.Errorf("the share is %s", got)
	}
}

// writeWhenDue repeats a change, once more when it says that it was held back.
func (h Harness) writeWhenDue(t testing.TB, change router.Change) error {
	t.Helper()
	_, err := h.Driver.Write(calling(t), change)
	if due, held := router.HeldBack(err); held {
		wantError(t, err, router.ErrThrottled, router.EffectNothing)
		h.Advance(due.Sub(h.Now()))
		_, err = h.Driver.Write(calling(t), change)
	}
	return err
}

func testDenied(t *testing.T, h Harness) {
	before := h.Truth()
	h.Inject(Fault{Kind: Denied, Writes: true})
	_, err := h.Driver.Write(calling(t), router.Change{ID: "no", Route: h.Route, Share: 1000})
	wantError(t, err, router.ErrDenied, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("denied and yet:\n%s", d)
	}
	h.Heal()
	h.Inject(Fault{Kind: Denied})
	_, err = h.Driver.Read(calling(t), h.Route)
	wantError(t, err, router.ErrDenied, router.EffectNothing)
	_, err = h.Driver.Settled(calling(t), router.Receipt{ChangeID: "no", Route: h.Route, At: time.Unix(1, 0)})
	wantError(t, err, router.ErrDenied, router.EffectNothing)
}

func testAbsent(t *testing.T, h Harness) {
	_, err := h.Driver.Read(calling(t), h.Absent)
	wantError(t, err, router.ErrNotFound, router.EffectNothing)
	_, err = h.Driver.Write(calling(t), router.Change{ID: "nowhere", Route: h.Absent, Share: 1000})
	wantError(t, err, router.ErrNotFound, router.EffectNothing)
}

func testGivesUp(t *testing.T, h Harness) {
	before := h.Truth()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := h.Driver.Write(ended, router.Change{ID: "late", Route: h.Route, Share: 1000}); !errors.Is(err, context.Canceled) {
		t.Errorf("a write of a caller that is gone gave %v", err)
	}
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("a caller that was gone changed the weights:\n%s", d)
	}
	h.Inject(Fault{Kind: Stalled})
	brief, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := h.Driver.Read(brief, h.Route)
	wantError(t, err, router.ErrUnavailable, router.EffectNothing)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read that took too long gave %v", err)
	}
	h.Heal()
	h.Inject(Fault{Kind: Stalled, Writes: true})
	for wait := 300 * time.Millisecond; ; wait *= 2 {
		err := h.writeWithin(wait)
		if router.EffectOf(err) == router.EffectNothing && wait < patience {
			continue // a busy machine did not even get to the call that stalls
		}
		wantError(t, err, router.ErrUnavailable, router.EffectUnknown)
		return
	}
}

func (h Harness) writeWithin(wait time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	_, err := h.Driver.Write(ctx, router.Change{ID: "slow", Route: h.Route, Share: 1000})
	return err
}
