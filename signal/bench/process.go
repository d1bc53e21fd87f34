package bench

import (
	"fmt"
	"math"
	"math/rand/v2"

	"watari.dev/traffic"
)

// process is one process of a side: what it counts, and how it is scraped.
type process struct {
	side     traffic.Side
	instance string
	part     float64 // of the side's requests, 0..1
	phase    int     // second of the scrape interval in which it is scraped
	role     string  // a label that somebody adds
	failures string  // the same, on the counter of errors only
	layout   *layout // of its histogram; nil if it has none
	oneText  string  // how its bucket of one second is named
	hidden   bool    // nobody scrapes it
	counters
	shown   []counters // by its last scrapes, newest last
	scrapes int
}

// counters are what a process counts.
type counters struct {
	requests, errors int64
	buckets          [4]int64 // cumulative, in the order of the layout; the last one has no edge
}

// layout is how a histogram is divided.
type layout struct {
	le    [3]string
	below [3]float64 // of the requests of a healthy side that take no longer, 0..1
}

// The layouts: that of both sides, and the one that a release may bring. A healthy
// request takes some 20 ms; a slow one takes 3 s, above every edge of both.
var (
	usualLayout = layout{le: [3]string{"0.01", "0.1", "1"}, below: [3]float64{.2, .98, .9995}}
	otherLayout = layout{le: [3]string{"0.025", "0.25", "2.5"}, below: [3]float64{.55, .993, .9999}}
)

// serve counts the requests of a second: rate of them on average, of which a part
// fails and a part is slow.
func (p *process) serve(rng *rand.Rand, rate, failing, slow float64) {
	good, bad := poisson(rng, rate*(1-failing)), poisson(rng, rate*failing)
	p.requests, p.errors = p.requests+good+bad, p.errors+bad
	if p.layout == nil {
		return
	}
	left := good + bad
	late := binomial(rng, left, slow)
	p.buckets[3] += left
	left -= late
	above := 1.0
	for i := len(p.layout.below) - 1; i >= 0; i-- {
		left -= binomial(rng, left, (above-p.layout.below[i])/above)
		above = p.layout.below[i]
		p.buckets[i] += left
	}
}

// restart begins all counters at zero.
func (p *process) restart() { p.counters = counters{} }

// replace puts a new process in the place of p, at an address of its own.
func (p *process) replace(number int) {
	p.restart()
	p.instance = fmt.Sprintf("10.0.%d.%d:8080", map[traffic.Side]int{traffic.Source: 1, traffic.Target: 2}[p.side], 100+number)
	p.shown, p.scrapes = nil, 0
}

// poisson draws a number of the given mean: exactly for small ones, by the normal
// approximation for large ones.
func poisson(rng *rand.Rand, mean float64) int64 {
	switch {
	case mean <= 0:
		return 0
	case mean > 40:
		return max(0, int64(math.Round(mean+math.Sqrt(mean)*rng.NormFloat64())))
	}
	n, left := int64(0), math.Exp(-mean)
	for p := rng.Float64(); p > left; p *= rng.Float64() {
		n++
	}
	return n
}

// binomial draws how many of n are of a kind that has the chance p.
func binomial(rng *rand.Rand, n int64, p float64) int64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > .5:
		return n - binomial(rng, n, 1-p)
	}
	return min(n, poisson(rng, float64(n)*p))
}
