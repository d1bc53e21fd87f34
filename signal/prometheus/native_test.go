package prometheus

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"pgregory.net/rapid"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// recorded returns a series of native histograms, a second apart from second 0 on, as
// a server writes them; an empty text leaves one out.
func recorded(t interface{ Fatalf(string, ...any) }, name, instance, labels string, samples ...string) *model.SampleStream {
	s := stream(name, instance, labels)
	for i, text := range samples {
		if text == "" {
			continue
		}
		h := &model.SampleHistogram{}
		if err := json.Unmarshal([]byte(text), h); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		s.Histograms = append(s.Histograms, model.SampleHistogramPair{Timestamp: model.TimeFromUnixNano(at(i).UnixNano()), Histogram: h})
	}
	return s
}

// latencies asks a server that stores these series for the latency over a window.
func latencies(t *testing.T, requests, latency string, from, to int, series ...*model.SampleStream) traffic.Reading[traffic.Counts] {
	t.Helper()
	s := (&stored{series: series}).source(t)
	defer s.Close()
	got, err := s.Counts(t.Context(), signal.Query{Requests: traffic.BySide[string]{Target: requests}, Latency: traffic.BySide[string]{Target: latency}}, at(from).Add(time.Millisecond), at(to).Add(time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	return got.Target
}

// told returns the buckets of h that hold anything, each with its upper edge.
func told(h traffic.Histogram) string {
	var out []string
	for i, n := range h.Buckets {
		switch {
		case n == 0:
		case i == len(h.Edges):
			out = append(out, fmt.Sprintf("rest:%d", n))
		default:
			out = append(out, fmt.Sprintf("%s:%d", h.Edges[i].Round(time.Microsecond), n))
		}
	}
	return strings.Join(out, " ")
}

// What a server answers for schema 3, schema 0, and edges of the application's own.
const (
	fine5    = `{"count":"5","sum":"1.3","buckets":[[0,"0.25","0.2726269331663144","5"]]}`
	fine9    = `{"count":"9","sum":"2.9","buckets":[[0,"0.25","0.2726269331663144","7"],[0,"0.4585020216023356","0.5","2"]]}`
	fine12   = `{"count":"12","sum":"2.9","buckets":[[3,"-2.938735877055719e-39","2.938735877055719e-39","1"],[0,"0.25","0.2726269331663144","8"],[0,"0.4585020216023356","0.5","3"]]}`
	coarse4  = `{"count":"4","sum":"1","buckets":[[0,"0.25","0.5","4"]]}`
	coarse10 = `{"count":"10","sum":"9","buckets":[[0,"0.25","0.5","6"],[0,"2","4","4"]]}`
	coarse14 = `{"count":"14","sum":"9","buckets":[[0,"0.25","0.5","10"],[0,"2","4","4"]]}`
	own3     = `{"count":"3","sum":"1","buckets":[[0,"-Inf","0.1","1"],[0,"0.1","0.3","2"]]}`
	own9     = `{"count":"9","sum":"1","buckets":[[0,"-Inf","0.1","2"],[0,"0.1","0.3","4"],[0,"0.3","2.5","2"],[0,"2.5","+Inf","1"]]}`
	none     = `{"count":"0","sum":"0"}`
)

func TestNativeHistograms(t *testing.T) {
	for name, c := range map[string]struct {
		series []*model.SampleStream
		want   string
		edges  int // 0 is those of schema 2
	}{
		"a bucket that was empty is no new series":       {streams(recorded(t, "l", "a", "", fine5, fine9, fine12)), "122µs:1 297.302ms:3 500ms:3", 0},
		"the first request of all":                       {streams(recorded(t, "l", "a", "", none, none, fine5)), "297.302ms:5", 0},
		"two processes":                                  {streams(recorded(t, "l", "a", "", fine5, fine9, fine12), recorded(t, "l", "b", "", fine5, fine5, fine9)), "122µs:1 297.302ms:5 500ms:5", 0},
		"a process that began again":                     {streams(recorded(t, "l", "a", "", fine12, fine5, fine9)), "297.302ms:7 500ms:2", 0},
		"a resolution that halved in between":            {streams(recorded(t, "l", "a", "", fine5, fine9, coarse14)), "500ms:5 4s:4", 22},
		"processes of two resolutions":                   {streams(recorded(t, "l", "a", "", fine5, fine9, fine9), recorded(t, "l", "b", "", coarse4, coarse4, coarse10)), "500ms:6 4s:4", 22},
		"a wide bucket around zero":                      {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"1","buckets":[[3,"-0.01","0.01","2"],[0,"0.01","0.011048543456039806","1"]]}`)), "11.049ms:3", 59},
		"only nothing around zero":                       {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"0","buckets":[[3,"-2.938735877055719e-39","2.938735877055719e-39","3"]]}`)), "122µs:3", 0},
		"a clock that was set back":                      {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"-1","buckets":[[1,"-0.5","-0.4585020216023356","2"],[0,"0.4585020216023356","0.5","1"]]}`)), "122µs:2 500ms:1", 0},
		"slower than any edge":                           {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"900","buckets":[[0,"256","279.1699795623059","3"]]}`)), "rest:3", 0},
		"quicker than any edge":                          {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"0","buckets":[[0,"0.000030517578125","0.00003327965490799736","3"]]}`)), "122µs:3", 0},
		"requests whose latency is no number":            {streams(recorded(t, "l", "a", "", none, none, `{"count":"6","sum":"NaN","buckets":[[0,"0.4585020216023356","0.5","4"]]}`)), "500ms:4 rest:2", 0},
		"halves, which a recording rule makes":           {streams(recorded(t, "l", "a", "", none, `{"count":"2.5","sum":"1","buckets":[[0,"0.4585020216023356","0.5","2.5"]]}`, `{"count":"4.75","sum":"1","buckets":[[0,"0.4585020216023356","0.5","4.75"]]}`)), "500ms:4", 0},
		"bounds that are no numbers":                     {streams(recorded(t, "l", "a", "", none, none, `{"count":"6","sum":"1","buckets":[[0,"NaN","NaN","2"],[0,"0.4585020216023356","0.5","4"],[0,"1.7976931348623157e+308","+Inf","0"]]}`)), "500ms:4 rest:2", 0},
		"the finest resolution":                          {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"1","buckets":[[0,"0.49864802804273506","0.5","1"],[0,"0.5","0.5013556375251013","2"]]}`)), "500ms:1 594.604ms:2", 0},
		"edges of its own":                               {streams(recorded(t, "l", "a", "", own3, own3, own9)), "100ms:1 300ms:2 2.5s:2 rest:1", 3},
		"edges of its own, and other ones":               {streams(recorded(t, "l", "a", "", own3, own3, own9), recorded(t, "l", "b", "", none, none, `{"count":"3","sum":"1","buckets":[[0,"-Inf","0.1","1"],[0,"0.2","0.3","2"]]}`)), "100ms:2 300ms:4 2.5s:2 rest:1", 3},
		"edges of its own that lie in another's bucket":  {streams(recorded(t, "l", "a", "", own3, own3, own9), recorded(t, "l", "b", "", none, none, `{"count":"3","sum":"1","buckets":[[0,"0.05","0.3","1"],[0,"0.3","2.5","2"]]}`)), "300ms:4 2.5s:4 rest:1", 2},
		"one bucket of its own":                          {streams(recorded(t, "l", "a", "", none, none, `{"count":"3","sum":"1","buckets":[[0,"0.1","0.3","3"]]}`)), "300ms:3", 2},
		"edges of its own beside an exponential process": {streams(recorded(t, "l", "a", "", own3, own3, own9), recorded(t, "l", "b", "", coarse4, coarse4, coarse4)), "100ms:1 2.5s:4 rest:1", 2},
	} {
		got := latencies(t, "l", "l", 0, 2, c.series...)
		h := got.Value.Latency
		if c.edges == 0 {
			c.edges = 85
		}
		if got.State != traffic.Known || told(h) != c.want || len(h.Edges) != c.edges || !slices.IsSorted(h.Edges) {
			t.Errorf("%s: %s (%s), %d edges: %s\nwant %s, %d edges", name, got.State, got.Err, len(h.Edges), told(h), c.want, c.edges)
		}
		if h.Count() != got.Value.Requests {
			t.Errorf("%s: %d latencies of %d requests", name, h.Count(), got.Value.Requests)
		}
	}
}

