package plan

import (
	"cmp"
	"slices"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/verdict"
)

// The levers that split by client split less evenly than those that split by
// request: one resolver stands for many users.
const (
	splitByRequest = 0.1
	splitByClient  = 0.5
)

// analysis resolves how the sides are compared; nil without signals.
func analysis(m *v1alpha1.Migration, signals []Signal) *verdict.Config {
	if len(signals) == 0 {
		return nil
	}
	a := m.Spec.Gate.Analysis
	cfg := verdict.Config{
		Alpha: a.Alpha.Float64(), Advance: a.PromotionAlpha.Float64(),
		Ratio: a.Tolerance.Ratio.Float64(), Difference: a.Tolerance.Difference.Float64(),
		Form: verdict.Form(a.Errors.Form), Unit: a.Errors.Unit.Duration, LongestUnit: a.Errors.LongestUnit.Duration,
		Limit: verdict.LimitOf(a.Errors.SLO.Float64()), Dispersion: a.Dispersion.Float64(), Horizon: horizon(m),
		HarmBudget: float64(*a.HarmBudget), Adaptive: a.Ramp == v1alpha1.RampAdaptive, Promote: a.Evidence == v1alpha1.EvidenceRequired,
	}
	if cfg.Difference == 0 {
		cfg.Difference = -1 // none, and not the default
	}
	for i, s := range signals {
		at := slices.IndexFunc(cfg.Services, func(have verdict.Service) bool { return have.Name == s.Service })
		if at < 0 {
			cfg.Services = append(cfg.Services, service(m, i, s))
			continue
		}
		// What only one of its signals counts is compared while that one is believed.
		have, other := &cfg.Services[at], service(m, i, s)
		have.Every = max(have.Every, other.Every)
		have.Route = cmp.Or(have.Route, other.Route)
		have.Latency = have.Latency || other.Latency
		for _, metric := range other.Metrics {
			if !slices.ContainsFunc(have.Metrics, func(h verdict.Metric) bool { return h.Name == metric.Name }) {
				have.Metrics = append(have.Metrics, metric)
			}
		}
	}
	cfg = cfg.WithDefaults()
	return &cfg
}

// service resolves what is compared of the service that the i-th signal counts.
func service(m *v1alpha1.Migration, i int, s Signal) verdict.Service {
	a := m.Spec.Gate.Analysis
	route := m.Spec.Signals[i].Route
	out := verdict.Service{
		Name: s.Service, Route: route, Every: s.Every, Lag: s.lag(), Split: splitTolerance(m, route),
		Weight: weight(a.Weights.Routes, route) * weight(a.Weights.Services, s.Service),
	}
	add := func(metric verdict.Metric) {
		metric.Weight = weight(a.Weights.Metrics, metric.Name)
		out.Metrics = append(out.Metrics, metric)
	}
	add(verdict.Metric{Name: "errors", Kind: verdict.Errors})
	if s.Query.Latency.Source != "" {
		for _, metric := range latencies(a.Latency) {
			add(metric)
		}
		out.Latency = len(out.Metrics) > 1 || m.Spec.Gate.Thresholds.MaxP99 != nil
	}
	for j, e := range s.Query.Events {
		add(verdict.Metric{Name: e.Name, Kind: verdict.Events, Event: j})
	}
	return out
}

func latencies(l v1alpha1.LatencyAnalysis) (out []verdict.Metric) {
	for _, q := range []struct {
		name     string
		edge     v1alpha1.LatencyEdge
		quantile float64
	}{{"p50", l.P50, 0.5}, {"p99", l.P99, 0.99}} {
		m := verdict.Metric{Name: q.name, Kind: verdict.Latency}
		switch q.edge {
		case v1alpha1.LatencyOff:
			continue
		case v1alpha1.LatencyOfSource:
			m.Quantile = q.quantile
		default:
			m.Edge = duration(string(q.edge))
		}
		out = append(out, m)
	}
	for _, edge := range l.Edges {
		out = append(out, verdict.Metric{Name: edge, Kind: verdict.Latency, Edge: duration(edge)})
	}
	if l.SlowerThan != nil {
		out = append(out, verdict.Metric{Name: slowerThan, Kind: verdict.Slower, Edge: l.SlowerThan.Duration})
	}
	return out
}

