// Package signal counts requests, errors and latencies of both sides: how the
// migration sees what its users see. Sources live in directories of their own
// and all pass signaltest. A source returns counts over a window that the caller
// names, never rates over a window of its own, so that what was decided can be
// replayed. What is missing is unknown, never zero.
package signal

import (
	"context"
	"slices"
	"time"

	"watari.dev/traffic"
)

// Query says what to count and how the sides are told apart. It is plain data.
// Its expressions are selectors or queries in the source's own language.
// All but Requests may be empty: no errors are counted, the histogram is empty, an
// event is zero. A side without Requests is not asked for and stays Unknown.
type Query struct {
	Name     string                 `json:"name"` // of the signal, for messages
	Requests traffic.BySide[string] `json:"requests"`
	Errors   traffic.BySide[string] `json:"errors"`
	Latency  traffic.BySide[string] `json:"latency"` // a histogram's _bucket series, or a native histogram
	Events   []Event                `json:"events,omitempty"`
}

// Event is something else that is counted of the requests, such as payments that
// were declined. Where a side is known its counts have one element in Events per
// event of the query, in its order and at most as large as Requests.
type Event struct {
	Name  string                 `json:"name"`
	Count traffic.BySide[string] `json:"count"`
}

// Only returns q with nothing asked of the other side.
func (q Query) Only(side traffic.Side) Query {
	keep := func(b traffic.BySide[string]) (only traffic.BySide[string]) {
		if side == traffic.Source {
			only.Source = b.Source
		} else {
			only.Target = b.Target
		}
		return only
	}
	q.Requests, q.Errors, q.Latency = keep(q.Requests), keep(q.Errors), keep(q.Latency)
	q.Events = slices.Clone(q.Events)
	for i, e := range q.Events {
		q.Events[i].Count = keep(e.Count)
	}
	return q
}

// Counts is what one window held. Each side is known or not on its own: losing
// sight of the target says nothing about the source.
type Counts = traffic.BySide[traffic.Reading[traffic.Counts]]

// Source counts. Counts over (from, to] of a side that answered nothing in
// between are Known with zero requests only if the source saw that side's
// counters at both ends; a side without series is Unknown, a source that could
// not be read gives Failed for both sides. Adjacent windows add up: no request
// is counted twice or lost between them. The Reading's At is the end of the data
// that it really covers and may lie before to, never after. A reading that is
// Unknown may say why in Err, as one that is Failed does.
//
// A source that reads counters says in Resets how often they began again, in the
// window that shows it; one that is given differences has none. Skew is 0 where
// what was counted is timed by the clock of this process.
//
// A source that looks at intervals has, at any time, seen what its last look at
// or before that time showed, and a window holds the difference between its ends.
// Where a window is not Known, the next look still shows what it held: ask again
// from the end of the last Known window, and nothing is lost.
//
// Neither end may lie in the future. The error is for what no repetition cures,
// such as a malformed query; everything else is said in the readings. A source
// may be asked by several goroutines at once.
type Source interface {
	Counts(ctx context.Context, q Query, from, to time.Time) (Counts, error)
}
