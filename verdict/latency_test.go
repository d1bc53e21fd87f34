package verdict

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/traffic"
)

const ms = time.Millisecond

var (
	ours   = []time.Duration{25 * ms, 250 * ms, 2500 * ms}
	theirs = []time.Duration{10 * ms, 100 * ms, 1000 * ms}
)

// took is one side's second of n requests that took so long each, of which a slow one
// in every so many takes later.
type took struct {
	n      int64
	edges  []time.Duration // nil for a side without a histogram
	each   time.Duration
	later  time.Duration
	oneIn  int64
	blanks int64 // requests without a latency
}

func (k took) at(to time.Time) traffic.Reading[traffic.Counts] {
	c := traffic.Counts{Requests: k.n}
	if k.edges != nil {
		c.Latency = traffic.Histogram{Edges: k.edges, Buckets: make([]int64, len(k.edges)+1)}
		for i := range k.n - k.blanks {
			d := k.each
			if k.oneIn > 0 && i%k.oneIn == 0 {
				d = k.later
			}
			at, _ := slices.BinarySearch(k.edges, d)
			c.Latency.Buckets[at]++
		}
	}
	return traffic.KnownAt(c, to)
}

// timedBy is one service of which latency is compared by a metric.
func timedBy(m Metric) Config {
	return Config{Services: []Service{{Name: "web", Metrics: []Metric{{Name: "errors", Kind: Errors}, m}}}}.WithDefaults()
}

var p99 = Metric{Name: "p99", Kind: Latency, Quantile: .99}

// play starts the test after so many seconds and feeds it what both sides took in
// each; it returns the second in which it was degraded, -1 for never.
func play(test *Test, s *State, start, from, to int, source, target func(second int) took) int {
	for second := from; second < to; second++ {
		if second == start {
			test.Start(s, dawn.Add(time.Duration(second)*time.Second))
		}
		at := dawn.Add(time.Duration(second+1) * time.Second)
		b, g := source(second), target(second)
		if second < start {
			g = took{}
		}
		in := intervalAt(0, second, b.at(at), g.at(at))
		test.Add(s, &in)
		test.Close(s)
		if test.Verdict(s).Degraded {
			return second
		}
	}
	return -1
}

func always(k took) func(int) took { return func(int) took { return k } }

func after(second int, first, then took) func(int) took {
	return func(now int) took {
		if now < second {
			return first
		}
		return then
	}
}

