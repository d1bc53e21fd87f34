package v1alpha1

import (
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Gate is the condition for going on.
type Gate struct {
	// How the target is compared with the source, at every second; empty means
	// good defaults.
	// +optional
	Analysis Analysis `json:"analysis,omitempty,omitzero"`

	// Hard limits that the target must keep, whatever the source does. Those that
	// are not written are no limits.
	// +optional
	Thresholds Thresholds `json:"thresholds,omitempty,omitzero"`
}

// Analysis says how the target is compared with the source. docs/verdict.md
// explains every field.
type Analysis struct {
	// Largest chance that a target which is not worse is taken back, over the
	// whole migration. By default 1%.
	// +optional
	Alpha *Ratio `json:"alpha,omitempty"`

	// By how much the target may be worse before it counts as worse.
	// +optional
	Tolerance Tolerance `json:"tolerance,omitempty,omitzero"`

	// Failed requests.
	// +optional
	Errors ErrorAnalysis `json:"errors,omitempty,omitzero"`

	// Slow requests, where a signal counts latency.
	// +optional
	Latency LatencyAnalysis `json:"latency,omitempty,omitzero"`

	// Weights of what is compared: the larger, the sooner it is found. Names that
	// are not written weigh 1.
	// +optional
	Weights Weights `json:"weights,omitempty,omitzero"`

	// Requests of the target that a step needs before it is left; by default 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinRequests *int32 `json:"minRequests,omitempty"`

	// "required": a step is left only when it has shown that the target is good
	// enough; with few requests that takes long. "optional", the default of a
	// fixed ramp: it is enough that nothing speaks against it. An adaptive ramp
	// always requires it.
	// +optional
	Evidence EvidenceMode `json:"evidence,omitempty"`

	// Largest chance that a step shows a target to be good enough which is not.
	// By default 5%.
	// +optional
	PromotionAlpha *Ratio `json:"promotionAlpha,omitempty"`

	// "fixed": the shares and holds of the steps. "adaptive": a step ends as soon
	// as the evidence suffices, not before its hold, and the next share is the
	// largest that harmBudget allows. By default fixed.
	// +optional
	Ramp Ramp `json:"ramp,omitempty"`

	// Requests that may fail in one step of an adaptive ramp if the target is as
	// bad as the evidence still allows; by default 20.
	// +optional
	// +kubebuilder:validation:Minimum=1
	HarmBudget *int32 `json:"harmBudget,omitempty"`

	// How much more unevenly failures come than independent ones would, in
	// percent; "watari analyze --calibrate" measures it. By default 100%, and what
	// is seen of the source on the way.
	// +optional
	Dispersion *Factor `json:"dispersion,omitempty"`

	// By how much of the smaller side the split of the requests may differ from
	// what the levers say before the counts are not trusted. By default 10% for
	// levers that split by request, and 50% for those that split by client, as
	// DNS does.
	// +optional
	SplitTolerance *Ratio `json:"splitTolerance,omitempty"`
}

// Tolerance is how much worse still counts as not worse: the target may fail
// ratio times as often as the source, plus difference.
type Tolerance struct {
	// In percent of the source's error ratio, from 100%; by default 150%.
	// +optional
	Ratio *Factor `json:"ratio,omitempty"`

	// Of the target's requests; by default 0.05%.
	// +optional
	Difference *Ratio `json:"difference,omitempty"`
}

// ErrorAnalysis says how error ratios are compared.
type ErrorAnalysis struct {
	// "hybrid", "unit", "product", "steady" or "limit"; by default hybrid.
	// +optional
	Form AnalysisForm `json:"form,omitempty"`

	// How long one observation of the unit form is: longer than a burst of
	// failures. By default 30s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Unit *metav1.Duration `json:"unit,omitempty"`

	// How long bursts of the source may make the unit; by default 5m, and at least
	// the unit.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	LongestUnit *metav1.Duration `json:"longestUnit,omitempty"`

	// Service level objective: the part of the requests that must succeed, such as
	// 99.9%. A target that uses up its error budget 14.4 times too fast is taken
	// back within seconds, unless the source does too. By default 99.5%.
	// +optional
	SLO *Ratio `json:"slo,omitempty"`
}

// LatencyAnalysis says which requests are slow.
type LatencyAnalysis struct {
	// Slower than the median: "source" for what the source's is before the start,
	// a latency such as 100ms, or "off". By default source.
	// +optional
	P50 LatencyEdge `json:"p50,omitempty"`

	// Slower than the 99th percentile: "source", a latency or "off". By default
	// source.
	// +optional
	P99 LatencyEdge `json:"p99,omitempty"`

	// More latencies to compare at, such as 250ms. Each is moved up to the next
	// bucket of the histogram.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MaxLength=32
	// +kubebuilder:validation:items:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Edges []string `json:"edges,omitempty"`

	// Slower than this is rare and bad, such as 5s: counted like a failure, at exactly
	// this latency, with the difference of the tolerance.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	SlowerThan *metav1.Duration `json:"slowerThan,omitempty"`
}

// LatencyEdge is "source", "off" or a latency.
//
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^(source|off|([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+)$`
type LatencyEdge string

// The words of a LatencyEdge.
const (
	LatencyOfSource LatencyEdge = "source"
	LatencyOff      LatencyEdge = "off"
)

// Weights weigh what is compared, by name.
type Weights struct {
	// By the name of a route; counts for the services that name it.
	// +optional
	Routes map[string]int32 `json:"routes,omitempty"`

	// By the service of the signals.
	// +optional
	Services map[string]int32 `json:"services,omitempty"`

	// By metric: errors, p50, p99, a latency of edges, slowerThan, or the name of an event.
	// +optional
	Metrics map[string]int32 `json:"metrics,omitempty"`
}

// AnalysisForm is how error ratios are compared.
//
// +kubebuilder:validation:Enum=hybrid;unit;product;steady;limit
type AnalysisForm string

// Ramp says who chooses the shares.
//
// +kubebuilder:validation:Enum=fixed;adaptive
type Ramp string

// The ramps.
const (
	RampFixed    Ramp = "fixed"
	RampAdaptive Ramp = "adaptive"
)

// EvidenceMode says whether a step needs proof to be left.
//
// +kubebuilder:validation:Enum=required;optional
type EvidenceMode string

// The modes of evidence.
const (
	EvidenceRequired EvidenceMode = "required"
	EvidenceOptional EvidenceMode = "optional"
)

// Thresholds are limits of the target over a sliding window.
type Thresholds struct {
	// The largest part of the target's requests that may fail: "1%" or "0.01".
	// By default there is no limit.
	// +optional
	MaxErrorRatio *Ratio `json:"maxErrorRatio,omitempty"`

	// The largest 99th percentile of the target's latency, such as 300ms; by
	// default there is no limit.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	MaxP99 *metav1.Duration `json:"maxP99,omitempty"`

	// Fewer requests of the target than this in one window do not break a limit,
	// unless three or more of them fail, or are too slow, and that is above the
	// limit even for this many. By default 50.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MinRequests *int32 `json:"minRequests,omitempty"`

	// The window over which requests are counted; by default 30s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}([.][0-9]{1,9})?(ns|us|ms|s|m|h))+$`
	Window *metav1.Duration `json:"window,omitempty"`
}

// Factor is a part of something that may be more than the whole, in parts per
// million. It is written as a percentage from 100%: "150%".
//
// +kubebuilder:validation:Type=string
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:Pattern=`^[1-9][0-9]{2,4}([.][0-9]{1,4})? ?%$`
type Factor int64

// Float64 returns f as a number from 1.
func (f Factor) Float64() float64 { return float64(f) / float64(wholeRatio) }

// String writes f as messages do: "150 %".
func (f Factor) String() string { return decimal(int64(f), 4) + " %" }

// MarshalJSON writes "150%".
func (f Factor) MarshalJSON() ([]byte, error) {
	return []byte(`"` + decimal(int64(f), 4) + `%"`), nil
}

// UnmarshalJSON reads "150%" and refuses what is below 100%.
func (f *Factor) UnmarshalJSON(data []byte) error {
	text, quoted := unquoted(data)
	if !quoted && text == "null" {
		return nil
	}
	v, err := parseFactor(text)
	if err != nil {
		return err
	}
	*f = v
	return nil
}

// mostFactor is a hundred thousand percent less a bit: what the pattern lets in.
const mostFactor Factor = 100_000 * 10_000

func parseFactor(text string) (Factor, error) {
	number, isPercent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, ok := parseDecimal(strings.TrimSpace(number), 4)
	switch {
	case !ok || !isPercent:
		return 0, fmt.Errorf("%q is not a percentage: write one from 100%%, such as 150%%", text)
	case Factor(v) < Factor(wholeRatio) || Factor(v) >= mostFactor:
		return 0, fmt.Errorf("%s %% is not at least 100 %%: write how many percent of the source's is still acceptable, such as 150%%", decimal(v, 4))
	}
	return Factor(v), nil
}
