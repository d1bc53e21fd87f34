package router

import (
	"encoding/json"
	"errors"
	"strings"
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
		limit := rapid.SampledFrom([]int64{1, 10, 255, 999}).Draw(t, "max")
		sum := rapid.Int64Range(1, 2*limit).Draw(t, "sum")
		got := ExpressIn(share, sum, limit)
		if got.Sum() != min(sum, limit) || got.Share() > share || got.Source > limit || got.Target > limit || got.Target < 0 {
			t.Fatalf("%+v of %d for %v", got, sum, share)
		}
		if share == traffic.All && got.Source != 0 || share == traffic.None && got.Target != 0 {
			t.Fatalf("%+v is not all of %v", got, share)
		}
	})
}

func TestExpressNear(t *testing.T) {
	for _, c := range []struct{ want, have, got Pair }{
		{Pair{90, 10}, Pair{99, 1}, Pair{99, 11}},
		{Pair{50, 50}, Pair{99, 11}, Pair{99, 99}},
		{Pair{0, 100}, Pair{99, 99}, Pair{0, 99}},
		{Pair{100, 0}, Pair{99, 11}, Pair{99, 0}},
		{Pair{99, 1}, Pair{100, 0}, Pair{99, 1}},
		{Pair{50, 50}, Pair{0, 99}, Pair{99, 99}},
		{Pair{1, 200}, Pair{2, 7}, Pair{1, 200}}, // 400 does not fit
		{Pair{100, 0}, Pair{0, 7}, Pair{100, 0}},
	} {
		if got := ExpressNear(c.want, c.have, 255); got != c.got {
			t.Errorf("%+v near %+v is %+v, want %+v", c.want, c.have, got, c.got)
		}
	}
}

func TestExpressNearSplitsTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight := rapid.Int64Range(0, 255)
		want := Pair{weight.Draw(t, "source"), weight.Draw(t, "target")}
		if want.Sum() == 0 {
			want.Source = 1
		}
		got := ExpressNear(want, Pair{weight.Draw(t, "have source"), weight.Draw(t, "have target")}, 255)
		if !got.SameRatio(want) || got.Source > 255 || got.Target > 255 {
			t.Fatalf("%+v is not the split of %+v", got, want)
		}
	})
}

func TestDescribe(t *testing.T) {
	const group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-36/943f017f100becff"
	for entry, want := range map[string]string{
		group: "shop-1-36 10",
		"arn:aws-cn:elasticloadbalancing:cn-north-1:123456789012:targetgroup/a/b": "a 10",
		"eks-1-36": "eks-1-36 10",
		"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-36": "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-36 10",
		"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup//943f":     "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup//943f 10",
		"x:targetgroup/a/b": "x:targetgroup/a/b 10",
		"":                  " 10",
	} {
		if got := (Part{Weights: []Weight{{Entry: entry, Weight: 10}}}).Describe(); got != want {
			t.Errorf("%q is described as %q, want %q", entry, got, want)
		}
	}
	s := Snapshot{Parts: []Part{
		{Weights: []Weight{{Entry: "arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/shop-1-33/7", Weight: 90}, {Entry: group, Weight: 10}}},
		{Name: "api.example.com", Weights: []Weight{{Entry: "eks-1-33", Weight: 1}}},
	}}
	if got, want := s.Describe(), "shop-1-33 90, shop-1-36 10; api.example.com: eks-1-33 1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if text, err := json.Marshal(s); err != nil || !strings.Contains(string(text), group) {
		t.Errorf("JSON keeps the full entry: %s, %v", text, err)
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name   string
		share  traffic.Share
		have   Pair
		others int64
		want   Pair
		err    error
	}{
		{"plain", 1000, Pair{100, 0}, 0, Pair{90, 10}, nil},
		{"already so", 5000, Pair{7, 7}, 0, Pair{7, 7}, nil},
		{"everything", 10000, Pair{1, 0}, 0, Pair{0, 100}, nil},
		{"too fine", 1, Pair{100, 0}, 0, Pair{100, 0}, ErrInexact},
		{"others keep their part", 1000, Pair{50, 0}, 50, Pair{45, 5}, nil},
		{"others make it too coarse", 1000, Pair{1, 0}, 1, Pair{1, 0}, ErrInexact},
		{"all traffic is others'", 1000, Pair{}, 5, Pair{}, ErrNotOwned},
		{"all traffic is others', taken back", 0, Pair{}, 5, Pair{}, nil},
		{"a sum too large", 0, Pair{999, 999}, 5, Pair{999, 0}, nil},
		{"no weight at all", 0, Pair{}, 0, Pair{100, 0}, nil},
	} {
		got, err := Choose(c.share, c.have, c.others, 999)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %+v, %v; want %+v, %v", c.name, got, err, c.want, c.err)
		}
	}
	if n := RoundingNote(1, Pair{999, 1}); n == "" {
		t.Error("a rounded share must be told")
	}
	if n := RoundingNote(1000, Pair{90, 10}); n != "" {
		t.Error(n)
	}
}
