package sim

import (
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// otherEdges are the buckets of a release that has others than latencyEdges. What is
// quick is between the first two of them, what is slow above.
var otherEdges = []time.Duration{25 * time.Millisecond, 250 * time.Millisecond, 2500 * time.Millisecond}

// timed returns the latencies of one side as the signal shows them.
func (c *counter) timed(h traffic.Histogram, target bool) traffic.Histogram {
	if c.struckSide(OtherBuckets, target) {
		c.bite(OtherBuckets)
		quick, slow := h.Buckets[1], h.Buckets[3]
		h = traffic.Histogram{Edges: otherEdges, Buckets: []int64{0, quick, slow, 0}}
	}
	if c.struckSide(Untimed, target) {
		c.bite(Untimed)
		h = traffic.Histogram{}
	}
	return h
}

// lacking is since when the requests of a target have shown a process no latency, or
// none of which it could tell whether it is slow.
type lacking struct{ missing, vague spellOf }

// spellOf is a time in which every request lacked something.
type spellOf struct {
	began    bool
	since    time.Duration
	last     time.Duration
	requests int64
}

func (s *spellOf) see(lacks bool, now time.Duration, requests int64) {
	switch {
	case !lacks:
		*s = spellOf{}
	case !s.began:
		*s = spellOf{began: true, since: now, last: now}
	default:
		s.last, s.requests = now, s.requests+requests
	}
}

// asksLatency reports whether the plan asks for the latencies of a service, and by a
// comparison.
func (p Plan) asksLatency(service int) (asks, compares bool) {
	a := p.Spec.Gate.Analysis
	if a == nil {
		return p.Spec.Gate.MaxP99 > 0, false
	}
	compares = len(a.Services[service].Metrics) > 1
	return compares || p.Spec.Gate.MaxP99 > 0, compares
}

// untimed looks at what a process was told of the target's latencies.
func (c *checker) untimed(p *process, service int, counts traffic.Counts) {
	if counts.Requests == 0 {
		return
	}
	for len(p.knows.lacks) <= service {
		p.knows.lacks = append(p.knows.lacks, lacking{})
	}
	for len(c.told) <= service {
		c.told = append(c.told, lacked{})
	}
	lacks, told := &p.knows.lacks[service], &c.told[service]
	missing := counts.Latency.Empty()
	lacks.missing.see(missing, c.now, counts.Requests)
	told.timed = told.timed || !missing
	if edge := p.knows.edge(service); edge > 0 {
		surely, perhaps := counts.Latency.Slower(edge)
		vague := surely == 0 && perhaps == counts.Requests
		lacks.vague.see(vague, c.now, counts.Requests)
		told.clear = told.clear || !vague
	}
}

// lacked is whether any process was ever told what it lacks now.
type lacked struct{ timed, clear bool }

// edge is the latency at which a process compares a service; 0 while it has none.
func (k *knowledge) edge(service int) time.Duration {
	a := k.decided.Analysis
	if a == nil || service >= len(a.Services) || len(a.Services[service].Metrics) < 2 {
		return 0
	}
	return a.Services[service].Metrics[1].Edge
}

// How long latencies must have been missing, and of how many requests, before no step
// may be left without them: two of the spans by which it is told, each as long as
// latencies are waited for and as the slowest signal makes it. Of what was never there
// fewer requests are enough.
const (
	missedFor = 2*(15*time.Second+5*time.Second) + 2*answering
	missedOf  = 150
	neverOf   = 40
)

// leftTimed states that no step is left while a latency that the plan asks for is not
// known.
func (c *checker) leftTimed(p *process, before engine.Status) {
	if !c.plan.Spec.Gate.Signals {
		return
	}
	long := func(s spellOf, ever bool) bool {
		lasted, of := missedFor+c.late(), int64(missedOf)
		if !ever {
			lasted, of = 2*c.plan.Spec.Gate.Interval+c.late(), neverOf
		}
		return s.began && c.now-s.since >= lasted && s.requests >= of && c.now-s.last < missedFor/2 && c.thawed < s.since
	}
	for service, lacks := range p.knows.lacks {
		asks, compares := c.plan.asksLatency(service)
		switch {
		case asks && long(lacks.missing, c.told[service].timed):
			c.fail("latency that is asked for is known", "step %d is left, and no request of the target has shown a latency for %s", before.Step+1, clock(c.now-lacks.missing.since))
		case compares && before.Wanted(c.plan.Spec) < traffic.All && long(lacks.vague, c.told[service].clear):
			c.fail("latency that is asked for is known", "step %d is left, and whether requests of the target are slow was hidden in a bucket for %s", before.Step+1, clock(c.now-lacks.vague.since))
		}
	}
}

// mutantsOfTiming take latencies for what they are not.
func mutantsOfTiming() []Mutant {
	quickly := func(n int64) traffic.Histogram {
		return traffic.Histogram{Edges: latencyEdges, Buckets: []int64{0, n, 0, 0}}
	}
	return []Mutant{
		{
			Name: "no latency is quick", Broken: "Requests without a latency count as ones that were quick.",
			Breaks: []string{"latency that is asked for is known"},
			Step: counting(func(r *traffic.Reading[traffic.Counts]) {
				if r.State == traffic.Known && r.Value.Latency.Empty() {
					r.Value.Latency = quickly(r.Value.Requests)
				}
			}),
		},
		{
			Name: "any bucket is ours", Broken: "Buckets are taken by their place in the list, whatever their edges are.",
			Breaks: []string{"latency that is asked for is known"},
			Step: counting(func(r *traffic.Reading[traffic.Counts]) {
				if h := r.Value.Latency; r.State == traffic.Known && len(h.Edges) == len(latencyEdges) {
					r.Value.Latency.Edges = latencyEdges
				}
			}),
		},
	}
}
