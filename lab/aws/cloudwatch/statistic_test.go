package cloudwatch

import (
	"math"
	"testing"
)

// TestStatistics takes its definitions from "CloudWatch statistics definitions".
func TestStatistics(t *testing.T) {
	v := []float64{0.005, 0.010, 0.030, 0.031, 0.5, 1, 2, 3, 4, 10}
	for text, want := range map[string]float64{
		"SampleCount": 10, "Sum": 20.576, "Average": 2.0576, "Minimum": 0.005, "Maximum": 10,
		"p50": 0.5, "p90": 4, "p99": 10, "p99.9": 10, "p0": 0.005, "p100": 10,
		"TC(0.005:0.030)": 2, // exclusive and inclusive
		"TC(:0.5)":        5,
		"TC(4:)":          1,
		"TC(20:30)":       0,
		"tc90":            9,
		"TC(10%:90%)":     8,
		"TC(:95%)":        10,
		"PR(:1)":          60,
		"PR(1:3)":         20,
		"TS(3:)":          14,
		"ts90":            10.576,
		"TM(3:)":          7,
		"TM(:0.010)":      0.0075,
		"tm50":            0.1152,
	} {
		s, err := parseStatistic(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s = %v, want %v", text, got, want)
		}
	}
}

func TestStatisticsThatAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "sum", "p", "p101", "pp99", "TC", "TC()", "TC(:)", "TC(3:1)", "TC(1:1)", "TC(10%:20)", "TC(-1:2)", "PR(1%:2%)", "TC(1.2.3:4)",
		"IQM", "WM(10%:90%)", "tc(1:2)", "TC90", "TC(:101%)",
	} {
		if s, err := parseStatistic(text); err == nil {
			t.Errorf("%q was taken: %v", text, s([]float64{1}))
		}
	}
}
