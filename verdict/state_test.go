package verdict

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"watari.dev/traffic"
)

var dawn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// everything is what a service has that is compared in all ways.
func everything(services int) Config {
	c := Config{}
	for i := range services {
		c.Services = append(c.Services, Service{Name: fmt.Sprint("s", i), Metrics: []Metric{
			{Name: "errors", Kind: Errors}, {Name: "p50", Kind: Latency, Quantile: .5}, {Name: "p99", Kind: Latency, Quantile: .99},
		}})
	}
	return c.WithDefaults()
}

var edges = []time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second}

// answered is one side's second of n requests, of which some fail and some are
// slow.
func answered(n, failed, slow int64, at time.Time) traffic.Reading[traffic.Counts] {
	return traffic.KnownAt(traffic.Counts{Requests: n, Errors: failed, Latency: traffic.Histogram{Edges: edges, Buckets: []int64{n / 2, n - n/2 - slow, slow, 0}}}, at)
}

func intervalAt(service, second int, source, target traffic.Reading[traffic.Counts]) Interval {
	from := dawn.Add(time.Duration(second) * time.Second)
	return Interval{
		Service: service, From: traffic.BySide[time.Time]{Source: from, Target: from}, To: from.Add(time.Second),
		Source: source, Target: target, Intended: 500, Step: 1,
	}
}

// busy returns a test in the middle of a step, with edges fixed and units behind it.
func busy(services int) (*Test, State) {
	test := Prepare(everything(services))
	s := test.New()
	r := rand.New(rand.NewPCG(1, 2))
	for second := range 400 {
		if second == 100 {
			test.Start(&s, dawn.Add(100*time.Second))
		}
		for i := range services {
			at := dawn.Add(time.Duration(second+1) * time.Second)
			in := intervalAt(i, second, answered(190, r.Int64N(3), r.Int64N(5), at), answered(10, r.Int64N(2), r.Int64N(2), at))
			test.Add(&s, &in)
		}
		test.Close(&s)
	}
	return test, s
}

func TestStateIsSmall(t *testing.T) {
	_, s := busy(1)
	text, err := json.Marshal(s.Services[0])
	if err != nil {
		t.Fatal(err)
	}
	if s.Services[0].Metrics[2].Edge == 0 {
		t.Fatal("the edge of p99 was not fixed, so this is not the state of a running test")
	}
	t.Logf("one service: %d bytes as JSON, %d in memory", len(text), size(&s.Services[0]))
	if len(text) > 2048 || size(&s.Services[0]) > 2048 {
		t.Errorf("one service takes %d bytes as JSON and %d in memory, more than 2048:\n%s", len(text), size(&s.Services[0]), text)
	}
}

// size is what a service takes in memory.
func size(s *ServiceState) int {
	n := int(unsafe.Sizeof(*s))
	for _, m := range s.Metrics {
		n += int(unsafe.Sizeof(m)) + 8*(len(m.Compare)+len(m.Limit))
	}
	return n
}

func TestAddAllocatesNothing(t *testing.T) {
	test, s := busy(1)
	second := 400
	source, target := answered(190, 1, 2, dawn), answered(10, 1, 1, dawn)
	if n := testing.AllocsPerRun(200, func() {
		in := intervalAt(0, second, source, target)
		in.Source.At, in.Target.At = in.To, in.To
		test.Add(&s, &in)
		test.Close(&s)
		second++
	}); n > 0 {
		t.Errorf("%v allocations for each interval", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	test, s := busy(1)
	source, target := answered(190, 1, 2, dawn), answered(10, 1, 1, dawn)
	second := 400
	b.ReportAllocs()
	for b.Loop() {
		in := intervalAt(0, second, source, target)
		in.Source.At, in.Target.At = in.To, in.To
		test.Add(&s, &in)
		second++
	}
	b.ReportMetric(float64(size(&s.Services[0])), "B/service")
}

// BenchmarkServices is one second of many services: each is updated, then all are
// weighed together. The reference writes their state as JSON.
func BenchmarkServices(b *testing.B) {
	const services = 10_000
	test, s := busy(services)
	source, target := answered(190, 1, 2, dawn), answered(10, 1, 1, dawn)
	second := 400
	b.Run("second", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := range services {
				in := intervalAt(i, second, source, target)
				in.Source.At, in.Target.At = in.To, in.To
				test.Add(&s, &in)
			}
			test.Close(&s)
			second++
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/services, "ns/service")
	})
	b.Run("json", func(b *testing.B) {
		for b.Loop() {
			if _, err := json.Marshal(s); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/services, "ns/service")
	})
}

