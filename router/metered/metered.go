// Package metered counts what a driver does: calls, failures by kind, and how
// long they took, as Prometheus metrics and as plain totals for summaries. It
// wraps any driver, changes nothing about its behaviour, and passes results and
// errors on as they are. Names of routes never become labels, because a
// migration may have many of them.
package metered

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Totals is what the wrapped drivers did so far.
type Totals struct {
	Calls    map[string]int // by operation: features, read, write, settled, restorable, restore
	Failures map[string]int // by kind, as in the errors of package router
	Writes   []Write        // the successful ones in order, the last 1,000 of them
	Dropped  int            // how many earlier writes Writes no longer has
}

// Write is one successful write.
type Write struct {
	At    time.Time
	Route string
	Share traffic.Share
	Note  string
}

// keptWrites bounds Totals.Writes.
const keptWrites = 1000

// Meter holds the metrics of all drivers of a process.
type Meter struct {
	calls    *prometheus.CounterVec
	failures *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	mu     sync.Mutex
	totals Totals
}

// NewMeter registers the metrics. It fails if they are registered already.
func NewMeter(registerer prometheus.Registerer) (*Meter, error) {
	m := &Meter{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watari_router_calls_total", Help: "Operations of router drivers.",
		}, []string{"driver", "op"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "watari_router_failures_total", Help: "Failed operations of router drivers, by kind.",
		}, []string{"driver", "op", "kind"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "watari_router_seconds", Help: "How long operations of router drivers took.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"driver", "op"}),
		totals: Totals{Calls: map[string]int{}, Failures: map[string]int{}},
	}
	for _, c := range []prometheus.Collector{m.calls, m.failures, m.seconds} {
		if err := registerer.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of routers: %w", err)
		}
	}
	return m, nil
}

// Totals returns a copy of what was counted.
func (m *Meter) Totals() Totals {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.totals
	t.Calls, t.Failures = maps.Clone(t.Calls), maps.Clone(t.Failures)
	t.Writes = append([]Write(nil), t.Writes...)
	return t
}

// Wrap returns driver with its calls counted under name. A driver that is a
// router.Restorer stays one.
func (m *Meter) Wrap(name string, driver router.Driver) router.Driver {
	d := &metered{Driver: driver, meter: m, name: name}
	if r, ok := driver.(router.Restorer); ok {
		return &restorer{metered: d, restorer: r}
	}
	return d
}

type metered struct {
	router.Driver
	meter *Meter
	name  string
}

type restorer struct {
	*metered
	restorer router.Restorer
}

func (d *metered) Features(ctx context.Context, route router.Ref) (router.Features, error) {
	return timed(d, "features", func() (router.Features, error) { return d.Driver.Features(ctx, route) })
}

func (d *metered) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	return timed(d, "read", func() (router.Snapshot, error) { return d.Driver.Read(ctx, route) })
}

func (d *metered) Write(ctx context.Context, change router.Change) (router.Receipt, error) {
	r, err := timed(d, "write", func() (router.Receipt, error) { return d.Driver.Write(ctx, change) })
	if err == nil || r.ChangeID != "" { // also beside an error, of what was written
		d.meter.wrote(r)
	}
	return r, err
}

func (d *metered) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	return timed(d, "settled", func() (router.Settlement, error) { return d.Driver.Settled(ctx, receipt) })
}

func (d *restorer) Restorable(ctx context.Context, route router.Ref, keep traffic.Side) ([]router.Restoration, error) {
	return timed(d.metered, "restorable", func() ([]router.Restoration, error) {
		return d.restorer.Restorable(ctx, route, keep)
	})
}

func (d *restorer) Restore(ctx context.Context, route router.Ref, keep traffic.Side, notAfter time.Time) (router.Receipt, error) {
	r, err := timed(d.metered, "restore", func() (router.Receipt, error) {
		return d.restorer.Restore(ctx, route, keep, notAfter)
	})
	if err == nil {
		d.meter.wrote(r)
	}
	return r, err
}

// timed makes one call and counts it.
func timed[T any](d *metered, op string, call func() (T, error)) (T, error) {
	start := time.Now()
	out, err := call()
	m := d.meter
	m.calls.WithLabelValues(d.name, op).Inc()
	m.seconds.WithLabelValues(d.name, op).Observe(time.Since(start).Seconds())
	kind := ""
	if err != nil {
		kind = kindOf(err)
		m.failures.WithLabelValues(d.name, op, kind).Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.totals.Calls[op]++
	if kind != "" {
		m.totals.Failures[kind]++
	}
	return out, err
}

func (m *Meter) wrote(r router.Receipt) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.totals.Writes) == keptWrites {
		m.totals.Writes = m.totals.Writes[1:]
		m.totals.Dropped++
	}
	m.totals.Writes = append(m.totals.Writes, Write{At: r.At, Route: r.Route.Name, Share: r.Share, Note: r.Note})
}

// kindOf names the kind of a failure in a label.
func kindOf(err error) string {
	for _, k := range []struct {
		kind error
		name string
	}{
		{router.ErrConflict, "conflict"}, {router.ErrThrottled, "throttled"}, {router.ErrDenied, "denied"},
		{router.ErrNotFound, "not_found"}, {router.ErrNotOwned, "not_owned"}, {router.ErrInexact, "inexact"},
		{router.ErrUnavailable, "unavailable"}, {router.ErrExpired, "expired"}, {router.ErrClockOff, "clock_off"},
	} {
		if errors.Is(err, k.kind) {
			return k.name
		}
	}
	return "other"
}
