package engine

import "time"

// Counted returns the counts of an observation as Step takes them: with where each
// belongs, once it is known what the same observation says of the routes. What is kept
// of them can then be judged again, and says the same.
func Counted(spec Spec, status Status, seen Observation, now time.Time) []Interval {
	if len(seen.Counts) == 0 {
		return seen.Counts
	}
	t := turn{spec: spec, status: status.clone(), seen: seen, now: now}
	t.absorbRoutes()
	return t.placed()
}

// placed returns the counts, each with where it belongs.
func (t *turn) placed() []Interval {
	out := make([]Interval, 0, len(t.seen.Counts))
	for _, in := range t.seen.Counts {
		out = append(out, Placed(t.spec, t.status, in))
	}
	return out
}
