package signaltest

import (
	"fmt"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// Edges returns the upper bounds of the latency buckets that the contract serves;
// the last bucket has none.
func Edges() []time.Duration {
	return []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}
}

// events are the names of those that an Exporter shows.
var events = [...]string{"paid", "declined"}

// Exporter keeps the counters of a World as a process would, for worlds whose
// source reads an exposition of metrics. It is not safe for several goroutines.
type Exporter struct {
	sides map[traffic.Side]*traffic.Counts
}

// Serve adds to side's counters, which exist from now on.
func (e *Exporter) Serve(side traffic.Side, c traffic.Counts) {
	if e.sides == nil {
		e.sides = map[traffic.Side]*traffic.Counts{}
	}
	if e.sides[side] == nil {
		e.sides[side] = &traffic.Counts{}
	}
	*e.sides[side] = e.sides[side].Plus(c)
}

// Restart sets side's counters to zero.
func (e *Exporter) Restart(side traffic.Side) {
	if e.sides[side] != nil {
		*e.sides[side] = answered(0, 0, 0)
	}
}

// Counts returns what side's counters show, and false if it has none.
func (e *Exporter) Counts(side traffic.Side) (traffic.Counts, bool) {
	c := e.sides[side]
	if c == nil {
		return traffic.Counts{}, false
	}
	return *c, true
}

// Text returns the counters in the Prometheus text format: requests_total and
// errors_total, paid_total and declined_total for the first two events, and
// seconds_bucket, each with a label side.
func (e *Exporter) Text() string {
	var out []byte
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		c := e.sides[side]
		if c == nil {
			continue
		}
		out = fmt.Appendf(out, "requests_total{side=%q} %d\nerrors_total{side=%q} %d\n", side, c.Requests, side, c.Errors)
		for i, name := range events {
			n := int64(0)
			if i < len(c.Events) {
				n = c.Events[i]
			}
			out = fmt.Appendf(out, "%s_total{side=%q} %d\n", name, side, n)
		}
		upTo := int64(0)
		for i, n := range c.Latency.Buckets {
			le := "+Inf"
			if edges := Edges(); i < len(edges) {
				le = fmt.Sprint(edges[i].Seconds())
			}
			upTo += n
			out = fmt.Appendf(out, "seconds_bucket{side=%q,le=%q} %d\n", side, le, upTo)
		}
	}
	return string(out)
}

// ExporterQuery asks for everything that an Exporter shows.
func ExporterQuery() signal.Query {
	by := func(format string) traffic.BySide[string] {
		return traffic.BySide[string]{Source: fmt.Sprintf(format, "source"), Target: fmt.Sprintf(format, "target")}
	}
	q := signal.Query{Name: "contract", Requests: by(`requests_total{side=%q}`), Errors: by(`errors_total{side=%q}`), Latency: by(`seconds_bucket{side=%q}`)}
	for _, name := range events {
		q.Events = append(q.Events, signal.Event{Name: name, Count: by(name + `_total{side=%q}`)})
	}
	return q
}
