package route53

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"watari.dev/router"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

// zoneOf returns a zone with n names whose weights are those of source and
// target, and the route of them.
func zoneOf(n int, source, target int64) (*fakeRoute53, router.Ref) {
	f, names := newFake(newClock()), []string(nil)
	for i := range n {
		name := fmt.Sprintf("svc-%03d.example.com", i)
		f.put(weighted(name, "old", "192.0.2.1", source))
		f.put(weighted(name, "new", "192.0.2.2", target))
		names = append(names, name)
	}
	return f, route(names...)
}

func TestFiveHundredNamesInOneBatchOnceAWeightCanStay(t *testing.T) {
	f, r := zoneOf(500, 99, 1)
	d := driverOver(f)
	for _, share := range []traffic.Share{1000, 5000, traffic.All, traffic.None} {
		s, err := d.Read(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		f.writes, f.lists = 0, 0
		receipt, err := d.Write(t.Context(), router.Change{ID: share.String(), Route: r, Share: share, IfVersion: s.Version})
		if err != nil || receipt.Share != share {
			t.Fatalf("%+v, %v", receipt.Share, err)
		}
		if want := 1 + btoi(share == traffic.None); f.writes != want { // from all to none both weights change
			t.Errorf("%s took %d batches, want %d", share, f.writes, want)
		}
		if f.lists > 4 {
			t.Errorf("%s took %d calls to read 1,000 records", share, f.lists)
		}
	}
	features, err := d.Features(t.Context(), r)
	if err != nil || features.Atomic || features.WriteCalls != 2 || !strings.Contains(features.Limit, "500 names take up to 2 batches") {
		t.Errorf("%+v, %v", features, err)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestWhatWasChangedIsKnownAfterHalfOfTheBatches(t *testing.T) {
	f, r := zoneOf(600, 100, 0)
	d := driverOver(f)
	s, err := d.Read(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	f.meddle = func(n int) {
		if n == 2 {
			f.faults = []routertest.Fault{{Kind: routertest.Denied, Writes: true}}
		}
	}
	_, err = d.Write(t.Context(), router.Change{ID: "1", Route: r, Share: 1000, IfVersion: s.Version})
	var e *router.Error
	if !errors.As(err, &e) || e.Effect != router.EffectPartial || len(e.Changed) != 500 || !errors.Is(err, router.ErrDenied) {
		t.Fatalf("got %v", err)
	}
	f.faults, f.meddle = nil, nil
	if s, err = d.Read(t.Context(), r); err != nil || s.Low() != traffic.None || s.High() != 1000 {
		t.Errorf("read %s to %s, %v", s.Low(), s.High(), err)
	}
	if _, err := d.Write(t.Context(), router.Change{ID: "2", Route: r, Share: traffic.None}); err != nil {
		t.Error(err)
	}
	if s, err = d.Read(t.Context(), r); err != nil || s.High() != traffic.None {
		t.Errorf("read %s, %v", s.High(), err)
	}
}

func TestTheRightToWriteManyNames(t *testing.T) {
	routertest.RunEnded(t, func(*testing.T) routertest.Harness {
		f, r := zoneOf(300, 100, 0)
		return harness(f, r)
	})
}

func TestNamesFarApartCostOneCallEach(t *testing.T) {
	f, _ := zoneOf(2000, 1, 0)
	d := driverOver(f)
	if _, err := d.Features(t.Context(), route("svc-1999.example.com", "svc-000.example.com")); err != nil || f.lists != 2 {
		t.Errorf("%d calls, %v", f.lists, err)
	}
}

// TestListingFindsAllInAnyOrder walks zones of any contents, sorted as AWS
// documents it and in another way, and finds exactly what is there.
func TestListingFindsAllInAnyOrder(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "a-b", "b", "a-a", "*", "svc", "z"})
	rapid.Check(t, func(t *rapid.T) {
		f := newFake(newClock())
		if rapid.Bool().Draw(t, "other order") {
			f.order = func(a, b string) int {
				return cmp.Compare(strings.ReplaceAll(reversed(a), ".", "\x01"), strings.ReplaceAll(reversed(b), ".", "\x01"))
			}
		}
		name := rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(label, 1, 3).Draw(t, "labels"), ".") + ".example.com"
		})
		for _, n := range rapid.SliceOfN(name, 0, 12).Draw(t, "zone") {
			for i := range rapid.SampledFrom([]int{1, 2, 90}).Draw(t, "sets") {
				f.put(weighted(n, fmt.Sprintf("s%03d", i), "192.0.2.1", 1))
			}
		}
		var names []string
		for _, n := range rapid.SliceOfNDistinct(name, 1, 8, canonical).Draw(t, "wanted") {
			names = append(names, canonical(n))
		}
		found, err := driverOver(f).list(t.Context(), quick, zoneID, names, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			want := 0
			for _, s := range f.sets {
				if *s.Name == n {
					want++
				}
			}
			if got := len(found.sets[n]); got != want {
				t.Fatalf("%s has %d record sets, found %d", n, want, got)
			}
		}
		if found.calls > len(names)+4 {
			t.Fatalf("%d calls for %d names", found.calls, len(names))
		}
	})
}

func TestPackKeepsTheLimitsAndTheOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []nameChange
		for i := range rapid.IntRange(0, 700).Draw(t, "names") {
			set := weighted(fmt.Sprint(i), "old", strings.Repeat("x", rapid.IntRange(1, 60).Draw(t, "length")), 1)
			all = append(all, nameChange{name: fmt.Sprint(i), changes: reweigh(set, 2, rapid.Bool().Draw(t, "exact"))})
		}
		batches := pack(all)
		if !slices.EqualFunc(slices.Concat(batches...), all, func(a, b nameChange) bool { return a.name == b.name }) {
			t.Fatal("names are lost or out of order")
		}
		for _, b := range batches {
			var s size
			for _, n := range b {
				s.records += sizeOf(n.changes).records
				s.characters += sizeOf(n.changes).characters
			}
			if s.records > 1000 || s.characters > 32000 || len(b) == 0 {
				t.Fatalf("a batch of %d names and %+v", len(b), s)
			}
		}
	})
}

func TestNamesAsListed(t *testing.T) {
	for in, want := range map[string]string{"API.Example.com": "api.example.com.", "*.a.b.": `\052.a.b.`} {
		if got := canonical(in); got != want {
			t.Errorf("canonical(%q) = %q", in, got)
		}
	}
	if got := shown(`\052.a.b.`); got != "*.a.b" {
		t.Error(got)
	}
	if listed("a-b.example.com.", "a.example.com.") >= 0 {
		t.Error("the hyphen sorts before the dot")
	}
}
