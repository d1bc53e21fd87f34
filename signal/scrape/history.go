package scrape

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"watari.dev/signal"
	"watari.dev/signal/internal/kinds"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// look is one scrape that ended.
type look struct {
	at      time.Time // when it ended: what it showed belongs to this instant
	number  uint32    // of one that showed something, counted from 1
	started time.Time // it shows everything up to here
	err     string    // why it showed nothing; empty if it did
}

// series is one counter of one endpoint.
type series struct {
	samples   []sample // changes only, ascending
	labels    labels.Labels
	process   string
	edge      time.Duration // of a bucket
	histogram string        // labels without le, the same for all buckets of one histogram; empty if it is no bucket
	last      uint32        // the last look that showed it
	born      bool          // as in signal.Counter
}

// sample is what a look showed. It takes half the memory of a signal.Sample.
type sample struct {
	look  uint32
	value int64 // or signal.Absent, or signal.NoNumber
}

// rest names what one process shows of the metric of a selector that none selects,
// because of the labels that it misses.
type rest struct{ selector, process, misses string }

func (s *series) name() string { return s.labels.Get(model.MetricNameLabel) }

// history is what was seen of one endpoint. The endpoint's mutex guards it.
type history struct {
	keep      time.Duration
	room      *room
	looks     []look
	count     uint32             // of looks that showed something
	moments   []time.Time        // of the last of them
	byKey     map[string]*series // by the text of the exposition
	byName    map[string][]*series
	rest      map[rest]*series      // sums of series that nobody asks for
	disturbed time.Time             // when counters last fell, ended or appeared
	types     map[string]kinds.Type // of the metrics that are asked for, as the last look declared them
	asked     time.Time             // the end of the latest window that was answered
	forgotten time.Time             // when forget last worked
}

// shown is one line of a scrape.
type shown struct {
	key    string // of a series not seen before
	series *series
	value  int64
}

// add remembers a scrape that showed lines, and sums of what nobody asks for.
func (h *history) add(started time.Time, lines []shown, others map[rest]int64) {
	at := h.moment()
	_, again := h.success(at)
	h.count++
	h.moments = append(h.moments, at)
	for _, line := range lines {
		s := line.series
		if twice := h.byKey[line.key]; twice != nil && line.key != "" { // one scrape shows it twice
			s = twice
		}
		if s.samples == nil {
			s.born = again
			h.byKey[line.key] = s
			h.byName[s.name()] = append(h.byName[s.name()], s)
			h.room.taken.Add(1)
			if again {
				h.disturbed = at
			}
		}
		h.show(s, line.value, at)
	}
	for key, value := range others {
		if h.rest[key] == nil && len(h.rest) >= maxRest {
			continue
		}
		if h.rest[key] == nil {
			h.rest[key] = &series{process: key.process, born: again}
		}
		h.show(h.rest[key], value, at)
	}
	for _, s := range h.byKey {
		h.miss(s, at)
	}
	for _, s := range h.rest {
		h.miss(s, at)
	}
	h.looks = append(h.looks, look{at: at, started: started, number: h.count})
	h.forget(at)
}

// show notes what the look that is being added shows of a series.
func (h *history) show(s *series, value int64, at time.Time) {
	if n := len(s.samples); n == 0 || s.samples[n-1].value != value {
		if n > 0 && (value < s.samples[n-1].value || s.samples[n-1].value < 0) {
			h.disturbed = at
		}
		s.samples = append(s.samples, sample{h.count, value})
	}
	s.last = h.count
}

// miss notes that the look that is being added does not show a series.
func (h *history) miss(s *series, at time.Time) {
	if n := len(s.samples); s.last < h.count && s.samples[n-1].value != signal.Absent {
		s.samples = append(s.samples, sample{h.count, signal.Absent})
		h.disturbed = at
	}
}

// at returns when a look was that showed something; long ago if that is forgotten.
func (h *history) at(number uint32) time.Time {
	if back := int(h.count - number); back < len(h.moments) {
		return h.moments[len(h.moments)-1-back]
	}
	return time.Time{}
}

// memory is how far before a window what happened to counters may matter: a replica
// or a proxy that shows an old answer does so for seconds or minutes.
const memory = 5 * time.Minute

// since returns from when on a window needs what counters showed.
func (h *history) since(from time.Time) time.Time {
	if early := from.Add(-memory); h.disturbed.After(early) {
		return early
	}
	return from
}

// counter returns the samples of a series from the last one at or before from on, up
// to to.
func (h *history) counter(s *series, from, to time.Time) signal.Counter {
	first, _ := slices.BinarySearchFunc(s.samples, from, func(one sample, at time.Time) int {
		if h.at(one.look).After(at) {
			return 1
		}
		return -1
	})
	first = max(0, first-1)
	for first > 0 && s.samples[first].value < 0 { // a mark: what was shown before is what goes on
		first--
	}
	c := signal.Counter{Born: s.born && first == 0, Process: s.process, Samples: make([]signal.Sample, 0, len(s.samples)-first)}
	for _, one := range s.samples[first:] {
		at := h.at(one.look)
		if at.After(to) {
			break
		}
		c.Samples = append(c.Samples, signal.Sample{At: at, Value: one.value})
	}
	return c
}

// addFailure remembers a scrape that showed nothing.
func (h *history) addFailure(started time.Time, err error) {
	at := h.moment()
	h.looks = append(h.looks, look{at: at, started: started, err: traffic.Brief(err.Error())})
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
	h.moments = slices.Delete(h.moments, 0, max(0, len(h.moments)-int(h.count-base.number)-1))
	for key, s := range h.byKey {
		if s.last < base.number {
			delete(h.byKey, key)
			h.room.taken.Add(-1)
			continue
		}
		s.forget(base.number)
	}
	maps.DeleteFunc(h.rest, func(_ rest, s *series) bool { return s.last < base.number })
	for _, s := range h.rest {
		s.forget(base.number)
	}
	for name, all := range h.byName {
		if all = slices.DeleteFunc(all, func(s *series) bool { return s.last < base.number }); len(all) == 0 {
			delete(h.byName, name)
		} else {
			h.byName[name] = all
		}
	}
}

// forget drops the samples before the one that holds at a look, but for the last
// value: what comes back goes on from there.
func (s *series) forget(number uint32) {
	old := s.before(number)
	for old > 0 && s.samples[old].value < 0 {
		old--
	}
	if old > 0 {
		s.samples = slices.Delete(s.samples, 0, old)
	}
}

// before returns how many samples are older than the one that holds at a look.
func (s *series) before(number uint32) int {
	n := 0
	for n+1 < len(s.samples) && s.samples[n+1].look <= number {
		n++
	}
	return n
}

// shownBy reports whether the series was there when l was made.
func (s *series) shownBy(l look) bool { return s.samples[0].look <= l.number && s.last >= l.number }

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
	s := &series{labels: l, process: processOf(l)}
	seconds, err := strconv.ParseFloat(l.Get(labels.BucketLabel), 64)
	if err != nil || math.IsNaN(seconds) {
		return s
	}
	if edge, ok := signal.EdgeIn(s.name(), seconds); ok {
		s.edge = edge
		s.histogram = labels.NewBuilder(l).Del(labels.BucketLabel).Labels().String()
	}
	return s
}
