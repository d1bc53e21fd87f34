package routertest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"watari.dev/router"
	"watari.dev/traffic"
)

func testFeatures(t *testing.T, h Harness) {
	f := h.features(t)
	if f.MaxWeight < 1 || f.ReadCalls < 0 || f.WriteCalls < 0 || f.SettleCalls < 0 || f.Propagation < 0 || f.Cached < 0 {
		t.Errorf("%+v has a field that cannot be", f)
	}
}

func testReadChangesNothing(t *testing.T, h Harness) {
	before := h.Truth()
	first := h.read(t)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("reading changed the weights:\n%s", d)
	}
	if first.Version == "" || first.Version != h.read(t).Version {
		t.Errorf("version %q moved without a change", first.Version)
	}
	if first.High() != traffic.None || first.At.IsZero() || len(first.Parts) != len(before) {
		t.Errorf("read %+v, want no share at a known time in %d parts", first, len(before))
	}
	sides := map[traffic.Side]int64{}
	for _, w := range first.Parts[0].Weights {
		sides[w.Side] += w.Weight
	}
	if sides[traffic.Source] != 100 || sides[traffic.Target] != 0 || sides[traffic.NoSide] != 0 {
		t.Errorf("read weights by side %v, want 100 for the source only", sides)
	}
	h.Intrude(60, 40)
	if moved := h.read(t); moved.Version == first.Version || moved.Low() != 4000 || moved.High() != 4000 {
		t.Errorf("after somebody else's change: %+v", moved)
	}
}

func testWriteRoundsDown(t *testing.T, h Harness) {
	limit := h.features(t).MaxWeight
	for _, share := range []traffic.Share{100, 333, 1000, 5000, 6789, 9999, traffic.All, 2500, traffic.None} {
		want := router.Express(share, limit).Share()
		if share > traffic.None && want == traffic.None {
			continue // testTooFine
		}
		r := h.write(t, "change-"+share.String(), share)
		got := h.share(t)
		if got != want || r.Share != got {
			t.Errorf("%s: the data plane has %s and the receipt says %s, want %s", share, got, r.Share, want)
		}
		if (r.Note != "") != (got != share) {
			t.Errorf("%s became %s, noted as %q", share, got, r.Note)
		}
		if r.ChangeID != "change-"+share.String() || r.At.IsZero() || !cmp.Equal(r.Route, h.Route) {
			t.Errorf("receipt %+v does not say what it is for", r)
		}
		if s := h.read(t); s.Low() != got || s.High() != got {
			t.Errorf("read %s to %s, the data plane has %s", s.Low(), s.High(), got)
		}
	}
}

func testEnds(t *testing.T, h Harness) {
	for _, foreign := range []bool{false, true} {
		if foreign {
			h.Foreign(30)
		}
		h.write(t, "all", traffic.All)
		for _, p := range h.Truth() {
			if have, _ := weights(h.Route, p); have.Source != 0 || have.Target == 0 {
				t.Errorf("all share of %q is %+v", p.Name, have)
			}
		}
		h.write(t, "none", traffic.None)
		for _, p := range h.Truth() {
			if have, _ := weights(h.Route, p); have.Target != 0 || have.Source == 0 {
				t.Errorf("no share of %q is %+v", p.Name, have)
			}
		}
	}
}

func testTooFine(t *testing.T, h Harness) {
	if router.Express(1, h.features(t).MaxWeight).Target > 0 {
		t.Skip("this data plane expresses one basis point")
	}
	before := h.Truth()
	_, err := h.Driver.Write(calling(t), router.Change{ID: "fine", Route: h.Route, Share: 1})
	wantError(t, err, router.ErrInexact, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("it changed the weights:\n%s", d)
	}
}

func testOthersKept(t *testing.T, h Harness) {
	h.Foreign(50)
	for _, share := range []traffic.Share{1000, 5000, traffic.All, 4321, traffic.None} {
		r := h.write(t, "beside-"+share.String(), share)
		for _, p := range h.Truth() {
			have, others := weights(h.Route, p)
			if len(others) != 1 || sum(others) != 50 {
				t.Fatalf("the others of %q are %v, want one of 50", p.Name, others)
			}
			if have.Sum() != 100 || have.Share() > share || have.Share() != r.Share {
				t.Errorf("%s of %q is %+v, which does not leave a third to the others", share, p.Name, have)
			}
		}
	}
	h.Intrude(0, 0)
	before := h.Truth()
	_, err := h.Driver.Write(calling(t), router.Change{ID: "theirs", Route: h.Route, Share: 1000})
	wantError(t, err, router.ErrNotOwned, router.EffectNothing)
	if d := cmp.Diff(before, h.Truth()); d != "" {
		t.Errorf("it took traffic from others:\n%s", d)
	}
}

func testNeverWithoutWeight(t *testing.T, h Harness) {
	h.Intrude(0, 0)
	h.write(t, "mend", traffic.None)
	for _, p := range h.Truth() {
		if have, _ := weights(h.Route, p); have.Source == 0 || have.Target != 0 {
			t.Errorf("%q has the weights %+v", p.Name, have)
		}
	}
}

func sum(weights map[string]int64) (n int64) {
	for _, w := range weights {
		n += w
	}
	return n
}
