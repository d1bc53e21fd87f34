package analyze

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/internal/bounded"
	"watari.dev/traffic"
	"watari.dev/verdict"
	"watari.dev/view"
)

// Columns says what a table may hold, for the help.
const Columns = `  time                                    end of the interval: RFC 3339, or seconds since 1970
  service                                 if there are several
  source_requests, source_errors          what the source answered, and what of it failed
  target_requests, target_errors          and the target
  share                                   meant for the target: 5%, or 500 basis points
  source_over_500ms, target_over_500ms    requests slower than that; any duration
  source_event_NAME, target_event_NAME    a count of your own, part of the requests
An empty cell is not known; a zero is zero. Without its requests or errors nothing is
known of a side in that interval. Without a latency its requests and errors count, and
its latencies are not known. Without an event they count as well, and that event and the
ones in columns to its right are not known of both sides.`

// Mistakes are all mistakes of a table, by line.
type Mistakes struct {
	Name  string
	Lines []Mistake
}

// Mistake is one of them.
type Mistake struct {
	Line int // 1 is the header
	Text string
}

// mostMistakes is how many are written out; a table with more has one cause.
const mostMistakes = 50

// Error implements error.
func (m *Mistakes) Error() string { return strings.Join(m.Words(), "\n") }

// Words returns the lines of Error. What the table holds may stand in each.
func (m *Mistakes) Words() []string {
	out := []string{fmt.Sprintf("%s: %s; nothing was analysed", m.Name, number(len(m.Lines), "mistake"))}
	for i, one := range m.Lines {
		if i == mostMistakes {
			return append(out, fmt.Sprintf("  and %d more", len(m.Lines)-i))
		}
		out = append(out, fmt.Sprintf("  line %d: %s", one.Line, one.Text))
	}
	return out
}

// The bounds of a table: a year of intervals of 30 s has 1,051,200 lines.
const (
	mostTable   = 128 * bounded.MiB
	mostLine    = 64 * bounded.KiB
	mostRows    = 1_100_000
	mostColumns = 500
	mostWrong   = 1000 // mistakes after which nobody needs to know of more
)

// mostCount is more than any interval holds; larger numbers are of something else,
// and their sums would not fit.
const mostCount = 1_000_000_000_000

// longestJump is how far apart two rows may be, in usual distances, before what
// lies between counts as missing.
const longestJump = 1.5

// side columns of a table; -1 where there is none.
type sideColumns struct{ requests, errors int }

type table struct {
	name                 string
	header               []string
	time, service, share int
	source, target       sideColumns
	slow                 []named[time.Duration]
	events               []named[string]
	mistakes             []Mistake
}

// named is a pair of columns, one for each side.
type named[T any] struct {
	what           T
	source, target int
}

// row is a line of the table that can be read.
type row struct {
	line           int
	at             time.Time
	service        string
	share          traffic.Share
	source, target traffic.Reading[traffic.Counts]
}

// CSV reads a table of counts. All mistakes are found before it gives up; the
// error is then a *Mistakes.
func CSV(r io.Reader, name string) (Recording, error) {
	r = bounded.Reader(r, bounded.Limit{What: name, Bytes: mostTable, Do: "take fewer days, or longer intervals"})
	in := csv.NewReader(bounded.Lines(r, bounded.Limit{What: "a line of " + name, Bytes: mostLine, Do: "a table has one interval a line; look for a quote that is never closed"}, true))
	in.FieldsPerRecord, in.TrimLeadingSpace, in.ReuseRecord = -1, true, true
	header, err := in.Read()
	if errors.Is(err, io.EOF) {
		return Recording{}, &Mistakes{name, []Mistake{{1, "the file is empty; its first line names the columns: time, source_requests, source_errors, target_requests, target_errors"}}}
	}
	if err != nil {
		return Recording{}, unreadable(name, err)
	}
	if len(header) > mostColumns {
		return Recording{}, &Mistakes{name, []Mistake{{1, fmt.Sprintf("there are %d columns, and %d are the most: leave out what is not a count", len(header), mostColumns)}}}
	}
	t := newTable(name, header)
	if len(t.mistakes) > 0 {
		return Recording{}, &Mistakes{name, t.mistakes} // without columns every line would be wrong
	}
	rows, err := t.rows(in)
	if err != nil {
		return Recording{}, err
	}
	if len(t.mistakes) == 0 && len(rows) == 0 {
		t.wrong(1, "there is no line below the header")
	}
	if len(t.mistakes) > 0 {
		return Recording{}, &Mistakes{name, t.mistakes}
	}
	return t.recording(rows), nil
}

