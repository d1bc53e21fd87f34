package verdict

import (
	"time"

	"watari.dev/traffic"
)

// Doubt is how many requests of a pair of latencies are in the bucket that the edge
// lies in, on either side of it for all that is known. The pair itself holds the
// numbers that speak least against the target: of the target those that are surely
// slow, of the source those that may be.
type Doubt struct {
	Source int64 `json:"source"`
	Target int64 `json:"target"`
}

func (d Doubt) plus(e Doubt) Doubt { return Doubt{d.Source + e.Source, d.Target + e.Target} }

func (d *Doubt) of(side traffic.Side) *int64 {
	if side == traffic.Source {
		return &d.Source
	}
	return &d.Target
}

// worst returns p with the numbers that speak most against the target.
func (d Doubt) worst(p Pair) Pair {
	p.Source.Bad -= d.Source
	p.Target.Bad += d.Target
	return p
}

// timed reports whether m is about latency.
func (m Metric) timed() bool { return m.Kind == Latency || m.Kind == Slower }

// edge is the latency above which a request is slow.
func (m *Metric) edge(s *MetricState) time.Duration {
	if m.Kind == Slower {
		return m.Edge
	}
	return s.Edge
}

// time adds the latencies of one side.
func (m *MetricState) time(side traffic.Side, h traffic.Histogram, edge time.Duration) {
	surely, perhaps := h.Slower(edge)
	bad := surely
	if side == traffic.Source {
		bad = perhaps
	}
	half, doubt, other := m.Half.of(side), m.HalfDoubt.of(side), m.HalfOther.of(side)
	*half = half.Plus(Tally{h.Count(), bad})
	*doubt += perhaps - surely
	low, high, bounded := h.Around(edge)
	*other = *other || !h.Empty() && !(bounded && low == high)
}

// Other tells of which sides the buckets lack the edge.
type Other struct {
	Source bool `json:"source,omitempty"`
	Target bool `json:"target,omitempty"`
}

func (o *Other) of(side traffic.Side) *bool {
	if side == traffic.Source {
		return &o.Source
	}
	return &o.Target
}

// bucketed takes over whose buckets lack the edge now, and reports whether what was
// counted may be held against the target. Nothing is as long as other buckets of the
// source have not been found to tell enough: if all that it answers may be slow, every
// bet is lost. That rests on the buckets and on the past alone, so it breaks no promise.
// Evidence that the target is good enough begins anew when the edge is back: what was
// hidden has counted against it.
func (m *MetricState) bucketed() bool {
	if m.Other != (Other{}) && m.HalfOther == (Other{}) {
		m.Step, m.StepDoubt, m.Better = Pair{}, Doubt{}, [len(fractions)]float64{}
	}
	m.Other = m.HalfOther
	m.Trusted = m.Trusted && m.Other.Source
	return !m.Other.Source || m.Trusted
}

// undecided reports whether the buckets hide both answers: that the target is as
// good as it should be, and that it is worse. What they hide of it may be as much as
// being good enough tolerates.
func (t *Test) undecided(of *Metric, p Pair, d Doubt) bool {
	if p.Source.N == 0 || p.Target.N == 0 || d == (Doubt{}) {
		return false
	}
	slack, worst := t.cfg.slack(of), d.worst(p)
	hidden := float64(d.Target)/float64(p.Target.N) + t.cfg.Ratio*float64(d.Source)/float64(p.Source.N)
	good := worst.Target.Ratio() <= t.cfg.Ratio*worst.Source.Ratio()+slack
	return hidden > slack && !good && !t.worse(of, p)
}

// worse reports whether the target is slower in spite of all that the buckets hide.
func (t *Test) worse(of *Metric, p Pair) bool {
	return p.Target.Ratio() > t.cfg.Ratio*p.Source.Ratio()+t.cfg.difference(of)
}

// tells reports whether the source's buckets leave something to hold against the
// target: they hide little, or less than the target is slower by.
func (t *Test) tells(of *Metric, p Pair, d Doubt) bool {
	return t.cfg.Ratio*float64(d.Source) <= t.cfg.slack(of)*float64(p.Source.N) || t.worse(of, p)
}
