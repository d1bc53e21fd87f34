package prometheus

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"watari.dev/signal"
	"watari.dev/signal/internal/selector"
	"watari.dev/traffic"
)

// costQuery asks for everything of the source. The event "failed" is a part of the
// requests' metric, and so needs no series.
func costQuery() signal.Query {
	of := func(text string) traffic.BySide[string] { return traffic.BySide[string]{Source: text} }
	return signal.Query{Name: "test", Requests: of("r"), Errors: of("errors"), Latency: of("l_bucket"), Events: []signal.Event{
		{Name: "paid", Count: of("paid")}, {Name: "failed", Count: of(`r{code="none"}`)},
	}}
}

// TestWhatAWindowCosts counts what a side asks: three small questions as long as there
// is no new sample of requests, whatever else is new. If there is one: a small one, one
// per expression, and one more where an instance leaves a question and for each metric
// that seems not to exist.
func TestWhatAWindowCosts(t *testing.T) {
	// Scraped at seconds 0, 15 and 30; the instance b only until it was gone at 15.
	scraped := func(name, instance string, values ...int) *model.SampleStream {
		s := stream(name, instance, "")
		for i, v := range values {
			s.Values = append(s.Values, model.SamplePair{Timestamp: model.TimeFromUnixNano(at(15 * i).UnixNano()), Value: model.SampleValue(v)})
		}
		return s
	}
	all := []*model.SampleStream{scraped("r", "a", 5, 7, 10), scraped("errors", "a", 0, 0, 1), scraped("l_bucket", "a", 0, 0, 0), scraped("paid", "a", 1, 2, 5), scraped("up", "a", 1, 1, 1)}
	gone := []*model.SampleStream{scraped("r", "b", 5), scraped("up", "b", 1, 0)}
	nameless := scraped("r", "a", 5, 7, 10)
	delete(nameless.Metric, model.InstanceLabel)
	typo := costQuery()
	typo.Events = append(typo.Events, signal.Event{Name: "typo", Count: traffic.BySide[string]{Source: "never_seen"}})
	for name, c := range map[string]struct {
		series   []*model.SampleStream
		query    signal.Query
		from, to int
		state    traffic.State
		says     string // the reading's Err, or its numbers
		asked    string
	}{
		"a new sample": {all, costQuery(), 15, 31, traffic.Known, "3 requests, 1 errors, events [3 0]",
			"range errors 1m16.001s, range l_bucket 1m16.001s, range paid 1m16.001s, range r 16.001s, range r 1m16.001s, range r 1m16.001s"},
		"a new sample, and no metric of a name": {all, typo, 15, 31, traffic.Unknown, "no metric of the name in never_seen",
			"count never_seen 5m0s, range errors 1m16.001s, range l_bucket 1m16.001s, range never_seen 1m16.001s, range paid 1m16.001s, range r 16.001s, range r 1m16.001s, range r 1m16.001s"},
		"a new sample, and a silent instance": {append(gone, all...), costQuery(), 15, 31, traffic.Known, "3 requests, 1 errors, events [3 0]",
			"range errors 1m16.001s, range l_bucket 1m16.001s, range paid 1m16.001s, range r 16.001s, range r 1m16.001s, range r 1m16.001s, range up 1m16.001s"},
		"unchanged": {all, costQuery(), 15, 29, traffic.Unknown, "no new sample of r between",
			"count r 1m14.001s, range r 14.001s, range up 14.001s"},
		"unchanged, and no metric of a name": {all, typo, 15, 29, traffic.Unknown, "no new sample of r between",
			"count r 1m14.001s, range r 14.001s, range up 14.001s"},
		"instance down": {gone, costQuery(), 0, 20, traffic.Failed, "instance b of job j does not answer Prometheus's scrapes since",
			"count r 1m20.001s, range r 20.001s, range up 20.001s"},
		"only others are new": {append(slices.Clone(all[1:]), gone[0]), costQuery(), 15, 31, traffic.Unknown, "no new sample of r between",
			"count r 1m16.001s, range r 16.001s, range up 16.001s"},
		"unchanged, of no instance": {streams(nameless), costQuery(), 15, 29, traffic.Unknown, "no new sample of r between",
			"count r 1m14.001s, range r 14.001s"},
		"no series": {all[1:], costQuery(), 15, 31, traffic.Unknown, "no series matches r",
			"count r 1m16.001s, range r 16.001s"},
	} {
		server := &stored{series: c.series}
		got, err := server.source(t).Counts(t.Context(), c.query, at(c.from).Add(time.Nanosecond), at(c.to).Add(time.Nanosecond))
		says := got.Source.Err
		if v, known := got.Source.Get(); known {
			says = fmt.Sprintf("%d requests, %d errors, events %v", v.Requests, v.Errors, v.Events)
		}
		if err != nil || got.Source.State != c.state || !strings.Contains(says, c.says) {
			t.Errorf("%s: %s: %s, %v; want %s: %s", name, got.Source.State, says, err, c.state, c.says)
		}
		counts := slices.DeleteFunc(server.takeAsked(), func(a string) bool { return strings.HasPrefix(a, "type ") }) // once a minute
		if asked := strings.Join(counts, ", "); asked != c.asked {
			t.Errorf("%s: asked\n%s, want\n%s", name, asked, c.asked)
		}
	}
}

