package alb

import (
	"net/http/httptest"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// scrape reads the metrics as a Prometheus server does.
func (r *rig) scrape() map[string]*dto.MetricFamily {
	r.Helper()
	w := httptest.NewRecorder()
	r.b.Metrics().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		r.Fatal(err)
	}
	return families
}

// find returns the metric of a family that has all labels, nil for none.
func find(f *dto.MetricFamily, labels map[string]string) *dto.Metric {
	for _, m := range f.GetMetric() {
		found := 0
		for _, l := range m.Label {
			if v, ok := labels[l.GetName()]; ok && v == l.GetValue() {
				found++
			}
		}
		if found == len(labels) {
			return m
		}
	}
	return nil
}

func TestMetrics(t *testing.T) {
	groups := []TargetGroup{source(backend(t, says("ok"))), destination(Target{Addr: refused(t)})}
	r := newRig(t, oneListener(groups, 1, 0))
	r.await(sourceARN, groups[0].Targets[0].Addr, Healthy)
	r.await(targetARN, groups[1].Targets[0].Addr, Unhealthy)
	for range 7 {
		r.get("/")
	}
	r.apply(oneListener(groups, 0, 1))
	for range 3 {
		r.get("/") // 502 of the balancer: the target refuses
	}
	r.lines(10)
	f := r.scrape()
	sourceLabels := map[string]string{"load_balancer": "shop", "target_group": "source", "target_group_arn": sourceARN}
	with := func(base map[string]string, kv ...string) map[string]string {
		out := map[string]string{}
		for k, v := range base {
			out[k] = v
		}
		for i := 0; i < len(kv); i += 2 {
			out[kv[i]] = kv[i+1]
		}
		return out
	}
	targetLabels := with(sourceLabels, "target_group", "target", "target_group_arn", targetARN)
	if got := find(f["alb_requests_total"], with(sourceLabels, "code", "200", "origin", "target")).GetCounter().GetValue(); got != 7 {
		t.Errorf("answers of the source: %v, want 7", got)
	}
	if got := find(f["alb_requests_total"], with(targetLabels, "code", "502", "origin", "elb")).GetCounter().GetValue(); got != 3 {
		t.Errorf("502 of the balancer: %v, want 3", got)
	}
	if m := find(f["alb_requests_total"], with(targetLabels, "origin", "target")); m != nil {
		t.Errorf("answers of a target that never answered: %v", m)
	}
	if got := find(f["alb_target_connection_errors_total"], targetLabels).GetCounter().GetValue(); got != 3 {
		t.Errorf("connection errors: %v, want 3", got)
	}
	h := find(f["alb_request_duration_seconds"], with(sourceLabels, "origin", "target")).GetHistogram()
	if h.GetSampleCount() != 7 || h.GetSampleSum() <= 0 || len(h.Bucket) < 20 {
		t.Errorf("durations: %d samples, sum %v, %d buckets", h.GetSampleCount(), h.GetSampleSum(), len(h.Bucket))
	}
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"alb_healthy_hosts", sourceLabels, 1},
		{"alb_healthy_hosts", targetLabels, 0},
		{"alb_targets", with(sourceLabels, "state", "healthy"), 1},
		{"alb_targets", with(targetLabels, "state", "unhealthy"), 1},
		{"alb_targets", with(targetLabels, "state", "draining"), 0},
		{"alb_active_connections", map[string]string{"load_balancer": "shop"}, 1},
	} {
		m := find(f[c.name], c.labels)
		if m == nil || m.GetGauge().GetValue() != c.want {
			t.Errorf("%s%v = %v, want %v", c.name, c.labels, m, c.want)
		}
	}
}
