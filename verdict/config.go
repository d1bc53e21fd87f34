package verdict

import (
	"time"
)

// Form is how the error ratio is tested.
type Form string

// The forms. See the package comment for what each promises.
const (
	Hybrid  Form = "hybrid"  // Unit, Steady and Limit together; the default
	Unit    Form = "unit"    // a span of time is one observation: robust against bursts, slow at large shares
	Product Form = "product" // every error is one: fast, and wrong where errors come in bursts
	Steady  Form = "steady"  // every error is one, and no second wins much: for what lasts
	Limit   Form = "limit"   // against a service level objective, where the source is no worse
)

// Kind is what a metric counts as bad.
type Kind string

// The kinds of metrics.
const (
	Errors  Kind = "errors"
	Latency Kind = "latency" // requests above an edge that the source's latencies decide
	Slower  Kind = "slower"  // requests above an edge that is given: rare, and counted like an event
	Events  Kind = "events"  // a count of the query's own
)

// Config is what a verdict is told beforehand. It is plain data and complete:
// WithDefaults fills in what is zero.
type Config struct {
	Alpha      float64 `json:"alpha"`      // chance of rolling back a target that is not worse, over the whole migration; 0..1
	Advance    float64 `json:"advance"`    // chance of calling a target good enough that is worse, per step; 0..1
	Ratio      float64 `json:"ratio"`      // psi0: how many times as often as the source the target may fail, at least 1
	Difference float64 `json:"difference"` // eps: and how much more of its requests, 0..1; for errors and events

	Form        Form          `json:"form"`
	Unit        time.Duration `json:"unit"`        // span of one observation of the unit form
	LongestUnit time.Duration `json:"longestUnit"` // how far bursts of the source may lengthen it
	Limit       float64       `json:"limit"`       // p*: error ratio that uses up the error budget too fast, 0..1
	Horizon     time.Duration `json:"horizon"`     // over which the tests begin anew, again and again, beside what they know

	Dispersion float64 `json:"dispersion"` // phi, measured beforehand with Dispersion; at least 1

	SampleAlpha     float64 `json:"sampleAlpha"`     // chance of a false alarm about the split, in five minutes; 0..1
	SampleTolerance float64 `json:"sampleTolerance"` // by how much of the smaller share the split may differ, 0..1

	HarmBudget float64 `json:"harmBudget"` // requests that an adaptive ramp may lose in one step
	Adaptive   bool    `json:"adaptive,omitempty"`
	Promote    bool    `json:"promote,omitempty"` // a step is left only with the evidence that Advance asks for

	Services []Service `json:"services"`
}

// Service is one stream of counts: what one source of data says of one service.
type Service struct {
	Name    string        `json:"name"`
	Route   string        `json:"route,omitempty"`   // whose share says how requests should be split; empty for all
	Weight  float64       `json:"weight"`            // relative to the other services
	Every   time.Duration `json:"every"`             // how often its data come
	Lag     time.Duration `json:"lag,omitempty"`     // how long after what they count they come
	Split   float64       `json:"split,omitempty"`   // SampleTolerance of a lever that does not split by request
	Latency bool          `json:"latency,omitempty"` // somebody asks for latencies, even where no metric does
	Metrics []Metric      `json:"metrics"`           // the first one is Errors
}

// Metric is one kind of bad requests that is compared.
type Metric struct {
	Name     string        `json:"name"`
	Kind     Kind          `json:"kind"`
	Weight   float64       `json:"weight"`             // relative to the other metrics of the service
	Quantile float64       `json:"quantile,omitempty"` // Latency: the edge is the source's quantile before the start
	Edge     time.Duration `json:"edge,omitempty"`     // Latency: or this, instead, moved to an edge that there is; Slower: exactly this
	Event    int           `json:"event,omitempty"`    // Events: index into Counts.Events
}

