package dnsserver

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func weight(n int64) *int64 { return &n }

// sets builds weighted sets from words such as "5+" (weight 5, healthy) and
// "0-" (weight 0, unhealthy).
func sets(spec string) []*set {
	var out []*set
	for i, word := range strings.Fields(spec) {
		var w int64
		var health byte
		fmt.Sscanf(word, "%d%c", &w, &health)
		out = append(out, &set{Record: Record{SetIdentifier: fmt.Sprint("set", i), Weight: weight(w), Healthy: health == '+'}})
	}
	return out
}

// shares counts how often each set is chosen over all rolls there are.
func shares(in []*set) []int {
	total := 1
	decideSet(in, func(n int) int { total = n; return 0 })
	out := make([]int, len(in))
	for i := range total {
		chosen := decideSet(in, func(int) int { return i })
		for j, s := range in {
			if s == chosen {
				out[j]++
			}
		}
	}
	return out
}

func TestDecideSet(t *testing.T) {
	for _, c := range []struct{ sets, want string }{
		{"10+ 30+", "[10 30]"},
		{"255+ 1+", "[255 1]"},
		{"0+ 30+", "[0 30]"},           // a zero weight gets nothing beside others
		{"0+ 0+ 0+", "[1 1 1]"},        // all weights zero: equal
		{"10- 30+", "[0 30]"},          // unhealthy ones are left out
		{"10- 0+", "[0 1]"},            // a zero weight serves if all others are unhealthy
		{"10- 30- 0+ 0+", "[0 0 1 1]"}, //
		{"10- 30- 0- 0+", "[0 0 0 1]"}, //
		{"10- 30-", "[10 30]"},         // nothing healthy: all are
		{"10- 30- 0-", "[10 30 0]"},    //
		{"0- 0+", "[0 1]"},             //
		{"0- 0-", "[1 1]"},             //
		{"0-", "[1]"},                  //
	} {
		if got := fmt.Sprint(shares(sets(c.sets))); got != c.want {
			t.Errorf("%s: shares %s, want %s", c.sets, got, c.want)
		}
	}
}

// TestDecideSetAlwaysAnswers: whatever weights and health are, some set is
// chosen, and a healthy one if there is any.
func TestDecideSetAlwaysAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := make([]*set, rapid.IntRange(1, 6).Draw(t, "n"))
		anyHealthy := false
		for i := range in {
			s := &set{Record: Record{Weight: weight(rapid.Int64Range(0, 255).Draw(t, "weight")), Healthy: rapid.Bool().Draw(t, "healthy")}}
			anyHealthy = anyHealthy || s.Healthy
			in[i] = s
		}
		got := decideSet(in, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "roll") })
		if got == nil || anyHealthy && !got.Healthy {
			t.Fatalf("chose %+v although a healthy one is there: %v", got, anyHealthy)
		}
	})
}
