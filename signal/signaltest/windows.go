package signaltest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func testNothingSeen(t *testing.T, w World) {
	now := time.Now()
	got := w.counts(t, now.Add(-2*time.Second), now.Add(-time.Second))
	wantState(t, "source", got.Source, traffic.Unknown)
	wantState(t, "target", got.Target, traffic.Unknown)
}

func testBaseline(t *testing.T, w World) {
	w.serveBoth(100, 50)
	first := w.Look(t)
	w.serveBoth(3, 1)
	second := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, answered(3, 1, 0), second)
	w.wantKnown(t, "target", got.Target, answered(3, 1, 0), second)
	before := w.counts(t, first.Add(-time.Hour), second)
	if w.Remembers {
		w.wantKnown(t, "source, from before the first look", before.Source, answered(103, 51, 0), second)
		return
	}
	wantState(t, "source, from before the first look", before.Source, traffic.Unknown)
}

func testCounts(t *testing.T, w World) {
	w.serveBoth(0, 0)
	first := w.Look(t)
	w.Serve(traffic.Source, answered(5, 1, 0))
	w.Serve(traffic.Source, answered(3, 0, 1))
	w.Serve(traffic.Source, answered(2, 2, 3))
	w.Serve(traffic.Target, answered(7, 0, 2))
	second := w.Look(t)
	got := w.counts(t, first, second)
	want := answered(10, 3, 0)
	want.Latency.Buckets = []int64{5, 3, 0, 2}
	w.wantKnown(t, "source", got.Source, want, second)
	w.wantKnown(t, "target", got.Target, answered(7, 0, 2), second)
}

func testAdjacent(t *testing.T, w World) {
	w.serveBoth(10, 0)
	ends := []time.Time{w.Look(t)}
	for n := range 4 {
		w.Serve(traffic.Source, answered(int64(2*n+1), 1, n))
		w.Serve(traffic.Target, answered(int64(n), 0, 0))
		ends = append(ends, w.Look(t))
	}
	whole := w.counts(t, ends[0], ends[4])
	want := answered(16, 4, 0)
	want.Latency.Buckets = []int64{1, 3, 5, 7}
	w.wantKnown(t, "source", whole.Source, want, ends[4])

	// Wherever it is cut, also between looks, the parts make the whole.
	cuts := []time.Time{ends[0]}
	for i, end := range ends[1:] {
		cuts = append(cuts, ends[i].Add(end.Sub(ends[i])/3), ends[i].Add(2*end.Sub(ends[i])/3), end)
	}
	var sum traffic.BySide[traffic.Counts]
	for i, to := range cuts[1:] {
		part := w.counts(t, cuts[i], to)
		sum.Source, sum.Target = sum.Source.Plus(part.Source.Value), sum.Target.Plus(part.Target.Value)
	}
	if d := cmp.Diff(traffic.BySide[traffic.Counts]{Source: whole.Source.Value, Target: whole.Target.Value}, sum); d != "" {
		t.Errorf("the parts (+) are not the whole (-):\n%s", d)
	}
}

func testKnownZero(t *testing.T, w World) {
	w.Serve(traffic.Source, answered(10, 1, 0))
	w.Serve(traffic.Target, answered(0, 0, 0))
	first := w.Look(t)
	second := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, answered(0, 0, 0), second)
	w.wantKnown(t, "target", got.Target, answered(0, 0, 0), second)
}

func testMissingSide(t *testing.T, w World) {
	w.Serve(traffic.Source, answered(0, 0, 0))
	first := w.Look(t)
	w.Serve(traffic.Source, answered(4, 0, 1))
	second := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, answered(4, 0, 1), second)
	wantState(t, "target", got.Target, traffic.Unknown)
}

func testBornLater(t *testing.T, w World) {
	w.Serve(traffic.Source, answered(0, 0, 0))
	first := w.Look(t)
	w.Serve(traffic.Target, answered(6, 2, 3))
	second := w.Look(t)
	w.Serve(traffic.Target, answered(1, 0, 0))
	third := w.Look(t)
	w.wantKnown(t, "target when it appears", w.counts(t, first, second).Target, answered(6, 2, 3), second)
	w.wantKnown(t, "target afterwards", w.counts(t, second, third).Target, answered(1, 0, 0), third)
	want := answered(7, 2, 0)
	want.Latency.Buckets = []int64{1, 0, 0, 6}
	w.wantKnown(t, "target in all", w.counts(t, first, third).Target, want, third)
}

func testNotAsked(t *testing.T, w World) {
	w.serveBoth(0, 0)
	first := w.Look(t)
	w.serveBoth(5, 2)
	second := w.Look(t)
	w.Query.Errors.Source, w.Query.Latency.Source, w.Query.Requests.Target = "", "", ""
	w.Query.Events = slices.Clone(w.Query.Events)
	want := traffic.Counts{Requests: 5, Events: []int64{3, 2}}
	if len(w.Query.Events) > 1 {
		w.Query.Events[1].Count.Source, want.Events[1] = "", 0
	}
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, want, second)
	wantState(t, "target", got.Target, traffic.Unknown)
	w.Query.Events = nil
	if events := w.counts(t, first, second).Source.Value.Events; len(events) > 0 {
		t.Errorf("a query without events was answered with %v", events)
	}
	w.Query.Requests.Source = ""
	if _, err := w.Source.Counts(t.Context(), w.Query, first, second); err == nil {
		t.Error("a query that asks for neither side's requests was answered")
	}
}