// TestStateSurvives writes and reads the state between any two intervals, and
// compares with one that was never written, bit for bit.
func TestStateSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test := Prepare(everything(2))
		kept, stored := test.New(), test.New()
		started := rapid.IntRange(0, 20).Draw(t, "started")
		for second := range rapid.IntRange(1, 90).Draw(t, "seconds") {
			if second == started {
				test.Start(&kept, dawn.Add(time.Duration(second)*time.Second))
				test.Start(&stored, dawn.Add(time.Duration(second)*time.Second))
			}
			for i := range 2 {
				in := intervalAt(i, second, answered(190, rapid.Int64Range(0, 5).Draw(t, "b"), 2, dawn), answered(10, rapid.Int64Range(0, 5).Draw(t, "g"), 1, dawn))
				in.Source.At, in.Target.At, in.Step = in.To, in.To, second/30
				again := in
				test.Add(&kept, &in)
				test.Add(&stored, &again)
			}
			test.Close(&kept)
			test.Close(&stored)
			text, err := json.Marshal(stored)
			if err != nil {
				t.Fatal(err)
			}
			stored = State{}
			if err := json.Unmarshal(text, &stored); err != nil {
				t.Fatal(err)
			}
		}
		if !test.Fits(&stored) {
			t.Fatal("what was read does not fit the test that wrote it")
		}
		if math.Float64bits(kept.Peak) != math.Float64bits(stored.Peak) || math.Float64bits(kept.LogE) != math.Float64bits(stored.LogE) {
			t.Fatalf("kept %v, stored %v", kept.Peak, stored.Peak)
		}
		if d := cmp.Diff(test.Verdict(&kept), test.Verdict(&stored)); d != "" {
			t.Fatal(d)
		}
	})
}

// TestGapsAreCaughtUpExactly: a side that is not known for a while is compared
// when it is known again, over the same time as the other one. The product form
// cannot tell that from one long interval.
func TestGapsAreCaughtUpExactly(t *testing.T) {
	cfg := oneService(Config{Form: Product})
	test := Prepare(cfg)
	at := func(s int) time.Time { return dawn.Add(time.Duration(s) * time.Second) }
	known := func(n, bad int64, s int) traffic.Reading[traffic.Counts] {
		return traffic.KnownAt(traffic.Counts{Requests: n, Errors: bad}, at(s))
	}
	var unknown traffic.Reading[traffic.Counts]
	broken, whole := test.New(), test.New()
	test.Start(&broken, dawn)
	test.Start(&whole, dawn)
	for _, in := range []Interval{
		{From: traffic.BySide[time.Time]{Source: at(0), Target: at(0)}, To: at(1), Source: known(190, 1, 1), Target: unknown},
		{From: traffic.BySide[time.Time]{Source: at(1), Target: at(0)}, To: at(2), Source: known(190, 0, 2), Target: unknown},
		{From: traffic.BySide[time.Time]{Source: at(2), Target: at(0)}, To: at(3), Source: known(190, 1, 3), Target: known(30, 4, 3)},
	} {
		in.Step, in.Intended = 1, 500
		test.Add(&broken, &in)
	}
	one := Interval{From: traffic.BySide[time.Time]{Source: at(0), Target: at(0)}, To: at(3), Source: known(570, 2, 3), Target: known(30, 4, 3), Step: 1, Intended: 500}
	test.Add(&whole, &one)
	test.Close(&broken)
	test.Close(&whole)
	if broken.LogE != whole.LogE || broken.LogE == 0 {
		t.Errorf("with a gap %v, in one %v", broken.LogE, whole.LogE)
	}
	// Windows that do not follow each other are not compared at all.
	jump := Interval{From: traffic.BySide[time.Time]{Source: at(3), Target: at(9)}, To: at(10), Source: known(1330, 0, 10), Target: known(10, 10, 10), Step: 1, Intended: 500}
	test.Add(&broken, &jump)
	if got := broken.Services[0].Missed; got.Gaps != 1 || got.Kind != Apart {
		t.Errorf("%+v", got)
	}
	test.Close(&broken)
	if broken.LogE > whole.LogE {
		t.Errorf("errors of another time counted: %v", broken.LogE)
	}
}

