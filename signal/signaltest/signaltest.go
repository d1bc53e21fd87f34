// Package signaltest is the contract of package signal as tests: every source
// runs Run and passes it. It promises that whoever passes counts every request
// of a window once, whatever restarts or fails meanwhile, and that what it cannot
// see is unknown or failed, never zero. It knows no source and never waits: how
// time passes is the World's affair.
package signaltest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// World is a source and what it looks at: a side's counters do not exist until
// Serve is called for that side, be it with zero requests.
type World struct {
	Source    signal.Source
	Query     signal.Query                       // asks for everything of both sides; its events are those served, or none
	Malformed signal.Query                       // is one that the source must refuse; empty if it takes all
	Serve     func(traffic.Side, traffic.Counts) // side answers requests
	Restart   func(traffic.Side)                 // side's counters are zero again
	Resets    bool                               // and the source can tell; false where it is given differences
	Break     func(why string)                   // from now on the source cannot read
	Heal      func()                             // and now it can again
	Remembers bool                               // the source also knows what was served before it first looked
	// Look makes the source look now, while it is broken too. It returns an
	// instant, not in the future, that lies after everything served before the call
	// and before everything served after it, as the source sees them; while the
	// source is broken, any instant between its neighbours.
	Look func(t *testing.T) time.Time
}

// Run runs the contract, each test with a World of its own.
func Run(t *testing.T, world func(t *testing.T) World) {
	for _, c := range []struct {
		name string
		test func(*testing.T, World)
	}{
		{"what nobody looked at is unknown", testNothingSeen},
		{"what was counted before the first look is not counted", testBaseline},
		{"requests, errors and latencies are counted", testCounts},
		{"adjacent windows add up", testAdjacent},
		{"a window without requests is known zero", testKnownZero},
		{"a side without counters is unknown", testMissingSide},
		{"counters that appear later count from zero", testBornLater},
		{"what is not asked for is not said", testNotAsked},
		{"events come in the order of the query", testEvents},
		{"a restart counts what came after it", testRestart},
		{"a restart is said in the window that shows it", testResets},
		{"a source that cannot read fails", testBroken},
		{"a gap loses nothing", testGap},
		{"a restart during a gap adds nothing", testRestartInGap},
		{"the same question has the same answer", testReplay},
		{"a malformed query is an error", testMalformed},
		{"a window that ends before it begins is an error", testBackwards},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, world(t)) })
	}
}

// answered returns counts of n requests, errors of them failed, all of them in
// latency bucket number bucket. The first event is every request that did not fail,
// the second every one that did.
func answered(n, errors int64, bucket int) traffic.Counts {
	c := traffic.Counts{Requests: n, Errors: errors, Latency: traffic.Histogram{Edges: Edges(), Buckets: make([]int64, len(Edges())+1)}}
	c.Latency.Buckets[bucket] = n
	c.Events = []int64{n - errors, errors}
	return c
}

// again returns c, counted over a restart.
func again(c traffic.Counts) traffic.Counts {
	c.Resets = 1
	return c
}

func (w World) serveBoth(n, errors int64) {
	w.Serve(traffic.Source, answered(n, errors, 0))
	w.Serve(traffic.Target, answered(n, errors, 0))
}

func (w World) counts(t *testing.T, from, to time.Time) signal.Counts {
	t.Helper()
	got, err := w.Source.Counts(t.Context(), w.Query, from, to)
	if err != nil {
		t.Fatalf("counts: %v", err)
	}
	for _, r := range []traffic.Reading[traffic.Counts]{got.Source, got.Target} {
		if r.At.After(to) {
			t.Errorf("a reading that is %s is of %s, after %s where the window ends", r.State, r.At, to)
		}
	}
	return got
}

// wantKnown compares everything with want: its events as far as the query asks for
// them, its resets as far as the source can tell, and only whether there were any.
func (w World) wantKnown(t *testing.T, what string, got traffic.Reading[traffic.Counts], want traffic.Counts, to time.Time) {
	t.Helper()
	value, known := got.Get()
	if !known {
		t.Errorf("%s is %s (%s), want known", what, got.State, got.Err)
		return
	}
	want.Events = want.Events[:min(len(want.Events), len(w.Query.Events))]
	if !w.Resets {
		want.Resets = 0
	}
	if d := cmp.Diff(slim(want), slim(value), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
	if got.At.IsZero() || got.At.After(to) {
		t.Errorf("%s covers up to %s, the window ends at %s", what, got.At, to)
	}
}

// slim takes away a histogram that holds nothing, and how many resets there were:
// whether the one is there and how the others are counted is open.
func slim(c traffic.Counts) traffic.Counts {
	c.Resets = min(c.Resets, 1)
	if c.Latency.Count() == 0 {
		c.Latency = traffic.Histogram{}
	}
	return c
}

func wantState(t *testing.T, what string, got traffic.Reading[traffic.Counts], want traffic.State) {
	t.Helper()
	if got.State != want {
		t.Errorf("%s is %s (%s), want %s; it says %+v", what, got.State, got.Err, want, got.Value)
	}
	if want == traffic.Failed && got.Err == "" {
		t.Errorf("%s failed without a reason", what)
	}
	if want != traffic.Known && !cmp.Equal(got.Value, traffic.Counts{}) {
		t.Errorf("%s is %s and has the value %+v", what, want, got.Value)
	}
}
