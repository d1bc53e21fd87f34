package verdict

import (
	"fmt"
	"slices"
	"time"

	"watari.dev/traffic"
)

// Coverage is how many requests of one side have a latency, of a service of which
// latencies are asked for.
type Coverage struct {
	Open   Tally         `json:"open"`             // requests of the open span, and those of them without a latency
	Span   time.Duration `json:"span,omitempty"`   // what it covers
	Closed bool          `json:"closed,omitempty"` // a span has ended
	Lack   Tally         `json:"lack,omitzero"`    // the last whole span, if it lacked latencies
}

// Vague is why the buckets of both sides cannot be compared at an edge.
type Vague struct {
	Side traffic.Side `json:"side"`
	Text string       `json:"text"`
}

// Lack says why the latency of a side is not known. Without a Text it is, as far as
// it is asked for.
type Lack struct {
	Service string `json:"service,omitempty"` // where there are several
	Text    string `json:"text"`
	Few     bool   `json:"few,omitempty"` // it will be known after some more requests
}

// How long latencies may be missing before they are, and of how many requests: a
// counter of requests may be read a moment before its histogram.
const (
	lackAfter    = 15 * time.Second
	lackRequests = 10
)

// lackSpan is how long a span is by which it is said whether latencies are missing.
func (t *Test) lackSpan(service int) time.Duration {
	return max(lackAfter, 3*t.cfg.Services[service].Every)
}

// cover counts how many of one side's requests have a latency. Without requests
// nothing is missing, and where counters began again nobody knows what is.
func (t *Test) cover(service *ServiceState, in *Interval, side traffic.Side, from time.Time, c *traffic.Counts) {
	if !t.timed[in.Service] || c.Resets > 0 {
		return
	}
	v := &service.Latency.Target
	if side == traffic.Source {
		v = &service.Latency.Source
	}
	v.Open = v.Open.Plus(Tally{c.Requests, max(0, c.Requests-c.Latency.Count())})
	v.Span += in.To.Sub(from)
	if v.Span < t.lackSpan(in.Service) || v.Open.N < lackRequests {
		return
	}
	v.Lack = Tally{}
	if blank(v.Open) {
		v.Lack = v.Open
	}
	v.Open, v.Span, v.Closed = Tally{}, 0, true
}

// blank reports whether most requests have no latency: what is known of the others
// says too little of the side.
func blank(t Tally) bool { return t.N >= lackRequests && 2*t.Bad > t.N }

// text says what is missing; empty if nothing is. Before the first span has ended
// what is open counts: nothing is known of latencies that were never there.
func (c *Coverage) text() string {
	of := c.Lack
	if !c.Closed && blank(c.Open) {
		of = c.Open
	}
	switch {
	case of.N == 0:
		return ""
	case of.Bad == of.N:
		return fmt.Sprintf("none of its last %d requests has one", of.N)
	default:
		return fmt.Sprintf("only %s of its last %d requests have one", Percent(1-of.Ratio()), of.N)
	}
}

// comparable looks whether the buckets of the last seconds can be compared at the
// edges.
func (t *Test) comparable(s *State, in *Interval, alone bool, span time.Duration) {
	service, cfg := &s.Services[in.Service], &t.cfg.Services[in.Service]
	if !t.timed[in.Service] {
		return
	}
	service.Near += span
	whole := service.Near >= t.lackSpan(in.Service)
	for i := range service.Metrics {
		m, of := &service.Metrics[i], &cfg.Metrics[i]
		if !of.timed() {
			continue
		}
		if alone { // there is nothing to compare with
			m.Near, m.NearDoubt, m.Vague = Pair{}, Doubt{}, Vague{}
			continue
		}
		m.Near, m.NearDoubt = m.Near.Plus(m.Half), m.NearDoubt.plus(m.HalfDoubt)
		if min(m.Near.Source.N, m.Near.Target.N) < lackRequests || !whole && m.Judged {
			continue
		}
		m.Vague = t.vague(of, m, in)
		if whole {
			m.Trusted = t.tells(of, m.Near, m.NearDoubt)
			m.Near, m.NearDoubt, m.Judged = Pair{}, Doubt{}, true
		}
	}
	if whole {
		service.Near = 0
	}
}