// TestWhatIsNoEvidence: what was lost or shifted counts as little as it must.
func TestWhatIsNoEvidence(t *testing.T) {
	cfg := oneService(Config{Form: Product})
	bad := func(change func(*Interval)) State {
		test := Prepare(cfg)
		s := test.New()
		test.Start(&s, dawn)
		in := intervalAt(0, 0, traffic.KnownAt(traffic.Counts{Requests: 190}, dawn.Add(time.Second)), traffic.KnownAt(traffic.Counts{Requests: 10, Errors: 8}, dawn.Add(time.Second)))
		change(&in)
		test.Add(&s, &in)
		test.Close(&s)
		return s
	}
	plain := bad(func(*Interval) {})
	if plain.LogE < 1 {
		t.Fatalf("the control shows nothing: %v", plain.LogE)
	}
	for name, c := range map[string]struct {
		change  func(*Interval)
		counts  bool
		kind    Miss
		promote bool
	}{
		"a counter of the source began again": {func(in *Interval) { in.Source.Value.Resets = 1 }, false, Restarted, false},
		"one of the target did":               {func(in *Interval) { in.Target.Value.Resets = 1 }, false, TargetRestarted, false},
		"ones of both did":                    {func(in *Interval) { in.Source.Value.Resets, in.Target.Value.Resets = 1, 1 }, false, BothRestarted, false},
		"the clocks are apart":                {func(in *Interval) { in.Source.Value.Skew = 6 * time.Second }, false, Skewed, false},
		"both clocks are off alike":           {func(in *Interval) { in.Source.Value.Skew, in.Target.Value.Skew = time.Minute, time.Minute }, true, "", true},
		"the target's data are old":           {func(in *Interval) { in.Target.At = in.Target.At.Add(-2 * time.Minute) }, false, Skewed, false},
		"the target is not known":             {func(in *Interval) { in.Target.State = traffic.Unknown }, false, "", false},
	} {
		s := bad(c.change)
		if got := s.LogE == plain.LogE; got != c.counts {
			t.Errorf("%s: evidence %v, plain %v", name, s.LogE, plain.LogE)
		}
		if got := s.Services[0].Missed.Kind; got != c.kind {
			t.Errorf("%s: missed %q, want %q", name, got, c.kind)
		}
		if got := s.Services[0].Metrics[0].Better[0] != 0; got != c.promote {
			t.Errorf("%s: counts for the target %v", name, got)
		}
	}
}

func TestUnitGrowsWithTheBursts(t *testing.T) {
	for name, c := range map[string]struct {
		length int // seconds of a burst
		least  time.Duration
		most   time.Duration
	}{
		"independent":    {0, 30 * time.Second, 30 * time.Second},
		"short bursts":   {5, 30 * time.Second, 30 * time.Second},
		"minute bursts":  {90, 64 * time.Second, 256 * time.Second},
		"endless bursts": {600, 128 * time.Second, 5 * time.Minute},
	} {
		r := rand.New(rand.NewPCG(7, 7))
		var b Bursts
		left := 0
		for range 12 * 3600 {
			p := .001
			if left--; left > 0 {
				p = .1
			} else if c.length > 0 && r.IntN(6*c.length) == 0 {
				left = c.length
			}
			b.Add(time.Second, Tally{190, draw(r, 190, p)})
		}
		got := b.Unit(30*time.Second, 5*time.Minute)
		if got < c.least || got > c.most {
			t.Errorf("%s: unit %s, want %s to %s", name, got, c.least, c.most)
		}
		if phi := b.Dispersion(got); (phi > 2) != (c.length > 0) {
			t.Errorf("%s: dispersion %v", name, phi)
		}
	}
}