// The defaults. Those that are not explained here are chosen with the figures of
// the benchmark: docs/performance.md.
const (
	DefaultAlpha      = 0.01
	DefaultAdvance    = 0.05
	DefaultRatio      = 1.5
	DefaultDifference = 5e-4
	DefaultUnit       = 30 * time.Second // longer than the bursts that a retry storm or one restarting pod makes
	DefaultLongest    = 5 * time.Minute
	DefaultHorizon    = 24 * time.Hour
	DefaultSLO        = 0.995
	// BurnRate is how many times as fast as the objective allows the error budget
	// may be used before it is an emergency: 2 % of a month's budget in an hour
	// (Google, The Site Reliability Workbook, chapter 5, "Alerting on SLOs").
	BurnRate               = 14.4
	DefaultSampleAlpha     = 0.001
	DefaultSampleTolerance = 0.1
	DefaultHarmBudget      = 20
)

// LimitOf returns p*, the error ratio at which a service level objective (0..1)
// burns its budget BurnRate times too fast.
func LimitOf(slo float64) float64 { return min(BurnRate*(1-slo), 0.5) }

// WithDefaults returns c with its zero fields filled in. A Difference of exactly
// zero is written as a negative one.
func (c Config) WithDefaults() Config {
	fill(&c.Alpha, DefaultAlpha)
	fill(&c.Advance, DefaultAdvance)
	fill(&c.Ratio, DefaultRatio)
	fill(&c.Difference, DefaultDifference)
	fill(&c.Form, Hybrid)
	fill(&c.Unit, DefaultUnit)
	fill(&c.LongestUnit, max(DefaultLongest, c.Unit))
	fill(&c.Limit, LimitOf(DefaultSLO))
	fill(&c.Horizon, DefaultHorizon)
	fill(&c.Dispersion, 1)
	fill(&c.SampleAlpha, DefaultSampleAlpha)
	fill(&c.SampleTolerance, DefaultSampleTolerance)
	fill(&c.HarmBudget, DefaultHarmBudget)
	services := make([]Service, len(c.Services))
	for i, s := range c.Services {
		fill(&s.Weight, 1)
		fill(&s.Every, time.Second)
		if len(s.Metrics) == 0 {
			s.Metrics = []Metric{{Name: "errors", Kind: Errors}}
		}
		metrics := make([]Metric, len(s.Metrics))
		for j, m := range s.Metrics {
			fill(&m.Weight, 1)
			metrics[j] = m
		}
		s.Metrics = metrics
		services[i] = s
	}
	c.Services = services
	return c
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// difference is eps for a metric. For latency it is half of its slack: with none, a
// handful of slow requests in a month would be held against a target whose source
// had none.
func (c *Config) difference(m *Metric) float64 {
	if m.Kind == Latency {
		return c.slack(m) / 2
	}
	return max(c.Difference, 0)
}

// slack is eps for the evidence that the target is good enough. Where the edge of
// a latency lies above all that the source answers, nothing is slow on either
// side, and without slack nothing would ever be proven: half of what the quantile
// leaves above it is allowed.
func (c *Config) slack(m *Metric) float64 {
	switch {
	case m.Kind != Latency:
		return max(c.Difference, 0)
	case m.Quantile > 0:
		return (1 - m.Quantile) / 2
	default:
		return slackAtEdge
	}
}

// slackAtEdge is the slack of an edge that was given, which is meant to be one
// that hardly any request passes.
const slackAtEdge = 0.005

// parts are the parts of the money that the forms have for a metric.
type parts struct{ unit, product, steady, limit float64 }

// parts returns how the money is split. Only errors have an objective.
func (c *Config) parts(k Kind) parts {
	switch c.Form {
	case Unit:
		return parts{unit: 1}
	case Product:
		return parts{product: 1}
	case Steady:
		return parts{steady: 1}
	case Limit:
		if k == Errors {
			return parts{limit: 1}
		}
		return parts{unit: 1}
	}
	if k == Errors {
		return parts{unit: 0.4, steady: 0.3, limit: 0.3}
	}
	return parts{unit: 0.5, steady: 0.5}
}