// TestBucketsThatDiffer: what is certain in spite of other edges is found, and what
// is not is said.
func TestBucketsThatDiffer(t *testing.T) {
	source := took{n: 190, edges: ours, each: 20 * ms}
	edge := func(d time.Duration) Metric { return Metric{Name: "p99", Kind: Latency, Edge: d} }
	for name, c := range map[string]struct {
		metric  Metric
		source  took
		target  took
		within  int // seconds until it is degraded; 0 for never
		lacks   string
		lacksIn traffic.Side
	}{
		"3 s against 20 ms":                        {p99, source, took{n: 10, edges: theirs, each: 3 * time.Second}, 60, "", 0},
		"150 ms against 20 ms":                     {p99, source, took{n: 10, edges: theirs, each: 150 * ms}, 60, "", 0},
		"20 ms on both, nobody can tell":           {p99, source, took{n: 10, edges: theirs, each: 20 * ms}, 0, "its buckets have no edge near 25ms, only 10ms and 100ms; between 0 % and 100 % of its requests are slower, source 0 %", traffic.Target},
		"5 ms is surely as good":                   {p99, source, took{n: 10, edges: theirs, each: 5 * ms}, 0, "", 0},
		"at an edge that tells":                    {edge(250 * ms), source, took{n: 10, edges: theirs, each: 20 * ms}, 0, "", 0},
		"below the lowest edge":                    {p99, source, took{n: 10, edges: theirs[1:], each: 20 * ms}, 0, "no edge near 25ms, the lowest is 100ms", traffic.Target},
		"above the highest edge":                   {edge(2500 * ms), source, took{n: 10, edges: theirs, each: 20 * ms, later: 3 * time.Second, oneIn: 5}, 0, "no edge near 2.5s, the highest is 1s; between 0 % and 20 % of its requests are slower", traffic.Target},
		"no bucket but the last":                   {p99, source, took{n: 10, edges: []time.Duration{}, each: 20 * ms}, 0, "its buckets have no edge near 25ms; between", traffic.Target},
		"a release adds buckets":                   {p99, source, took{n: 10, edges: []time.Duration{5 * ms, 25 * ms, 50 * ms, 250 * ms}, each: 20 * ms}, 0, "", 0},
		"a release removes the edge, and is fine":  {p99, source, took{n: 10, edges: ours[1:], each: 20 * ms}, 0, "no edge near 25ms, the lowest is 250ms; between 0 % and 100 % of its requests are slower, source 0 %; both have an edge at 250ms", traffic.Target},
		"a release removes the edge, and is awful": {p99, source, took{n: 10, edges: ours[1:], each: time.Second}, 60, "", 0},
		"what is hidden is less than is tolerated": {p99, source, took{n: 1000, edges: []time.Duration{20 * ms, 100 * ms}, each: 10 * ms, later: 60 * ms, oneIn: 250}, 0, "", 0},
	} {
		test := Prepare(timedBy(c.metric))
		s := test.New()
		fired := play(test, &s, 20, 0, 320, always(c.source), always(c.target))
		if got := fired >= 0 && fired < 20+c.within; got != (c.within > 0) || c.within == 0 && fired >= 0 {
			t.Errorf("%s: degraded in second %d, want within %d", name, fired-20, c.within)
		}
		lacking := test.Verdict(&s).Lacking
		if text := lacking.Of(c.lacksIn).Text; c.lacks != "" && !strings.Contains(text, c.lacks) {
			t.Errorf("%s: %q, want %q", name, text, c.lacks)
		}
		if c.lacks == "" && lacking != (traffic.BySide[Lack]{}) {
			t.Errorf("%s: lacks %+v", name, lacking)
		}
	}
	f := Finding{Text: "is slower than 25ms", Source: Estimate{Tally: Tally{190, 2}}, Target: Estimate{Tally: Tally{10, 9}}, Bounds: true}
	if want := "target is slower than 25ms: at least 90 % of requests (9 of 10), source at most 1.1 %"; f.String() != want {
		t.Errorf("%q, want %q", f, want)
	}
}

