package prometheus

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// life is what is known of one instance.
type life struct {
	first     time.Time // when it is first known to have been scraped
	lastCount time.Time // its last sample of the side's requests
	downSince time.Time // since when, within the window, scrapes of it failed; zero if the last one worked or none is known
}

// decideReading makes one side's reading of what the server knows.
func decideReading(want selector.Side, got seen, w window) traffic.Reading[traffic.Counts] {
	if len(got.requests) == 0 {
		return noSeries(want.Requests)
	}
	lives := livesOf(got, w)
	if why := down(lives, w); why != nil {
		return traffic.FailedAt[traffic.Counts](why, w.to)
	}
	counters, note := countersOf(want, got, lives)
	sum, upDown := signal.SumOf(counters, w.from, w.to)
	switch until, fresh := covered(lives, w); {
	case !fresh:
		return nothingNew(want.Requests, w)
	case !watched(lives, w):
		return unknown(fmt.Sprintf("no instance with %s was scraped yet at %s, where the window begins", want.Requests.Text, clock(w.from)))
	case len(upDown) > 0:
		return unknown(signal.GoUpAndDown(upDown, want.Requests.Text))
	case sum.Requests == 0 && !atBothEnds(got.requests, w):
		return unknown(fmt.Sprintf("counters for %s have only just appeared or gone", want.Requests.Text))
	case got.missing != nil:
		return unknown(fmt.Sprintf("there is no metric of the name in %s: correct it, or let the application start this counter at 0", got.missing.Text))
	default:
		if why := noNumber(got, w); why != "" {
			return unknown(why)
		}
		reading := traffic.KnownAt(sum, until)
		reading.Note = note
		return reading
	}
}

// noNumber names a series whose newest sample is not a number: what it would have
// counted is not known. Nothing is lost, if it shows one again.
func noNumber(got seen, w window) string {
	for _, streams := range got.all() {
		for _, s := range streams {
			last := s.Values[len(s.Values)-1]
			if _, ok := signal.CounterValue(float64(last.Value)); !ok && last.Timestamp.Time().After(w.from) {
				return fmt.Sprintf("%s shows %s at %s, which is no count", s.Metric, last.Value, clock(last.Timestamp.Time()))
			}
		}
	}
	return ""
}

func livesOf(got seen, w window) map[instance]*life {
	lives := map[instance]*life{}
	of := func(stream *model.SampleStream) *life {
		i := instanceOf(stream.Metric)
		if lives[i] == nil {
			lives[i] = &life{}
		}
		return lives[i]
	}
	for _, streams := range got.all() {
		for _, stream := range streams {
			of(stream).scraped(stream.Values[0].Timestamp.Time())
		}
	}
	for _, stream := range got.requests {
		if l, last := of(stream), lastOf(stream); last.After(l.lastCount) {
			l.lastCount = last
		}
	}
	addUp(lives, got.up, w)
	return lives
}

// addUp adds to lives what the series up tell of them.
func addUp(lives map[instance]*life, up []*model.SampleStream, w window) {
	for _, stream := range up {
		l := lives[instanceOf(stream.Metric)]
		if l == nil {
			continue // the two labels of another combination
		}
		for _, p := range stream.Values {
			at := p.Timestamp.Time()
			switch {
			case p.Value == 1:
				l.scraped(at)
				l.downSince = time.Time{}
			case at.After(w.from) && l.downSince.IsZero():
				l.downSince = at
			}
		}
	}
}

// scraped notes that a scrape worked.
func (l *life) scraped(at time.Time) {
	if l.first.IsZero() || at.Before(l.first) {
		l.first = at
	}
}

// silent reports whether the instance had counters of requests, and shows nothing new.
func (l *life) silent(w window) bool { return !l.lastCount.IsZero() && !l.lastCount.After(w.from) }

func lastOf(stream *model.SampleStream) time.Time {
	return stream.Values[len(stream.Values)-1].Timestamp.Time()
}

