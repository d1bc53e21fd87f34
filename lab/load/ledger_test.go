package load

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestLatencyCountsFromTheIntendedMoment(t *testing.T) {
	begin := time.Now()
	l := newLedger(begin)
	ticket := l.send(Fresh, begin, begin.Add(2*time.Second)) // sent late: the generator was stuck
	l.end(ticket, Class{Side: Source}, begin.Add(3*time.Second), 0, "")
	r := l.result(begin.Add(4 * time.Second))
	if got := r.Total.Latency[Source].Max; got != 3*time.Second {
		t.Errorf("latency %s, want 3s: a late start is the service's problem to the user", got)
	}
	if r.MaxLag != 2*time.Second {
		t.Errorf("lag %s, want 2s", r.MaxLag)
	}
}

func TestARequestBelongsToTheSegmentAndSecondInWhichItWasSent(t *testing.T) {
	begin := time.Now()
	l := newLedger(begin)
	early := l.send(Fresh, begin, begin)
	if err := l.mark("step 1", begin.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	late := l.send(Fresh, begin.Add(2*time.Second), begin.Add(2*time.Second))
	l.end(early, Class{Cause: Timeout}, begin.Add(5*time.Second), 0, "")
	l.end(late, Class{Side: Target}, begin.Add(5*time.Second), 1, "")
	r := l.result(begin.Add(6 * time.Second))
	if err := r.Check(); err != nil {
		t.Fatal(err)
	}
	if s := r.Segments[0]; s.Name != "start" || s.Tally.Sent != 1 || s.Tally.Failures() != 1 || !s.To.Equal(begin.Add(time.Second)) {
		t.Errorf("first segment: %+v", s)
	}
	if s := r.Segments[1]; s.Name != "step 1" || s.Tally.OK[Target] != 1 || s.Tally.Retries != 1 || !s.To.IsZero() {
		t.Errorf("second segment: %+v", s)
	}
	want := []Second{{Second: 0, Sent: 1, Failed: 1}, {Second: 1}, {Second: 2, Sent: 1, Target: 1}}
	for i := range want {
		if r.Seconds[i] != want[i] {
			t.Errorf("second %d: %+v, want %+v", i, r.Seconds[i], want[i])
		}
	}
}

func TestTheRingForgetsAndMemoryStaysBounded(t *testing.T) {
	begin := time.Now()
	l := newLedger(begin)
	first := l.send(Fresh, begin, begin)
	for s := range 2 * ringSeconds {
		at := begin.Add(time.Duration(s) * time.Second)
		l.end(l.send(Fresh, at, at), Class{Cause: DNS}, at, 0, "no such host")
	}
	l.end(first, Class{Side: Source}, begin, 0, "") // its second is gone, the total is not
	r := l.result(begin)
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	if len(r.Seconds) != ringSeconds || r.Seconds[0].Second != ringSeconds || r.Seconds[ringSeconds-1].Second != 2*ringSeconds-1 {
		t.Errorf("%d seconds from %d on", len(r.Seconds), r.Seconds[0].Second)
	}
	if r.Total.Sent != 2*ringSeconds+1 || r.Total.OK[Source] != 1 {
		t.Errorf("total %+v", r.Total)
	}
	if len(r.Samples) != samplesPerSegment || r.Samples[0].Detail != "no such host" {
		t.Errorf("%d samples", len(r.Samples))
	}
}

func TestMarksAreBounded(t *testing.T) {
	l := newLedger(time.Now())
	for i := 1; i < maxSegments; i++ {
		if err := l.mark("m", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.mark("one too many", time.Now()); err == nil || !strings.Contains(err.Error(), "one too many") {
		t.Errorf("mark beyond the bound: %v", err)
	}
}

// Whatever happens in whatever order, the account adds up at every moment.
func TestTheAccountAlwaysAddsUp(t *testing.T) {
	classes := []Class{{Side: Source}, {Side: Target}, {Side: Unknown}, {Cause: HTTP5xx, Code: 500, Side: Target}, {Cause: Reset}, {Cause: Overload}}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		l := newLedger(now)
		var open []ticket
		sent, failed := int64(0), int64(0)
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				open = append(open, l.send(rapid.SampledFrom(kinds[:]).Draw(t, "kind"), now, now))
				sent++
			case 1:
				if len(open) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				class := rapid.SampledFrom(classes).Draw(t, "class")
				l.end(open[i], class, now, 0, "")
				open = append(open[:i], open[i+1:]...)
				if !class.OK() {
					failed++
				}
			case 2:
				if err := l.mark("m", now); err != nil {
					t.Fatal(err)
				}
			}
			r := l.result(now)
			if err := r.Check(); err != nil {
				t.Fatal(err)
			}
			if r.Total.Sent != sent || r.Total.InFlight != int64(len(open)) || r.Total.Failures() != failed {
				t.Fatalf("%d sent, %d in flight, %d failed; want %d, %d, %d", r.Total.Sent, r.Total.InFlight, r.Total.Failures(), sent, len(open), failed)
			}
		}
	})
}

func TestCheckFindsWhatDoesNotAddUp(t *testing.T) {
	good := func() Result {
		now := time.Now()
		l := newLedger(now)
		l.end(l.send(Fresh, now, now), Class{Side: Source}, now, 0, "")
		l.send(Forever, now, now)
		return l.result(now)
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Result){
		"a request in no class":    func(r *Result) { r.Total.Sent++ },
		"a request in two classes": func(r *Result) { r.Total.Failed = []Failures{{Class: Class{Cause: Reset}, Count: 1}} },
		"a client's request lost":  func(r *Result) { r.Total.Clients[Fresh] = Client{} },
		"a segment too many":       func(r *Result) { r.Segments = append(r.Segments, r.Segments[0]) },
	} {
		r := good()
		spoil(&r)
		if r.Check() == nil {
			t.Errorf("%s: not found", name)
		}
	}
}
