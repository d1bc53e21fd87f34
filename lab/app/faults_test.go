package app

import (
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestDecideOutcome(t *testing.T) {
	f := Faults{ResetRatio: 0.1, HangRatio: 0.2, ErrorRatio: 0.3}
	for _, c := range []struct {
		faults Faults
		roll   float64
		want   outcome
	}{
		{Faults{}, 0, answer},
		{f, 0, reset},
		{f, 0.09, reset},
		{f, 0.11, hang},
		{f, 0.29, hang},
		{f, 0.31, fail},
		{f, 0.59, fail},
		{f, 0.61, answer},
		{Faults{ErrorRatio: 1}, math.Nextafter(1, 0), fail},
	} {
		if got := decideOutcome(c.faults, c.roll); got != c.want {
			t.Errorf("decideOutcome(%+v, %v) = %v, want %v", c.faults, c.roll, got, c.want)
		}
	}
}

func TestFaultsCheck(t *testing.T) {
	for _, bad := range []string{
		`{"errorRatio":1.5}`, `{"hangRatio":-0.1}`, `{"errorRatio":0.6,"resetRatio":0.6}`, `{"statusCode":200}`,
		`{"extraLatency":"-1s"}`, `{"crashAfter":"-1s"}`, `{"leakRate":-1}`, `{"leakRate":1000000000000}`,
	} {
		var f Faults
		if err := json.Unmarshal([]byte(bad), &f); err != nil {
			t.Fatal(err)
		}
		if f.check() == nil {
			t.Errorf("check accepts %s", bad)
		}
	}
	if err := (Faults{ErrorRatio: math.NaN()}).check(); err == nil {
		t.Error("check accepts a ratio that is not a number")
	}
	if err := (Faults{ErrorRatio: 0.1, HangRatio: 0.2, ResetRatio: 0.7}).check(); err != nil {
		t.Errorf("ratios that add up to 1: %v", err)
	}
}

func TestFaultsRoundTrip(t *testing.T) {
	want := Faults{ErrorRatio: 0.5, ExtraLatency: Duration(1500 * time.Millisecond), CrashAfter: Duration(time.Minute)}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Faults
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s became %+v, %v; want %+v", text, got, err, want)
	}
}

func TestDiceAreTheSameForTheSameSeed(t *testing.T) {
	const n = 50
	draw := func(seed uint64, pod string) (out [n]float64) {
		d := newDice(seed, pod)
		for i := range out {
			out[i], _ = d.roll()
		}
		return out
	}
	first := draw(1, "a")
	if draw(1, "a") != first {
		t.Error("the same seed and pod gave other numbers")
	}
	if draw(2, "a") == first || draw(1, "b") == first {
		t.Error("another seed or another pod gave the same numbers")
	}
}

func TestDecideLatency(t *testing.T) {
	const base, median, extra = 5 * time.Millisecond, 2 * time.Millisecond, 100 * time.Millisecond
	for _, c := range []struct {
		normal float64
		want   time.Duration
	}{
		{0, base + extra + median},
		{100, base + extra + jitterCut*median},
		{-100, base + extra},
	} {
		if got := decideLatency(base, median, extra, c.normal); got != c.want {
			t.Errorf("decideLatency(.., %v) = %s, want %s", c.normal, got, c.want)
		}
	}
}

func TestLeakGrowsAtItsRate(t *testing.T) {
	var l leak
	for range 10 {
		l.grow(1001, 100*time.Millisecond) // 100.1 bytes each time
	}
	if l.size() != 1001 {
		t.Errorf("after one second at 1001 B/s the leak holds %d bytes", l.size())
	}
}

func TestLeakRunsUntilItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l leak
		done := make(chan struct{})
		go func() {
			l.run(t.Context(), func() int64 { return 1000 })
			close(done)
		}()
		time.Sleep(2*time.Second + time.Millisecond) // of the bubble's clock
		synctest.Wait()
		if l.size() != 2000 {
			t.Errorf("after two seconds at 1000 B/s the leak holds %d bytes", l.size())
		}
	})
}
