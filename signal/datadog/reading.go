package datadog

import (
	"fmt"
	"time"

	"watari.dev/traffic"
)

// seen is what is known of one side: its points from Alive before the window on.
type seen struct {
	requests, errors series
	events           []series // as in wanted
	missing          []expression
}

// decideReading makes one side's reading of the cells from..to.
func decideReading(g grid, want wanted, got seen, from, to int64) traffic.Reading[traffic.Counts] {
	if len(got.missing) > 0 {
		return unknown("Datadog knows no metric %s: correct the name, or let the application count once", got.missing[0].metric)
	}
	if step, coarse := coarseness(got.requests, to); coarse {
		apart := time.Duration(step) * g.every
		return unknown("%s has a point every %s only: set every to %s, and delay so that they have arrived by then", want.requests.text, apart, apart)
	}
	for n := from; n < to; n++ {
		if _, has := got.requests.points[n]; has {
			continue
		}
		if why := notZero(g, got.requests, n); why != nil {
			return unknown("%s: %w", want.requests.text, why)
		}
	}
	return traffic.KnownAt(sum(want, got, from, to), g.begin(to))
}

// notZero says why cell n, which has no point, is not known to be zero; nil if it is.
func notZero(g grid, s series, n int64) error {
	alive := g.span(g.alive)
	before, after := n-1, n+1
	for ; before > n-alive && !has(s, before); before-- {
	}
	for ; after < n+alive && after < s.next && !has(s, after); after++ {
	}
	switch hasBefore := has(s, before); {
	case hasBefore && has(s, after) && after-before <= alive:
		return nil
	case !hasBefore:
		return fmt.Errorf("no point at %s nor in the %s before", clock(g.begin(n)), g.alive)
	case after >= s.next && s.next-before <= alive:
		return fmt.Errorf("no point since %s; it may be late", clock(g.begin(before+1)))
	default:
		return fmt.Errorf("no point for more than %s after %s", g.alive, clock(g.begin(before+1)))
	}
}

func has(s series, n int64) bool {
	_, is := s.points[n]
	return is
}

// coarseness returns how many cells the points are apart, and true if there are enough
// of them to see that the metric is not counted in cells that small: five points, none
// of them off a grid of two or more cells.
func coarseness(s series, to int64) (step int64, coarse bool) {
	points, last := 0, int64(0)
	for n := s.first; n < to; n++ {
		if !has(s, n) {
			continue
		}
		if points++; points > 1 {
			step = greatestDivisor(step, n-last)
		}
		last = n
	}
	return step, points >= 5 && step > 1
}

func greatestDivisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// sum adds up cells of which those without a point are zero. Errors and events are
// part of the requests; since a request may be counted in one cell and its error in the
// next, what is above is cut for the window as a whole.
func sum(want wanted, got seen, from, to int64) traffic.Counts {
	var c traffic.Counts
	c.Requests = total(got.requests, from, to)
	c.Errors = min(total(got.errors, from, to), c.Requests)
	for i := range want.events {
		c.Events = append(c.Events, min(total(got.events[i], from, to), c.Requests))
	}
	for n := from; n < to; n++ {
		if p := got.requests.points[n]; p.skew.Abs() > c.Skew.Abs() {
			c.Skew = p.skew
		}
	}
	return c
}

func total(s series, from, to int64) (n int64) {
	for cell := from; cell < to; cell++ {
		n += s.points[cell].count
	}
	return n
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

func unknown(format string, args ...any) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: fmt.Errorf(format, args...).Error()}
}