// TestNativeHistogramsOfMilliseconds: the unit is that of the metric's name.
func TestNativeHistogramsOfMilliseconds(t *testing.T) {
	ms := `{"count":"5","sum":"1300","buckets":[[0,"256","279.1699795623059","5"]]}`
	got := latencies(t, "d_milliseconds", "d_milliseconds", 0, 1, recorded(t, "d_milliseconds", "a", "", none, ms))
	if h := got.Value.Latency; told(h) != "304.437ms:5" || len(h.Edges) != 85 || h.Edges[0] > 200*time.Microsecond || h.Edges[84] < 200*time.Second {
		t.Errorf("%s, %d edges from %s", told(h), len(h.Edges), h.Edges[:1])
	}
}

// TestEdgesStay: whatever was counted, the edges of one schema are the same, so that
// windows can be added and a tested edge does not disappear.
func TestEdgesStay(t *testing.T) {
	all := streams(recorded(t, "l", "a", "", none, fine5, fine9, fine12))
	want := latencies(t, "l", "l", 0, 1, all...).Value.Latency.Edges
	for from := 1; from < 3; from++ {
		if got := latencies(t, "l", "l", from, from+1, all...).Value.Latency.Edges; !slices.Equal(got, want) {
			t.Errorf("from %d: %v, want %v", from, got, want)
		}
	}
	coarse := latencies(t, "l", "l", 0, 1, recorded(t, "l", "a", "", coarse4, coarse10)).Value.Latency.Edges
	for _, edge := range coarse {
		if !slices.Contains(want, edge) {
			t.Errorf("%s is no edge of the finer schema", edge)
		}
	}
}