// TestWhatFailsWhenItIsNeeded: a question that fails makes the side Failed, in the
// windows in which it must be asked.
func TestWhatFailsWhenItIsNeeded(t *testing.T) {
	series := []*model.SampleStream{stream("r", "a", "", 5, 7, -1), stream("errors", "a", "", 0, 0, -1), stream("paid", "a", "", 0, 0, -1), stream("up", "a", "", 1, 1, 1)}
	for broken, c := range map[string]struct{ fresh, unchanged traffic.State }{
		"":       {traffic.Known, traffic.Unknown},
		"r":      {traffic.Failed, traffic.Failed},
		"errors": {traffic.Failed, traffic.Unknown},
		"paid":   {traffic.Failed, traffic.Unknown},
		"up":     {traffic.Known, traffic.Failed},
	} {
		s := (&stored{series: series, broken: broken}).source(t)
		for from, want := range map[int]traffic.State{0: c.fresh, 1: c.unchanged} {
			got, err := s.Counts(t.Context(), costQuery(), at(from).Add(time.Nanosecond), at(from+1).Add(time.Nanosecond))
			if err != nil || got.Source.State != want || want == traffic.Failed && !strings.Contains(got.Source.Err, broken+" cannot be read") {
				t.Errorf("%q is broken: from %d on %+v, %v; want %s", broken, from, got.Source, err, want)
			}
		}
	}
}

// TestAskingLessSaysTheSame compares with asking for everything, whatever is stored.
func TestAskingLessSaysTheSame(t *testing.T) {
	want, err := selector.Of(costQuery(), traffic.Source)
	if err != nil {
		t.Fatal(err)
	}
	said := map[traffic.State]int{}
	rapid.Check(t, func(t *rapid.T) {
		const length = 8
		server := &stored{leftOpen: rapid.Bool().Draw(t, "left open")}
		draw := func(what string, least, most int) []int {
			return rapid.SliceOfN(rapid.IntRange(least, most), length, length).Draw(t, what)
		}
		for _, instance := range []string{"a", "b", ""}[:rapid.IntRange(1, 3).Draw(t, "instances")] {
			server.series = append(server.series, stream("up", instance, "", draw("up of "+instance, -1, 1)...))
			lost := rapid.IntRange(1, length).Draw(t, "lost from")
			for i, name := range []string{"r", "r", "errors", "l_bucket", "paid"} {
				if rapid.Bool().Draw(t, name+" exists") {
					label := "n=" // counters that differ in le would be buckets
					if name == "l_bucket" {
						label = "le="
					}
					server.series = append(server.series, stream(name, instance, fmt.Sprint(label, i), draw(name+" of "+instance, -4, 9)[:lost]...))
				}
			}
		}
		off := rapid.SampledFrom([]time.Duration{0, 1, 300 * time.Microsecond, time.Millisecond}).Draw(t, "off")
		from := rapid.IntRange(0, length/2).Draw(t, "from")
		to := rapid.IntRange(from, length).Draw(t, "to")
		w := window{from: at(from).Add(off), to: at(to).Add(off), lookback: time.Duration(rapid.IntRange(2, length).Draw(t, "lookback")) * time.Second}
		s := server.source(t)
		less, err := s.reading(t.Context(), want, w)
		if err != nil {
			t.Fatal(err)
		}
		said[less.State]++
		asked := server.takeAsked()
		everything, err := s.read(t.Context(), want, w)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.decide(t.Context(), want, everything, w), less); d != "" {
			t.Fatalf("asked for less (+) it is not what everything says (-):\n%s", d)
		}
		if strings.Contains(less.Err, "no new sample") && len(asked) > 3 {
			t.Fatalf("asked %v to say that nothing is new", asked)
		}
	})
	if len(said) != 3 {
		t.Errorf("the readings were only %v: this compares too little", said)
	}
}
