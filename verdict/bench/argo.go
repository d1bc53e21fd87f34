package bench

import "time"

// ArgoConfig is a metric of an AnalysisTemplate of Argo Rollouts that runs in the
// background of a rollout.
type ArgoConfig struct {
	Label        string
	Interval     time.Duration // between measurements, each of which looks at as much
	Success      float64       // successCondition: result[0] >= Success, 0..1
	FailureLimit int           // failed measurements that are allowed
}

// ArgoCode has the defaults of the code. There is none for the interval and the
// condition; a minute ("interval: 60s") and 95 % are those of an example of the
// page below.
//
//   - failureLimit "(default: 0)":
//     https://github.com/argoproj/argo-rollouts/blob/master/pkg/apis/rollouts/v1alpha1/analysis_types.go
//   - "result.Failed > metric.FailureLimit" is what fails:
//     https://github.com/argoproj/argo-rollouts/blob/master/analysis/analysis.go
//   - without a failureCondition, what does not succeed has failed:
//     https://github.com/argoproj/argo-rollouts/blob/master/utils/evaluate/evaluate.go
//
// ArgoExample is the background analysis of the documentation: "interval: 5m,
// successCondition: result[0] >= 0.95, failureLimit: 3",
// https://argo-rollouts.readthedocs.io/en/stable/features/analysis/
var (
	ArgoCode    = ArgoConfig{"Argo Rollouts, code defaults (1 min, 95 %, limit 0)", time.Minute, 0.95, 0}
	ArgoExample = ArgoConfig{"Argo Rollouts, documented example (5 min, 95 %, limit 3)", 5 * time.Minute, 0.95, 3}
)

// Argo aborts when more measurements have failed than are allowed. It looks at
// the target only. The measurement that Argo takes at once, of a target that has
// had no traffic yet, is left out: it can but fail.
type Argo struct {
	cfg    ArgoConfig
	span   span
	failed int
}

// NewArgo returns the policy before its first measurement.
func NewArgo(cfg ArgoConfig) *Argo {
	return &Argo{cfg: cfg, span: span{length: int(cfg.Interval / time.Second)}}
}

// Name implements Policy.
func (a *Argo) Name() string { return a.cfg.Label }

// Second implements Policy.
func (a *Argo) Second(s Second) bool {
	sum, due := a.span.add(s.Target)
	if !due {
		return false
	}
	// Without a request the result is NaN, of which the condition is not true; here
	// it is 0.
	if success := sum.success() >= a.cfg.Success; !success {
		a.failed++
	}
	return a.failed > a.cfg.FailureLimit
}
