package signal

import (
	"maps"
	"math"
	"slices"
	"time"
)

// near reports whether a counter, or a sum of them, that fell from old to value is
// about where it was. A process that began again shows what it counted since the look
// before, which is little beside what it had counted in its life; one that did after
// a few seconds cannot be told from a dip, and then too little is counted, not too much.
func near(value, old int64) bool { return value >= old-old/4 }

// What counters that are new on a process may show and still count as a whole. What
// counts more is believed from the next look on.
const (
	alwaysEnough = 100         // requests, whatever the process did otherwise
	timesAsMuch  = 2           // as what it answers in such a time, with all that it answered now
	mostBorn     = 2000        // requests a second, of a process without others
	usualGap     = time.Minute // since it was looked at, where that is not known
	mostFurther  = 1000        // requests by which one under a new name is further, or a third of what it was
)

// decide says by how much each counter of the process grew at a moment at which they
// did more than grow. In a dip that is nothing, until they are above where they were.
func (p *process) decide(at time.Time) {
	restarted, dipped := p.requestsFell()
	switch {
	case restarted:
		p.beginAgain(at, func(*track) bool { return true })
	case !dipped:
		p.partsBeginAgain(at)
	}
	p.comeBack(at)
	var replaced bool
	for _, of := range p.newParts() { // requests come first: they bound all others
		ended := p.ended(of, restarted)
		if from, found := p.before(of, ended, restarted); found {
			p.goOn(of, from)
			continue
		}
		newborn := p.newborn(of)
		if newborn > 0 && of.kind == ofRequests && ended[""] > 0 && !p.goesOn(of) {
			replaced = true // the process began again, and names its counters otherwise
			p.resets = 1
		}
		if newborn > p.most(of, at) && !(replaced && of.kind == ofRequests) {
			p.resets = 1 // it may have counted before, under a name that nobody asked for
			continue
		}
		for _, t := range p.tracks {
			if t.part == of && t.begun && t.counter.Born && t.counter.Other == "" {
				t.grown = t.value
			}
		}
	}
}

// requestsFell reports whether a counter of requests fell, and what that was: their
// sum tells whether the process began again.
func (p *process) requestsFell() (restarted, dipped bool) {
	var old, now int64
	fell := false
	for _, t := range p.tracks {
		if t.part.kind != ofRequests || t.counter.Other != "" || t.gone {
			continue
		}
		switch {
		case t.sampled:
			now += t.value
			fell = fell || t.value < t.last
		case t.shown:
			now += t.raw
		}
		if t.shown || t.sampled {
			old += t.last
		}
	}
	return fell && !near(now, old), fell && near(now, old)
}

// partsBeginAgain finds what fell although the requests did not.
func (p *process) partsBeginAgain(at time.Time) {
	seen := map[int]bool{} // histograms
	for _, t := range p.tracks {
		if !t.sampled || t.value >= t.last || t.again || t.counter.Other != "" || seen[t.histogram] {
			continue
		}
		if t.histogram < 0 {
			if !near(t.value, t.last) && t.last-t.value > 1 {
				p.beginAgain(at, func(other *track) bool { return other == t })
			}
			continue
		}
		// The buckets of one histogram began together.
		seen[t.histogram] = true
		of := func(other *track) bool { return other.histogram == t.histogram }
		var old, now int64
		for _, b := range p.tracks {
			if of(b) && b.sampled {
				old, now = old+b.last, now+b.value
			}
		}
		if !near(now, old) {
			p.beginAgain(at, of)
		}
	}
}

// beginAgain takes all that these counters show as counted since the last look.
func (p *process) beginAgain(at time.Time, these func(*track) bool) {
	for _, t := range p.tracks {
		if !these(t) || t.begun {
			continue
		}
		t.again, t.left, t.last = true, max(t.last, t.left), 0
		switch {
		case t.sampled:
			t.grown = t.value
		case t.shown && !t.gone && !t.unread: // it shows what it did before
			t.grown, t.last = t.raw, t.raw
		}
	}
	p.resets, p.fell = 1, at
}

// comeBack finds counters that are where they were before they fell: nothing had begun
// again, one look has shown something else. Where a process has requests, these tell.
func (p *process) comeBack(at time.Time) {
	var left, last, now int64
	counts := false
	for _, t := range p.tracks {
		if t.part.kind == ofRequests && t.counter.Other == "" && t.sampled && t.known {
			counts = true
			left, last, now = left+t.left, last+t.last, now+t.value
		}
	}
	back := jumpsBack(left, last, now)
	for _, t := range p.tracks {
		if !t.sampled || t.again || t.left == 0 {
			continue
		}
		if back || jumpsBack(t.left, t.last, t.value) && !(counts && p.resets > 0) {
			t.grown, t.left = max(0, t.value-t.left), 0
		}
	}
}

