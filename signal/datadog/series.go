package datadog

import "time"

// grid divides time into cells that begin at multiples of every since 1970, as
// rollups do. Cell n lasts from n*every, inclusive, to the next one.
type grid struct{ every, delay, alive time.Duration }

// taken returns the first cell that is not taken yet at the instant at.
func (g grid) taken(at time.Time) int64 {
	ns := at.Add(-g.delay).UnixNano()
	cell := ns / int64(g.every)
	if ns < 0 && ns%int64(g.every) != 0 {
		cell--
	}
	return cell
}

// begin returns when cell n begins, which is when the one before it ends.
func (g grid) begin(n int64) time.Time { return time.Unix(0, n*int64(g.every)) }

// span returns how many cells d has at least.
func (g grid) span(d time.Duration) int64 { return int64((d + g.every - 1) / g.every) }

// point is what one cell counted.
type point struct {
	count int64
	skew  time.Duration // of the answer that it came with
}

// series is what was read of one expression: the cells from first to before next. A
// cell without a point may get one as long as it is not settled.
type series struct {
	first, next int64
	points      map[int64]point
}

// kept is how many cells a series remembers.
const kept = 1000

// settled returns the first cell that is still read again: the one after the last
// point, or one whose neighbours are too far apart whatever comes.
func (s *series) settled(alive int64) int64 {
	for n := s.next - 1; n >= max(s.first, s.next-alive); n-- {
		if _, has := s.points[n]; has {
			return n + 1
		}
	}
	return max(s.first, s.next-alive)
}

// missing returns from which cell on s must be read to know the cells from..to, and
// false if it knows them.
func (s *series) missing(from, to, alive int64) (int64, bool) {
	switch {
	case s == nil || from < s.first || from > s.next:
		return from, true
	case to <= s.next:
		return 0, false
	default:
		return s.settled(alive), true
	}
}

// store takes what was read of the cells from..to. What is settled stays as it is, so
// that the same window always has the same answer.
func (s *series) store(from, to int64, read map[int64]point, alive int64) {
	if s.points == nil || from > s.next || to < s.first {
		*s = series{first: from, next: to, points: read}
		return
	}
	settled := s.settled(alive)
	for n := from; n < to; n++ {
		if n >= s.first && n < settled {
			continue
		}
		if p, has := read[n]; has {
			s.points[n] = p
		} else {
			delete(s.points, n)
		}
	}
	s.first, s.next = min(s.first, from), max(s.next, to)
	for ; s.first < s.next-kept; s.first++ {
		delete(s.points, s.first)
	}
}

// between returns a copy of the cells from..to and of all that follow.
func (s *series) between(from int64) series {
	out := series{first: from, next: s.next, points: map[int64]point{}}
	for n, p := range s.points {
		if n >= from {
			out.points[n] = p
		}
	}
	return out
}
