package scrape

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// wanted is what the queries of a source ask for: what they do not select is not
// remembered.
type wanted struct {
	selectors []*selector.Selector
	texts     map[string]bool                 // of the selectors
	byName    map[string][]*selector.Selector // of the metrics of these names
	declared  map[string]bool                 // names under which the types of these may be declared
	nameless  bool                            // one of them selects from metrics of any name
}

func wantedOf(queries []signal.Query) (*wanted, error) {
	w := &wanted{texts: map[string]bool{}, byName: map[string][]*selector.Selector{}, declared: map[string]bool{}}
	for _, q := range queries {
		for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
			s, err := selector.Of(q, side)
			if err != nil {
				return nil, fmt.Errorf("count signal %s: %w", q.Name, err)
			}
			for _, sel := range slices.Concat([]*selector.Selector{s.Requests, s.Errors, s.Latency}, s.Events) {
				w.add(sel)
			}
		}
	}
	return w, nil
}

func (w *wanted) add(sel *selector.Selector) {
	if sel == nil || w.texts[sel.Text] {
		return
	}
	w.texts[sel.Text] = true
	w.selectors = append(w.selectors, sel)
	if sel.Name == "" {
		w.nameless = true
	} else {
		w.byName[sel.Name] = append(w.byName[sel.Name], sel)
		for _, name := range bases(sel.Name) {
			w.declared[name] = true
		}
	}
}

// covers reports whether everything that s asks for is remembered.
func (w *wanted) covers(s selector.Side) bool {
	for _, sel := range slices.Concat([]*selector.Selector{s.Requests, s.Errors, s.Latency}, s.Events) {
		if sel != nil && !w.texts[sel.Text] {
			return false
		}
	}
	return true
}

// named returns the selectors of a metric.
func (w *wanted) named(name string) []*selector.Selector { return w.byName[name] }

// mayBe reports whether a series may be selected, by its text alone. The name may
// stand among the labels, where it is not looked for.
func (w *wanted) mayBe(text []byte) bool {
	name, _, _ := bytes.Cut(text, []byte{'{'})
	name = bytes.TrimRight(name, " \t")
	return w.nameless || len(name) == 0 || len(w.byName[string(name)]) > 0
}

// selects reports whether any selector selects a series with these labels.
func (w *wanted) selects(l labels.Labels) bool {
	return slices.ContainsFunc(w.selectors, func(sel *selector.Selector) bool { return sel.Matches(l) })
}
