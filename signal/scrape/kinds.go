package scrape

import (
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"watari.dev/signal/internal/kinds"
	"watari.dev/signal/internal/selector"
)

// told is what an endpoint tells of the metrics that are asked for: their types, and
// the labels of what is selected of each part.
type told struct {
	types  map[string]kinds.Type // by the names in TYPE lines; never changed
	shapes map[string]kinds.Shape
}

// bases returns the names under which the metric of a series may be declared: its own,
// that of its histogram or summary, and in OpenMetrics that of its counter.
func bases(name string) []string {
	return []string{name, kinds.Base(name), strings.TrimSuffix(name, "_total")}
}

// declare notes a TYPE line, if it is of a metric that is asked for.
func (e *endpoint) declare(name []byte, is model.MetricType) {
	if e.wanted.declared[string(name)] && is != model.MetricTypeUnknown {
		e.types[string(name)] = kinds.Type(is)
	}
}

// typeOf returns the type that is declared for the series of a name. A name without an
// ending may be another metric's.
func (t told) typeOf(name string) kinds.Type {
	if is := t.types[name]; is != "" {
		return is
	}
	if base := kinds.Base(name); base != name {
		if is := t.types[base]; is == kinds.Histogram || is == kinds.Summary || is == kinds.GaugeHistogram {
			return is
		}
	}
	if is := t.types[strings.TrimSuffix(name, "_total")]; is == kinds.Counter {
		return is
	}
	return ""
}

func (h *history) told(want selector.Side) told {
	t := told{types: h.types, shapes: map[string]kinds.Shape{}}
	for _, sel := range append([]*selector.Selector{want.Requests, want.Latency}, want.Parts()...) {
		if sel == nil {
			continue
		}
		var shape kinds.Shape
		h.selected(sel, func(s *series) { shape.Add(s.labels.Get, false) })
		t.shapes[sel.Text] = shape
	}
	return t
}

// mistyped says why the series of requests, errors or an event are no counters; empty
// if they may be.
func mistyped(want selector.Side, views []view) string {
	why := notCounted("requests", want.Requests, views)
	if why == "" {
		why = notCounted("errors", want.Errors, views)
	}
	for _, event := range want.Events {
		if why == "" {
			why = notCounted("event", event, views)
		}
	}
	return why
}

// notCounted looks at the endpoints that select something. If none does, the reason may
// be that series of this type are never selected.
func notCounted(what string, sel *selector.Selector, views []view) (why string) {
	if sel == nil {
		return ""
	}
	var none string
	for _, v := range views {
		shape, is := v.told.shapes[sel.Text], v.told.typeOf(sel.Name)
		if shape.Name == "" {
			if none == "" {
				none = kinds.Declared(what, sel.Name, is)
			}
			continue
		}
		if why = shape.Counter(what, func() kinds.Type { return is }); why == "" {
			return ""
		}
	}
	if why == "" {
		return none
	}
	return why
}

// latencyNote says why the latency of a side is not known, or not all of it; empty if it
// is. What it says does not depend on how much a window holds.
func latencyNote(want selector.Side, views []view) string {
	sel := want.Latency
	if sel == nil {
		return ""
	}
	var all kinds.Shape
	var is kinds.Type
	names := map[string]bool{}
	for _, v := range views {
		if of := v.told.typeOf(sel.Name); of != "" {
			is = of
		}
		all = all.With(v.told.shapes[sel.Text])
		for name, of := range v.told.types {
			names[kinds.SeriesOf(name, of)] = of == kinds.Summary
		}
		if v.hasLatency {
			names[sel.Name] = false
		}
	}
	declared := func() kinds.Type { return is }
	switch {
	case all.Name != "":
		return all.Latency(want.Side, declared)
	case !slices.ContainsFunc(views, func(v view) bool { return v.served }): // a histogram may begin with its first request
		return ""
	case sel.Name == "":
		names = nil
	}
	return kinds.Elsewhere(want.Side, sel.Text, sel.Name, names, declared)
}
