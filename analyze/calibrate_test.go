package analyze

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/verdict"
)

// bursty is a source of 200 requests a second that fails a part of them, and that
// has bursts of a length, some a day, in which it fails most.
func bursty(days float64, length time.Duration, perDay float64, seed uint64) []Span {
	chance := rand.New(rand.NewPCG(seed, 1))
	seconds := int(days * 86400)
	out := make([]Span, 0, seconds)
	left := 0
	for i := range seconds {
		if left == 0 && chance.Float64() < perDay/86400 {
			left = int(length / time.Second)
		}
		p := .0005
		if left > 0 {
			p, left = .04, left-1
		}
		t := verdict.Tally{N: 200}
		for range t.N {
			if chance.Float64() < p {
				t.Bad++
			}
		}
		from := dawn.Add(time.Duration(i) * time.Second)
		out = append(out, Span{From: from, To: from.Add(time.Second), Tally: t})
	}
	return out
}

func calibrated(spans []Span, cfg verdict.Config, horizon time.Duration) Calibration {
	r := Fold("t", spans, .1, rand.New(rand.NewPCG(1, 1)))
	return Calibrate(r, r.Settings(cfg.WithDefaults()), horizon)
}

func TestCalibrationOfACalmSource(t *testing.T) {
	c := calibrated(bursty(1, time.Second, 0, 1), verdict.Config{}, time.Hour)
	if c.Best == nil || c.Best.Unit != 30*time.Second || c.Best.Form != verdict.Hybrid || c.Best.Migrations != 24 || c.Best.Alarms != 0 {
		t.Errorf("%+v", c)
	}
	if c.Phi > 1.15 || math.Abs(c.Share-.1) > .001 {
		t.Errorf("dispersion %v, share %v", c.Phi, c.Share)
	}
	if c.Proven || c.Need != 368 {
		t.Errorf("24 migrations prove nothing: %+v", c)
	}
}

// TestCalibrationOfABurstySource has bursts of a minute, a hundred a day: with
// short units each of them is several observations.
func TestCalibrationOfABurstySource(t *testing.T) {
	spans := bursty(1.5, time.Minute, 150, 2)
	cfg := verdict.Config{Form: verdict.Unit, Ratio: 1.05, Difference: -1}
	c := calibrated(spans, cfg, time.Hour)
	if first := c.Trials[0]; first.Unit != 30*time.Second || first.Migrations != 36 || first.Alarms < 10 || first.Holds {
		t.Errorf("half-minutes must cry wolf here: %+v", first)
	}
	if c.Best == nil || c.Best.Unit != 5*time.Minute {
		t.Errorf("five minutes must hold: %+v", c.Trials)
	}
	if c.Phi < 10 {
		t.Errorf("dispersion %v of errors that come in bursts", c.Phi)
	}
	if usual, longest := Bursts(spans); usual < 32*time.Second || longest > 256*time.Second {
		t.Errorf("bursts of a minute are found to be %s, %s at the longest", usual, longest)
	}
	short := spans[:7200]
	if once, again := calibrated(short, cfg, time.Hour), calibrated(short, cfg, time.Hour); again.Phi != once.Phi || again.Trials[0] != once.Trials[0] {
		t.Error("the same seed must give the same")
	}
}

func TestTooLittleToCalibrate(t *testing.T) {
	c := calibrated(bursty(.005, time.Second, 0, 1), verdict.Config{}, time.Hour)
	if len(c.Trials) != 0 || c.Best != nil {
		t.Errorf("%+v", c)
	}
	c = calibrated(bursty(.02, time.Second, 0, 1), verdict.Config{}, time.Hour)
	if !c.Short || c.Best == nil || c.Best.Migrations != 1 {
		t.Errorf("%+v", c)
	}
}

func TestClopperPearson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{0, 14, 0, .2316358}, {1, 10, .0025286, .4450161}, {5, 10, .1870860, .8129140}, {10, 10, .6915029, 1}, {0, 0, 0, 1},
	} {
		low, high := ClopperPearson(c.k, c.n, .05)
		if math.Abs(low-c.low) > 1e-6 || math.Abs(high-c.high) > 1e-6 {
			t.Errorf("%d of %d: %v to %v, want %v to %v", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

// TestThinningIsHypergeometric compares mean and variance with those of the
// distribution, and looks at its bounds.
func TestThinningIsHypergeometric(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	const all, bad, n, tries = 50, 20, 10, 20000
	var sum, squares float64
	for range tries {
		x := float64(hypergeometric(all, bad, n, chance))
		sum, squares = sum+x, squares+x*x
	}
	mean := sum / tries
	variance := squares/tries - mean*mean
	wantMean := float64(n*bad) / all
	wantVariance := wantMean * (1 - float64(bad)/all) * float64(all-n) / (all - 1)
	if math.Abs(mean-wantMean) > .05 || math.Abs(variance-wantVariance) > .08 {
		t.Errorf("mean %v, variance %v; want %v, %v", mean, variance, wantMean, wantVariance)
	}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.Int64Range(1, 60).Draw(t, "all")
		bad := rapid.Int64Range(0, all).Draw(t, "bad")
		n := rapid.Int64Range(0, all).Draw(t, "n")
		x := hypergeometric(all, bad, n, rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
		if x < max(0, n+bad-all) || x > min(n, bad) {
			t.Fatalf("%d bad ones among %d of %d with %d bad", x, n, all, bad)
		}
	})
}

// TestThinningKeepsThePart: what rounding keeps back comes later.
func TestThinningKeepsThePart(t *testing.T) {
	th := thinner{part: .013, chance: rand.New(rand.NewPCG(1, 1))}
	var n int64
	for range 1000 {
		n += th.thin(verdict.Tally{N: 7}).N
	}
	if n < 90 || n > 91 {
		t.Errorf("%d of 7000 requests at 1.3 %%", n)
	}
}
