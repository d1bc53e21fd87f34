package load

import "math/rand/v2"

// schedule says when requests are meant to be sent. It knows nothing of their
// fate: that is what makes the loop open.
type schedule struct {
	rate     float64
	arrivals Arrivals
	rng      *rand.Rand
	n        float64 // requests so far
	at       float64 // seconds, of the last Poisson arrival
}

// next returns the time of the next request, in seconds after the start.
func (s *schedule) next() float64 {
	if s.arrivals == Poisson {
		s.at += s.rng.ExpFloat64() / s.rate
		return s.at
	}
	at := s.n / s.rate // not a running sum: its error would grow
	s.n++
	return at
}