// slowerThan is the name of the metric, as the file writes it.
const slowerThan = "slowerThan"

// askedEdges lists the latencies at which the migration compares or limits requests,
// ascending: who can be asked for buckets is asked for those, besides others.
func askedEdges(m *v1alpha1.Migration, others []string) (edges []time.Duration) {
	l := m.Spec.Gate.Analysis.Latency
	for _, text := range slices.Concat(others, l.Edges, []string{string(l.P50), string(l.P99)}) {
		if d := duration(text); d > 0 {
			edges = append(edges, d)
		}
	}
	if l.SlowerThan != nil {
		edges = append(edges, l.SlowerThan.Duration)
	}
	if p99 := m.Spec.Gate.Thresholds.MaxP99; p99 != nil {
		edges = append(edges, p99.Duration)
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// duration reads a latency, which validation has read before.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0
	}
	return d
}

func weight(of map[string]int32, name string) float64 {
	if w, written := of[name]; written {
		return float64(w)
	}
	return 1
}

// splitTolerance is how much the requests of a route, or of all, may be split
// otherwise than intended.
func splitTolerance(m *v1alpha1.Migration, route string) float64 {
	if t := m.Spec.Gate.Analysis.SplitTolerance; t != nil {
		return max(t.Float64(), 1e-9) // 0 is none, and not the default
	}
	for _, r := range m.Spec.Routes {
		if r.ALB == nil && (route == "" || r.Name == route) {
			return splitByClient
		}
	}
	return splitByRequest
}

// window is how far back requests count: at least two of the slowest source's
// intervals, so that it is never empty between them.
func window(written time.Duration, signals []Signal) time.Duration {
	for _, s := range signals {
		written = max(written, 2*s.Every)
	}
	return written
}

// horizon is how long the migration may take: over that the bets of the analysis
// are spread. Approvals and low traffic are allowed for by doubling the holds.
func horizon(m *v1alpha1.Migration) time.Duration {
	var holds time.Duration
	for _, s := range m.Spec.Steps {
		holds += s.Hold.Duration
	}
	if m.Spec.Deadline != nil {
		last := m.Spec.Steps[len(m.Spec.Steps)-1].Hold.Duration
		return m.Spec.Deadline.Duration + last // the deadline ends where the last hold begins
	}
	return max(verdict.DefaultHorizon, 2*holds)
}

// lag is how long after they were made the counts of a signal are known.
func (s Signal) lag() time.Duration {
	switch {
	case s.CloudWatch != nil:
		return s.CloudWatch.Delay + s.Every
	case s.Datadog != nil:
		return s.Datadog.Delay + s.Every
	case s.Prometheus != nil:
		return s.Every
	case s.AccessLog != nil:
		return s.AccessLog.Delay
	default:
		return 0
	}
}

// kind names the source of a signal as the file does.
func (s Signal) kind() string {
	switch {
	case s.Scrape != nil:
		return "scrape"
	case s.Prometheus != nil:
		return "prometheus"
	case s.CloudWatch != nil:
		return "cloudWatch"
	case s.AccessLog != nil:
		return "accessLog"
	default:
		return "datadog"
	}
}

// unknowns resolves what is done about each kind of not knowing.
func unknowns(o v1alpha1.OnUnknown) map[engine.Why]engine.OnUnknown {
	return map[engine.Why]engine.OnUnknown{
		engine.NoTraffic:    engine.OnUnknown(o.NoTraffic),
		engine.NoTargetData: engine.OnUnknown(o.NoTargetData),
		engine.NoSourceData: engine.OnUnknown(o.NoSourceData),
		engine.NoData:       engine.OnUnknown(o.NoData),
		engine.Unreachable:  engine.OnUnknown(o.Unreachable),
		engine.Silent:       engine.OnUnknown(o.SilentTarget),
		engine.ClockSkew:    engine.OnUnknown(o.ClockSkew),
		engine.Missplit:     engine.OnUnknown(o.SampleRatio),

		engine.NoSourceLatency: engine.OnUnknown(o.NoLatency),
		engine.NoTargetLatency: engine.OnUnknown(o.NoLatency),
	}
}
