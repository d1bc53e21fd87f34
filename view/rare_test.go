package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// TestWhatIsRareSaysWhatCanBeSeen: the power of a look for slow requests is stated
// before and during a migration.
func TestWhatIsRareSaysWhatCanBeSeen(t *testing.T) {
	p := plan.Plan{Spec: engine.Spec{Name: "shop", Source: "a", Target: "b", Gate: engine.Gate{Signals: true, Analysis: &verdict.Config{
		Alpha: .01, Ratio: 1.5, Difference: 5e-4,
		Services: []verdict.Service{{Name: "web", Latency: true, Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}, {Name: "slowerThan", Kind: verdict.Slower, Edge: 5 * time.Second}}}},
	}}}}
	var out bytes.Buffer
	Plan(&out, p.Foresee(nil, nil, nil, plan.Pace{}), traffic.BySide[string]{})
	for _, want := range []string{
		"errors, slower than 5s compared with a",
		"slower than 5s: 1.5 times as often as the source, and 1 in 2000 requests beyond that, is let pass (tolerance); one in a million comes once in 28 hours at 10 requests/s",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "careful") {
		t.Errorf("without a limit:\n%s", &out)
	}
	p.Spec.Gate.MaxP99 = 300 * time.Millisecond
	p.Spec.Gate.Analysis.Services = append(p.Spec.Gate.Analysis.Services, verdict.Service{Name: "mail"})
	Plan(&out, p.Foresee(nil, nil, nil, plan.Pace{}), traffic.BySide[string]{})
	if want := "careful: mail: no signal of it counts latency, so the limit of 300ms for the p99 says nothing of it"; !strings.Contains(out.String(), want) || strings.Count(out.String(), "careful") != 1 {
		t.Errorf("no %q in\n%s", want, &out)
	}
	p.Spec.Gate.Analysis.Difference = -1
	if text := slowerThan(p.Foresee(nil, nil, nil, plan.Pace{}).Gate); !strings.Contains(text, "and nothing beyond that, is let pass") {
		t.Error(text)
	}
	for want, r := range map[string]verdict.Rare{
		"slower than 5s: 2 of 12,345 requests of the target in this step; one in a million comes once in 23 days at 0.5 requests/s": {Edge: 5 * time.Second, Target: verdict.Tally{N: 12345, Bad: 2}, Rate: .5},
		"slower than 2s (api): at least 1 of 1 request of the target in this step":                                                  {Edge: 2 * time.Second, Service: "api", Target: verdict.Tally{N: 1, Bad: 1}, Bounds: true},
	} {
		if got := rare(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestQuantileAboveTheHighestEdge is only a lower bound, and is shown as one.
func TestQuantileAboveTheHighestEdge(t *testing.T) {
	for want, buckets := range map[string][]int64{"10/s  0 % errors  p99 over 1s": {90, 8, 2}, "10/s  0 % errors  p99 955ms": {80, 20, 0}, "10/s  0 % errors  p99 1s": {0, 99, 1}} {
		h := traffic.Histogram{Edges: []time.Duration{100 * time.Millisecond, time.Second}, Buckets: buckets}
		if got := side(traffic.KnownAt(traffic.Counts{Requests: 100, Latency: h}, time.Time{}), 10*time.Second); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