// TestLatencyThatIsNotThere: what is asked for and missing has words, and what is no
// lack has none.
func TestLatencyThatIsNotThere(t *testing.T) {
	const started = 20
	full, empty := took{n: 190, edges: edges, each: 20 * ms}, took{n: 190}
	target, blank := took{n: 10, edges: edges, each: 20 * ms}, took{n: 10}
	unasked := func() Config {
		return Config{Services: []Service{{Name: "web"}}}.WithDefaults()
	}
	at25 := func() Config { return timedBy(Metric{Name: "p99", Kind: Latency, Edge: 25 * ms}) }
	limited := func() Config {
		return Config{Services: []Service{{Name: "web", Latency: true}}}.WithDefaults()
	}
	for name, c := range map[string]struct {
		cfg            func() Config
		source, target func(int) took
		until          int
		inSource       string
		inTarget       string
		few            bool
	}{
		"both are there":                  {nil, always(full), always(target), 80, "", "", false},
		"the target never has any":        {nil, always(full), always(blank), started + 2, "", "none of its last 20 requests has one", false},
		"for ever":                        {nil, always(full), always(blank), 600, "", "none of its last 150 requests has one", false},
		"the source never has any":        {nil, always(empty), always(target), 60, "none of its last 2850 requests has one", "", false},
		"before the start as well":        {nil, always(empty), always(took{}), started, "none of its last 2850 requests has one", "", false},
		"neither has any":                 {nil, always(empty), always(blank), 60, "none of its", "none of its", false},
		"a limit asks for it":             {limited, always(full), always(blank), 60, "", "none of its last", false},
		"nobody asks for it":              {unasked, always(empty), always(blank), 600, "", "", false},
		"nobody uses the target":          {nil, always(full), always(took{}), 600, "", "", false},
		"nobody uses the source":          {nil, after(40, full, took{}), always(target), 600, "", "", false},
		"it stops":                        {nil, always(full), after(60, target, blank), 120, "", "none of its last 150 requests has one", false},
		"it stops on the source":          {nil, after(60, full, empty), always(target), 120, "none of its last 2850 requests has one", "", false},
		"it stops for a moment":           {nil, always(full), func(now int) took { return after(60+now%2*1000, target, blank)(now) }, 120, "", "", false},
		"it comes back":                   {nil, always(full), after(100, blank, target), 140, "", "", false},
		"some requests have none":         {nil, always(full), always(took{n: 10, edges: edges, each: 20 * ms, blanks: 4}), 600, "", "", false},
		"most requests have none":         {nil, always(full), always(took{n: 10, edges: edges, each: 20 * ms, blanks: 9}), 600, "", "only 10 % of its last 150 requests have one", false},
		"little traffic, and none":        {nil, always(full), func(now int) took { return took{n: int64(min(1, now%20/19))} }, 600, "", "none of its last 10 requests has one", false},
		"the source is just being learnt": {nil, func(now int) took { return took{n: int64(now % 2), edges: edges, each: 20 * ms} }, always(target), 60, "30 of the 100 requests from which its p99 is learnt", "", true},
		"and was for long enough":         {nil, func(now int) took { return took{n: int64(now % 2), edges: edges, each: 20 * ms} }, always(target), 230, "", "", false},
		"the source has one bucket":       {nil, always(took{n: 190, edges: []time.Duration{}, each: 20 * ms}), always(target), 60, "its histograms have no bucket but the one of all requests", "", false},
		"the source loses its buckets later": {at25, after(60, took{n: 190, edges: ours, each: 20 * ms, later: 100 * ms, oneIn: 10}, took{n: 190, edges: theirs, each: 20 * ms, later: 100 * ms, oneIn: 10}),
			always(took{n: 10, edges: ours, each: 20 * ms, later: 100 * ms, oneIn: 10}), 120, "its buckets have no edge near 25ms, only 10ms and 100ms; between 0 % and 100 % of its requests are slower", "", false},
		"the target's are in doubt where the source has none slow": {nil, always(full), always(took{n: 10, edges: []time.Duration{time.Second}, each: 20 * ms}), 120, "", "no edge near 100ms, the lowest is 1s", false},
	} {
		cfg := timedBy(p99)
		if c.cfg != nil {
			cfg = c.cfg()
		}
		test := Prepare(cfg)
		s := test.New()
		if fired := play(test, &s, started, 0, c.until, c.source, c.target); fired >= 0 {
			t.Errorf("%s: degraded in second %d", name, fired)
		}
		got := test.Verdict(&s).Lacking
		for _, side := range []struct{ name, text, want string }{{"source", got.Source.Text, c.inSource}, {"target", got.Target.Text, c.inTarget}} {
			if (side.want == "") != (side.text == "") || !strings.Contains(side.text, side.want) {
				t.Errorf("%s: of the %s %q, want %q", name, side.name, side.text, side.want)
			}
		}
		if got.Source.Few != c.few {
			t.Errorf("%s: few is %v", name, got.Source.Few)
		}
	}
}

// TestOneServiceOfTwoLacksLatency names the one that does.
func TestOneServiceOfTwoLacksLatency(t *testing.T) {
	cfg := Config{Services: []Service{{Name: "web", Metrics: []Metric{{Name: "errors", Kind: Errors}, p99}}, {Name: "api", Metrics: []Metric{{Name: "errors", Kind: Errors}, p99}}, {Name: "mail"}}}.WithDefaults()
	test := Prepare(cfg)
	s := test.New()
	test.Start(&s, dawn)
	for second := range 40 {
		at := dawn.Add(time.Duration(second+1) * time.Second)
		for i := range 3 {
			target := took{n: 10, edges: edges, each: 20 * ms}
			if i > 0 {
				target = took{n: 10}
			}
			in := intervalAt(i, second, took{n: 190, edges: edges, each: 20 * ms}.at(at), target.at(at))
			test.Add(&s, &in)
		}
		test.Close(&s)
	}
	got := test.Verdict(&s).Lacking
	if got.Target.Service != "api" || got.Source != (Lack{}) {
		t.Errorf("%+v", got)
	}
}

