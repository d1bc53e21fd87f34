package app

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Jitter is lognormal: most answers are near the median, a few are late, as
// with services in life. With this sigma the 99th percentile is 3.2 times the
// median; the cut keeps the worst case known.
const (
	jitterSigma = 0.5
	jitterCut   = 10 // times the median
)

// dice gives the random numbers of one pod, the same ones for the same seed.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func newDice(seed uint64, pod string) *dice {
	h := fnv.New64a()
	h.Write([]byte(pod)) // never fails
	return &dice{rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// roll returns what one request needs: a number within [0,1) for its outcome
// and a normally distributed one for its jitter. Both are always drawn, so that
// changing one fault does not change the luck of later requests.
func (d *dice) roll() (uniform, normal float64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.Float64(), d.rng.NormFloat64()
}

// decideLatency returns how long an answer takes.
func decideLatency(base, median, extra time.Duration, normal float64) time.Duration {
	factor := min(math.Exp(jitterSigma*normal), jitterCut)
	return base + extra + time.Duration(float64(median)*factor)
}
