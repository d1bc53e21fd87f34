package bench

import (
	"watari.dev/traffic"
)

// Fault is what is wrong with what is seen. What users get is another matter.
type Fault struct {
	Name, Text string
	Only       traffic.Side // the only side that it can meet; NoSide: either or both, as the seed says
	Always     bool         // it is there from the begin, and the target is bad from the begin
	Latency    bool         // it is about latency

	Begin  func(w *world)                // before the first second
	Second func(w *world, since int)     // each second from when it begins, before users are served
	Shown  func(w *world, e *exposition) // each scrape of a side that it meets, from when it begins
}

// of calls do for each process that the fault meets.
func (w *world) of(do func(n int, p *process)) {
	for n, p := range w.processes {
		if w.meets[p.side] {
			do(n, p)
		}
	}
}

// Faults are all of them; the first one is none.
func Faults() []Fault {
	return []Fault{
		{Name: "none", Text: "nothing is wrong"},
		{Name: "two replicas, in turn", Text: "each sample is of one of two replicas, one of which shows what was a scrape or two ago", Always: true, Shown: flips},
		{Name: "one dip", Text: "one sample of one process shows a little less than the one before", Shown: dips},
		{Name: "a restart", Text: "one process begins again", Second: at(0, func(w *world) { w.ofFirst((*process).restart) })},
		{Name: "all restart in turn", Text: "every 30 s one process begins again, or one at another address takes its place", Second: rolling},
		{Name: "crash loop", Text: "one process of the target begins again every 40 s", Only: traffic.Target, Second: crashes},
		{Name: "renamed", Text: "another label on all series of all processes", Second: at(0, func(w *world) { w.of(func(_ int, p *process) { p.role = "stable" }) })},
		{Name: "errors renamed", Text: "another label on the counters of errors of all processes", Second: at(0, func(w *world) { w.of(func(_ int, p *process) { p.failures = `,reason="all"` }) })},
		{Name: "partial first scrape", Text: "a process that has long run is found, and its first scrape has no errors, or no requests", Begin: hide, Second: at(0, find), Shown: withholds},
		{Name: "several behind one address", Text: "each scrape shows another one of the side's three processes", Always: true, Begin: oneAddress, Shown: another},
		{Name: "two replicas, both", Text: "two servers' series are there, with a label for each", Always: true, Shown: func(_ *world, e *exposition) { e.copies = 1 }},
		{Name: "NaN for a minute", Text: "all samples of a minute are no numbers", Shown: func(w *world, e *exposition) { e.no = w.at < faultAt+60 }},
		{Name: "errors reset", Text: "the counters of errors begin again, those of requests do not", Second: at(0, func(w *world) { w.of(func(_ int, p *process) { p.errors = 0 }) })},
		{Name: "clocks", Text: "the server of one side has a clock that is 30 to 300 s ahead or behind", Always: true, Begin: skew},
		{Name: `le="1.0"`, Text: `the bucket le="1" is le="1.0" from some moment on`, Latency: true, Second: at(0, func(w *world) { w.of(func(_ int, p *process) { p.oneText = "1.0" }) })},
		{Name: "other buckets", Text: "the target's histograms have 25, 250, 2500 ms, the source's 10, 100, 1000 ms", Latency: true, Only: traffic.Target, Always: true,
			Begin: func(w *world) { w.of(func(_ int, p *process) { p.layout, p.buckets = &otherLayout, [4]int64{} }) }},
		{Name: "other buckets by a release", Text: "new processes of the target have other buckets", Latency: true, Only: traffic.Target, Second: at(0, release)},
		{Name: "no latency", Text: "the target has no histogram", Latency: true, Only: traffic.Target, Always: true,
			Begin: func(w *world) { w.of(func(_ int, p *process) { p.layout = nil }) }},
	}
}

// at does something in one second.
func at(second int, do func(*world)) func(*world, int) {
	return func(w *world, since int) {
		if since == second {
			do(w)
		}
	}
}

// ofFirst calls do for the first process of each side that the fault meets.
func (w *world) ofFirst(do func(*process)) {
	seen := map[traffic.Side]bool{}
	w.of(func(_ int, p *process) {
		if !seen[p.side] {
			do(p)
		}
		seen[p.side] = true
	})
}

// flips shows each counter as it was up to two scrapes ago.
func flips(w *world, e *exposition) {
	older := func() counters { return e.shown[max(0, len(e.shown)-1-w.rng.IntN(2)*(1+w.rng.IntN(2)))] }
	e.counters.requests, e.counters.errors, e.counters.buckets = older().requests, older().errors, older().buckets
}

// dips takes a little away from one counter, in the second scrape of the fault.
func dips(w *world, e *exposition) {
	if len(e.shown) < 2 || w.at < faultAt+w.every || w.at >= faultAt+2*w.every || !w.isFirst(e.process) {
		return
	}
	before := e.shown[len(e.shown)-2]
	if w.rng.IntN(2) == 0 {
		e.counters.errors = max(0, before.errors-1-int64(w.rng.IntN(3)))
	} else {
		e.counters.requests = max(0, before.requests-1-int64(w.rng.IntN(50)))
	}
}

func (w *world) isFirst(p *process) (is bool) {
	w.ofFirst(func(first *process) { is = is || first == p })
	return is
}

func rolling(w *world, since int) {
	w.of(func(n int, p *process) {
		if since != 30*(n%3) {
			return
		}
		if p.restart(); w.rate > 100 {
			p.replace(10 + n)
		}
	})
}

func crashes(w *world, since int) {
	if since%40 == 0 {
		w.ofFirst((*process).restart)
	}
}

// hide adds a process to each side that has little to do, and that nobody scrapes yet.
func hide(w *world) {
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		if w.meets[side] {
			p := w.process(side, 9, .02)
			p.hidden = true
			w.processes = append(w.processes, p)
		}
	}
}

func find(w *world) {
	for _, p := range w.processes {
		p.hidden = false
	}
}

func withholds(w *world, e *exposition) {
	if e.part < .1 && e.scrapes == 1 {
		e.withhold = []string{"errors_total", "requests_total"}[w.rng.IntN(2)]
	}
}

// oneAddress leaves one address of each side that the fault meets.
func oneAddress(w *world) {
	w.of(func(_ int, p *process) { p.hidden = true })
	w.ofFirst(func(p *process) { p.hidden = false })
}

// another shows what some process of the side counts.
func another(w *world, e *exposition) {
	var all []*process
	for _, p := range w.processes {
		if p.side == e.side {
			all = append(all, p)
		}
	}
	e.counters = all[w.rng.IntN(len(all))].counters
}

// skew gives one side a server of its own, whose clock is wrong.
func skew(w *world) {
	wrong := &server{ahead: 30 + w.rng.IntN(271)}
	if w.rng.IntN(2) == 0 {
		wrong.ahead = -wrong.ahead
	}
	if w.meets[traffic.Target] {
		w.servers.Target = wrong
	} else {
		w.servers.Source = wrong
	}
}

func release(w *world) {
	w.of(func(n int, p *process) {
		p.replace(10 + n)
		p.layout = &otherLayout
	})
}
