package datadog

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

// TestContract runs the contract of package signal. Each look moves the clock by one
// cell; an agent sends two points per cell of every counter that exists, zeros too.
func TestContract(t *testing.T) {
	signaltest.Run(t, func(t *testing.T) signaltest.World {
		w := &world{at: time.Now().Truncate(20 * time.Second).Add(time.Hour)}
		w.datadog = newStandIn(func() time.Time { return w.clock() })
		s := sourceOf(t, w.datadog, Config{})
		return signaltest.World{
			Source: byEvents{s}, Query: contractQuery(),
			Malformed: signal.Query{Requests: traffic.BySide[string]{Target: "avg:requests{side:target}.as_count()"}},
			Serve: func(side traffic.Side, c traffic.Counts) {
				if w.pending == nil {
					w.pending = map[traffic.Side]traffic.Counts{}
				}
				w.pending[side] = w.pending[side].Plus(c)
			},
			Restart: func(traffic.Side) {}, // agents send differences
			Break: func(why string) {
				w.datadog.change(func() {
					w.datadog.broken = func(rw http.ResponseWriter, _ *http.Request) bool {
						fail(rw, http.StatusServiceUnavailable, why)
						return true
					}
				})
			},
			Heal: func() { w.datadog.change(func() { w.datadog.broken = nil }) },
			Look: func(*testing.T) time.Time { return w.look() },
		}
	})
}

type world struct {
	datadog *standIn
	at      time.Time // where the cell begins that is counted in
	pending map[traffic.Side]traffic.Counts
}

// clock is when the last cell that is over is taken.
func (w *world) clock() time.Time { return w.at.Add(time.Minute) }

func (w *world) look() time.Time {
	for side, c := range w.pending {
		send := func(metric string, n int64) {
			series := fmt.Sprintf("%s{side:%s}", metric, side)
			w.datadog.put(series, w.at, float64(n/2), 0)
			w.datadog.put(series, w.at.Add(10*time.Second), float64(n-n/2), 0)
		}
		send("requests", c.Requests)
		send("errors", c.Errors)
		for i := range len(signaltest.Edges()) + 1 {
			n := int64(0)
			if i < len(c.Latency.Buckets) {
				n = c.Latency.Buckets[i]
			}
			send("bucket."+strings.Repeat("x", i+1), n)
		}
		for i, name := range events {
			n := int64(0)
			if i < len(c.Events) {
				n = c.Events[i]
			}
			send("event."+name, n)
		}
		w.pending[side] = traffic.Counts{}
	}
	w.at = w.at.Add(20 * time.Second)
	return w.clock()
}

func sumOf(metric string) traffic.BySide[string] {
	by := func(side string) string { return fmt.Sprintf("sum:%s{side:%s}.as_count()", metric, side) }
	return traffic.BySide[string]{Source: by("source"), Target: by("target")}
}

// events are those that the contract serves.
var events = []string{"first", "second"}

func contractQuery() signal.Query {
	q := signal.Query{Name: "contract", Requests: sumOf("requests"), Errors: sumOf("errors"), Latency: sumOf("buckets")}
	for _, name := range events {
		q.Events = append(q.Events, signal.Event{Name: name, Count: sumOf("event." + name)})
	}
	return q
}

// byEvents is a source whose latency is counted as events, one per bucket: the contract
// wants histograms, which this source refuses.
type byEvents struct{ *Source }

func (b byEvents) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	latency, n := q.Latency, len(q.Events)
	q.Latency, q.Events = traffic.BySide[string]{}, slices.Clone(q.Events)
	for i := range len(signaltest.Edges()) + 1 {
		count := sumOf("bucket." + strings.Repeat("x", i+1))
		if latency.Source == "" {
			count.Source = ""
		}
		if latency.Target == "" {
			count.Target = ""
		}
		q.Events = append(q.Events, signal.Event{Name: fmt.Sprint(i), Count: count})
	}
	got, err := b.Source.Counts(ctx, q, from, to)
	back := func(r *traffic.Reading[traffic.Counts], asked string) {
		if r.State != traffic.Known {
			return
		}
		if asked != "" {
			r.Value.Latency = traffic.Histogram{Edges: signaltest.Edges(), Buckets: r.Value.Events[n:]}
		}
		r.Value.Events = r.Value.Events[:n:n]
	}
	back(&got.Source, latency.Source)
	back(&got.Target, latency.Target)
	return got, err
}
