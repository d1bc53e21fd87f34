package sim

import (
	"testing"
	"time"

	"watari.dev/engine"
)

// BenchmarkMigrations plays whole migrations, each another seed, on one core. Beside
// it stands how much of that time the engine takes, which is all that a migration
// would take in a world that costs nothing: x-engine is the whole to that part.
func BenchmarkMigrations(b *testing.B) {
	var s Simulator
	defer s.Close()
	var alone time.Duration
	watch := &Mutant{Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		began := time.Now()
		defer func() { alone += time.Since(began) }()
		return engine.Step(spec, status, seen, now)
	}}
	var world time.Duration
	seed, steps := uint64(0), 0
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		steps += s.Run(b.Context(), Draw(seed), Options{}).Steps
		world += time.Since(began)
		b.StopTimer() // the same seed again, beside it, because machines are noisy
		s.Run(b.Context(), Draw(seed), Options{Mutant: watch})
		b.StartTimer()
		seed++
	}
	b.ReportMetric(float64(seed)/world.Seconds(), "migrations/s")
	b.ReportMetric(float64(steps)/float64(seed), "steps/migration")
	b.ReportMetric(float64(steps)/alone.Seconds(), "engine-steps/s")
	b.ReportMetric(float64(world)/float64(max(alone, 1)), "x-engine")
}
