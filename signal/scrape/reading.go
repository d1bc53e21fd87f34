package scrape

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// view is what one endpoint shows of one side in one window.
type view struct {
	url     string
	looked  bool   // there was a successful look up to the window's end
	failure string // why the last look up to the window's end failed
	based   bool   // there was one up to its beginning
	fresh   bool   // there was one in between
	until   time.Time

	matched bool   // it has the side's requests
	atBase  bool   // and showed them at the window's beginning
	atEnd   bool   // and at its end
	has     []bool // series of the metric of each of the side's parts
	upDown  bool   // its counters go up and down
	nothing string // a series that shows no number at the window's end
	counts  traffic.Counts

	told       told
	served     bool // some of its requests' counters is above zero
	hasLatency bool // series of the metric of the side's latency, with any labels
}

// view reads the history of e.
func (e *endpoint) view(want selector.Side, from, to time.Time) view {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := &e.history
	h.answer(to)
	base, based := h.success(from)
	end, looked := h.success(to)
	v := view{url: e.url.Redacted(), looked: looked, failure: h.failure(to), based: based, fresh: looked && end.at.After(from), until: end.started}
	if !looked {
		return v
	}
	v.told, v.hasLatency = h.told(want), h.hasMetric(want.Latency)
	h.selected(want.Requests, func(s *series) {
		if s.samples[0].look <= end.number {
			v.matched = true
			v.served = v.served || slices.ContainsFunc(s.samples, func(one sample) bool { return one.value > 0 })
			v.atBase = v.atBase || based && s.shownBy(base)
			v.atEnd = v.atEnd || s.shownBy(end)
		}
	})
	if v.matched && based && v.fresh {
		v.counts, v.upDown = h.sum(want, from, to)
		v.nothing = h.noNumber(want, end)
		for _, part := range want.Parts() {
			v.has = append(v.has, h.hasMetric(part))
		}
	}
	return v
}

func (h *history) sum(want selector.Side, from, to time.Time) (counts traffic.Counts, upDown bool) {
	since := h.since(from)
	c := signal.Counters{Requests: h.counters(want.Requests, since, from, to), Errors: h.counters(want.Errors, since, from, to)}
	for _, event := range want.Events {
		c.Events = append(c.Events, h.counters(event, since, from, to))
	}
	histograms := map[string][]signal.Bucket{}
	h.selected(want.Latency, func(s *series) {
		if s.histogram != "" {
			histograms[s.histogram] = append(histograms[s.histogram], signal.Bucket{Edge: s.edge, Counter: h.counter(s, since, to)})
		}
	})
	for _, buckets := range histograms {
		c.Latency = append(c.Latency, buckets)
	}
	counts, doubted := signal.SumOf(c, from, to)
	return counts, len(doubted) > 0
}

// counters returns the counters that sel selects. Where some are new in the window,
// those of the same metric that it does not select are with them: these may be what
// the new ones were called before.
func (h *history) counters(sel *selector.Selector, since, from, to time.Time) (all []signal.Counter) {
	if sel == nil {
		return nil
	}
	born := false
	h.selected(sel, func(s *series) {
		all = append(all, h.counter(s, since, to))
		born = born || s.born && h.at(s.samples[0].look).After(from)
	})
	if !born || sel.Name == "" {
		return all
	}
	other := func(s *series, misses string) {
		c := h.counter(s, since, to)
		c.Other = misses
		all = append(all, c)
	}
	for _, s := range h.byName[sel.Name] {
		if misses := sel.Misses(s.labels); misses != "" {
			other(s, misses)
		}
	}
	for key, s := range h.rest {
		if key.selector == sel.Text {
			other(s, key.misses)
		}
	}
	return all
}

// noNumber names a series of the side that showed no number when l was made: what it
// would have counted is not known. Nothing is lost, if it shows one again.
func (h *history) noNumber(want selector.Side, l look) (text string) {
	for _, sel := range append([]*selector.Selector{want.Requests, want.Latency}, want.Parts()...) {
		h.selected(sel, func(s *series) {
			if text == "" && s.samples[s.before(l.number)].value == signal.NoNumber && s.shownBy(l) {
				text = s.labels.String()
			}
		})
	}
	return text
}

