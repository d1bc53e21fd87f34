package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// World is how traffic and errors come. Rates and chances are functions of the
// seconds since the target got its share.
type World struct {
	Name   string
	Text   string                   // what is unusual in it, for the reader of the figures
	Rate   func(second int) float64 // requests/s of both sides together
	Share  func(second int) float64 // of them that goes to the target, 0..1
	Source func(second int) float64 // errors per request of the source, 0..1
	Target func(second int) float64 // errors per request of the target, 0..1

	Together float64 // mean number of errors that come in one second as one; 1 are independent errors
	OneSided Burst   // each side has its own
	Shared   Burst   // both sides at the same time
}

// Burst is a time of many errors. When it begins is memoryless, so nothing can be
// learnt from when the last one was.
type Burst struct {
	Every  float64 // mean seconds from the end of one to the begin of the next; 0 is never
	Lasts  float64 // seconds, at least 1
	Varies bool    // Lasts is a mean, and the end is memoryless too: one in fifty lasts four times as long
	Fails  float64 // part of the requests that fail within, beside the usual ones, 0..1
}

// The world of the figures: a service of moderate size in the first step of a
// migration.
const (
	usualRate  = 200   // requests/s
	usualShare = 0.05  // of the target
	usualRatio = 0.001 // errors per request of a healthy side
)

// The bursts. They are the house's own, and harsher than a healthy service has
// them: each side loses one of its pods every half an hour, without draining.
var (
	oneOfTen   = Burst{Every: 1800, Lasts: 5, Fails: 0.1}
	oneOfThree = Burst{Every: 1800, Lasts: 5, Fails: 1. / 3}
	sometimes  = Burst{Every: 1800, Lasts: 5, Varies: true, Fails: 1. / 3}
	outage     = Burst{Every: 6 * 3600, Lasts: 60, Varies: true, Fails: 0.5} // of something both sides need
)

// together is how many errors a batch, a retry loop or a lost connection with
// many streams makes in one second, on average.
const together = 5

func always(v float64) func(int) float64 { return func(int) float64 { return v } }

func usual(name, text string) World {
	return World{
		Name: name, Text: text, Rate: always(usualRate), Share: always(usualShare),
		Source: always(usualRatio), Target: always(usualRatio), Together: 1,
	}
}

// Regression is the usual world with a target that fails ratio of its requests,
// 0..1, from the first second on; all errors are independent.
func Regression(ratio float64) World {
	w := usual("regression", "the target is worse")
	w.Target = always(ratio)
	return w
}

// Quiet returns worlds in which the target is not worse than the source: whoever
// rolls back is wrong.
func Quiet() []World {
	day := rhythm()
	shares := day
	shares.Name, shares.Text = "and shares", "the same, while the share is 1, 5, 25, 10, 50 and 90 % for 4 h each"
	shares.Share = func(t int) float64 { return shareSteps[t/shareStep%len(shareSteps)] }
	return []World{
		usual("independent", "errors are independent"),
		bursts("pod of ten", oneOfTen),
		bursts("pod of three", oneOfThree),
		clusters(), bursts("sometimes longer", sometimes), outages(), day, shares,
	}
}

func bursts(name string, b Burst) World {
	lasts := fmt.Sprintf("%.0f s", b.Lasts)
	if b.Varies {
		lasts += " on average (one in fifty lasts four times as long)"
	}
	w := usual(name, fmt.Sprintf("every %s on average, for %s, each side for itself fails %s more of its requests", minutes(b.Every), lasts, percent(b.Fails)))
	w.OneSided = b
	return w
}

func clusters() World {
	w := usual("by the five", fmt.Sprintf("errors come in clusters within a second, %d on average (geometric), each on one side", together))
	w.Together = together
	return w
}

func outages() World {
	w := usual("shared outages", fmt.Sprintf("for %.0f s every %s on average, both sides fail %s more", outage.Lasts, minutes(outage.Every), percent(outage.Fails)))
	w.Shared = outage
	return w
}

func rhythm() World {
	w := usual("rhythm of a day", "40 to 360 requests/s, and between a quarter of the usual errors and four times as many")
	w.Rate = func(t int) float64 { return usualRate * (1 + 0.8*wave(t)) }
	w.Source = func(t int) float64 { return usualRatio * math.Exp2(2*wave(t)) }
	w.Target = w.Source
	return w
}

func minutes(seconds float64) string { return fmt.Sprintf("%.0f min", seconds/60) }

// shareSteps are the shares of a migration with a step back in it, shareStep
// seconds each.
var shareSteps = [...]float64{0.01, 0.05, 0.25, 0.10, 0.50, 0.90}

const shareStep = 4 * 3600

// wave goes from 0 up to 1, down to -1 and back in a day. It changes once a
// minute.
func wave(second int) float64 {
	return math.Sin(2 * math.Pi * float64(second/60) / (24 * 60))
}

// Stream makes up the seconds of one migration.
type Stream struct {
	world          World
	rng            *rand.Rand
	at, step       int
	share          float64
	shared         state
	source, target side
}

// Stream returns the seconds of a migration in w. What it returns depends on w
// and rng only.
func (w World) Stream(rng *rand.Rand) *Stream { return &Stream{world: w, rng: rng, share: math.NaN()} }

// side is what one side needs for making up its seconds.
type side struct {
	own      state
	ok, fail poisson
}

// state is how many seconds of a burst are left, the present one included.
type state float64

func (left *state) next(b Burst, rng *rand.Rand) {
	switch {
	case b.Every <= 0:
	case *left > 1 && !b.Varies:
		*left--
	case *left > 0 && b.Varies && rng.Float64() >= 1/b.Lasts:
	case *left == 0 && rng.Float64() < 1/b.Every:
		*left = state(b.Lasts)
	default:
		*left = 0
	}
}

// Next returns the next second.
func (s *Stream) Next() Second {
	w, t := &s.world, s.at
	if share := w.Share(t); share != s.share {
		s.share = share
		s.step++
	}
	s.at++
	s.shared.next(w.Shared, s.rng)
	rate := w.Rate(t)
	return Second{
		At: t, Share: s.share, Step: s.step,
		Source: s.answers(&s.source, rate*(1-s.share), w.Source(t)),
		Target: s.answers(&s.target, rate*s.share, w.Target(t)),
	}
}

// answers makes up one second of a side. Requests come by a Poisson process of
// the given rate; those that fail and those that do not are then two independent
// Poisson processes.
func (s *Stream) answers(of *side, rate, ratio float64) Tally {
	w := &s.world
	of.own.next(w.OneSided, s.rng)
	good := 1 - ratio
	if of.own > 0 {
		good *= 1 - w.OneSided.Fails
	}
	if s.shared > 0 {
		good *= 1 - w.Shared.Fails
	}
	errors := of.fail.draw(s.rng, rate*(1-good)/w.Together)
	if w.Together > 1 {
		for range errors {
			errors += geometric(s.rng, w.Together) - 1
		}
	}
	return Tally{Requests: of.ok.draw(s.rng, rate*good) + errors, Errors: errors}
}
