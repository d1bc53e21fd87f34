package accesslog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"watari.dev/traffic"
)

// window is what is asked for: the seconds after first up to last.
type window struct {
	from, to    time.Time
	first, last int64
}

func windowOf(from, to time.Time) window {
	return window{from: from, to: to, first: from.Unix(), last: to.Unix()}
}

// reading says what the log shows of one side. name is the log's, for messages.
func (h *history) reading(name string, want wanted, w window) traffic.Reading[traffic.Counts] {
	success, failure := h.lastLooks(w.to)
	ready := h.start.Add(h.settle)
	switch {
	case failure.err != "" && !success.at.After(w.from):
		return traffic.FailedAt[traffic.Counts](failed(success, failure, w), w.to)
	case success.at.IsZero():
		return unknown("%s was not read yet", name)
	case w.from.Before(ready):
		return unknown("%s is counted from %s on and complete %s later: a window may begin at %s", name, clock(h.start), h.settle, clock(ready))
	case w.first < h.horizon:
		return unknown("nothing is remembered of %s at %s, where the window begins", name, clock(w.from))
	}
	until, alive := h.evidence(want, w)
	switch {
	case alive:
	case !success.at.After(w.from.Add(-h.settle)):
		return unknown("%s was not read between %s and %s", name, clock(w.from), clock(w.to))
	default:
		return unknown("%s", strings.Join(append([]string{"no new line in " + name + " since " + h.lastLine(want, w)}, h.report.remarks()...), "; "))
	}
	sum, before := h.sum(want, w)
	if sum.Requests == 0 && !before {
		return unknown("%s has shown no line of %s yet", name, want.text)
	}
	known := traffic.KnownAt(sum, until.Add(-h.settle))
	known.Note = h.note(want)
	return known
}

// balancersOf returns those that forward to a side, and all of them before any of its
// lines has shown which these are.
func (h *history) balancersOf(want wanted) (out []*balancer) {
	for arn, g := range h.groups {
		if want.selects(arn) {
			out = append(out, g.balancers...)
		}
	}
	if len(out) == 0 {
		out = slices.Collect(maps.Values(h.balancers))
	}
	return out
}

// note says what the log cannot show of a side.
func (h *history) note(want wanted) string {
	for arn, g := range h.groups {
		if g.grpc && want.selects(arn) {
			return blindToGRPC
		}
	}
	return ""
}

// joinedNotes makes one text of those that there are.
func joinedNotes(notes ...string) string {
	return strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "; ")
}

// blindToGRPC is what an access log cannot show: a call that has failed is answered with
// status 200, and says so in grpc-status, which is sent after the body ("gRPC over
// HTTP2", Responses). Entries have neither.
const blindToGRPC = "its requests are gRPC, whose failures have HTTP status 200 and are not seen in an access log: count them by prometheus or scrape, such as grpc_server_handled_total by grpc_code"

func failed(success, failure look, w window) error {
	if success.at.IsZero() {
		return errors.New(failure.err)
	}
	return fmt.Errorf("%s (last read %s before)", failure.err, w.to.Sub(success.at).Round(time.Second))
}

// lastLooks returns the last successful look at or before at, and the last one of
// all if it failed.
func (h *history) lastLooks(at time.Time) (success, failure look) {
	last := true
	for _, l := range slices.Backward(h.looks) {
		switch {
		case l.at.After(at):
			continue
		case l.err == "":
			return l, failure
		case last:
			failure = l
		}
		last = false
	}
	return success, failure
}

// evidence returns up to when the log of a side's load balancer is known to have been
// written, and false if there is nothing of the window.
func (h *history) evidence(want wanted, w window) (until time.Time, alive bool) {
	last := w.first
	for _, b := range h.balancersOf(want) {
		if i := after(b.alive, w.last, self); i > 0 {
			last = max(last, b.alive[i-1])
		}
		for _, p := range b.periods {
			if p.first <= w.last {
				last = max(last, min(p.last, w.last))
			}
		}
	}
	return time.Unix(last, 0), last > w.first
}

// lastLine says when the last line of a side's load balancer up to the window's end was
// written.
func (h *history) lastLine(want wanted, w window) string {
	var last int64
	for _, b := range h.balancersOf(want) {
		if i := after(b.alive, w.last, self); i > 0 {
			last = max(last, b.alive[i-1])
		}
	}
	if last == 0 {
		return clock(h.start) + ", when its reading began"
	}
	at := time.Unix(last, 0)
	return fmt.Sprintf("%s (%s before)", clock(at.Add(-h.settle)), w.to.Sub(at).Round(time.Second))
}

// sum adds up what the groups of a side answered in the window, and reports whether
// the log had shown one of them before.
func (h *history) sum(want wanted, w window) (sum traffic.Counts, before bool) {
	var latency [len(edges) + 1]int64
	if len(want.events) > 0 {
		sum.Events = make([]int64, len(want.events))
	}
	for arn, g := range h.groups {
		if !want.selects(arn) {
			continue
		}
		before = before || g.first <= w.first
		for _, c := range g.cells[after(g.cells, w.first, cellSecond):after(g.cells, w.last, cellSecond)] {
			sum.Requests += c.requests
			sum.Errors += c.of(want.errors)
			for i, set := range want.events {
				sum.Events[i] += c.of(set)
			}
			for i, n := range c.latency {
				latency[i] += n
			}
		}
	}
	if len(want.latency) > 0 {
		sum.Latency = widened(latency, want.latency)
	}
	return sum, before
}

// of returns how many requests have a status of the set.
func (c cell) of(set *codes) (n int64) {
	if set == nil {
		return 0
	}
	for _, of := range c.codes {
		if set[of.code] {
			n += of.count
		}
	}
	return n
}

// widened returns the histogram with only some of the edges.
func widened(latency [len(edges) + 1]int64, wanted []time.Duration) traffic.Histogram {
	h := traffic.Histogram{Edges: slices.Clone(wanted), Buckets: make([]int64, len(wanted)+1)}
	for i, n := range latency {
		bucket := len(wanted)
		if i < len(edges) {
			bucket, _ = slices.BinarySearch(wanted, edges[i])
		}
		h.Buckets[bucket] += n
	}
	return h
}

func clock(t time.Time) string { return t.Format(time.TimeOnly) }

func unknown(format string, args ...any) traffic.Reading[traffic.Counts] {
	return traffic.Reading[traffic.Counts]{Err: fmt.Sprintf(format, args...)}
}