// vague says on which side the buckets have no edge near the one that is compared
// at; the zero value if they can be compared.
func (t *Test) vague(of *Metric, m *MetricState, in *Interval) Vague {
	p, d := m.Near, m.NearDoubt
	if !t.undecided(of, p, d) {
		return Vague{}
	}
	edge, worst := of.edge(m), d.worst(p)
	remedy := commonEdge(in.Source.Value.Latency, in.Target.Value.Latency, edge)
	source, target := float64(d.Source)/float64(p.Source.N), float64(d.Target)/float64(p.Target.N)
	if source*t.cfg.Ratio > target {
		return Vague{traffic.Source, fmt.Sprintf("%s; between %s and %s of its requests are slower%s", layout(in.Source.Value.Latency, edge),
			Percent(worst.Source.Ratio()), Percent(p.Source.Ratio()), remedy)}
	}
	return Vague{traffic.Target, fmt.Sprintf("%s; between %s and %s of its requests are slower, source %s%s", layout(in.Target.Value.Latency, edge),
		Percent(p.Target.Ratio()), Percent(worst.Target.Ratio()), Percent(p.Source.Ratio()), remedy)}
}

// commonEdge names the lowest edge above one that both sides have; empty if none.
func commonEdge(a, b traffic.Histogram, above time.Duration) string {
	for _, edge := range a.Edges {
		if edge > above && slices.Contains(b.Edges, edge) {
			return "; both have an edge at " + edge.String()
		}
	}
	return ""
}

// layout says what a histogram has instead of an edge.
func layout(h traffic.Histogram, edge time.Duration) string {
	low, high, bounded := h.Around(edge)
	text := fmt.Sprintf("its buckets have no edge near %s", edge)
	switch {
	case low == high && bounded:
		return text + " all the time"
	case len(h.Edges) == 0:
		return text
	case !bounded:
		return fmt.Sprintf("%s, the highest is %s", text, low)
	case low == 0:
		return fmt.Sprintf("%s, the lowest is %s", text, high)
	default:
		return fmt.Sprintf("%s, only %s and %s", text, low, high)
	}
}

// lacking says why the latencies of each side are not known, of the first service of
// which they are not. What more requests mend comes last.
func (t *Test) lacking(s *State) (out traffic.BySide[Lack]) {
	note := func(of *Lack, service int, text string, few bool) {
		if text == "" || of.Text != "" && (few || !of.Few) {
			return
		}
		*of = Lack{Text: text, Few: few}
		if len(t.cfg.Services) > 1 {
			of.Service = t.cfg.Services[service].Name
		}
	}
	for i := range s.Services {
		if !t.timed[i] {
			continue
		}
		service := &s.Services[i]
		note(&out.Target, i, service.Latency.Target.text(), false)
		note(&out.Source, i, service.Latency.Source.text(), false)
		for j := range service.Metrics {
			m, of := &service.Metrics[j], &t.cfg.Services[i].Metrics[j]
			switch {
			case m.Vague.Side == traffic.Target:
				note(&out.Target, i, m.Vague.Text, false)
			case m.Vague.Side == traffic.Source:
				note(&out.Source, i, m.Vague.Text, false)
			case of.Kind == Latency && m.Edge == 0 && !s.Began.IsZero():
				text, few := m.unlearnt(of)
				note(&out.Source, i, text, few)
			}
		}
	}
	return out
}

// unlearnt says why no edge is fixed, once the source has shown a latency.
func (m *MetricState) unlearnt(of *Metric) (text string, few bool) {
	switch {
	case m.Before == nil:
		return "", false // it had no requests, or Coverage says that they have none
	case len(m.Before.Edges) == 0:
		return "its histograms have no bucket but the one of all requests", false
	default:
		return fmt.Sprintf("%d of the %d requests from which its %s is learnt", m.Before.Count(), fewest, of.Name), true
	}
}