func unreadable(name string, err error) error {
	var bad *csv.ParseError
	if errors.As(err, &bad) {
		return &Mistakes{name, []Mistake{{bad.Line, bad.Err.Error()}}}
	}
	return fmt.Errorf("read the counts in %s: %w", name, err)
}

func (t *table) wrong(line int, format string, args ...any) {
	t.mistakes = append(t.mistakes, Mistake{line, fmt.Sprintf(format, args...)})
}

func newTable(name string, header []string) *table {
	t := &table{name: name, header: slices.Clone(header), time: -1, service: -1, share: -1, source: sideColumns{-1, -1}, target: sideColumns{-1, -1}}
	t.header[0] = strings.TrimPrefix(t.header[0], "\ufeff") // spreadsheets write a byte order mark
	for i, h := range t.header {
		h = strings.TrimSpace(h)
		if at := slices.Index(t.header[:i], h); at >= 0 {
			t.wrong(1, "columns %d and %d are both named %q", at+1, i+1, h)
			continue
		}
		t.header[i] = h
		t.column(i, h)
	}
	for name, at := range map[string]int{"time": t.time, "source_requests": t.source.requests, "source_errors": t.source.errors, "target_requests": t.target.requests, "target_errors": t.target.errors} {
		if at < 0 {
			t.wrong(1, "there is no column %q", name)
		}
	}
	for _, s := range t.slow {
		t.both(fmt.Sprintf("over_%s", s.what), s.source, s.target)
	}
	for _, e := range t.events {
		t.both("event_"+e.what, e.source, e.target)
	}
	slices.SortFunc(t.slow, func(a, b named[time.Duration]) int { return int(a.what - b.what) })
	slices.SortStableFunc(t.mistakes, func(a, b Mistake) int { return strings.Compare(a.Text, b.Text) })
	return t
}

func (t *table) both(name string, source, target int) {
	if source < 0 || target < 0 {
		t.wrong(1, "%s is needed of both sides: source_%s and target_%s", name, name, name)
	}
}

// column takes one name of the header.
func (t *table) column(i int, name string) {
	switch name {
	case "time":
		t.time = i
		return
	case "service":
		t.service = i
		return
	case "share":
		t.share = i
		return
	}
	side, what, _ := strings.Cut(name, "_")
	of := &t.source
	switch side {
	case "source":
	case "target":
		of = &t.target
	default:
		t.wrong(1, "column %q is none of time, service, share, source_..., target_...", name)
		return
	}
	edge, slow := strings.CutPrefix(what, "over_")
	event, isEvent := strings.CutPrefix(what, "event_")
	switch {
	case what == "requests":
		of.requests = i
	case what == "errors":
		of.errors = i
	case slow:
		d, err := time.ParseDuration(edge)
		if err != nil || d <= 0 {
			t.wrong(1, "column %q: %q is no duration such as 500ms or 1.5s", name, edge)
			return
		}
		t.slow = pairUp(t.slow, d, side, i)
	case isEvent && event != "":
		t.events = pairUp(t.events, event, side, i)
	default:
		t.wrong(1, "column %q is none of %s_requests, %s_errors, %s_over_DURATION, %s_event_NAME", name, side, side, side, side)
	}
}

func pairUp[T comparable](all []named[T], what T, side string, column int) []named[T] {
	at := slices.IndexFunc(all, func(n named[T]) bool { return n.what == what })
	if at < 0 {
		all, at = append(all, named[T]{what, -1, -1}), len(all)
	}
	if side == "source" {
		all[at].source = column
	} else {
		all[at].target = column
	}
	return all
}