func TestEdgesAreTheSources(t *testing.T) {
	h := traffic.Histogram{Edges: edges, Buckets: []int64{50, 45, 4, 1}}
	for q, want := range map[float64]time.Duration{.5: 10 * time.Millisecond, .51: 100 * time.Millisecond, .95: 100 * time.Millisecond, .99: time.Second, .999: time.Second} {
		if got := edgeAbove(h, q); got != want {
			t.Errorf("%v: %s, want %s", q, got, want)
		}
	}
	// An edge that was asked for is moved up to one that there is.
	cfg := Config{Services: []Service{{Name: "web", Metrics: []Metric{{Name: "errors", Kind: Errors}, {Name: "250ms", Kind: Latency, Edge: 250 * time.Millisecond}, {Name: "5s", Kind: Latency, Edge: 5 * time.Second}}}}}.WithDefaults()
	test := Prepare(cfg)
	s := test.New()
	test.Start(&s, dawn)
	in := intervalAt(0, 0, answered(190, 0, 1, dawn.Add(time.Second)), answered(10, 0, 0, dawn.Add(time.Second)))
	test.Add(&s, &in)
	if m := s.Services[0].Metrics; m[1].Edge != time.Second || m[2].Edge != time.Second {
		t.Errorf("edges %s, %s", m[1].Edge, m[2].Edge)
	}
}

func TestSentences(t *testing.T) {
	f := Finding{Metric: "errors", Text: "fails", Source: Estimate{Tally: Tally{19000, 19}}, Target: Estimate{Tally: Tally{1000, 41}}}
	for got, want := range map[string]string{
		f.String():             "target fails 4.1 % of requests (41 of 1000), source 0.1 %",
		Chance(math.Log(3456)): "would be chance once in 3,400 migrations",
		Chance(math.Log(1.5)):  "nothing unusual",
		Chance(800):            "would be chance less than once in 1,000,000,000 migrations",
		Finding{Text: "fails", To: " to api", Target: Estimate{Tally: Tally{10, 5}}}.String():                                      "target fails 50 % of requests to api (5 of 10); the source has no users to compare with",
		Finding{Text: "is slower than 1s", Source: Estimate{Tally: Tally{100, 1}}, Target: Estimate{Tally: Tally{10, 5}}}.String(): "target is slower than 1s: 50 % of requests (5 of 10), source 1 %",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWeighedTogether is the example of combining: no single metric is enough by
// Bonferroni's correction, together they are.
func TestWeighedTogether(t *testing.T) {
	cfg := Config{Form: Product, Services: []Service{{Name: "web", Metrics: []Metric{
		{Name: "errors", Kind: Errors, Weight: .5}, {Name: "a", Kind: Events, Weight: .3}, {Name: "b", Kind: Events, Weight: .2, Event: 1},
	}}}}.WithDefaults()
	test := Prepare(cfg)
	s := test.New()
	test.Start(&s, dawn)
	for i, e := range []float64{60, 250, 1} {
		s.Services[0].Metrics[i].Compare.open(e)
	}
	test.Close(&s)
	near(t, "sum", math.Exp(s.LogE), 105.2)
	if v := test.Verdict(&s); !v.Degraded || v.Worst.Metric != "a" {
		t.Errorf("degraded %v by %s", v.Degraded, v.Worst.Metric)
	}
}

// TestNumbersStayNumbers feeds what no service survives: everything fails for a
// day, then nothing does. What is stored must be readable.
func TestNumbersStayNumbers(t *testing.T) {
	for _, form := range []Form{Hybrid, Unit, Product, Steady, Limit} {
		cfg := everything(1)
		cfg.Form = form
		test := Prepare(cfg)
		s := test.New()
		for second := range 20_000 {
			g := int64(0)
			if second < 4_000 {
				g = 1_000_000
			}
			if second == 10 {
				test.Start(&s, dawn)
			}
			at := dawn.Add(time.Duration(second+1) * time.Second)
			in := intervalAt(0, second, answered(1_000_000, 0, 0, at), answered(1_000_000, g, g/2, at))
			test.Add(&s, &in)
			test.Close(&s)
		}
		if _, err := json.Marshal(s); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if _, err := json.Marshal(test.Verdict(&s)); err != nil {
			t.Errorf("%s: %v", form, err)
		}
		if form != Limit && math.IsNaN(s.LogE) || s.Peak < 4 {
			t.Errorf("%s: %v, %v", form, s.LogE, s.Peak)
		}
	}
}
