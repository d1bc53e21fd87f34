package scrape

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
)

// look is one scrape that ended.
type look struct {
	at      time.Time // when it ended: what it showed belongs to this instant
	started time.Time // it shows everything up to here
	err     string    // why it showed nothing; empty if it did
}

// series is one counter of one endpoint.
type series struct {
	signal.Counter // changes only
	labels         labels.Labels
	edge           time.Duration // of a bucket
	histogram      string        // labels without le, the same for all buckets of one histogram; empty if it is no bucket
	last           time.Time     // the last look that showed it
}

// history is what was seen of one endpoint. The endpoint's mutex guards it.
type history struct {
	keep      time.Duration
	looks     []look
	byKey     map[string]*series // by the text of the exposition
	byName    map[string][]*series
	asked     time.Time // the end of the latest window that was answered
	forgotten time.Time // when forget last worked
}

// shown is one line of a scrape.
type shown struct {
	key    string // of a series not seen before
	series *series
	value  int64
}

// add remembers a scrape that showed lines.
func (h *history) add(started time.Time, lines []shown) {
	at := h.moment()
	_, again := h.success(at)
	for _, line := range lines {
		s := line.series
		if twice := h.byKey[line.key]; twice != nil && line.key != "" { // one scrape shows it twice
			s = twice
		}
		if s.Samples == nil {
			s.Born = again
			h.byKey[line.key] = s
			name := s.labels.Get(model.MetricNameLabel)
			h.byName[name] = append(h.byName[name], s)
		}
		if n := len(s.Samples); n == 0 || s.Samples[n-1].Value != line.value {
			s.Samples = append(s.Samples, signal.Sample{At: at, Value: line.value})
		}
		s.last = at
	}
	h.looks = append(h.looks, look{at: at, started: started})
	h.forget(at)
}

// addFailure remembers a scrape that showed nothing.
func (h *history) addFailure(started time.Time, err error) {
	at := h.moment()
	h.looks = append(h.looks, look{at: at, started: started, err: err.Error()})
	h.forget(at)
}

// moment returns the instant of a look that ends now: after every window that was
// answered already, or its answer would change.
func (h *history) moment() time.Time {
	now := time.Now()
	if !now.After(h.asked) {
		return h.asked.Add(1)
	}
	return now
}

// answer notes that windows up to to are answered.
func (h *history) answer(to time.Time) {
	if now := time.Now(); to.After(now) {
		to = now
	}
	if to.After(h.asked) {
		h.asked = to
	}
}

// success returns the last successful look at or before at.
func (h *history) success(at time.Time) (look, bool) {
	for _, l := range slices.Backward(h.looks) {
		if l.err == "" && !l.at.After(at) {
			return l, true
		}
	}
	return look{}, false
}

// failure returns why the last look at or before at failed; empty if it did not,
// or if there was none.
func (h *history) failure(at time.Time) string {
	for _, l := range slices.Backward(h.looks) {
		if !l.at.After(at) {
			return l.err
		}
	}
	return ""
}

// forget drops what no window that begins within the last keep needs: everything
// before the last success that is older than that, and failures as old.
func (h *history) forget(now time.Time) {
	if now.Sub(h.forgotten) < h.keep/16 {
		return
	}
	h.forgotten = now
	horizon := now.Add(-h.keep)
	base, found := h.success(horizon) // the zero look, before everything, if there is none
	h.looks = slices.DeleteFunc(h.looks, func(l look) bool {
		return l.at.Before(base.at) || l.err != "" && l.at.Before(horizon)
	})
	if !found {
		return
	}
	for key, s := range h.byKey {
		if s.last.Before(base.at) {
			delete(h.byKey, key)
			continue
		}
		if old := s.before(base.at); old > 0 {
			s.Samples = slices.Delete(s.Samples, 0, old)
		}
	}
	for name, all := range h.byName {
		if all = slices.DeleteFunc(all, func(s *series) bool { return s.last.Before(base.at) }); len(all) == 0 {
			delete(h.byName, name)
		} else {
			h.byName[name] = all
		}
	}
}

// before returns how many samples are older than the one that holds at at.
func (s *series) before(at time.Time) int {
	n := 0
	for n+1 < len(s.Samples) && !s.Samples[n+1].At.After(at) {
		n++
	}
	return n
}

// shownBy reports whether the series was there when l was made.
func (s *series) shownBy(l look) bool { return !s.Samples[0].At.After(l.at) && !s.last.Before(l.at) }

// selected calls use with every series that sel selects.
func (h *history) selected(sel *selector.Selector, use func(*series)) {
	if sel == nil {
		return
	}
	visit := func(all []*series) {
		for _, s := range all {
			if sel.Matches(s.labels) {
				use(s)
			}
		}
	}
	if sel.Name != "" {
		visit(h.byName[sel.Name])
		return
	}
	for _, all := range h.byName {
		visit(all)
	}
}

// processOf names who counts: the endpoint itself, or one of those that it speaks
// for, as a federating Prometheus and a Pushgateway do.
func processOf(l labels.Labels) string {
	return strconv.Quote(l.Get(model.JobLabel)) + strconv.Quote(l.Get(model.InstanceLabel))
}

// newSeries returns the series of l, which nobody has seen yet.
func newSeries(l labels.Labels) *series {
	s := &series{labels: l}
	s.Process = processOf(l)
	seconds, err := strconv.ParseFloat(l.Get(labels.BucketLabel), 64)
	if err != nil || math.IsNaN(seconds) {
		return s
	}
	if edge, ok := signal.EdgeOf(seconds); ok {
		s.edge = edge
		s.histogram = labels.NewBuilder(l).Del(labels.BucketLabel).Labels().String()
	}
	return s
}