// TestAloneTheSourceNeedNoLatency: at 100 % there is nothing to compare with.
func TestAloneTheSourceNeedNoLatency(t *testing.T) {
	test := Prepare(timedBy(p99))
	s := test.New()
	play(test, &s, 20, 0, 60, always(took{n: 190, edges: ours, each: 20 * ms}), always(took{n: 10, edges: theirs, each: 20 * ms}))
	if test.Verdict(&s).Lacking.Target.Text == "" {
		t.Fatal("the control lacks nothing")
	}
	for second := 60; second < 120; second++ {
		at := dawn.Add(time.Duration(second+1) * time.Second)
		in := intervalAt(0, second, traffic.Reading[traffic.Counts]{}, took{n: 200, edges: theirs, each: 20 * ms}.at(at))
		in.Intended, in.Step = traffic.All, 2
		test.Add(&s, &in)
		test.Close(&s)
	}
	if got := test.Verdict(&s).Lacking; got != (traffic.BySide[Lack]{}) {
		t.Errorf("%+v", got)
	}
}

// TestRangesAreConservative: whatever the truth within the ranges, the evidence
// against the target is at most that of the truth, and so is the evidence for it.
// That is what carries the promise over to ranges.
func TestRangesAreConservative(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 20_000 {
		truth := Pair{Tally{1 + r.Int64N(300), 0}, Tally{1 + r.Int64N(60), 0}}
		truth.Source.Bad, truth.Target.Bad = r.Int64N(truth.Source.N+1), r.Int64N(truth.Target.N+1)
		if r.IntN(3) == 0 {
			truth.Source.Bad, truth.Target.Bad = r.Int64N(min(3, truth.Source.N)), r.Int64N(min(3, truth.Target.N))
		}
		seen, doubt := truth, Doubt{}
		lower, more := r.Int64N(truth.Target.Bad+1), r.Int64N(truth.Source.N-truth.Source.Bad+1)
		seen.Target.Bad -= lower
		seen.Source.Bad += more
		doubt.Target = lower + r.Int64N(truth.Target.N-truth.Target.Bad+1)
		doubt.Source = more + r.Int64N(truth.Source.Bad+1)
		eps := []float64{0, 5e-4, .0025, .125}[r.IntN(4)]
		var b, c bets
		b.of(1.5, seen, 0)
		c.of(1.5, truth, 0)
		for j, theta := range thetas {
			terms := bet(theta, 1.5, eps, truth)
			if got, want := terms.unit(seen, doubt.Source), terms.unit(truth, 0); got > want+1e-9 {
				t.Fatalf("unit: %+v %+v for %+v: %v above %v", seen, doubt, truth, got, want)
			}
			if got, want := b.product(j, eps, seen), c.product(j, eps, truth); got > want+1e-9 {
				t.Fatalf("product: %+v %+v for %+v: %v above %v", seen, doubt, truth, got, want)
			}
		}
		var good, ideal [len(fractions)]float64
		better(&good, doubt.worst(seen), 1.5, eps, 1)
		better(&ideal, truth, 1.5, eps, 1)
		for i := range good {
			if good[i] > ideal[i]+1e-9 {
				t.Fatalf("better: %+v %+v for %+v: %v above %v", seen, doubt, truth, good[i], ideal[i])
			}
		}
	}
}

