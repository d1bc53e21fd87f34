package bench

import "time"

// FlaggerConfig is the analysis of a Canary of Flagger with the metric
// request-success-rate.
type FlaggerConfig struct {
	Label     string
	Interval  time.Duration // between ticks, each of which looks at as much
	Success   float64       // thresholdRange.min of the success rate, in percent
	Threshold int           // failed checks that roll back
}

// FlaggerCode has the defaults of the code: AnalysisInterval 60 s,
// MetricInterval "1m", threshold 1 when it is not given,
// https://github.com/fluxcd/flagger/blob/main/pkg/apis/flagger/v1beta1/canary.go
// with the one success rate that the documentation names, 99 %,
// https://docs.flagger.app/usage/metrics
//
// FlaggerExample is the analysis on https://docs.flagger.app/usage/how-it-works:
// "interval: 1m, threshold: 10, request-success-rate, min: 99".
var (
	FlaggerCode    = FlaggerConfig{"Flagger, code defaults (1 min, 99 %, threshold 1)", time.Minute, 99, 1}
	FlaggerExample = FlaggerConfig{"Flagger, documented example (1 min, 99 %, threshold 10)", time.Minute, 99, 10}
)

// Flagger rolls back at the tick after the one at which the threshold was
// reached: a tick first compares the failed checks there were with the threshold
// and only then makes its own check ("cd.Status.FailedChecks >=
// cd.GetAnalysisThreshold()", then runAnalysis, in advanceCanary of
// https://github.com/fluxcd/flagger/blob/main/pkg/controller/scheduler.go).
// Failed checks add up over the whole canary.
type Flagger struct {
	cfg    FlaggerConfig
	span   span
	failed int
}

// NewFlagger returns the policy at the tick that gave the target its share.
func NewFlagger(cfg FlaggerConfig) *Flagger {
	return &Flagger{cfg: cfg, span: span{length: int(cfg.Interval / time.Second)}}
}

// Name implements Policy.
func (f *Flagger) Name() string { return f.cfg.Label }

// Second implements Policy.
func (f *Flagger) Second(s Second) bool {
	sum, due := f.span.add(s.Target)
	if !due {
		return false
	}
	if f.failed >= f.cfg.Threshold {
		return true
	}
	// No value is a failed check as well; "val < *tr.Min" is what else fails
	// (pkg/controller/scheduler_metrics.go).
	if sum.Requests == 0 || 100*sum.success() < f.cfg.Success {
		f.failed++
	}
	return false
}
