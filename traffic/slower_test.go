package traffic

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestSlowerIsARange(t *testing.T) {
	const ms = time.Millisecond
	h := Histogram{Edges: []time.Duration{25 * ms, 250 * ms, 2500 * ms}, Buckets: []int64{70, 20, 7, 3}}
	for _, c := range []struct {
		edge            time.Duration
		surely, perhaps int64
		low, high       time.Duration
		bounded         bool
	}{
		{25 * ms, 30, 30, 25 * ms, 25 * ms, true},
		{2500 * ms, 3, 3, 2500 * ms, 2500 * ms, true},
		{100 * ms, 10, 30, 25 * ms, 250 * ms, true},
		{10 * ms, 30, 100, 0, 25 * ms, true},
		{5 * time.Second, 0, 3, 2500 * ms, 0, false},
	} {
		if surely, perhaps := h.Slower(c.edge); surely != c.surely || perhaps != c.perhaps {
			t.Errorf("%s: %d to %d are slower, want %d to %d", c.edge, surely, perhaps, c.surely, c.perhaps)
		}
		if low, high, bounded := h.Around(c.edge); low != c.low || high != c.high || bounded != c.bounded {
			t.Errorf("%s: between %s and %s (%v)", c.edge, low, high, bounded)
		}
	}
	if surely, perhaps := (Histogram{Buckets: []int64{9}}).Slower(ms); surely != 0 || perhaps != 9 {
		t.Errorf("one bucket without an edge: %d to %d", surely, perhaps)
	}
	if surely, perhaps := (Histogram{}).Slower(ms); surely != 0 || perhaps != 0 {
		t.Errorf("nothing: %d to %d", surely, perhaps)
	}
}

// TestSlowerHoldsTheTruth counts the same requests in layouts of all kinds: the true
// number lies in the range of each, also where layouts are added up.
func TestSlowerHoldsTheTruth(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	layout := func() (edges []time.Duration) {
		for range r.IntN(5) {
			edges = append(edges, time.Duration(1+r.IntN(40))*time.Millisecond)
		}
		slices.Sort(edges)
		return slices.Compact(edges)
	}
	for range 5000 {
		a, b := layout(), layout()
		sides := []Histogram{{a, make([]int64, len(a)+1)}, {b, make([]int64, len(b)+1)}}
		edge, true1 := time.Duration(1+r.IntN(45))*time.Millisecond, int64(0)
		for range r.IntN(60) {
			took := time.Duration(r.IntN(50_000_000))
			if took > edge {
				true1++
			}
			h := sides[r.IntN(2)]
			i, _ := slices.BinarySearch(h.Edges, took)
			h.Buckets[i]++
		}
		if low, high := sides[0].Plus(sides[1]).Slower(edge); low > true1 || high < true1 {
			t.Fatalf("%v and %v at %s: %d to %d, in truth %d", sides[0], sides[1], edge, low, high, true1)
		}
	}
}
