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
	half, doubt := m.Half.of(side), m.HalfDoubt.of(side)
	*half = half.Plus(Tally{h.Count(), bad})
	*doubt += perhaps - surely
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
	bad := p.Target.Ratio() > t.cfg.Ratio*p.Source.Ratio()+t.cfg.difference(of)
	return hidden > slack && !good && !bad
}
