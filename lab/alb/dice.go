package alb

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// dice is the seeded randomness of a balancer: the same seed and the same
// order of requests give the same choices.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{rng: rand.New(rand.NewPCG(seed, 0))} }

// roll returns a uniform number in [0, n).
func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// traceID returns version-time-id of a trace ("Request tracing for your
// Application Load Balancer": 8 and 24 hexadecimal digits).
func (d *dice) traceID(now time.Time) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("1-%08x-%016x%08x", uint32(now.Unix()), d.rng.Uint64(), d.rng.Uint32())
}