// down says which instances had counters, show nothing new, and do not answer
// scrapes.
func down(lives map[instance]*life, w window) error {
	var all []string
	for i, l := range lives {
		if l.silent(w) && !l.downSince.IsZero() {
			all = append(all, fmt.Sprintf("%s does not answer Prometheus's scrapes since %s", i, clock(l.downSince)))
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	return errors.New(strings.Join(all, "; "))
}

// covered returns up to when all instances that were scraped in the window are
// counted, and false if none was.
func covered(lives map[instance]*life, w window) (until time.Time, fresh bool) {
	for _, l := range lives {
		if l.lastCount.After(w.from) && (!fresh || l.lastCount.Before(until)) {
			until, fresh = l.lastCount, true
		}
	}
	return until, fresh
}

// watched reports whether any instance is known to have been scraped when the
// window began.
func watched(lives map[instance]*life, w window) bool {
	for _, l := range lives {
		if !l.first.After(w.from) {
			return true
		}
	}
	return false
}

// atBothEnds reports whether one series was there when the window began and has
// a sample in it.
func atBothEnds(streams []*model.SampleStream, w window) bool {
	return slices.ContainsFunc(streams, func(s *model.SampleStream) bool {
		return !s.Values[0].Timestamp.Time().After(w.from) && lastOf(s).After(w.from)
	})
}

// making is what counters are made with.
type making struct {
	copies copies
	lives  map[instance]*life
}

// countersOf returns the counters of a side, and what is to be said about them.
func countersOf(want selector.Side, got seen, lives map[instance]*life) (c signal.Counters, note string) {
	by := &making{lives: lives}
	c.Requests = append(counters(by.copies.merged(got.requests), by), others(want.Requests, got.otherRequests, by)...)
	c.Errors = append(counters(by.copies.merged(got.errors), by), others(want.Errors, got.otherErrors, by)...)
	c.Latency = histograms(by.copies.merged(got.latency), by)
	for _, event := range got.events {
		c.Events = append(c.Events, counters(by.copies.merged(event), by))
	}
	c.MarkAbsent()
	return c, by.copies.text()
}

func counters(streams []*model.SampleStream, by *making) []signal.Counter {
	out := make([]signal.Counter, len(streams))
	for i, s := range streams {
		out[i] = counter(s, by)
	}
	return out
}

func others(sel *selector.Selector, streams []*model.SampleStream, by *making) []signal.Counter {
	out := counters(streams, by)
	for i := range out {
		out[i].Other = sel.Misses(labelsOf(streams[i].Metric))
	}
	return out
}

func counter(stream *model.SampleStream, by *making) signal.Counter {
	i := instanceOf(stream.Metric)
	c := signal.Counter{Process: by.copies.process(stream.Metric)}
	if l := by.lives[i]; l != nil {
		c.Born = l.first.Before(stream.Values[0].Timestamp.Time())
	}
	for _, p := range stream.Values {
		value, ok := signal.CounterValue(float64(p.Value))
		if !ok {
			value = signal.NoNumber
		}
		c.Samples = append(c.Samples, signal.Sample{At: p.Timestamp.Time(), Value: value})
	}
	return c
}

// histograms groups buckets by their labels without le. Native histograms have theirs
// in one series.
func histograms(streams []*model.SampleStream, by *making) [][]signal.Bucket {
	at := map[model.Fingerprint]int{}
	var out [][]signal.Bucket
	var native []*model.SampleStream
	for _, s := range streams {
		if isNative(s) {
			native = append(native, s)
			continue
		}
		edge, ok := edgeOf(s.Metric)
		if !ok {
			continue
		}
		labels := s.Metric.Clone()
		delete(labels, model.BucketLabel)
		of := labels.Fingerprint()
		if _, known := at[of]; !known {
			at[of], out = len(out), append(out, nil)
		}
		out[at[of]] = append(out[at[of]], signal.Bucket{Edge: edge, Counter: counter(s, by)})
	}
	return append(out, nativeHistograms(native, by)...)
}

func edgeOf(m model.Metric) (time.Duration, bool) {
	seconds, err := strconv.ParseFloat(string(m[model.BucketLabel]), 64)
	if err != nil {
		return 0, false
	}
	return signal.EdgeIn(string(m[model.MetricNameLabel]), seconds)
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

func noSeries(requests *selector.Selector) traffic.Reading[traffic.Counts] {
	return unknown(fmt.Sprintf("no series matches %s", requests.Text))
}

func nothingNew(requests *selector.Selector, w window) traffic.Reading[traffic.Counts] {
	return unknown(fmt.Sprintf("no new sample of %s between %s and %s", requests.Text, clock(w.from), clock(w.to)))
}

func unknown(why string) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: why}
}
