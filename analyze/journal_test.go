package analyze

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

var dawn = time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)

// life is a migration that the engine itself decides, with one lever that obeys
// at once, and the journal that it leaves.
type life struct {
	spec    engine.Spec
	status  engine.Status
	share   traffic.Share
	result  *engine.Result
	now     time.Time
	counted map[string]*traffic.BySide[time.Time] // by service
	journal []store.Entry
	orders  []engine.Command
	chance  *rand.Rand
	failing traffic.BySide[float64]
}

func newLife(cfg verdict.Config, seed uint64) *life {
	return &life{
		spec: engine.Spec{
			Name: "shop", Source: "old", Target: "new",
			Routes: []engine.RouteSpec{{Name: "public", SettleWithin: time.Minute, LookEvery: time.Second}},
			Steps:  []engine.StepSpec{{Share: 1000, Hold: 40 * time.Second}, {Share: 5000, Hold: time.Minute}, {Share: traffic.All, Hold: time.Minute}},
			Gate: engine.Gate{
				Signals: true, Analysis: &cfg, MaxErrorRatio: 1, MinRequests: 10, Window: 10 * time.Second, Interval: time.Second,
			},
			Rollback: engine.Rollback{OnUnknown: engine.UnknownHolds},
		},
		counted: map[string]*traffic.BySide[time.Time]{},
		now:     dawn, chance: rand.New(rand.NewPCG(seed, 1)), failing: traffic.BySide[float64]{Source: .002, Target: .002},
	}
}

// turn is one second of it.
func (l *life) turn() {
	l.now = l.now.Add(time.Second)
	found := engine.Found{Low: l.share, High: l.share, Version: "1", At: l.now}
	seen := engine.Observation{
		Routes: map[string]engine.RouteSeen{"public": {
			Found: traffic.KnownAt(found, l.now), Result: l.result, Settled: traffic.KnownAt(engine.Settlement{Done: true, At: l.now}, l.now),
		}},
		Commands: l.orders,
	}
	for _, s := range l.spec.Gate.Analysis.Services {
		seen.Counts = append(seen.Counts, l.count(s.Name))
	}
	for i, in := range seen.Counts {
		seen.Counts[i] = engine.Placed(l.spec, l.status, in)
	}
	l.orders, l.result = nil, nil
	status, intents := engine.Step(l.spec, l.status, seen, l.now)
	l.status = stored(status)
	l.write(seen)
	for _, i := range intents {
		switch i := i.(type) {
		case engine.Note:
			kind := map[string]string{"phase": "decision", "command": "command"}[i.Kind]
			if kind == "" {
				kind = "observation"
			}
			l.journal = append(l.journal, store.Entry{At: l.now, Kind: kind, Text: i.Text})
		case engine.Write:
			l.share = i.Share
			l.result = &engine.Result{ID: i.ID, Outcome: engine.Accepted, Share: i.Share, At: l.now}
		}
	}
}

// stored is what the next process would read.
func stored(s engine.Status) (out engine.Status) {
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(err)
	}
	return out
}

func (l *life) write(seen engine.Observation) {
	b, err := json.Marshal(map[string]any{"intervals": seen.Counts})
	if err != nil {
		panic(err)
	}
	l.journal = append(l.journal, store.Entry{At: l.now, Kind: store.Counts, Data: b})
}

// count is what both sides answered in the last second; at times a side is not
// known.
func (l *life) count(service string) engine.Interval {
	counted := l.counted[service]
	if counted == nil {
		counted = &traffic.BySide[time.Time]{}
		l.counted[service] = counted
	}
	in := engine.Interval{Service: service, To: l.now, From: *counted}
	one := func(n int64, failing float64, from *time.Time) traffic.Reading[traffic.Counts] {
		c := traffic.Counts{Requests: n, Events: []int64{n / 10}}
		for range n {
			slow := 0
			if l.chance.Float64() < .02 {
				slow = 1
			}
			if c.Latency.Empty() {
				c.Latency = traffic.Histogram{Edges: []time.Duration{100 * time.Millisecond, time.Second}, Buckets: make([]int64, 3)}
			}
			c.Latency.Buckets[slow]++
			if l.chance.Float64() < failing {
				c.Errors++
			}
		}
		if l.chance.Float64() < .05 {
			return traffic.Reading[traffic.Counts]{Err: "nobody answered"}
		}
		*from = l.now
		return traffic.KnownAt(c, l.now)
	}
	target := int64(l.share.Ratio() * 200)
	in.Source = one(200-target, l.failing.Source, &counted.Source)
	in.Target = one(target, l.failing.Target, &counted.Target)
	return in
}

