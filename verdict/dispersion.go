package verdict

import (
	"math"
	"time"
)

// Dispersion returns phi, how much more the split of bad requests between two
// equal sides varies than independent ones would: 1 is independent. The pairs
// are spans in which nothing was wrong, of the source against itself; source and
// target are its two halves.
func Dispersion(pairs []Pair) float64 {
	var squares, expected float64
	for _, p := range pairs {
		n := float64(p.Source.Bad + p.Target.Bad)
		q := float64(p.Target.N) / float64(max(1, p.Source.N+p.Target.N))
		d := float64(p.Target.Bad) - n*q
		squares += d * d
		expected += n * q * (1 - q)
	}
	if expected == 0 {
		return 1
	}
	return max(1, squares/expected)
}

// scales is how many doublings of the base span are looked at: 1 s to 256 s.
const scales = 9

// base is the shortest span that Bursts looks at.
const base = time.Second

// The house's own bounds of what is made of Bursts.
const (
	fewestSpans    = 20   // pairs of spans before a scale is believed
	longerThan     = 1.1  // growth of dispersion with the double span that shows a burst as long as it
	mostDispersion = 16.0 // more would say nothing but that there was an outage
	mostSquare     = 100  // of one pair of spans, so that one outage does not decide
	halfLife       = 6 * time.Hour
)

// Bursts watches how the errors of one side come: it compares each span of time
// with the one before it, at spans of 1 s, 2 s, 4 s and so on. Where errors come
// in bursts, the variance grows with the span until the span is longer than a
// burst.
type Bursts struct {
	Scales []Scale `json:"scales,omitempty"`
}

// Scale is one length of spans.
type Scale struct {
	Now    Tally         `json:"now"`
	Span   time.Duration `json:"span,omitempty"` // of Now
	Last   Tally         `json:"last"`           // the whole span before
	Square float64       `json:"square"`         // sum of standardised squares, older ones count less
	Pairs  float64       `json:"pairs"`          // number of them
}

// Add takes what the side answered in the span.
func (b *Bursts) Add(span time.Duration, t Tally) {
	if len(b.Scales) == 0 {
		b.Scales = make([]Scale, scales)
	}
	for i := range b.Scales {
		s := &b.Scales[i]
		s.Now, s.Span = s.Now.Plus(t), s.Span+span
		if length := base << i; s.Span >= length {
			s.close(length)
		}
	}
}

func (s *Scale) close(length time.Duration) {
	if n := s.Now.Bad + s.Last.Bad; n > 0 && s.Now.N > 0 && s.Last.N > 0 {
		q := float64(s.Now.N) / float64(s.Now.N+s.Last.N)
		d := float64(s.Now.Bad) - float64(n)*q
		keep := math.Exp2(-2 * float64(length) / float64(halfLife))
		s.Square = s.Square*keep + min(d*d/(float64(n)*q*(1-q)), mostSquare)
		s.Pairs = s.Pairs*keep + 1
		s.Last, s.Now, s.Span = Tally{}, Tally{}, 0 // pairs share no span
		return
	}
	s.Last, s.Now, s.Span = s.Now, Tally{}, 0
}

func (s *Scale) dispersion() (phi float64, known bool) {
	if s.Pairs < fewestSpans {
		return 1, false
	}
	return max(1, s.Square/s.Pairs), true
}

// Unit returns how long an observation of the unit form must be: at least least,
// and so long that doubling it makes the errors hardly more uneven; at most most.
func (b *Bursts) Unit(least, most time.Duration) time.Duration {
	unit := least
	for i := range b.Scales[:max(0, len(b.Scales)-1)] {
		length := base << i
		if length < least {
			continue
		}
		short, known := b.Scales[i].dispersion()
		long, alsoKnown := b.Scales[i+1].dispersion()
		// The mean of n standardised squares is off by sqrt(2/n) by chance alone.
		chance := 1 + 2*math.Sqrt(2/b.Scales[i+1].Pairs)
		if !known || !alsoKnown || long <= longerThan*short*chance {
			break
		}
		unit = base << (i + 1)
	}
	return min(unit, most)
}

// Dispersion returns phi of spans as long as unit, or of the longest that enough
// is known of; 1 where nothing is.
func (b *Bursts) Dispersion(unit time.Duration) float64 {
	phi := 1.0
	for i := range b.Scales {
		if v, known := b.Scales[i].dispersion(); known {
			phi = v
		}
		if base<<i >= unit {
			break
		}
	}
	return min(phi, mostDispersion)
}