// hasMetric reports whether the endpoint has the metric that sel selects from,
// whatever its labels.
func (h *history) hasMetric(sel *selector.Selector) bool {
	if sel == nil {
		return true
	}
	if sel.Name != "" {
		if len(h.byName[sel.Name]) > 0 {
			return true
		}
		for key := range h.rest {
			if key.selector == sel.Text {
				return true
			}
		}
		return false
	}
	found := false
	h.selected(sel, func(*series) { found = true })
	return found
}

// decideReading makes one side's reading of what the endpoints show.
func decideReading(want selector.Side, views []view, from, to time.Time) traffic.Reading[traffic.Counts] {
	needed := slices.DeleteFunc(slices.Clone(views), func(v view) bool { return v.looked && !v.matched })
	if why := failures(needed, to); why != nil {
		return traffic.FailedAt[traffic.Counts](why, to)
	}
	if why := gaps(needed, from, to); why != "" {
		return unknown(why)
	}
	if why := mistyped(want, views); why != "" {
		return unknown(fmt.Sprintf("%s (on %s)", why, urls(views)))
	}
	var sum traffic.Counts
	until := to // a clock that was set back may say that a look began after it ended
	var atBoth, atEnd bool
	for _, v := range needed {
		sum = sum.Plus(v.counts)
		if v.until.Before(until) {
			until = v.until
		}
		atEnd = atEnd || v.atEnd
		atBoth = atBoth || v.atBase && v.atEnd
	}
	missing := missingPart(want, needed)
	var upDown, nothing []string
	for _, v := range needed {
		if v.upDown {
			upDown = append(upDown, v.url)
		}
		if v.nothing != "" {
			nothing = append(nothing, v.nothing+" on "+v.url)
		}
	}
	switch {
	case len(needed) == 0:
		return unknown(fmt.Sprintf("no counter on %s matches %s", urls(views), want.Requests.Text))
	case !atEnd:
		return unknown(fmt.Sprintf("no counter on %s matches %s any more", urls(needed), want.Requests.Text))
	case len(upDown) > 0:
		return unknown(signal.GoUpAndDown(upDown, ""))
	case len(nothing) > 0:
		return unknown(nothing[0] + " shows no number, which is no count")
	case sum.Requests == 0 && !atBoth:
		return unknown(fmt.Sprintf("counters for %s have only just appeared on %s", want.Requests.Text, urls(needed)))
	case missing != nil:
		return unknown(fmt.Sprintf("nothing on %s has the name in %s: correct it, or let the application start this counter at 0", urls(needed), missing.Text))
	}
	reading := traffic.KnownAt(sum, until)
	reading.Note = latencyNote(want, needed)
	return reading
}

// missingPart returns the first part whose metric none of the needed endpoints has.
func missingPart(want selector.Side, needed []view) *selector.Selector {
	for i, part := range want.Parts() {
		if !slices.ContainsFunc(needed, func(v view) bool { return v.has[i] }) {
			return part
		}
	}
	return nil
}

// failures says which of the needed endpoints did not answer during the window.
func failures(needed []view, to time.Time) error {
	var all []string
	for _, v := range needed {
		if !v.fresh && v.failure != "" {
			text := v.failure
			if v.looked {
				text += fmt.Sprintf(" (last answer %s before)", to.Sub(v.until).Round(time.Second))
			}
			all = append(all, text)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return errors.New(strings.Join(all, "; "))
}

// gaps says for which of the needed endpoints an end of the window was not seen.
func gaps(needed []view, from, to time.Time) string {
	for _, v := range needed {
		switch {
		case !v.looked:
			return v.url + " was not scraped yet"
		case !v.fresh:
			return fmt.Sprintf("%s was not scraped between %s and %s", v.url, from.Format(time.TimeOnly), to.Format(time.TimeOnly))
		case !v.based:
			return fmt.Sprintf("nothing is remembered of %s at %s, where the window begins", v.url, from.Format(time.TimeOnly))
		}
	}
	return ""
}

func urls(views []view) string {
	var all []string
	for _, v := range views {
		all = append(all, v.url)
	}
	return strings.Join(all, ", ")
}

func unknown(why string) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: why}
}
