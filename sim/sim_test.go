package sim

import (
	"testing"
)

func TestSeeds(t *testing.T) {
	var s Simulator
	defer s.Close()
	phases := map[string]int{}
	steps, events := 0, int64(0)
	const n = 3000
	failed := 0
	for seed := range uint64(n) {
		r := s.Run(t.Context(), Draw(seed), Options{})
		phases[string(r.Phase)]++
		steps += r.Steps
		events += r.Events
		if r.Broken != nil {
			failed++
			if failed < 15 {
				t.Errorf("seed %d: %v", seed, r.Broken)
			}
		}
	}
	t.Logf("%v, %d failed, %.1f steps, %.1f events", phases, failed, float64(steps)/n, float64(events)/n)
}

func BenchmarkSeeds(b *testing.B) {
	var s Simulator
	defer s.Close()
	seed := uint64(0)
	for b.Loop() {
		s.Run(b.Context(), Draw(seed), Options{})
		seed++
	}
}
