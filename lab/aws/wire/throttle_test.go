package wire

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestBucketBound states the property of a token bucket: over any stretch of
// time it lets through at most its burst plus what was refilled, and a caller
// that waits for one token always gets it.
func TestBucketBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{Burst: float64(rapid.IntRange(1, 50).Draw(t, "burst")), PerSecond: float64(rapid.IntRange(1, 20).Draw(t, "perSecond"))}
		b := NewBuckets(map[string]Rate{"g": rate})
		start := time.Unix(1_700_000_000, 0)
		now, taken := start, 0
		for range rapid.IntRange(1, 200).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.IntRange(0, 500).Draw(t, "pause")) * time.Millisecond)
			if b.Take("g", now) {
				taken++
			}
			if bound := rate.Burst + now.Sub(start).Seconds()*rate.PerSecond; float64(taken) > bound+1e-6 {
				t.Fatalf("%d calls in %v, at most %v are allowed", taken, now.Sub(start), bound)
			}
		}
		for b.Take("g", now) {
		}
		if !b.Take("g", now.Add(time.Duration(1.01/rate.PerSecond*float64(time.Second)))) {
			t.Fatal("a refilled token was refused")
		}
	})
}

func TestBucketClockGoesBack(t *testing.T) {
	b := NewBuckets(map[string]Rate{"g": {Burst: 1, PerSecond: 1}})
	now := time.Unix(1_700_000_000, 0)
	if !b.Take("g", now) || b.Take("g", now.Add(-time.Hour)) || b.Take("g", now) {
		t.Error("a clock that goes back must not refill")
	}
	if !b.Take("other", now) || !b.Take("other", now) {
		t.Error("a group without a rate must be unlimited")
	}
}
