package runner

import (
	"encoding/json"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/traffic"
)

// countsData is the data of an entry of the kind store.Counts.
type countsData struct {
	Intervals []engine.Interval `json:"intervals"`
	// Merged is how many looks became this one; 0 is one.
	Merged int `json:"merged,omitempty"`
}

// MergeCounts adds up what entries of the kind store.Counts, in their order, have
// counted, into fewer entries that say the same of longer intervals. Added are
// intervals of one service, one hold and one share whose windows follow each other
// without a gap, and only where nothing is lost by it: what is not known stays not
// known, until a later reading covers its window; histograms keep their buckets;
// counters that began again, and another way to count, stay by themselves. An entry
// that cannot be read stays as it is, and so does what stands on either side of it.
func MergeCounts(entries []store.Entry) []store.Entry {
	var out []store.Entry
	var open []look
	flush := func() { out, open = append(out, merged(open)...), nil }
	for _, e := range entries {
		var data countsData
		if e.Kind != store.Counts || json.Unmarshal(e.Data, &data) != nil || len(data.Intervals) == 0 {
			flush()
			out = append(out, e)
			continue
		}
		open = append(open, look{e, data})
	}
	flush()
	return out
}

// look is an entry and what it says.
type look struct {
	entry store.Entry
	data  countsData
}

// placed is an interval, and the look that it ends with.
type placed struct {
	engine.Interval
	look  int
	looks int // that became it
}

// merged returns the entries of some looks, added up.
func merged(looks []look) (out []store.Entry) {
	var services []string
	rows := map[string][]placed{}
	for i, l := range looks {
		for _, in := range l.data.Intervals {
			row, known := rows[in.Service]
			if !known {
				services = append(services, in.Service)
			}
			rows[in.Service] = added(row, placed{in, i, max(1, l.data.Merged)})
		}
	}
	for i, l := range looks {
		data := countsData{}
		for _, service := range services {
			for _, p := range rows[service] {
				if p.look == i {
					data.Intervals, data.Merged = append(data.Intervals, p.Interval), max(data.Merged, p.looks)
				}
			}
		}
		if len(data.Intervals) == 0 {
			continue
		}
		if data.Merged == 1 {
			data.Merged = 0
		}
		b, err := json.Marshal(data)
		if err != nil { // it was read from JSON
			return entriesOf(looks)
		}
		e := l.entry
		e.Data = b
		out = append(out, e)
	}
	return out
}

func entriesOf(looks []look) (out []store.Entry) {
	for _, l := range looks {
		out = append(out, l.entry)
	}
	return out
}

// added appends an interval to those of its service, or adds it to the last of them.
// Those before it that know nothing are gone where it covers all that they asked for.
func added(row []placed, next placed) []placed {
	looks := next.looks
	for len(row) > 0 && covers(row[len(row)-1].Interval, next.Interval) {
		looks += row[len(row)-1].looks
		row = row[:len(row)-1]
	}
	next.looks = looks
	if n := len(row); n > 0 {
		if sum, whole := joined(row[n-1].Interval, next.Interval); whole {
			row[n-1] = placed{sum, next.look, row[n-1].looks + next.looks}
			return row
		}
	}
	return append(row, next)
}

// covers reports whether b knows both sides for all the time for which a knew
// neither.
func covers(a, b engine.Interval) bool {
	gone := func(a, b traffic.Reading[traffic.Counts], from, since time.Time) bool {
		return a.State == traffic.Unknown && b.State == traffic.Known && since.Equal(from)
	}
	return a.Step == b.Step && a.Intended == b.Intended && !b.To.Before(a.To) &&
		gone(a.Source, b.Source, a.From.Source, b.From.Source) && gone(a.Target, b.Target, a.From.Target, b.From.Target)
}

// joined returns the sum of two intervals that follow each other; false where the sum
// would say less than both.
func joined(a, b engine.Interval) (engine.Interval, bool) {
	if a.Service != b.Service || a.By != b.By || a.Step != b.Step || a.Intended != b.Intended {
		return a, false
	}
	source, from, ok := together(a.Source, b.Source, a.From.Source, a.To, b.From.Source)
	target, since, also := together(a.Target, b.Target, a.From.Target, a.To, b.From.Target)
	sum := b
	sum.Source, sum.Target = source, target
	sum.From = traffic.BySide[time.Time]{Source: from, Target: since}
	return sum, ok && also
}

// together adds two readings of one side, of the windows from..to and since..., and
// returns where the window of the sum begins.
func together(a, b traffic.Reading[traffic.Counts], from, to, since time.Time) (traffic.Reading[traffic.Counts], time.Time, bool) {
	switch {
	case a.State != b.State:
		return a, from, false
	case a.State != traffic.Known:
		// The same is not known for longer, be it one window that grows or one that
		// begins anew.
		return b, from, a.Err == b.Err && a.At.IsZero() == b.At.IsZero() && (since.Equal(from) || since.Equal(to))
	case !since.Equal(to) || !alike(a.Value, b.Value) || a.Note != b.Note:
		return a, from, false
	}
	return traffic.Reading[traffic.Counts]{Value: a.Value.Plus(b.Value), At: b.At, State: traffic.Known, Err: b.Err, Note: b.Note}, from, true
}

// alike reports whether two counts can be added without losing anything.
func alike(a, b traffic.Counts) bool {
	edges := a.Latency.Empty() && (b.Latency.Empty() || a.Requests == 0) || b.Latency.Empty() && b.Requests == 0 ||
		!a.Latency.Empty() && !b.Latency.Empty() && slices.Equal(a.Latency.Edges, b.Latency.Edges) && len(a.Latency.Buckets) == len(b.Latency.Buckets)
	return edges && len(a.Events) == len(b.Events) && a.Resets == 0 && b.Resets == 0 && a.Skew == b.Skew
}
