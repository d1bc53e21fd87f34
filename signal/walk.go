package signal

import (
	"slices"
	"time"

	"watari.dev/traffic"
)

// Sum adds up what one side's counters gained between from and to: after from, up to
// to. Samples before from tell what the counters had been. Errors and events are
// part of the requests: since they are not read at the same instant, what is above
// is cut.
//
// The counters of one process are looked at together, because they begin again
// together, and because relabelling renames them together:
//
//   - A counter that falls by more than a quarter began again, and all that it shows
//     counts. Where a process has requests, their sum decides for all its counters. If
//     only others fell, each decides for itself. What is soon back where it was had not
//     begun again: what it shows then does not count a second time.
//   - A smaller fall is a dip: a replica that was a scrape behind, or a corrected sample
//     (prometheus#13950, thanos#7623, mimir#5198; VictoriaMetrics takes a fall of less than
//     an eighth for one, removeCounterResets in app/vmselect/promql/rollup.go). Nothing
//     counts until the counter is above where it was.
//   - Counters that appear where others of the process ended, with about their sum, are
//     these under new labels, and go on from there.
//   - A counter that is new on a process that was seen before counts as a whole, unless
//     the process can hardly have counted that much since it was looked at last. Then
//     nothing of it counts, and that is a reset.
//   - A counter that was gone goes on from where it was, or from zero if its process
//     began again, or if it shows less.
//   - A bucket counts where it is there as its histogram's bucket of all requests is;
//     otherwise its edge is left out of the window.
//
// Resets are the moments at which counters began again, once per process that is
// known, so that windows add up: with them the numbers are lower bounds.
func Sum(c Counters, from, to time.Time) traffic.Counts {
	counts, _ := SumOf(c, from, to)
	return counts
}

// SumOf returns Sum, and the processes whose counters went up and down within
// upDownFor before to: several processes answer in one's name, and what they count
// cannot be told apart. The empty name is that of counters without one.
func SumOf(c Counters, from, to time.Time) (sum traffic.Counts, upDown []string) {
	g := newGain(&c)
	for _, p := range processesOf(&c) {
		p.walk(func(at time.Time) bool {
			if at.After(to) {
				return false
			}
			if at.After(from) {
				p.addTo(g)
			}
			return true
		})
		if p.levels.upAndDown(to) && !slices.Contains(upDown, p.name) {
			upDown = append(upDown, p.name)
		}
	}
	sum = g.counts()
	sum.Errors = min(sum.Errors, sum.Requests)
	for i := range sum.Events {
		sum.Events[i] = min(sum.Events[i], sum.Requests)
	}
	slices.Sort(upDown)
	return sum, upDown
}

// kind is what a counter counts.
type kind int

const (
	ofRequests kind = iota
	ofErrors
	ofEvent
	ofBucket
)

// part is what is counted together of a process: counters of one part that end and
// begin at the same moment may be the same under other labels.
type part struct {
	kind  kind
	index int           // of the event
	edge  time.Duration // of the bucket
}

// track is one counter on its way through its samples.
type track struct {
	counter   Counter
	part      part
	histogram int // index into Counters.Latency; -1 if it is no bucket
	next      int // its next sample

	known bool  // it has shown a value
	shown bool  // and did at the last look
	last  int64 // the highest value since it began; 0 where its process began again since it was gone
	raw   int64 // the last value
	left  int64 // where it was when it fell; 0 if it did not lately

	moment
}

// moment is what a track shows at the moment that is looked at.
type moment struct {
	sampled bool  // it has a value
	value   int64 // that value
	begun   bool  // which is its first
	gone    bool  // it was there before, and is not any more
	unread  bool  // it shows no number
	again   bool  // it began again
	grown   int64
}

// process is the counters that one process counts; or one counter, or histogram,
// of which nobody knows who counts it.
type process struct {
	name   string
	tracks []*track
	whole  []*track // of each histogram the bucket with the highest edge, of all requests
	levels levels
	last   time.Time // the moment before this one
	fell   time.Time // when counters of it began again
	rate   float64   // requests a second, the most between two looks
	resets int64     // at this moment
}