// TestRequestsOfNativeHistograms: their count is a counter of requests, and their
// samples are looks at the process.
func TestRequestsOfNativeHistograms(t *testing.T) {
	up := stream("up", "b", "", 1, 1, 1)
	down := stream("up", "b", "", 1, 0, 0)
	for name, c := range map[string]struct {
		series   []*model.SampleStream
		state    traffic.State
		requests int64
		why      string
	}{
		"growth":        {streams(recorded(t, "l", "a", "", fine5, fine9, fine12)), traffic.Known, 7, ""},
		"nothing new":   {streams(recorded(t, "l", "a", "", fine5)), traffic.Unknown, 0, "no new sample of l"},
		"no new ones":   {streams(recorded(t, "l", "a", "", fine5, fine5, fine5)), traffic.Known, 0, ""},
		"just appeared": {streams(recorded(t, "l", "a", "", "", fine5, fine9)), traffic.Unknown, 0, "no instance with l"},
		"down":          {streams(recorded(t, "l", "a", "", fine5, fine9, fine12), recorded(t, "l", "b", "", fine5), down), traffic.Failed, 0, "instance b of job j does not answer"},
		"gone":          {streams(recorded(t, "l", "a", "", fine5, fine9, fine12), recorded(t, "l", "b", "", fine5), up), traffic.Known, 7, ""},
		"born":          {streams(recorded(t, "l", "a", "", fine5, fine9, fine12), recorded(t, "l", "a", "code=500", "", fine5, fine9)), traffic.Known, 16, ""},
	} {
		got := latencies(t, "l", "l", 0, 2, c.series...)
		if got.State != c.state || got.Value.Requests != c.requests || !strings.Contains(got.Err, c.why) {
			t.Errorf("%s: %+v, want %s, %d requests, %q", name, got, c.state, c.requests, c.why)
		}
	}
}

