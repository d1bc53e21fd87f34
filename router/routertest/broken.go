package routertest

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"watari.dev/router"
	"watari.dev/traffic"
)

// RunBroken tests that one part of a route that cannot be moved keeps no other part
// from being taken back, for each way in which a part of it can break, and for the
// first, the last and a part between them.
func RunBroken(t *testing.T, newHarness func(*testing.T) Harness) {
	first := newHarness(t)
	names := first.Route.Names
	if len(names) < 2 {
		t.Skip("this route has one part")
	}
	if len(first.Breaks) == 0 {
		t.Fatal("a driver of several parts must say how one of them breaks")
	}
	for _, way := range slices.Sorted(maps.Keys(first.Breaks)) {
		for _, at := range []int{0, len(names) / 2, len(names) - 1} {
			t.Run(way+", "+names[at], func(t *testing.T) {
				h := newHarness(t)
				broken{h, h.Breaks[way], h.Route.Names[at]}.test(t)
			})
		}
	}
}

// broken is a route one part of which breaks.
type broken struct {
	Harness
	way  Break
	name string
}

func (h broken) test(t *testing.T) {
	h.Intrude(50, 50)
	h.way.Do(h.name)
	h.readNames(t)
	h.riseIsRefused(t)
	receipt := h.others(t)
	h.again(t)
	h.othersSettle(t, receipt)
	h.way.Mend(h.name)
	if _, err := h.Driver.Write(calling(t), router.Change{ID: "mended", Route: h.Route}); err != nil {
		t.Fatalf("once it is mended: %v", err)
	}
	if got := h.share(t); got != traffic.None {
		t.Errorf("once it is mended the share is %s", got)
	}
}

// readNames: who reads is told which part it is, and what the others are.
func (h broken) readNames(t *testing.T) {
	t.Helper()
	s := h.read(t)
	switch {
	case !h.way.Shown && (len(s.Broken) > 0 || len(s.Parts) != len(h.Route.Names)):
		t.Fatalf("only a write finds it out, and reading gave %+v", s)
	case !h.way.Shown:
	case len(s.Broken) != 1 || s.Broken[0].Name != h.name || s.Broken[0].Text == "" || s.Broken[0].Kind == nil:
		t.Fatalf("reading does not name %s: %+v", h.name, s.Broken)
	case len(s.Parts) != len(h.Route.Names)-1 || s.Low() != traffic.All/2 || s.High() != traffic.All/2:
		t.Fatalf("of the others reading says %+v", s.Parts)
	}
}

func (h broken) riseIsRefused(t *testing.T) {
	t.Helper()
	before, version := h.Truth(), h.read(t).Version
	_, err := h.Driver.Write(calling(t), router.Change{ID: "rise", Route: h.Route, Share: 6000, IfVersion: version})
	var e *router.Error
	if !errors.As(err, &e) || e.Effect != router.EffectNothing {
		t.Fatalf("a rise beside a broken part gave %v", err)
	}
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Fatalf("a rise beside a broken part changed the weights:\n%s", d)
	}
}

// others: taking back writes every other part, and names this one.
func (h broken) others(t *testing.T) router.Receipt {
	t.Helper()
	receipt, err := h.Driver.Write(calling(t), router.Change{ID: "back", Route: h.Route})
	h.leftAlone(t, err, router.EffectPartial)
	var e *router.Error
	if errors.As(err, &e); len(e.Changed) != len(h.Route.Names)-1 || slices.Contains(e.Changed, h.name) {
		t.Errorf("it says that these were changed: %v", e.Changed)
	}
	if receipt.ChangeID != "back" || receipt.Share != traffic.None || slices.Contains(receipt.Route.Names, h.name) || len(receipt.Route.Names) != len(h.Route.Names)-1 {
		t.Errorf("the receipt of the others is %+v", receipt)
	}
	h.othersAtNone(t)
	return receipt
}

func (h broken) othersAtNone(t *testing.T) {
	t.Helper()
	for _, p := range h.Truth() {
		if have, _ := weights(h.Route, p); p.Name != h.name && (have.Target != 0 || have.Source == 0) {
			t.Errorf("%s has the weights %+v", p.Name, have)
		}
	}
}

// leftAlone: the error names this part alone, and that only a hand can help.
func (h broken) leftAlone(t *testing.T, err error, effect router.Effect) {
	t.Helper()
	left, standing := router.LeftOf(err)
	if len(left) != 1 || left[0].Name != h.name || left[0].Text == "" || !standing {
		t.Fatalf("%v names %+v (standing: %v), want %s", err, left, standing, h.name)
	}
	if got := router.EffectOf(err); got != effect {
		t.Errorf("%v: want %q", err, effect)
	}
}

// again: another try changes nothing, and says the same.
func (h broken) again(t *testing.T) {
	t.Helper()
	before := h.Truth()
	_, err := h.Driver.Write(calling(t), router.Change{ID: "again", Route: h.Route})
	h.leftAlone(t, err, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("another try changed the weights:\n%s", d)
	}
}

// othersSettle: what was written settles without the part that was not.
func (h broken) othersSettle(t *testing.T, receipt router.Receipt) {
	t.Helper()
	f, err := h.Driver.Features(calling(t), receipt.Route)
	if err != nil {
		t.Fatalf("features of the others: %v", err)
	}
	bound := f.Propagation + f.Cached
	h.Advance(bound)
	h.untilKnown(t, receipt)
	h.Advance(bound)
	if s := h.settled(t, receipt); !s.Done {
		t.Errorf("%s after the write: %+v", 2*bound, s)
	}
}