// processesOf groups what is counted by who counts it.
func processesOf(c *Counters) []*process {
	var all []*process
	byName := map[string]*process{}
	add := func(counter Counter, of part, histogram int, with *process) *process {
		p := with
		switch {
		case counter.Process != "":
			p = byName[counter.Process]
		case histogram < 0 || p == nil || p.name != "":
			p = nil
		}
		if p == nil {
			p = &process{name: counter.Process}
			all = append(all, p)
			if counter.Process != "" {
				byName[counter.Process] = p
			}
		}
		p.tracks = append(p.tracks, &track{counter: counter, part: of, histogram: histogram})
		return p
	}
	for _, one := range c.Requests {
		add(one, part{kind: ofRequests}, -1, nil)
	}
	for _, one := range c.Errors {
		add(one, part{kind: ofErrors}, -1, nil)
	}
	for i, counters := range c.Events {
		for _, one := range counters {
			add(one, part{kind: ofEvent, index: i}, -1, nil)
		}
	}
	for i, buckets := range c.Latency {
		var with *process
		for _, one := range oneOfEach(buckets) {
			with = add(one.Counter, part{kind: ofBucket, edge: one.Edge}, i, with)
		}
		if with != nil {
			with.whole = append(with.whole, with.tracks[len(with.tracks)-1])
		}
	}
	return all
}

// walk goes through all moments at which a counter of the process has a sample, and
// has what was gained in its tracks when it calls use. It ends when use returns false.
func (p *process) walk(use func(at time.Time) bool) {
	at, more := p.earliest()
	for more {
		usual, next, another := p.look(at)
		if !usual || !p.fell.IsZero() && at.Sub(p.fell) < upDownFor {
			p.decide(at)
		}
		if !use(at) {
			return
		}
		p.settle(at)
		at, more = next, another
	}
}

// earliest returns the time of the first sample.
func (p *process) earliest() (at time.Time, found bool) {
	for _, t := range p.tracks {
		if s := t.counter.Samples; len(s) > 0 && (!found || s[0].At.Before(at)) {
			at, found = s[0].At, true
		}
	}
	return at, found
}

// look takes the samples of a moment: it is a usual one where counters only grew. It
// returns the next moment, if there is one.
func (p *process) look(at time.Time) (usual bool, next time.Time, more bool) {
	p.resets, usual = 0, true
	for _, t := range p.tracks {
		t.moment = moment{}
		samples := t.counter.Samples
		if t.next < len(samples) && samples[t.next].At.Equal(at) {
			usual = t.take(samples[t.next].Value) && usual
			t.next++
		}
		if t.next < len(samples) && (!more || samples[t.next].At.Before(next)) {
			next, more = samples[t.next].At, true
		}
	}
	return usual, next, more
}

// take takes a sample, and reports whether it only shows growth.
func (t *track) take(value int64) bool {
	switch {
	case value >= 0:
		t.sampled, t.value, t.begun = true, value, !t.known
		if t.known {
			t.grown = max(0, value-t.last)
		}
		return t.shown && value >= t.last
	case value == Absent:
		t.gone = t.shown
	default:
		t.unread = true
	}
	return false
}

// settle makes what was shown at this moment what the next one is compared with.
func (p *process) settle(at time.Time) {
	var level, grown int64 // of all its requests, as far as they were seen
	counts := false
	for _, t := range p.tracks {
		switch {
		case t.again && t.sampled:
			t.shown, t.last, t.raw = true, t.value, t.value
		case t.sampled:
			t.known, t.shown, t.last, t.raw = true, true, max(t.last, t.value), t.value
		case t.gone:
			t.shown = false
		}
		if t.part.kind == ofRequests && t.counter.Other == "" && t.known {
			level, grown, counts = level+t.raw, grown+t.grown, true
		}
	}
	if !p.last.IsZero() && p.resets == 0 {
		p.rate = max(p.rate, float64(grown)/max(1, at.Sub(p.last).Seconds()))
	}
	if counts {
		p.levels.add(level, at)
	}
	p.last = at
}

// addTo adds what was gained at this moment.
func (p *process) addTo(g *gain) {
	g.resets += p.resets
	for _, t := range p.tracks {
		if t.counter.Other != "" {
			continue
		}
		switch t.part.kind {
		case ofRequests:
			g.requests += t.grown
		case ofErrors:
			g.errors += t.grown
		case ofEvent:
			g.events[t.part.index] += t.grown
		case ofBucket:
			g.upTo[t.histogram].add(t)
		}
	}
	for _, all := range p.whole {
		g.upTo[all.histogram].compare(p.tracks, all)
	}
}