func (t *table) rows(in *csv.Reader) ([]row, error) {
	var out []row
	last := map[string]row{}
	for {
		record, err := in.Read()
		if errors.Is(err, io.EOF) || len(t.mistakes) >= mostWrong {
			return out, nil
		}
		if len(out) == mostRows {
			return nil, &bounded.Error{What: t.name, Limit: view.Count(mostRows) + " lines", Do: "take fewer days, or longer intervals"}
		}
		if err != nil {
			found := unreadable(t.name, err)
			var bad *Mistakes
			if !errors.As(found, &bad) {
				return nil, found
			}
			t.mistakes = append(t.mistakes, bad.Lines...)
			return out, nil // what follows a broken quote cannot be told
		}
		line, _ := in.FieldPos(0)
		r, ok := t.row(line, record)
		if !ok {
			continue
		}
		if before, some := last[r.service]; some && !r.at.After(before.at) {
			t.wrong(line, "%s is not after the time of line %d, %s: sort the table by time, with one line for each interval",
				r.at.Format(time.RFC3339), before.line, before.at.Format(time.RFC3339))
			continue
		}
		last[r.service] = r
		out = append(out, r)
	}
}

func (t *table) row(line int, record []string) (row, bool) {
	r, before := row{line: line}, len(t.mistakes)
	if len(record) != len(t.header) {
		t.wrong(line, "has %s, and the header %d", number(len(record), "cell"), len(t.header))
		return r, false
	}
	var err error
	if r.at, err = parseTime(record[t.time]); err != nil {
		t.wrong(line, "%s", err)
	}
	if t.service >= 0 {
		r.service = strings.TrimSpace(record[t.service])
	}
	if t.share >= 0 {
		if r.share, err = traffic.ParseShare(record[t.share]); err != nil {
			t.wrong(line, "%s", err)
		}
	}
	r.source = t.side(line, record, "source", t.source, r.at)
	r.target = t.side(line, record, "target", t.target, r.at)
	bothKnow(&r.source.Value, &r.target.Value)
	return r, len(t.mistakes) == before
}

// bothKnow keeps the events that are known of both sides: one side of an event alone
// compares nothing.
func bothKnow(a, b *traffic.Counts) {
	n := min(len(a.Events), len(b.Events))
	a.Events, b.Events = a.Events[:n], b.Events[:n]
}