// TestForeignBucketsAreNoAlarm plays migrations in which both sides take equally
// long, the same at every latency, and count in other buckets: the promise holds, and
// what is much slower is found.
func TestForeignBucketsAreNoAlarm(t *testing.T) {
	const migrations = 60
	latency := func(r *rand.Rand, edges []time.Duration, n int, times float64, to time.Time) traffic.Reading[traffic.Counts] {
		c := traffic.Counts{Requests: int64(n), Latency: traffic.Histogram{Edges: edges, Buckets: make([]int64, len(edges)+1)}}
		for range n {
			d := time.Duration(times * 20 * float64(ms) * math.Exp(r.NormFloat64()))
			at, _ := slices.BinarySearch(edges, d)
			c.Latency.Buckets[at]++
		}
		return traffic.KnownAt(c, to)
	}
	fires := func(times float64) (alarms, silent int) {
		cfg := timedBy(p99)
		cfg.Ratio, cfg.Services[0].Metrics = 1, append(cfg.Services[0].Metrics, Metric{Name: "p50", Kind: Latency, Quantile: .5, Weight: 1}, Metric{Name: "slowerThan", Kind: Slower, Edge: 60 * ms, Weight: 1})
		test := Prepare(cfg)
		for seed := range migrations {
			r, s := rand.New(rand.NewPCG(uint64(seed), 9)), test.New()
			for second := range 300 {
				if second == 20 {
					test.Start(&s, dawn.Add(20*time.Second))
				}
				at := dawn.Add(time.Duration(second+1) * time.Second)
				in := intervalAt(0, second, latency(r, ours, 90, 1, at), latency(r, theirs, 10, times, at))
				test.Add(&s, &in)
				test.Close(&s)
			}
			v := test.Verdict(&s)
			if v.Degraded {
				alarms++
			} else if v.Lacking.Target.Text == "" {
				silent++
			}
		}
		return alarms, silent
	}
	if n, _ := fires(1); n > 4 { // more than 4 of 60 at 1 % each have a chance below 1 in 2,000
		t.Errorf("%d false alarms in %d migrations", n, migrations)
	}
	// Where chance has put the edge above all that the target's buckets tell, that is said.
	if n, silent := fires(20); n < migrations-3 || silent > 0 {
		t.Errorf("20 times as slow is found in %d of %d migrations, and %d say nothing", n, migrations, silent)
	}
}

// TestSlowerThan counts what is slower than a given latency like an event: with the
// difference that is tolerated of failures, and at exactly that latency.
func TestSlowerThan(t *testing.T) {
	slower := Metric{Name: "slowerThan", Kind: Slower, Edge: 5 * time.Second}
	to5s := []time.Duration{100 * ms, 1000 * ms, 5 * time.Second, 10 * time.Second}
	source := took{n: 900, edges: to5s, each: 50 * ms}
	for name, c := range map[string]struct {
		target took
		found  bool
		lacks  string
	}{
		"1 % take 7 s":                              {took{n: 100, edges: to5s, each: 50 * ms, later: 7 * time.Second, oneIn: 100}, true, ""},
		"1 % take 4 s":                              {took{n: 100, edges: to5s, each: 50 * ms, later: 4 * time.Second, oneIn: 100}, false, ""},
		"no bucket at 5 s, and all are quick":       {took{n: 100, edges: to5s[:2], each: 50 * ms}, false, ""},
		"no bucket at 5 s, 1 % are above all":       {took{n: 100, edges: to5s[:2], each: 50 * ms, later: 7 * time.Second, oneIn: 100}, false, "no edge near 5s, the highest is 1s; between 0 % and 1 % of its requests are slower"},
		"other buckets, and 1 % are surely above":   {took{n: 100, edges: []time.Duration{2 * time.Second, 8 * time.Second}, each: 50 * ms, later: 9 * time.Second, oneIn: 100}, true, ""},
		"other buckets, and 1 % are perhaps above":  {took{n: 100, edges: []time.Duration{2 * time.Second, 8 * time.Second}, each: 50 * ms, later: 7 * time.Second, oneIn: 100}, false, "only 2s and 8s"},
		"no histogram":                              {took{n: 100}, false, "none of its last"},
		"as many as the difference lets pass, once": {took{n: 100, edges: to5s, each: 50 * ms}, false, ""},
	} {
		test := Prepare(timedBy(slower))
		s := test.New()
		fired := play(test, &s, 20, 0, 900, always(source), always(c.target))
		if fired >= 0 != c.found {
			t.Errorf("%s: degraded in second %d", name, fired)
		}
		v := test.Verdict(&s)
		if text := v.Lacking.Target.Text; (text == "") != (c.lacks == "") || !strings.Contains(text, c.lacks) {
			t.Errorf("%s: %q, want %q", name, text, c.lacks)
		}
		if c.found && !strings.Contains(v.Worst.String(), "target is slower than 5s: ") {
			t.Errorf("%s: %s", name, v.Worst)
		}
		if len(v.Rare) != 1 || v.Rare[0].Passes != DefaultDifference || v.Rare[0].Edge != 5*time.Second || math.Abs(v.Rare[0].Rate-100) > 1e-6 && c.target.edges != nil {
			t.Errorf("%s: %+v", name, v.Rare)
		}
	}
}