// TestBothFormsCountOnce: while both forms of a histogram are stored, a selector of
// both names counts one of them; where one ends before the other begins, both count.
func TestBothFormsCountOnce(t *testing.T) {
	classic := func(from, to int) []*model.SampleStream {
		cut := func(values ...int) []int {
			for i := range values {
				if i < from || i > to {
					values[i] = -1
				}
			}
			return values
		}
		return streams(stream("l_bucket", "a", "le=0.5", cut(5, 9, 11, 11)...), stream("l_bucket", "a", "le=+Inf", cut(5, 9, 12, 12)...), stream("l_count", "a", "", cut(5, 9, 12, 12)...))
	}
	both := func(native *model.SampleStream, classic []*model.SampleStream) []*model.SampleStream {
		return append(classic, native, stream("up", "a", "", 1, 1, 1, 1))
	}
	for name, c := range map[string]struct {
		series   []*model.SampleStream
		from, to int
		want     string // which form was counted, by its edges
		requests int64
	}{
		"both all the time":      {both(recorded(t, "l", "a", "", fine5, fine9, fine12, fine12), classic(0, 3)), 0, 2, "122µs:1 297.302ms:3 500ms:3", 7},
		"native switched on":     {both(recorded(t, "l", "a", "", "", "", fine12, fine12), classic(0, 3)), 0, 2, "500ms:6 rest:1", 7},
		"classic switched off":   {both(recorded(t, "l", "a", "", fine5, fine9, fine12, fine12), classic(0, 1)), 0, 2, "122µs:1 297.302ms:3 500ms:3", 7},
		"only classic":           {both(stream("other", "a", ""), classic(0, 3)), 0, 2, "500ms:6 rest:1", 7},
		"only native":            {both(recorded(t, "l", "a", "", fine5, fine9, fine12), nil), 0, 2, "122µs:1 297.302ms:3 500ms:3", 7},
		"classic of another pod": {both(recorded(t, "l", "b", "", fine5, fine9, fine12), classic(0, 3)), 0, 2, "500ms:12 rest:2", 14},
	} {
		got := latencies(t, `{__name__=~"l|l_count"}`, `{__name__=~"l|l_bucket"}`, c.from, c.to, c.series...)
		if name == "classic of another pod" { // 500 ms is the edge that both have: one quick request is in the first bucket
			if h := got.Value.Latency; told(h) != "500ms:13 rest:1" || len(h.Edges) != 1 {
				t.Errorf("%s: %s", name, told(h))
			}
		} else if told(got.Value.Latency) != c.want {
			t.Errorf("%s: %s, want %s", name, told(got.Value.Latency), c.want)
		}
		if got.State != traffic.Known || got.Value.Requests != c.requests {
			t.Errorf("%s: %+v, want %d requests", name, got, c.requests)
		}
	}
}

// TestNativeEdgesAreExact puts the same requests into processes of any resolutions,
// which change over time: at every edge that the answer has, exactly those that took
// up to it are counted.
func TestNativeEdgesAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []float64
		var series []*model.SampleStream
		for p := range rapid.IntRange(1, 3).Draw(t, "processes") {
			s := stream("l", fmt.Sprint("p", p), "")
			var took []float64
			schema := rapid.IntRange(-2, 8).Draw(t, "schema")
			zero := rapid.SampledFrom([]float64{0, 1e-9, 0.001, 0.02}).Draw(t, "zero threshold")
			for i := range 3 {
				s.Histograms = append(s.Histograms, model.SampleHistogramPair{Timestamp: model.TimeFromUnixNano(at(i).UnixNano()), Histogram: observed(took, schema, zero)})
				for range rapid.IntRange(0, 20).Draw(t, "requests") {
					took = append(took, math.Exp2((float64(rapid.IntRange(-14*1024, 9*1024).Draw(t, "took"))+.5)/1024)) // on no edge
				}
				schema -= rapid.IntRange(0, 1).Draw(t, "halved")
			}
			all = append(all, took...)
			s.Histograms = append(s.Histograms, model.SampleHistogramPair{Timestamp: model.TimeFromUnixNano(at(3).UnixNano()), Histogram: observed(took, schema, zero)})
			series = append(series, s)
		}
		server := (&stored{series: series}).source(t)
		defer server.Close()
		got, err := server.Counts(t.Context(), signal.Query{Requests: traffic.BySide[string]{Target: "l"}, Latency: traffic.BySide[string]{Target: "l"}}, at(0).Add(time.Millisecond), at(3).Add(time.Millisecond))
		if err != nil || got.Target.State != traffic.Known {
			t.Fatalf("%+v, %v", got, err)
		}
		h, upTo := got.Target.Value.Latency, int64(0)
		if len(h.Edges) > 200 || h.Count() != int64(len(all)) {
			t.Fatalf("%d edges, %d of %d requests", len(h.Edges), h.Count(), len(all))
		}
		for i, edge := range h.Edges {
			upTo += h.Buckets[i]
			want := int64(0)
			for _, v := range all {
				if v <= edge.Seconds() {
					want++
				}
			}
			if upTo != want {
				t.Fatalf("up to %s: %d, want %d", edge, upTo, want)
			}
		}
	})
}

