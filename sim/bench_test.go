package sim

import (
	"testing"
	"time"

	"watari.dev/engine"
)

// BenchmarkMigrations plays whole migrations, each another seed, on one core. Beside
// it stands what the engine alone takes for the very same decisions.
func BenchmarkMigrations(b *testing.B) {
	var s Simulator
	defer s.Close()
	seed, steps := uint64(0), 0
	b.ReportAllocs()
	for b.Loop() {
		steps += s.Run(b.Context(), Draw(seed), Options{}).Steps
		seed++
	}
	b.StopTimer()
	world := b.Elapsed()
	alone := decisions(b, &s, seed)
	b.ReportMetric(float64(seed)/world.Seconds(), "migrations/s")
	b.ReportMetric(float64(steps)/float64(seed), "steps/migration")
	b.ReportMetric(float64(world)/float64(max(alone, 1)), "x-engine")
}

// decided is what one decision was made from.
type decided struct {
	spec   engine.Spec
	status engine.Status
	seen   engine.Observation
	now    time.Time
}

// decisions returns how long the engine takes for all decisions of the first seeds,
// at most a thousand, and of as many as there are in proportion.
func decisions(b *testing.B, s *Simulator, seeds uint64) time.Duration {
	var all []decided
	watch := &Mutant{Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		all = append(all, decided{spec, status, seen, now})
		return engine.Step(spec, status, seen, now)
	}}
	n := min(seeds, 1000)
	for seed := range n {
		s.Run(b.Context(), Draw(seed), Options{Mutant: watch})
	}
	began := time.Now()
	for _, d := range all {
		engine.Step(d.spec, d.status, d.seen, d.now)
	}
	return time.Since(began) * time.Duration(seeds) / time.Duration(n)
}
