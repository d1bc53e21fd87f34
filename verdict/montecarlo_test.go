package verdict

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"watari.dev/traffic"
)

// second is what one simulated second is made of.
type second struct {
	source, target int64   // requests
	pb, pg         float64 // chance of each to fail
	step           int
	share          traffic.Share
}

// migration plays seconds against a test and returns the second in which it
// fires, and how many requests of the target had failed since onset; -1 for never.
func migration(cfg Config, seed uint64, seconds, onset int, world func(i int, r *rand.Rand) second) (fired int, harmed int64) {
	r := rand.New(rand.NewPCG(seed, 1))
	test := Prepare(cfg)
	s := test.New()
	start := time.Unix(1_000_000, 0)
	test.Start(&s, start)
	for i := range seconds {
		w := world(i, r)
		from, to := start.Add(time.Duration(i)*time.Second), start.Add(time.Duration(i+1)*time.Second)
		b, g := draw(r, w.source, w.pb), draw(r, w.target, w.pg)
		if i >= onset {
			harmed += g
		}
		test.Add(&s, &Interval{
			From: traffic.BySide[time.Time]{Source: from, Target: from}, To: to, Step: w.step, Intended: w.share,
			Source: traffic.KnownAt(traffic.Counts{Requests: w.source, Errors: b}, to),
			Target: traffic.KnownAt(traffic.Counts{Requests: w.target, Errors: g}, to),
		})
		test.Close(&s)
		if s.Peak >= test.logUp {
			return i, harmed
		}
	}
	return -1, harmed
}

// draw is one binomial number: the gaps between bad ones are geometric.
func draw(r *rand.Rand, n int64, p float64) (k int64) {
	if p <= 0 {
		return 0
	}
	if p > 0.2 {
		for range n {
			if r.Float64() < p {
				k++
			}
		}
		return k
	}
	for at := r.ExpFloat64() / p; at < float64(n); at += r.ExpFloat64() / p {
		k++
	}
	return k
}

func oneService(c Config) Config {
	c.Services = []Service{{Name: "web"}}
	return c.WithDefaults()
}

// tight is the least tolerance: the target may be exactly as bad as the source,
// so that the promise has no slack to hide in.
func tight(c Config) Config {
	c.Ratio, c.Difference = 1, -1
	return oneService(c)
}

// burst makes one side fail for about five seconds, once in ten minutes.
func burst(chance float64) func(i int, r *rand.Rand) second {
	until, target := -1, false
	return func(i int, r *rand.Rand) second {
		w := second{source: 190, target: 10, pb: .001, pg: .001, step: 1, share: 500}
		if i > until && r.Float64() < 1.0/600 {
			until, target = i+1+int(5*r.ExpFloat64()), r.IntN(2) == 0
		}
		switch {
		case i > until:
		case target:
			w.pg = chance
		default:
			w.pb = chance
		}
		return w
	}
}

