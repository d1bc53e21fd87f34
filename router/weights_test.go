package router

import (
	"testing"

	"pgregory.net/rapid"

	"watari.dev/traffic"
)

func TestExpress(t *testing.T) {
	for _, c := range []struct {
		share traffic.Share
		max   int64
		want  Pair
	}{
		{0, 999, Pair{100, 0}}, {10000, 999, Pair{0, 100}}, {100, 999, Pair{99, 1}}, {5000, 999, Pair{50, 50}},
		{1000, 255, Pair{90, 10}}, {50, 255, Pair{199, 1}}, {1, 999, Pair{100, 0}}, {10, 999, Pair{999, 1}}, {30, 255, Pair{100, 0}},
		{9999, 999, Pair{1, 999}},
	} {
		if got := Express(c.share, c.max); got != c.want {
			t.Errorf("Express(%v, %d) = %+v, want %+v", c.share, c.max, got, c.want)
		}
	}
}

func TestExpressNeverRoundsUpAndIsClosest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := traffic.Share(rapid.IntRange(0, 10000).Draw(t, "share"))
		limit := rapid.SampledFrom([]int64{1, 10, 255, 999}).Draw(t, "max")
		got := Express(share, limit)
		if got.Source+got.Target == 0 || got.Source > limit || got.Target > limit || got.Source < 0 || got.Target < 0 {
			t.Fatalf("%+v is not a pair of weights up to %d", got, limit)
		}
		exceeds := func(p Pair) bool { return p.Target*10000 > int64(share)*(p.Source+p.Target) }
		if exceeds(got) {
			t.Fatalf("%+v is above %v", got, share)
		}
		s := rapid.Int64Range(0, limit).Draw(t, "other source")
		o := Pair{s, rapid.Int64Range(0, limit).Draw(t, "other target")}
		if o.Source+o.Target > 0 && !exceeds(o) && o.Target*(got.Source+got.Target) > got.Target*(o.Source+o.Target) {
			t.Fatalf("%+v is closer to %v than %+v", o, share, got)
		}
	})
}

func TestExpressInKeepsTheSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		share := traffic.Share(rapid.IntRange(0, 10000).Draw(t, "share"))
		sum := rapid.Int64Range(1, 1998).Draw(t, "sum")
		got := ExpressIn(share, sum)
		if got.Source+got.Target != sum || got.Share() > share {
			t.Fatalf("%+v of %d for %v", got, sum, share)
		}
	})
}