// parseTime reads RFC 3339 or seconds since 1970.
func parseTime(text string) (time.Time, error) {
	text = strings.TrimSpace(text)
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at, nil
	}
	// Beyond a trillion it is milliseconds: the year 33658, in seconds.
	if s, err := strconv.ParseFloat(text, 64); err == nil && s > 0 && s < 1e12 {
		whole, part := math.Modf(s)
		return time.Unix(int64(whole), int64(math.Round(part*1e3))*int64(time.Millisecond)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("time %q is neither like 2026-05-04T14:30:00Z nor seconds since 1970", text)
}

// side reads one side of a line. It is known if its requests and errors are.
func (t *table) side(line int, record []string, name string, of sideColumns, at time.Time) traffic.Reading[traffic.Counts] {
	cells := &cells{t: t, line: line, record: record}
	c := traffic.Counts{Requests: cells.count(of.requests)}
	cells.without = cells.empty > 0
	c.Errors = cells.part(of.errors, c.Requests, name)
	known := cells.empty == 0
	pick := func(source, target int) int {
		if name == "source" {
			return source
		}
		return target
	}
	c.Events = t.eventsOf(cells, c.Requests, name, pick)
	c.Latency = t.latencyOf(cells, c.Requests, name, pick)
	if !known {
		return traffic.Reading[traffic.Counts]{Err: "the cell is empty"}
	}
	return traffic.KnownAt(c, at)
}

// eventsOf reads a side's events up to the first that is not known: Counts has no
// other way to say that, and a zero would be a lie.
func (t *table) eventsOf(cells *cells, requests int64, name string, pick func(source, target int) int) (out []int64) {
	known := true
	for _, e := range t.events {
		before := cells.empty
		n := cells.part(pick(e.source, e.target), requests, name)
		if known = known && cells.empty == before; known {
			out = append(out, n)
		}
	}
	return out
}

// latencyOf reads a side's latencies; they are empty if one of their cells is.
func (t *table) latencyOf(cells *cells, requests int64, name string, pick func(source, target int) int) (h traffic.Histogram) {
	if len(t.slow) == 0 {
		return h
	}
	above, before := requests, cells.empty
	for _, s := range t.slow {
		empty := cells.empty
		slower := cells.part(pick(s.source, s.target), requests, name)
		if cells.empty > empty {
			continue
		}
		if slower > above && !cells.without {
			t.wrong(cells.line, "%d requests of the %s took over %s, more than over a shorter time", slower, name, s.what)
		}
		h.Edges, h.Buckets = append(h.Edges, s.what), append(h.Buckets, max(0, above-slower))
		above = slower
	}
	if cells.empty > before {
		return traffic.Histogram{}
	}
	h.Buckets = append(h.Buckets, above)
	return h
}

// cells reads counts of a line.
type cells struct {
	t      *table
	line   int
	record []string
	empty  int

	without bool // the requests themselves are not known
}

func (c *cells) count(column int) int64 {
	text := strings.TrimSpace(c.record[column])
	if text == "" {
		c.empty++
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > mostCount {
		c.t.wrong(c.line, "%s is %q, which is no count of requests", c.t.header[column], text)
		c.empty++
		return 0
	}
	return n
}

// part reads a count that cannot be more than the requests.
func (c *cells) part(column int, requests int64, side string) int64 {
	before := c.empty
	n := c.count(column)
	if !c.without && c.empty == before && n > requests {
		c.t.wrong(c.line, "%s is %d, of %d requests of the %s", c.t.header[column], n, requests, side)
	}
	return n
}

// recording puts the rows into turns.
func (t *table) recording(rows []row) Recording {
	out := Recording{Name: t.name}
	for _, r := range rows {
		if !slices.ContainsFunc(out.Services, func(s Service) bool { return s.Name == r.service }) {
			service := Service{Name: r.service}
			for _, s := range t.slow {
				service.Slow = append(service.Slow, s.what)
			}
			for _, e := range t.events {
				service.Events = append(service.Events, e.what)
			}
			out.Services = append(out.Services, service)
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return a.at.Compare(b.at) })
	usual := usualDistance(rows)
	type progress struct {
		at    time.Time
		share traffic.Share
		step  int
	}
	last := make([]progress, len(out.Services))
	var shares []Rise
	for _, r := range rows {
		service := slices.IndexFunc(out.Services, func(s Service) bool { return s.Name == r.service })
		p := &last[service]
		changed := r.share != p.share
		if changed {
			p.share, p.step = r.share, p.step+1
		}
		from := r.at.Add(-usual)
		if jump := r.at.Sub(p.at); !p.at.IsZero() && float64(jump) <= longestJump*float64(usual) {
			from = p.at
		} else if !p.at.IsZero() {
			out.leave("gaps, where the table has no line", 1)
		}
		p.at = r.at
		if changed {
			highest := traffic.None
			for _, of := range last {
				highest = max(highest, of.share)
			}
			shares = append(shares, Rise{At: from, To: highest})
		}
		in := verdict.Interval{
			Service: service, To: r.at, From: traffic.BySide[time.Time]{Source: from, Target: from},
			Source: r.source, Target: r.target, Intended: r.share,
		}
		if r.share > traffic.None {
			in.Step = p.step
		}
		out.add(in)
	}
	out.Rises = risesOf(shares, firstOf(out.Turns[0]))
	out.began()
	return out
}

// risesOf returns the rises after a table's begin: when it came to the share that it
// begins with, it does not say.
func risesOf(shares []Rise, begin time.Time) []Rise {
	before := traffic.None
	for len(shares) > 0 && !shares[0].At.After(begin) {
		before, shares = shares[0].To, shares[1:]
	}
	return Rises(before, shares)
}

// add puts an interval into the turn of its moment.
func (r *Recording) add(in verdict.Interval) {
	if n := len(r.Turns); n > 0 && r.Turns[n-1].At.Equal(in.To) {
		r.Turns[n-1].Intervals = append(r.Turns[n-1].Intervals, in)
		return
	}
	r.Turns = append(r.Turns, Turn{At: in.To, Intervals: []verdict.Interval{in}})
}

// usualDistance is the median distance between two rows of a service; a single
// row is taken for a second.
func usualDistance(rows []row) time.Duration {
	last, all := map[string]time.Time{}, []time.Duration(nil)
	for _, r := range rows {
		if at, some := last[r.service]; some {
			all = append(all, r.at.Sub(at))
		}
		last[r.service] = r.at
	}
	if len(all) == 0 {
		return time.Second
	}
	slices.Sort(all)
	return all[len(all)/2]
}
