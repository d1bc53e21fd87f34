package bench

import (
	"math"
	"testing"
)

// total adds up a number of seconds of a stream.
func total(w World, run uint64, seconds int) (source, target Tally) {
	stream := w.Stream(seeded(w.Name, run))
	for range seconds {
		s := stream.Next()
		source.add(s.Source)
		target.add(s.Target)
	}
	return source, target
}

func TestRegressionHasTheRatesItSays(t *testing.T) {
	for _, ratio := range Regressions {
		const seconds = 100_000
		source, target := total(Regression(ratio), 1, seconds)
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"requests of the source", float64(source.Requests), 190 * seconds},
			{"requests of the target", float64(target.Requests), 10 * seconds},
			{"errors of the source", float64(source.Errors), 0.19 * seconds},
			{"errors of the target", float64(target.Errors), 10 * ratio * seconds},
		} {
			if math.Abs(c.got-c.want) > 5*math.Sqrt(c.want) {
				t.Errorf("target fails %v: %s: %v, not %v", ratio, c.what, c.got, c.want)
			}
		}
	}
}

// quietDays are enough for seeing that both sides fail alike.
const quietDays = 5

func TestNoTargetOfAQuietWorldIsWorse(t *testing.T) {
	for _, w := range Quiet() {
		t.Run(w.Name, func(t *testing.T) {
			if w.Text == "" {
				t.Error("says nothing about itself")
			}
			var expected, variance, got float64
			for run := range uint64(quietDays) {
				stream := w.Stream(seeded(w.Name, run))
				for range oneDay {
					s := stream.Next()
					if s.Source.Errors > s.Source.Requests || s.Target.Errors > s.Target.Requests || s.Source.Errors < 0 || s.Target.Errors < 0 {
						t.Fatalf("second %d: %+v", s.At, s)
					}
					want := w.Rate(s.At) * s.Share * meanRatio(w, s.At)
					expected += want
					got += float64(s.Target.Errors)
					variance += want * (2*w.Together - 1)
				}
			}
			// A burst's errors come together: its length is memoryless, so the variance
			// of what one brings is about twice the square of the mean.
			for _, b := range []Burst{w.OneSided, w.Shared} {
				if b.Every > 0 {
					brings := usualRate * usualShare * b.Fails * b.Lasts
					variance += quietDays * oneDay / b.Every * 2 * brings * brings
				}
			}
			if math.Abs(got-expected) > 5*math.Sqrt(variance) {
				t.Errorf("the target had %v errors, and the source's ratio means %v ± %.0f", got, expected, math.Sqrt(variance))
			}
		})
	}
}

// meanRatio is the mean error ratio that both sides of a quiet world should have.
func meanRatio(w World, second int) float64 {
	good := 1 - w.Source(second)
	for _, b := range []Burst{w.OneSided, w.Shared} {
		if b.Every > 0 {
			good *= 1 - b.Fails*b.Lasts/(b.Lasts+b.Every)
		}
	}
	return 1 - good
}

func TestErrorsByTheFiveComeTogether(t *testing.T) {
	w := clusters()
	stream := w.Stream(seeded(w.Name, 1))
	var seconds, errors float64
	for range 10 * oneDay {
		if e := stream.Next().Target.Errors; e > 0 {
			seconds++
			errors += float64(e)
		}
	}
	// 10 requests/s * 0.1 % / 5 = 0.002 clusters a second: two at once are rare.
	if got := errors / seconds; got < 4.7 || got > 5.3 {
		t.Errorf("a second with errors has %v, not 5", got)
	}
}

func TestBurstsLastAndComeAsTheySay(t *testing.T) {
	for _, b := range []Burst{{Every: 300, Lasts: 5, Fails: 0.5}, {Every: 300, Lasts: 5, Varies: true, Fails: 0.5}} {
		rng := seeded("bursts", 1)
		var left state
		var bursts, inside, outside, longest, run float64
		for range 1_000_000 {
			was := left
			left.next(b, rng)
			if left == 0 {
				outside++
				run = 0
				continue
			}
			inside++
			if was == 0 {
				bursts++
			}
			run++
			longest = max(longest, run)
		}
		if got := inside / bursts; math.Abs(got-b.Lasts) > 0.5 {
			t.Errorf("a burst lasts %v s, not %v", got, b.Lasts)
		}
		if got := outside / bursts; math.Abs(got-b.Every) > 30 {
			t.Errorf("a burst comes every %v s, not %v", got, b.Every)
		}
		if b.Varies != (longest > 3*b.Lasts) {
			t.Errorf("varies %v, and the longest lasts %v s", b.Varies, longest)
		}
	}
}

func TestAnOutageIsOfBothSides(t *testing.T) {
	w := outages()
	stream := w.Stream(seeded(w.Name, 3))
	seconds, inside, outside := 0, Tally{}, Tally{}
	for range oneDay {
		if s := stream.Next(); s.Source.ratio() > 0.2 {
			seconds++
			inside.add(s.Target)
		} else {
			outside.add(s.Target)
		}
	}
	if seconds < 30 || math.Abs(inside.ratio()-outage.Fails) > 0.1 || outside.ratio() > 0.002 {
		t.Errorf("while the source fails, %d s of a day, the target fails %v, otherwise %v", seconds, inside.ratio(), outside.ratio())
	}
}

func TestSharesChangeWithTheStep(t *testing.T) {
	w := Quiet()[len(Quiet())-1]
	stream := w.Stream(seeded(w.Name, 1))
	for at := range oneDay {
		s := stream.Next()
		step := at/shareStep + 1
		if s.At != at || s.Step != step || s.Share != shareSteps[step-1] {
			t.Fatalf("second %d: at %d, step %d, share %v", at, s.At, s.Step, s.Share)
		}
	}
}

func TestTheSameSeedIsTheSameWorld(t *testing.T) {
	for _, w := range append(Quiet(), Regression(0.05)) {
		a, b, c := w.Stream(seeded(w.Name, 7)), w.Stream(seeded(w.Name, 7)), w.Stream(seeded(w.Name, 8))
		differ := false
		for range 1000 {
			s := a.Next()
			if same := b.Next(); s != same {
				t.Fatalf("%s: %+v and %+v", w.Name, s, same)
			}
			differ = differ || s != c.Next()
		}
		if !differ {
			t.Errorf("%s: another seed is the same", w.Name)
		}
	}
}