// observed returns the histogram of latencies as a server would answer it.
func observed(took []float64, schema int, zero float64) *model.SampleHistogram {
	h, counts := &model.SampleHistogram{Count: model.FloatString(len(took))}, map[int]int{}
	around := 0
	for _, v := range took {
		if v <= zero {
			around++
		} else {
			counts[int(math.Ceil(math.Log2(v)*math.Exp2(float64(schema))))]++
		}
	}
	if around > 0 {
		h.Buckets = append(h.Buckets, &model.HistogramBucket{Boundaries: 3, Lower: model.FloatString(-zero), Upper: model.FloatString(zero), Count: model.FloatString(around)})
	}
	for _, i := range slices.Sorted(maps.Keys(counts)) {
		edge := func(i int) float64 { return math.Exp2(float64(i) / math.Exp2(float64(schema))) }
		h.Buckets = append(h.Buckets, &model.HistogramBucket{Lower: model.FloatString(max(zero, edge(i-1))), Upper: model.FloatString(edge(i)), Count: model.FloatString(counts[i])})
	}
	return h
}

// TestDoubtfulNativeHistograms: what is asked of counters holds for the buckets of native
// histograms too.
func TestDoubtfulNativeHistograms(t *testing.T) {
	const (
		old  = `{"count":"400020","sum":"9","buckets":[[0,"0.25","0.2726269331663144","400000"],[0,"0.4585020216023356","0.5","20"]]}`
		old1 = `{"count":"400030","sum":"9","buckets":[[0,"0.25","0.2726269331663144","400009"],[0,"0.4585020216023356","0.5","21"]]}`
		dip  = `{"count":"400010","sum":"9","buckets":[[0,"0.25","0.2726269331663144","399991"],[0,"0.4585020216023356","0.5","19"]]}`
	)
	for name, c := range map[string]struct {
		requests int64
		want     string
		series   []*model.SampleStream
	}{
		"a replica that was a scrape behind": {10, "297.302ms:9 500ms:1", streams(recorded(t, "l", "a", "", old, dip, old1))},
		"a series under new labels":          {10, "297.302ms:9 500ms:1", streams(recorded(t, "l", "a", "role=canary", old), recorded(t, "l", "a", "role=stable", "", old, old1))},
		"two servers that store the same": {10, "297.302ms:9 500ms:1", streams(
			recorded(t, "l", "a", "prometheus_replica=0", old, old, old1), recorded(t, "l", "a", "prometheus_replica=1", old, old, old1))},
		"a real restart": {5, "297.302ms:5", streams(recorded(t, "l", "a", "", old, fine5, fine5))},
		"native ones of a process that had none, switched on late": {7, "500ms:4", append(
			streams(recorded(t, "l", "a", "", "", fine9, `{"count":"13","sum":"2.9","buckets":[[0,"0.25","0.2726269331663144","7"],[0,"0.4585020216023356","0.5","6"]]}`)),
			stream("requests_total", "a", "", 100, 103, 107))},
	} {
		requests := "l"
		if strings.HasPrefix(name, "native ones") {
			requests = "requests_total"
		}
		got := latencies(t, requests, "l", 0, 2, c.series...)
		if got.State != traffic.Known || got.Value.Requests != c.requests || told(got.Value.Latency) != c.want {
			t.Errorf("%s: %s %s %s, %d requests, %s; want %d, %s", name, got.State, got.Err, got.Note, got.Value.Requests, told(got.Value.Latency), c.requests, c.want)
		}
	}
}
