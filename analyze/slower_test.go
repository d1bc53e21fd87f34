package analyze

import (
	"testing"
	"time"

	"watari.dev/verdict"
)

// TestSlowerThanIsReplayed where whole histograms were recorded.
func TestSlowerThanIsReplayed(t *testing.T) {
	slower := verdict.Metric{Name: "slowerThan", Kind: verdict.Slower, Edge: 5 * time.Second}
	s := serviceOf(verdict.Service{Name: "web", Metrics: []verdict.Metric{{Name: "errors", Kind: verdict.Errors}, slower}})
	if got := metricsOf(s, []verdict.Metric{slower}); !s.Full || len(got) != 2 || got[1] != slower {
		t.Errorf("whole histograms %v, metrics %+v", s.Full, got)
	}
	s.Full = false
	if got := metricsOf(s, []verdict.Metric{slower}); len(got) != 1 {
		t.Errorf("without histograms %+v", got)
	}
}