// certainlyBack is what counters must have shown before they fell for what they show
// to tell that they are back: a process that began again soon has as few as before.
const certainlyBack = 1000

// jumpsBack reports whether what shows now is near where it was left, and far from
// where it was last.
func jumpsBack(left, last, now int64) bool {
	return left >= certainlyBack && now >= left && now-left < (now-last)/muchNearer
}

// newParts returns the parts of which a counter appeared, or came back, the requests
// first.
func (p *process) newParts() (parts []part) {
	seen := map[part]bool{}
	for _, t := range p.tracks {
		if t.sampled && (t.begun || !t.shown) && !seen[t.part] {
			seen[t.part] = true
			if t.part.kind == ofRequests {
				parts = append([]part{t.part}, parts...)
			} else {
				parts = append(parts, t.part)
			}
		}
	}
	return parts
}

// appears reports whether the track shows a value that was not there at the last look,
// and may be another counter's that ended.
func (t *track) appears(of part) bool {
	return t.part == of && t.sampled && !t.shown && t.counter.Other == "" && (!t.begun || t.counter.Born)
}

// ended is what the counters of a part had shown that ended at this moment, by Other.
func (p *process) ended(of part, restarted bool) map[string]int64 {
	sums := map[string]int64{}
	for _, t := range p.tracks {
		switch {
		case t.part != of || restarted:
		case t.gone:
			sums[t.counter.Other] += t.last
		case t.counter.Other != "" && t.sampled && t.value < t.last: // several together
			sums[t.counter.Other] += t.last - t.value
		}
	}
	return sums
}

// before returns where counters that appeared go on from, if they were others before:
// ones that were asked for as well, or ones that were not and are renamed alike. Of
// several it is those that they are nearest to, be it themselves when they were gone.
func (p *process) before(of part, ended map[string]int64, restarted bool) (from int64, found bool) {
	var appeared, own int64
	all := true // of them were there before, by their own names
	for _, t := range p.tracks {
		if t.appears(of) && !restarted {
			appeared, own, all = appeared+t.value, own+t.last, all && !t.begun
		}
	}
	best := int64(math.MaxInt64)
	if all {
		best = appeared - own
	}
	for _, other := range slices.Sorted(maps.Keys(ended)) {
		sum := ended[other]
		if other != "" {
			sum += ended[""]
		}
		grown := appeared - sum
		if sum > 0 && near(appeared, sum) && grown <= max(mostFurther, sum/3) && max(grown, -grown) < best {
			from, found, best = sum, true, max(grown, -grown)
		}
	}
	return from, found
}

// goOn lets the counters that appeared go on from where those that ended were.
func (p *process) goOn(of part, ended int64) {
	for _, t := range p.tracks {
		if t.appears(of) {
			from := min(ended, t.value)
			t.grown = t.value - from
			ended -= from
		}
	}
}

// goesOn reports whether a counter of the part was there before and still is.
func (p *process) goesOn(of part) bool {
	for _, t := range p.tracks {
		if t.part == of && t.shown && !t.gone && t.counter.Other == "" {
			return true
		}
	}
	return false
}

// newborn is what the counters of a part show that were never there before.
func (p *process) newborn(of part) (sum int64) {
	for _, t := range p.tracks {
		if t.part == of && t.begun && t.counter.Born && t.counter.Other == "" {
			sum += t.value
		}
	}
	return sum
}

// most is how much counters that are new may show, if they began since the last look:
// requests so many that all that the process answered is what it may have answered in
// that time, and of the others no more than requests.
func (p *process) most(of part, at time.Time) int64 {
	var grown int64
	counts, goesOn := false, false // requests, and some of them for longer
	for _, t := range p.tracks {
		if t.part.kind == ofRequests && t.counter.Other == "" {
			counts = true
			grown += t.grown
			goesOn = goesOn || t.known && t.last > 0
		}
	}
	gap := usualGap
	if !p.last.IsZero() {
		gap = max(time.Second, at.Sub(p.last))
	}
	switch {
	case of.kind != ofRequests && counts:
		return grown + grown/10 + 1 // they are not read at one instant
	case of.kind == ofRequests && !goesOn && p.name != "" || of.kind == ofBucket:
		return int64(mostBorn * gap.Seconds())
	default:
		return max(alwaysEnough, int64(timesAsMuch*max(p.rate*gap.Seconds(), float64(grown)))-grown)
	}
}