// TestJournalReplaysToTheSameBit is the promise of this room: what is analysed is
// what decided.
func TestJournalReplaysToTheSameBit(t *testing.T) {
	var fell, latencies int
	rapid.Check(t, func(t *rapid.T) {
		form := rapid.SampledFrom([]verdict.Form{verdict.Hybrid, verdict.Unit, verdict.Product, verdict.Limit}).Draw(t, "form")
		cfg := verdict.Config{Form: form, Unit: 5 * time.Second, Services: []verdict.Service{{Name: "shop", Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}}}}}
		if rapid.Bool().Draw(t, "latency") {
			latencies++
			cfg.Services[0].Metrics = append(cfg.Services[0].Metrics, verdict.Metric{Name: "p99", Kind: verdict.Latency, Quantile: .99})
		}
		if rapid.Bool().Draw(t, "two") {
			two := verdict.Service{Name: "pay", Weight: 2, Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}, {Name: "declined", Kind: verdict.Events}}}
			cfg.Services = append(cfg.Services, two)
		}
		l := newLife(cfg.WithDefaults(), rapid.Uint64().Draw(t, "seed"))
		l.failing.Target = rapid.SampledFrom([]float64{.002, .05, .5}).Draw(t, "failing")
		turns := rapid.IntRange(20, 120).Draw(t, "turns")
		for i := range turns {
			if i == turns/2 {
				verb := rapid.SampledFrom([]engine.Verb{"", engine.Retry, engine.Resume}).Draw(t, "order")
				if verb != "" {
					l.orders = []engine.Command{l.status.Bound(engine.Command{ID: "1", Verb: verb, By: "ann@host", At: l.now})}
				}
			}
			l.turn()
		}
		attempts, err := Journal("shop", journalOf(l.journal...), l.spec.Gate.Analysis.Services)
		if err != nil {
			t.Fatal(err)
		}
		last := attempts[len(attempts)-1]
		got := Replay(last, last.Settings(*l.spec.Gate.Analysis))
		want := l.status.Analysis
		if want == nil {
			t.Skip("an attempt that has not begun")
		}
		if math.Float64bits(got.Peak) != math.Float64bits(want.Peak) || math.Float64bits(got.LogE) != math.Float64bits(want.LogE) {
			t.Fatalf("replayed to peak %v, ln E %v; it was %v, %v (phase %s, attempt %d of %d)", got.Peak, got.LogE, want.Peak, want.LogE, l.status.Phase, len(attempts), l.status.Attempt)
		}
		if got.Degraded() != (want.Fired != nil) {
			t.Fatalf("fell: %v, live %v", got.Rollbacks, want.Fired)
		}
		if want.Fired != nil {
			fell++
		}
	})
	if fell == 0 || latencies == 0 {
		t.Errorf("%d runs fell, %d had latencies: the property looks at too little", fell, latencies)
	}
}

func TestJournalWithoutCounts(t *testing.T) {
	_, err := Journal("shop", journalOf(store.Entry{At: dawn, Kind: "decision", Text: "Shifting: step 1 of 4, 5 %"}), nil)
	if !errors.Is(err, ErrNoCounts) || !strings.Contains(err.Error(), "watari analyze --prometheus") {
		t.Errorf("%v", err)
	}
}

// TestJournalSaysWhatItLeavesOut reads entries that cannot be used.
func TestJournalSaysWhatItLeavesOut(t *testing.T) {
	entry := func(data string) store.Entry {
		return store.Entry{At: dawn, Kind: store.Counts, Data: json.RawMessage(data)}
	}
	known := `{"service":"web","to":"2026-05-04T14:00:01Z","from":{"source":"2026-05-04T14:00:00Z","target":"2026-05-04T14:00:00Z"},
		"source":{"value":{"requests":9},"state":"known"},"target":{"value":{"requests":1},"state":"known"}}`
	got, err := Journal("shop", journalOf(
		entry(`{"intervals":[`+known+`]}`), entry(`{"intervals":3}`), entry(strings.ReplaceAll(`{"intervals":[`+known+`]}`, "web", "cron")),
		store.Entry{At: dawn, Kind: "note", Text: "a crash cut off the journal's last line after 9 bytes; nobody had been told that it was written, and it is kept in torn.txt"},
		store.Entry{At: dawn, Kind: "note", Text: "nobody reads what this run shows"},
	), []verdict.Service{{Name: "web"}})
	if err != nil || len(got) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	held, err := got[0].InMemory()
	if err != nil || len(held.Turns) != 1 {
		t.Fatalf("%+v, %v", held, err)
	}
	want := []LeftOut{{"entries with counts that cannot be read", 1}, {`intervals of service "cron", which the plan does not judge`, 1}, {"damaged lines of the journal", 1}}
	if !slices.Equal(held.LeftOut, want) {
		t.Errorf("%+v", held.LeftOut)
	}
}

