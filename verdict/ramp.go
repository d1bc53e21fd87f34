package verdict

import (
	"math"
	"time"
)

// RampShare returns the largest share (0..1) at which a target that is as bad as
// is still possible harms no more than budget requests: budget/(rate dwell
// excess). rate is requests per second of both sides, dwell how long the share
// will be held, excess how many more of its requests than of the source's the
// target may fail, 0..1.
func RampShare(budget, rate float64, dwell time.Duration, excess float64) float64 {
	worst := rate * dwell.Seconds() * excess
	if worst <= budget {
		return 1
	}
	return budget / worst
}

// excess returns how many more of its requests than the source the target may
// fail: the smaller of what the ratio and what the difference of both sides'
// bounds allow.
func excess(p Pair, dispersion, advance float64) float64 {
	_, high := Bounds(p.Target, advance)
	low := p.Source.Ratio()
	by := max(0, high-low)
	if u := UpperBound(p, 0, dispersion, advance); !math.IsInf(u, 1) {
		by = min(by, max(0, u-1)*low)
	}
	return by
}
