package signal

import (
	"slices"
	"time"
)

// upDownFor is how long counters that went up and down are not believed: what
// answers in turn does so again within a few looks.
const upDownFor = 5 * time.Minute

// Several processes in one's name show in turn what each has counted: the counter
// falls to where it was before it had risen. One that begins again falls below all
// that it ever showed, but for what it shows right after it began.
const (
	mostLevels  = 8  // processes that are told apart
	leastLevel  = 10 // requests
	muchNearer  = 4
	twiceIsMany = 2 // falls to where it was before, within upDownFor
)

// levels are the values from which a counter jumped away, and to which it may come
// back.
type levels struct {
	now   int64
	left  []int64     // ascending
	falls []time.Time // back to one of them
}

// add takes what the counter shows.
func (l *levels) add(value int64, at time.Time) {
	switch {
	case value >= l.now:
		// Near a level, and far from where it was: one that grows comes by there as well.
		if i := l.highest(value); i >= 0 && l.left[i] > l.now && value-l.left[i] < (value-l.now)/muchNearer {
			l.swap(i)
		}
	case near(value, l.now):
		return
	default:
		if i := l.highest(value); i >= 0 {
			l.swap(i)
			l.falls = append(l.falls, at)
		} else {
			l.leave()
		}
	}
	l.now = value
}

// highest returns the index of the highest level up to value; -1 if all are above.
func (l *levels) highest(value int64) int {
	i, found := slices.BinarySearch(l.left, value)
	if found {
		return i
	}
	return i - 1
}

// swap goes back to a level and leaves the present one.
func (l *levels) swap(i int) {
	l.left = slices.Delete(l.left, i, i+1)
	l.leave()
}

func (l *levels) leave() {
	if l.now < leastLevel {
		return // everybody comes by there who begins again
	}
	i, _ := slices.BinarySearch(l.left, l.now)
	l.left = slices.Insert(l.left, i, l.now)
	if len(l.left) > mostLevels {
		l.left = l.left[1:]
	}
}

// upAndDown reports whether several processes answered, as far as the time before
// until tells.
func (l *levels) upAndDown(until time.Time) bool {
	n := 0
	for _, at := range l.falls {
		if !at.After(until) && until.Sub(at) < upDownFor {
			n++
		}
	}
	return n >= twiceIsMany
}