// TestFalseAlarmsAreAsRareAsPromised plays migrations to targets that are not
// worse. With 400 of them and a chance of 1 % each, more than 14 false alarms have
// a chance below 1 in 20,000. That the test can fail shows in the last row: the
// product form does not bear bursts, and is found out.
func TestFalseAlarmsAreAsRareAsPromised(t *testing.T) {
	const migrations, most = 400, 14
	plain := func(pb, pg float64) func(int, *rand.Rand) second {
		return func(int, *rand.Rand) second { return second{190, 10, pb, pg, 1, 500} }
	}
	for name, c := range map[string]struct {
		cfg     Config
		seconds int
		world   func() func(int, *rand.Rand) second
		breaks  bool
	}{
		"independent, unit":    {tight(Config{Form: Unit, Unit: time.Second}), 3600, func() func(int, *rand.Rand) second { return plain(.01, .01) }, false},
		"independent, product": {tight(Config{Form: Product}), 3600, func() func(int, *rand.Rand) second { return plain(.01, .01) }, false},
		"independent, hybrid":  {tight(Config{}), 3600, func() func(int, *rand.Rand) second { return plain(.02, .02) }, false},
		"at the objective":     {tight(Config{Form: Limit}), 1800, func() func(int, *rand.Rand) second { return plain(0, LimitOf(DefaultSLO)) }, false},
		"at the tolerance":     {oneService(Config{Form: Product}), 3600, func() func(int, *rand.Rand) second { return plain(.001, .002) }, false},
		"shared outage": {tight(Config{}), 1800, func() func(int, *rand.Rand) second {
			return func(i int, _ *rand.Rand) second {
				p := .001
				if i > 600 && i < 900 {
					p = .5
				}
				return second{190, 10, p, p, 1, 500}
			}
		}, false},
		"drifting rates": {tight(Config{Form: Unit, Unit: 10 * time.Second}), 3600, func() func(int, *rand.Rand) second {
			return func(i int, _ *rand.Rand) second {
				p := .001 + .02*float64(i%1200)/1200
				return second{int64(100 + i%300), int64(10 + i%30), p, p, 1, 900}
			}
		}, false},
		"changing shares": {tight(Config{}), 3600, func() func(int, *rand.Rand) second {
			return func(i int, _ *rand.Rand) second {
				target := []int64{2, 20, 100, 180}[i/900]
				p := .002 + .01*float64(i)/3600 // and a drift, so that sums over shares would lie
				return second{200 - target, target, p, p, 1 + i/900, traffic.Share(target * 50)}
			}
		}, false},
		"bursts, hybrid":  {oneService(Config{}), 7200, func() func(int, *rand.Rand) second { return burst(.1) }, false},
		"bursts, product": {oneService(Config{Form: Product}), 7200, func() func(int, *rand.Rand) second { return burst(.1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			alarms := 0
			for seed := range uint64(migrations) {
				if fired, _ := migration(c.cfg, seed, c.seconds, 0, c.world()); fired >= 0 {
					alarms++
				}
			}
			t.Logf("%d false alarms in %d migrations", alarms, migrations)
			if (alarms > most) != c.breaks {
				t.Errorf("%d false alarms in %d migrations; at most %d are luck", alarms, migrations, most)
			}
		})
	}
}

// TestFoundAtLargeShares: a unit is one observation, and at large shares one
// observation says little. The steady form is what finds it.
func TestFoundAtLargeShares(t *testing.T) {
	for _, c := range []struct {
		share         int64
		onset, harmed int
	}{{25, 0, 60}, {50, 0, 100}, {90, 0, 900}, {50, 600, 300}} {
		var all []int64
		for seed := range uint64(51) {
			fired, harmed := migration(oneService(Config{}), seed, c.onset+3600, c.onset, func(i int, _ *rand.Rand) second {
				w := second{200 - 2*c.share, 2 * c.share, .001, .001, 1, traffic.Share(100 * c.share)}
				if i >= c.onset {
					w.pg = .04
				}
				return w
			})
			if fired < 0 {
				harmed = 1 << 40
			}
			all = append(all, harmed)
		}
		slices.Sort(all)
		t.Logf("share %d %%, second %d: %d harmed in the median", c.share, c.onset, all[len(all)/2])
		if all[len(all)/2] > int64(c.harmed) {
			t.Errorf("share %d %%, from second %d: %d harmed in the median, want at most %d", c.share, c.onset, all[len(all)/2], c.harmed)
		}
	}
}

// TestRegressionsAreFoundSoon states medians of 101 migrations at 200 requests/s
// and 5 % share, of a source that fails 0.1 %, with some room for another seed.
func TestRegressionsAreFoundSoon(t *testing.T) {
	for _, c := range []struct {
		name   string
		cfg    Config
		pg     float64
		onset  int
		harmed int64
	}{
		{"unit 1 s", oneService(Config{Form: Unit, Unit: time.Second}), .01, 0, 10},
		{"unit 1 s", oneService(Config{Form: Unit, Unit: time.Second}), .02, 0, 6},
		{"unit 1 s", oneService(Config{Form: Unit, Unit: time.Second}), .05, 0, 5},
		{"unit 1 s", oneService(Config{Form: Unit, Unit: time.Second}), .5, 0, 15},
		{"hybrid", oneService(Config{}), .01, 0, 25},
		{"hybrid", oneService(Config{}), .02, 0, 20},
		{"hybrid", oneService(Config{}), .05, 0, 20},
		{"hybrid", oneService(Config{}), .5, 0, 10},
		{"hybrid, an hour late", oneService(Config{}), .5, 3600, 50},
		{"hybrid, an hour late", oneService(Config{}), .05, 3600, 70},
	} {
		var all []int64
		for seed := range uint64(101) {
			fired, harmed := migration(c.cfg, seed, c.onset+3600, c.onset, func(i int, _ *rand.Rand) second {
				w := second{190, 10, .001, .001, 1, 500}
				if i >= c.onset {
					w.pg = c.pg
				}
				return w
			})
			if fired < 0 {
				harmed = 1 << 40
			}
			all = append(all, harmed)
		}
		slices.Sort(all)
		if median := all[len(all)/2]; median > c.harmed {
			t.Errorf("%s, %g errors: %d harmed requests in the median, want at most %d", c.name, c.pg, median, c.harmed)
		} else {
			t.Logf("%s, %g errors from second %d: %d harmed in the median", c.name, c.pg, c.onset, median)
		}
	}
}