func TestPowerIsStated(t *testing.T) {
	for rate, want := range map[float64]string{
		10: "one in a million comes once in 28 hours at 10 requests/s", 0.5: "one in a million comes once in 23 days at 0.5 requests/s",
		2000: "one in a million comes once in 8 minutes at 2000 requests/s", 1e6: "one in a million comes once in 1 second at 1000000 requests/s",
		0.01: "one in a million comes once in 3 years at 0.01 requests/s", 0: "",
	} {
		if got := Power(rate); got != want {
			t.Errorf("%v: %q, want %q", rate, got, want)
		}
	}
	if got := OneIn(5e-4) + ", " + OneIn(0); got != "1 in 2000, none" {
		t.Error(got)
	}
}

// TestLearningWhileBucketsChange: an edge is learnt from the buckets that the source
// has now.
func TestLearningWhileBucketsChange(t *testing.T) {
	h := func(edges []time.Duration, n int64) traffic.Histogram {
		b := make([]int64, len(edges)+1)
		b[0] = n
		return traffic.Histogram{Edges: edges, Buckets: b}
	}
	for name, c := range map[string]struct {
		seen []traffic.Histogram
		want time.Duration
	}{
		"the same all the time":             {[]traffic.Histogram{h(ours, 500), h(ours, 500)}, 25 * ms},
		"other ones since a release":        {[]traffic.Histogram{h(ours, 900), h(theirs, 1000)}, 10 * ms},
		"for a moment none in common":       {[]traffic.Histogram{h(ours, 900), {Buckets: []int64{40}}, h(ours, 100)}, 25 * ms},
		"a bucket less since a release":     {[]traffic.Histogram{h(ours, 500), h(ours[1:], 500)}, 250 * ms},
		"a bucket more since a release":     {[]traffic.Histogram{h(ours[1:], 500), h(ours, 1000)}, 25 * ms},
		"too few of the new ones":           {[]traffic.Histogram{h(ours, 900), h(theirs, 500)}, 0},
		"nothing but the bucket of all":     {[]traffic.Histogram{{Buckets: []int64{5000}}}, 0},
		"first without, later with an edge": {[]traffic.Histogram{{Buckets: []int64{5000}}, h(ours, 1000)}, 25 * ms},
	} {
		test := Prepare(timedBy(p99))
		s := test.New()
		for _, h := range c.seen {
			test.learn(&s, 0, 1, traffic.Source, h)
		}
		test.fixEdge(&s, 0, 1)
		if got := s.Services[0].Metrics[1].Edge; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// TestOldStatesAreRead reads a state of before there were ranges, and goes on with it.
func TestOldStatesAreRead(t *testing.T) {
	test, s := busy(1)
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(text, &plain); err != nil {
		t.Fatal(err)
	}
	for _, service := range plain["services"].([]any) {
		delete(service.(map[string]any), "latency")
		delete(service.(map[string]any), "near")
		for _, m := range service.(map[string]any)["metrics"].([]any) {
			for _, field := range []string{"halfDoubt", "openDoubt", "stepDoubt", "nearDoubt", "near", "judged", "vague"} {
				delete(m.(map[string]any), field)
			}
		}
	}
	if text, err = json.Marshal(plain); err != nil {
		t.Fatal(err)
	}
	var old State
	if err := json.Unmarshal(text, &old); err != nil || !test.Fits(&old) {
		t.Fatalf("%v, fits %v", err, test.Fits(&old))
	}
	for second := 400; second < 460; second++ {
		at := dawn.Add(time.Duration(second+1) * time.Second)
		in := intervalAt(0, second, answered(190, 1, 2, at), answered(10, 0, 0, at))
		again := in
		test.Add(&s, &in)
		test.Add(&old, &again)
		test.Close(&s)
		test.Close(&old)
	}
	if s.LogE != old.LogE || old.LogE == 0 {
		t.Errorf("kept %v, old %v", s.LogE, old.LogE)
	}
}

// TestBucketsThatComeBack: what a release hides for a minute costs neither the evidence
// that the target is good, nor the money that is bet on its being worse.
func TestBucketsThatComeBack(t *testing.T) {
	same := []time.Duration{10 * ms, 25 * ms, 250 * ms}
	source, target := took{n: 190, edges: same, each: 20 * ms}, took{n: 10, edges: same, each: 20 * ms}
	other := func(k took) took { k.edges = theirs; return k }
	between := func(a, b int, k took) func(int) took {
		return func(now int) took {
			if now >= a && now < b {
				return other(k)
			}
			return k
		}
	}
	// Good enough: 1,200 seconds are enough without, and are enough after a minute of other buckets.
	for name, k := range map[string][2]func(int) took{
		"never":         {always(source), always(target)},
		"of the target": {always(source), between(60, 120, target)},
		"of the source": {between(60, 120, source), always(target)},
		"of both":       {between(60, 120, source), between(60, 120, target)},
	} {
		test := Prepare(timedBy(p99))
		s := test.New()
		if fired := play(test, &s, 20, 0, 119, k[0], k[1]); fired >= 0 {
			t.Fatalf("%s: degraded in second %d", name, fired)
		}
		if lacking := test.Verdict(&s).Lacking; (lacking != traffic.BySide[Lack]{}) != (name != "never" && name != "of the source") {
			t.Errorf("%s: lacks %+v", name, lacking) // with other buckets of the source alone the target is surely good
		}
		play(test, &s, 20, 119, 1400, k[0], k[1])
		if v := test.Verdict(&s); !v.Good.Enough || v.Lacking != (traffic.BySide[Lack]{}) {
			t.Errorf("%s: %+v, %+v", name, v.Good, v.Lacking)
		}
		// And one that becomes slow soon after is found as soon as ever.
		s = test.New()
		play(test, &s, 20, 0, 125, k[0], k[1])
		slow := took{n: 10, edges: same, each: 300 * ms}
		fired := play(test, &s, 20, 125, 300, always(source), always(slow))
		t.Logf("%s: slow since second 125, found in %d", name, fired)
		if fired < 0 || fired > 160 {
			t.Errorf("%s: slow since second 125, found in %d", name, fired)
		}
	}
}

// TestOtherBucketsOfTheSourceAreTried: those that tell enough are compared after a while.
func TestOtherBucketsOfTheSourceAreTried(t *testing.T) {
	test := Prepare(timedBy(Metric{Name: "p99", Kind: Latency, Edge: 25 * ms}))
	s := test.New()
	source := func(now int) took {
		if now < 30 {
			return took{n: 190, edges: ours, each: 5 * ms}
		}
		return took{n: 190, edges: theirs, each: 5 * ms}
	}
	fired := play(test, &s, 20, 0, 200, source, after(35, took{n: 10, edges: ours, each: 5 * ms}, took{n: 10, edges: ours, each: 100 * ms}))
	if fired < 45 || fired > 110 {
		t.Errorf("found in second %d", fired)
	}
}
