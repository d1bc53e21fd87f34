package prometheus

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"watari.dev/signal"
	"watari.dev/signal/signaltest"
	"watari.dev/traffic"
)

// TestRealPrometheusNative runs the contract against native histograms, which Prometheus
// 2.42 reads only with a feature flag: as latencies, and as requests too.
func TestRealPrometheusNative(t *testing.T) {
	t.Parallel() // each server takes seconds to start scraping
	binary := findPrometheus(t)
	targets := make([]*target, 44) // more than twice the contract's tests
	for i := range targets {
		targets[i] = &target{native: true}
	}
	url := startPrometheus(t, binary, targets, "--enable-feature=native-histograms")
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	client, err := api.NewClient(api.Config{Address: url, RoundTripper: transport})
	if err != nil {
		t.Fatal(err)
	}
	ask := v1.NewAPI(client)
	for _, g := range targets {
		g.look(t, ask)
	}
	next := 0
	world := func(t *testing.T, change func(*signal.Query)) signaltest.World {
		t.Helper()
		if next == len(targets) {
			t.Fatal("there are more tests than targets: raise their number")
		}
		next++
		transport := &breakable{next: transport}
		s, err := New(Config{URL: url, Settle: time.Millisecond, Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		w := targets[next-1].world(s, transport, ask)
		for _, e := range []*string{&w.Query.Latency.Source, &w.Query.Latency.Target} {
			*e = strings.Replace(*e, "seconds_bucket", "seconds", 1)
		}
		change(&w.Query)
		w.Source = folded{w.Source}
		return w
	}
	t.Run("latency", func(t *testing.T) {
		signaltest.Run(t, func(t *testing.T) signaltest.World { return world(t, func(*signal.Query) {}) })
	})
	t.Run("requests", func(t *testing.T) {
		signaltest.Run(t, func(t *testing.T) signaltest.World {
			return world(t, func(q *signal.Query) { q.Requests = q.Latency })
		})
	})
	t.Run("the edges are those of a schema", func(t *testing.T) {
		testNativeEdges(t, world(t, func(*signal.Query) {}))
	})
	t.Run("a window without a new sample", func(t *testing.T) {
		testNativeUnchanged(t, world(t, func(q *signal.Query) { q.Requests = q.Latency }))
	})
}

func testNativeEdges(t *testing.T, w signaltest.World) {
	served := traffic.Counts{Requests: 10, Latency: traffic.Histogram{Edges: signaltest.Edges(), Buckets: []int64{5, 3, 0, 2}}}
	w.Serve(traffic.Source, traffic.Counts{Latency: traffic.Histogram{Edges: signaltest.Edges(), Buckets: make([]int64, 4)}})
	first := w.Look(t)
	w.Serve(traffic.Source, served)
	second := w.Look(t)
	got, err := w.Source.(folded).Source.Counts(t.Context(), w.Query, first, second)
	h := got.Source.Value.Latency
	if err != nil || len(h.Edges) != 85 || told(h) != "5.524ms:5 52.556ms:3 3.363586s:2" {
		t.Errorf("%d edges, %s, %s, %v", len(h.Edges), told(h), got.Source.Err, err)
	}
}

func testNativeUnchanged(t *testing.T, w signaltest.World) {
	w.Serve(traffic.Source, traffic.Counts{Requests: 5, Latency: traffic.Histogram{Edges: signaltest.Edges(), Buckets: []int64{5, 0, 0, 0}}})
	first := w.Look(t)
	got, err := w.Source.Counts(t.Context(), w.Query.Only(traffic.Source), first, first.Add(time.Millisecond))
	if err != nil || got.Source.State != traffic.Unknown || !strings.Contains(got.Source.Err, "no new sample of seconds{") {
		t.Errorf("%+v, %v", got.Source, err)
	}
}

// took is what the requests of each bucket of the contract took, in seconds.
var took = [...]float64{.005, .05, .4, 3}

// writeNative answers a scrape with protobuf, where the latencies are a native
// histogram of schema 3.
func (g *target) writeNative(w http.ResponseWriter) {
	families := []*dto.MetricFamily{{Name: ptr("tick"), Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{{Gauge: &dto.Gauge{Value: ptr(float64(g.tick))}}}}}
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		c, ok := g.exporter.Counts(side)
		if !ok {
			continue
		}
		label := []*dto.LabelPair{{Name: ptr("side"), Value: ptr(side.String())}}
		counter := func(name string, n int64) {
			families = append(families, &dto.MetricFamily{Name: &name, Type: dto.MetricType_COUNTER.Enum(), Metric: []*dto.Metric{{Label: label, Counter: &dto.Counter{Value: ptr(float64(n))}}}})
		}
		counter("requests_total", c.Requests)
		counter("errors_total", c.Errors)
		for i, name := range []string{"paid_total", "declined_total"} {
			if i < len(c.Events) {
				counter(name, c.Events[i])
			}
		}
		families = append(families, &dto.MetricFamily{Name: ptr("seconds"), Type: dto.MetricType_HISTOGRAM.Enum(), Metric: []*dto.Metric{{Label: label, Histogram: nativeOf(c.Latency)}}})
	}
	format := expfmt.NewFormat(expfmt.TypeProtoDelim)
	w.Header().Set("Content-Type", string(format))
	encoder := expfmt.NewEncoder(w, format)
	for _, f := range families {
		_ = encoder.Encode(f)
	}
}

func ptr[T any](v T) *T { return &v }

// nativeOf returns a native histogram of schema 3, sparse as clients send it.
func nativeOf(h traffic.Histogram) *dto.Histogram {
	out := &dto.Histogram{SampleCount: ptr(uint64(h.Count())), SampleSum: ptr(1.), Schema: ptr(int32(3)), ZeroThreshold: ptr(math.Exp2(-128)), ZeroCount: ptr(uint64(0))}
	last, count := 0, int64(0)
	for i, n := range h.Buckets {
		if n == 0 {
			continue
		}
		at := int(math.Ceil(math.Log2(took[i]) * 8))
		offset := at
		if len(out.PositiveSpan) > 0 {
			offset = at - last - 1
		}
		out.PositiveSpan = append(out.PositiveSpan, &dto.BucketSpan{Offset: ptr(int32(offset)), Length: ptr(uint32(1))})
		out.PositiveDelta = append(out.PositiveDelta, n-count)
		last, count = at, n
	}
	return out
}

// folded puts the latencies of a source into the buckets of the contract.
type folded struct{ signal.Source }

func (f folded) Counts(ctx context.Context, q signal.Query, from, to time.Time) (signal.Counts, error) {
	counts, err := f.Source.Counts(ctx, q, from, to)
	for _, r := range []*traffic.Reading[traffic.Counts]{&counts.Source, &counts.Target} {
		h := r.Value.Latency
		if h.Empty() {
			continue
		}
		r.Value.Latency = traffic.Histogram{Edges: signaltest.Edges(), Buckets: make([]int64, len(signaltest.Edges())+1)}
		for i, n := range h.Buckets {
			at := len(signaltest.Edges())
			if i < len(h.Edges) {
				at, _ = slices.BinarySearch(signaltest.Edges(), h.Edges[i])
			}
			r.Value.Latency.Buckets[at] += n
		}
	}
	return counts, err
}
