package bench

import (
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// Rollback is what became of one policy in one migration.
type Rollback struct {
	Decided bool
	After   int   // seconds; up to the end where nothing was decided
	Harmed  int64 // failed requests of the target until then
}

// Simulate shows the first seconds of a stream to each policy until it rolls
// back, and returns what became of each.
func Simulate(stream *Stream, policies []Policy, seconds int) []Rollback {
	out := make([]Rollback, len(policies))
	undecided := make([]int, len(policies))
	for i := range policies {
		undecided[i] = i
	}
	harmed := int64(0)
	for t := 0; t < seconds && len(undecided) > 0; t++ {
		s := stream.Next()
		harmed += s.Target.Errors
		left := undecided[:0]
		for _, i := range undecided {
			out[i] = Rollback{Decided: policies[i].Second(s), After: t + 1, Harmed: harmed}
			if !out[i].Decided {
				left = append(left, i)
			}
		}
		undecided = left
	}
	return out
}

// repeat simulates n migrations in w on all cores, each with its own seed, and
// returns what became of the policies, by run.
func repeat(w World, n, seconds int) [][]Rollback {
	out := make([][]Rollback, n)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				out[i] = Simulate(w.Stream(seeded(w.Name, uint64(i))), newPolicies(), seconds)
			}
		})
	}
	wait.Wait()
	return out
}

func newPolicies() []Policy {
	var out []Policy
	for _, create := range Contenders() {
		out = append(out, create())
	}
	return out
}

// seeded returns the source of chance of one run in one world.
func seeded(world string, run uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(world)) // never fails
	return rand.New(rand.NewPCG(h.Sum64(), run))
}
