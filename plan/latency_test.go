package plan

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"watari.dev/api/v1alpha1"
)

// TestCloudWatchIsAskedForTheEdgesOfTheGate: who counts at whatever edge is asked for
// counts at those that are compared and limited, ascending and each once.
func TestCloudWatchIsAskedForTheEdgesOfTheGate(t *testing.T) {
	m := &v1alpha1.Migration{}
	m.Spec.Gate.Analysis.Latency = v1alpha1.LatencyAnalysis{
		P50: "off", P99: "250ms", Edges: []string{"1s", "400ms"}, SlowerThan: &metav1.Duration{Duration: 5 * time.Second},
	}
	m.Spec.Gate.Thresholds.MaxP99 = &metav1.Duration{Duration: 2 * time.Second}
	for want, written := range map[string][]string{
		"250ms,300ms,400ms,1s,2s,5s": {"1s", "300ms"},
		"":                           nil, // latency is not counted at all
	} {
		if got := latenciesOf(&v1alpha1.CloudWatchSignal{Latencies: written}, m); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	m.Spec.Gate = v1alpha1.Gate{Analysis: v1alpha1.Analysis{Latency: v1alpha1.LatencyAnalysis{P50: "source", P99: "source"}}}
	if got := latenciesOf(&v1alpha1.CloudWatchSignal{Latencies: []string{"300ms"}}, m); got != "300ms" {
		t.Errorf("%q", got)
	}
}

// TestALimitAsksForLatency, even where nothing is compared by it, of those services
// that have one.
func TestALimitAsksForLatency(t *testing.T) {
	p := resolved(t, "valid-everything.yaml")
	for _, s := range p.Spec.Gate.Analysis.Services {
		if s.Latency == (s.Name == "signals[4]") {
			t.Errorf("%s: latency is asked for: %v", s.Name, s.Latency)
		}
	}
}
