package signal

import (
	"maps"
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
	timesAsMuch  = 10          // as what its other requests grew by
	mostBorn     = 2000        // requests a second, of a process without others
	usualGap     = time.Minute // since it was looked at, where that is not known
)

// decide says by how much each counter of the process grew at a moment at which they
// did more than grow. In a dip that is nothing, until they are above where they were.
func (p *process) decide(at time.Time) {
	restarted, dipped := p.requestsFell()
	switch {
	case restarted:
		p.beginAgain(func(*track) bool { return true })
	case !dipped:
		p.partsBeginAgain()
	}
	var replaced bool
	for _, of := range p.newParts() { // requests come first: they bound all others
		appeared, ended := p.appeared(of, restarted), p.ended(of, restarted)
		if from, found := p.before(of, appeared, ended); found {
			p.goOn(of, from)
			continue
		}
		if appeared > 0 && of.kind == ofRequests && ended[""] > 0 && !p.goesOn(of) {
			replaced = true // the process began again, and names its counters otherwise
			p.resets = 1
		}
		if p.newborn(of) > p.most(of, at) && !(replaced && of.kind == ofRequests) {
			continue // it counted before, under a name that nobody asked for
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
		if t.part.kind != ofRequests || t.counter.Other != "" {
			continue
		}
		switch {
		case t.sampled:
			now += t.value
			fell = fell || t.value < t.last
		case t.shown && !t.gone:
			now += t.raw
		}
		if t.shown || t.sampled {
			old += t.last
		}
	}
	return fell && !near(now, old), fell && near(now, old)
}

// partsBeginAgain finds what fell although the requests did not.
func (p *process) partsBeginAgain() {
	for _, t := range p.tracks {
		if !t.sampled || t.value >= t.last || t.again || t.counter.Other != "" {
			continue
		}
		if t.histogram < 0 {
			if !near(t.value, t.last) && t.last-t.value > 1 {
				p.beginAgain(func(other *track) bool { return other == t })
			}
			continue
		}
		// The buckets of one histogram began together.
		of := func(other *track) bool { return other.histogram == t.histogram }
		var old, now int64
		for _, b := range p.tracks {
			if of(b) && b.sampled {
				old, now = old+b.last, now+b.value
			}
		}
		if !near(now, old) {
			p.beginAgain(of)
		}
	}
}

// beginAgain takes all that these counters show as counted since the last look.
func (p *process) beginAgain(these func(*track) bool) {
	for _, t := range p.tracks {
		if !these(t) || t.begun {
			continue
		}
		t.again, t.last = true, 0
		switch {
		case t.sampled:
			t.grown = t.value
		case t.shown && !t.gone && !t.unread: // it shows what it did before
			t.grown, t.last = t.raw, t.raw
		}
	}
	p.resets = 1
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

// appeared is what the counters of a part show that were not there at the last look.
func (p *process) appeared(of part, restarted bool) (sum int64) {
	for _, t := range p.tracks {
		if t.part == of && t.sampled && !t.shown && t.counter.Other == "" && !restarted && (!t.begun || t.counter.Born) {
			sum += t.value
		}
	}
	return sum
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
// ones that were asked for as well, or ones that were not and are renamed alike.
func (p *process) before(of part, appeared int64, ended map[string]int64) (from int64, found bool) {
	if appeared == 0 {
		return 0, false
	}
	for _, other := range slices.Sorted(maps.Keys(ended)) {
		if from = ended[other]; other != "" {
			from += ended[""]
		}
		if from > 0 && near(appeared, from) {
			return from, true
		}
	}
	return 0, false
}

// goOn lets the counters that appeared go on from where those that ended were.
func (p *process) goOn(of part, ended int64) {
	for _, t := range p.tracks {
		if t.part == of && t.sampled && !t.shown && t.counter.Other == "" && (!t.begun || t.counter.Born) {
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

// most is how much counters that are new may show, if they began since the last look.
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
	switch {
	case of.kind != ofRequests && counts:
		return grown + grown/10 + 1 // they are not read at one instant
	case of.kind == ofRequests && !goesOn || of.kind == ofBucket:
		gap := usualGap
		if !p.last.IsZero() {
			gap = max(time.Second, at.Sub(p.last))
		}
		return int64(mostBorn * gap.Seconds())
	default:
		return max(alwaysEnough, timesAsMuch*grown)
	}
}
