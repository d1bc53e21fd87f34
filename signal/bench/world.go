package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"watari.dev/traffic"
)

// dawn is when every migration begins; only differences count.
var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// The times of a migration, in seconds since its begin.
const (
	scrapedFor = 360 // before it, so that the server remembers some of it
	faultAt    = 240 // when a fault begins that does not last the whole time, and the target becomes bad
	lasts      = faultAt + 600
)

// share is what the target gets of the requests.
const share traffic.Share = 2500

// usually is the part of the requests that fails on either side.
const usually = .001

// Target is what becomes of the target.
type Target struct {
	Name    string
	Failing float64 // of its requests, 0..1, beside the usual ones
	Slow    float64 // of its requests that take 3 s, 0..1
}

// The targets: one that is as good as the source, and worse ones.
var (
	Good     = Target{Name: "as good as the source"}
	FailsTwo = Target{Name: "fails 2 %", Failing: .02}
	Fails    = Target{Name: "fails 20 %", Failing: .2}
	IsSlow   = Target{Name: "answers 20 % in 3 s", Slow: .2}
)

// Bad reports whether t should be rolled back.
func (t Target) Bad() bool { return t.Failing > 0 || t.Slow > 0 }

// world is the users, the processes of both sides and the server that scrapes them.
type world struct {
	rng       *rand.Rand
	at        int // seconds since the begin of the migration
	every     int // seconds between two scrapes
	rate      float64
	share     traffic.Share // what the lever has
	processes []*process
	fault     Fault
	target    Target
	meets     map[traffic.Side]bool // whom the fault meets
	servers   traffic.BySide[*server]
}

// newWorld makes a world up. All of it follows from the seed.
func newWorld(c Case, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 11))
	w := &world{
		rng: rng, at: -scrapedFor, every: c.Every, rate: 50 * math.Pow(4, rng.Float64()), fault: c.Fault, target: c.Target,
		meets: sidesOf(rng, c.Fault.Only),
	}
	one := &server{}
	w.servers = traffic.BySide[*server]{Source: one, Target: one}
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		for n := range 3 {
			w.processes = append(w.processes, w.process(side, n, 1./3))
		}
	}
	if c.Fault.Begin != nil {
		c.Fault.Begin(w)
	}
	return w
}

// sidesOf draws whom a fault meets: the source, the target or both, or always the
// only one that it can meet.
func sidesOf(rng *rand.Rand, only traffic.Side) map[traffic.Side]bool {
	n := rng.IntN(3)
	if only != traffic.NoSide {
		return map[traffic.Side]bool{only: true}
	}
	return map[traffic.Side]bool{traffic.Source: n != 1, traffic.Target: n != 2}
}

// process makes up one that has counted for long before: the source for days, the
// target in a rehearsal that failed more than usual.
func (w *world) process(side traffic.Side, n int, part float64) *process {
	p := &process{side: side, part: part, phase: w.rng.IntN(w.every), layout: &usualLayout, oneText: "1", role: "canary"}
	p.replace(n)
	p.requests = int64(20_000 * math.Pow(50, w.rng.Float64()))
	if side == traffic.Target {
		p.requests /= 10
	}
	p.errors = int64(float64(p.requests) * .003 * math.Pow(10, w.rng.Float64()))
	p.buckets[3] = p.requests
	for i, below := range p.layout.below {
		p.buckets[i] = int64(float64(p.requests) * below)
	}
	return p
}

// badFrom is when the target becomes bad.
func (w *world) badFrom() int {
	if w.fault.Always {
		return 0
	}
	return faultAt
}

// second lets a second pass: users are served, then it is scraped.
func (w *world) second() {
	w.at++
	if w.fault.Second != nil && w.at >= faultAt {
		w.fault.Second(w, w.at-faultAt)
	}
	for _, p := range w.processes {
		rate, failing, slow := w.rate*p.part, usually, 0.
		if p.side == traffic.Target {
			rate *= w.share.Ratio()
			if w.at > w.badFrom() {
				failing, slow = failing+w.target.Failing, w.target.Slow
			}
		} else {
			rate *= 1 - w.share.Ratio()
		}
		p.serve(w.rng, rate, failing, slow)
	}
	for _, p := range w.processes {
		if !p.hidden && (w.at+scrapedFor)%w.every == p.phase {
			w.scrape(p)
		}
	}
}

// scrape takes down what a process shows.
func (w *world) scrape(p *process) {
	p.scrapes++
	p.shown = append(p.shown, p.counters)
	if len(p.shown) > 3 {
		p.shown = p.shown[1:]
	}
	shows := exposition{process: p, counters: p.counters}
	if w.fault.Shown != nil && w.meets[p.side] && (w.fault.Always || w.at >= faultAt) {
		w.fault.Shown(w, &shows)
	}
	w.servers.Of(p.side).store(dawn.Add(time.Duration(w.at)*time.Second), shows)
}

// exposition is what one scrape shows.
type exposition struct {
	*process
	counters
	no       bool   // a number: all of them are NaN
	withhold string // the metric that is not there
	copies   int    // how many servers take it down, beside the first
}

// lines returns the series of an exposition, each with its labels.
func (e exposition) lines() (out []line) {
	add := func(name, labels string, value int64) {
		if name == e.withhold {
			return
		}
		v := float64(value)
		if e.no {
			v = math.NaN()
		}
		out = append(out, line{name, labels, v})
	}
	role := fmt.Sprintf("role=%q", e.role)
	add("requests_total", role, e.counters.requests)
	add("errors_total", role+e.failures, e.counters.errors)
	if e.layout == nil {
		return out
	}
	for i, le := range e.layout.le {
		if le == "1" {
			le = e.oneText
		}
		add("seconds_bucket", fmt.Sprintf("%s,le=%q", role, le), e.counters.buckets[i])
	}
	add("seconds_bucket", role+`,le="+Inf"`, e.counters.buckets[3])
	return out
}

// line is one series of an exposition.
type line struct {
	name, labels string
	value        float64
}