// journalOf is a journal that can be read again and again.
func journalOf(entries ...store.Entry) func() iter.Seq2[store.Entry, error] {
	return func() iter.Seq2[store.Entry, error] {
		return func(yield func(store.Entry, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// TestMergedCountsAreTold: what was merged or dropped is analysed as it is, and said.
func TestMergedCountsAreTold(t *testing.T) {
	look := func(from, to int, n int64, merged string) store.Entry {
		at := func(s int) string { return dawn.Add(time.Duration(s) * time.Second).Format(time.RFC3339) }
		return store.Entry{At: dawn.Add(time.Duration(to) * time.Second), Kind: store.Counts, Data: json.RawMessage(fmt.Sprintf(`{"intervals":[{"to":%q,"from":{"source":%q,"target":%q},
			"source":{"value":{"requests":%d},"state":"known"},"target":{"value":{"requests":%d},"state":"known"}}]%s}`, at(to), at(from), at(from), n, n, merged))}
	}
	entries := []store.Entry{
		{At: dawn, Kind: store.LeftOut, Data: json.RawMessage(`{"from":"2026-05-04T12:00:00Z","to":"2026-05-04T13:00:00Z","lines":3600}`)},
		look(0, 60, 600, `,"merged":60`), look(60, 100, 400, `,"merged":40`), look(100, 101, 10, ""), look(101, 102, 10, ""),
	}
	attempts, err := Journal("shop", journalOf(entries...), nil)
	if err != nil || len(attempts) != 1 {
		t.Fatalf("%+v, %v", attempts, err)
	}
	r := Replay(attempts[0], attempts[0].Settings(verdict.Config{}))
	if r.Requests.Source != 1020 || r.Intervals != 4 || attempts[0].Err() != nil {
		t.Errorf("%d requests in %d intervals, %v", r.Requests.Source, r.Intervals, attempts[0].Err())
	}
	var out strings.Builder
	Write(&out, r)
	for _, want := range []string{
		"detail     12:00:00 to 13:00:00: the counts were dropped to keep the journal within its bound",
		"14:00:00 to 14:01:40: counts away from any decision are merged, into intervals of up to 1m",
		"otherwise: as it was counted",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// TestJournalThatCannotBeReadToItsEnd: half of a journal is no answer.
func TestJournalThatCannotBeReadToItsEnd(t *testing.T) {
	gone := errors.New("input/output error")
	l := newLife(verdict.Config{Services: []verdict.Service{{}}}.WithDefaults(), 1)
	for range 60 {
		l.turn()
	}
	reads := 0
	entries := func() iter.Seq2[store.Entry, error] {
		return func(yield func(store.Entry, error) bool) {
			reads++
			for i, e := range l.journal {
				if reads > 1 && i == len(l.journal)/2 {
					yield(store.Entry{}, gone)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
	attempts, err := Journal("shop", entries, l.spec.Gate.Analysis.Services)
	if err != nil {
		t.Fatal(err)
	}
	Replay(attempts[0], attempts[0].Settings(*l.spec.Gate.Analysis))
	if !errors.Is(attempts[0].Err(), gone) {
		t.Errorf("%v", attempts[0].Err())
	}
}

// TestMergedJournalLosesNoRequest analyses a journal as it was written and as it is
// kept when it is old: totals, steps and what failed in each are the same.
func TestMergedJournalLosesNoRequest(t *testing.T) {
	cfg := verdict.Config{Services: []verdict.Service{{}}}.WithDefaults()
	l := newLife(cfg, 3)
	for range 400 {
		l.turn()
	}
	var old, open []store.Entry
	for _, e := range l.journal {
		if n := len(open); n > 0 && (e.Kind != store.Counts || !open[n-1].At.Truncate(time.Minute).Equal(e.At.Truncate(time.Minute))) {
			old, open = append(old, runner.MergeCounts(open)...), nil
		}
		if e.Kind == store.Counts {
			open = append(open, e)
		} else {
			old = append(old, e)
		}
	}
	old = append(old, runner.MergeCounts(open)...)
	if len(old) > len(l.journal)/3 {
		t.Fatalf("%d entries became %d", len(l.journal), len(old))
	}
	replayed := func(entries []store.Entry) Result {
		attempts, err := Journal("shop", journalOf(entries...), cfg.Services)
		if err != nil || len(attempts) != 1 {
			t.Fatalf("%d attempts, %v", len(attempts), err)
		}
		r := Replay(attempts[0], attempts[0].Settings(cfg))
		if err := attempts[0].Err(); err != nil {
			t.Fatal(err)
		}
		return r
	}
	whole, merged := replayed(l.journal), replayed(old)
	if whole.Requests != merged.Requests || !whole.From.Equal(merged.From) || !whole.To.Equal(merged.To) || whole.Degraded() != merged.Degraded() || len(whole.Steps) != len(merged.Steps) {
		t.Errorf("%+v of %s to %s in %d steps became %+v of %s to %s in %d", whole.Requests, whole.From, whole.To, len(whole.Steps), merged.Requests, merged.From, merged.To, len(merged.Steps))
	}
	for i, s := range whole.Steps {
		if m := merged.Steps[i]; s.Errors != m.Errors || s.Share != m.Share || !s.From.Equal(m.From) || !s.To.Equal(m.To) || s.P99 != m.P99 {
			t.Errorf("step %d: %+v became %+v", i+1, s, m)
		}
	}
	if len(merged.Coarse) == 0 || len(whole.Coarse) > 0 {
		t.Errorf("said to be merged: %+v, and of the whole one %+v", merged.Coarse, whole.Coarse)
	}
}
