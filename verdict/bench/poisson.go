package bench

import (
	"math"
	"math/rand/v2"
)

// poisson draws numbers with a Poisson distribution, by inversion of its
// cumulated chances: exact to the 53 bits of the uniform number it is made of.
// The chances are kept until another mean is asked for.
type poisson struct {
	mean  float64
	low   int64
	upTo  []float64 // upTo[i] is the chance of low+i or less
	start [guides]uint16
}

// guides is how many parts of the unit interval know where to begin looking.
const guides = 256

// negligible is the chance below which a number is left out: less than what a
// uniform number of 53 bits can show.
const negligible = 1e-18

// draw returns a number with the given mean, at least 0 and at most about 10000.
func (p *poisson) draw(rng *rand.Rand, mean float64) int64 {
	if mean <= 0 {
		return 0
	}
	if mean != p.mean {
		p.build(mean)
	}
	u := rng.Float64()
	i := int(p.start[int(u*guides)])
	for p.upTo[i] <= u {
		i++
	}
	return p.low + int64(i)
}

// build sums up the chances from the mode downwards and upwards, where they are
// large, so that nothing underflows.
func (p *poisson) build(mean float64) {
	mode := math.Floor(mean)
	lgamma, _ := math.Lgamma(mode + 1)
	top := math.Exp(mode*math.Log(mean) - mean - lgamma)
	first, chance := mode, top
	for first > 0 && chance > negligible {
		chance *= first / mean
		first--
	}
	p.mean, p.low, p.upTo = mean, int64(first), p.upTo[:0]
	sum := 0.0
	for k := first; k <= mode || chance > negligible; k++ {
		if k > first {
			chance *= mean / k
		}
		sum += chance
		p.upTo = append(p.upTo, sum)
	}
	p.upTo[len(p.upTo)-1] = 1
	i := 0
	for g := range p.start {
		for p.upTo[i] <= float64(g)/guides {
			i++
		}
		p.start[g] = uint16(i)
	}
}

// geometric returns a number of at least 1 with the given mean.
func geometric(rng *rand.Rand, mean float64) int64 {
	if mean <= 1 {
		return 1
	}
	return 1 + int64(math.Log(1-rng.Float64())/math.Log1p(-1/mean))
}