func testEvents(t *testing.T, w World) {
	if len(w.Query.Events) == 0 {
		t.Skip("this source counts no events, as it says")
	}
	w.serveBoth(0, 0)
	first := w.Look(t)
	source, target := answered(10, 1, 0), answered(8, 2, 0)
	source.Events, target.Events = []int64{4, 7}, []int64{0, 8}
	w.Serve(traffic.Source, source)
	w.Serve(traffic.Target, target)
	second := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, source, second)
	w.wantKnown(t, "target", got.Target, target, second)
	if n := len(w.Query.Events); len(got.Source.Value.Events) != n || len(got.Target.Value.Events) != n {
		t.Errorf("%d events were asked for, got %v and %v", n, got.Source.Value.Events, got.Target.Value.Events)
	}
}

func testResets(t *testing.T, w World) {
	w.serveBoth(100, 10)
	ends := []time.Time{w.Look(t)}
	w.serveBoth(1, 0)
	ends = append(ends, w.Look(t))
	w.Restart(traffic.Target)
	w.Serve(traffic.Target, answered(2, 0, 0))
	ends = append(ends, w.Look(t))
	w.serveBoth(3, 1)
	ends = append(ends, w.Look(t))
	for i, want := range []traffic.Counts{answered(1, 0, 0), again(answered(2, 0, 0)), answered(3, 1, 0)} {
		w.wantKnown(t, fmt.Sprint("target in window ", i), w.counts(t, ends[i], ends[i+1]).Target, want, ends[i+1])
	}
	whole := w.counts(t, ends[0], ends[3])
	w.wantKnown(t, "source, which did not restart", whole.Source, answered(4, 1, 0), ends[3])
	w.wantKnown(t, "target in all", whole.Target, again(answered(6, 1, 0)), ends[3])
}

func testRestart(t *testing.T, w World) {
	w.serveBoth(100, 10)
	first := w.Look(t)
	w.Restart(traffic.Target)
	w.Serve(traffic.Target, answered(3, 1, 0))
	second := w.Look(t)
	w.Serve(traffic.Target, answered(200, 20, 0))
	third := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "target", got.Target, again(answered(3, 1, 0)), second)
	w.wantKnown(t, "source", got.Source, answered(0, 0, 0), second)
	w.wantKnown(t, "target in all", w.counts(t, first, third).Target, again(answered(203, 21, 0)), third)
}

func testBroken(t *testing.T, w World) {
	w.serveBoth(1, 0)
	first := w.Look(t)
	w.Break("the contract broke it")
	second := w.Look(t)
	got := w.counts(t, first, second)
	wantState(t, "source", got.Source, traffic.Failed)
	wantState(t, "target", got.Target, traffic.Failed)
}

func testGap(t *testing.T, w World) {
	w.serveBoth(10, 0)
	first := w.Look(t)
	w.serveBoth(1, 0)
	second := w.Look(t)
	w.Break("the contract broke it")
	w.serveBoth(20, 2)
	third := w.Look(t)
	wantState(t, "target in the gap", w.counts(t, second, third).Target, traffic.Failed)
	w.Heal()
	w.serveBoth(300, 3)
	fourth := w.Look(t)
	w.serveBoth(4000, 0)
	fifth := w.Look(t)
	for what, side := range map[string]traffic.Side{"source": traffic.Source, "target": traffic.Target} {
		w.wantKnown(t, what+" over the gap", w.counts(t, second, fourth).Of(side), answered(320, 5, 0), fourth)
		w.wantKnown(t, what+" after the gap", w.counts(t, fourth, fifth).Of(side), answered(4000, 0, 0), fifth)
		w.wantKnown(t, what+" in all", w.counts(t, first, fifth).Of(side), answered(4321, 5, 0), fifth)
		if part := w.counts(t, third, fourth).Of(side); part.Value.Requests > 320 {
			t.Errorf("%s: the end of the gap holds %d requests of 320", what, part.Value.Requests)
		}
	}
}

func testRestartInGap(t *testing.T, w World) {
	w.serveBoth(1000, 0)
	first := w.Look(t)
	w.Break("the contract broke it")
	w.Restart(traffic.Source)
	w.Restart(traffic.Target)
	w.Look(t)
	w.Heal()
	w.serveBoth(5, 1)
	second := w.Look(t)
	got := w.counts(t, first, second)
	w.wantKnown(t, "source", got.Source, again(answered(5, 1, 0)), second)
	w.wantKnown(t, "target", got.Target, again(answered(5, 1, 0)), second)
}

func testReplay(t *testing.T, w World) {
	w.serveBoth(1, 0)
	first := w.Look(t)
	w.serveBoth(2, 1)
	second := w.Look(t)
	before := w.counts(t, first, second)
	w.serveBoth(4, 0)
	third := w.Look(t)
	_ = w.counts(t, second, third)
	w.Restart(traffic.Source)
	w.serveBoth(1, 1)
	w.Look(t)
	if d := cmp.Diff(before, w.counts(t, first, second)); d != "" {
		t.Errorf("asked again the answer changed (-before +after):\n%s", d)
	}
}

func testMalformed(t *testing.T, w World) {
	if reflect.DeepEqual(w.Malformed, signal.Query{}) {
		t.Skip("this source takes any query, as it says")
	}
	now := w.Look(t)
	got, err := w.Source.Counts(t.Context(), w.Malformed, now.Add(-time.Second), now)
	if err == nil {
		t.Errorf("it answered %+v", got)
	}
}

func testBackwards(t *testing.T, w World) {
	now := w.Look(t)
	if got, err := w.Source.Counts(t.Context(), w.Query, now, now.Add(-time.Second)); err == nil {
		t.Errorf("it answered %+v", got)
	}
}
