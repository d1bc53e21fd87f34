package v1alpha1

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The defaults of a migration.
const (
	DefaultMinRequests    int32  = 50
	DefaultWindow                = 30 * time.Second
	DefaultUnknownAfter          = 60 * time.Second
	DefaultScrapeInterval        = time.Second
	DefaultAlpha          Ratio  = 10_000    // 1 %
	DefaultPromotionAlpha Ratio  = 50_000    // 5 %
	DefaultToleranceRatio Factor = 1_500_000 // 150 %
	DefaultDifference     Ratio  = 500       // 0.05 %
	DefaultSLO            Ratio  = 995_000   // 99.5 %
	DefaultUnit                  = 30 * time.Second
	DefaultLongestUnit           = 5 * time.Minute
	DefaultHarmBudget     int32  = 20
	DefaultDispersion     Factor = 1_000_000 // 100 %
	// DefaultPrometheusInterval is a quarter of Prometheus's own default, and what
	// most set.
	DefaultPrometheusInterval = 15 * time.Second
	DefaultCloudWatchDelay    = 2 * time.Minute
	DefaultDatadogEvery       = 20 * time.Second
	DefaultDatadogDelay       = time.Minute
	DefaultLogErrors          = "5xx"
	DefaultFileDelay          = 2 * time.Second
	// DefaultDirectoryDelay allows for a minute on the way: a load balancer
	// publishes a log file every five (Elastic Load Balancing User Guide, "Access
	// logs for your Application Load Balancer").
	DefaultDirectoryDelay = 6 * time.Minute
)

// Default fills in what the migration leaves open, so that every optional field
// but MaxErrorRatio, MaxP99, SlowerThan, Latency, SplitTolerance, Weights, Deadline and
// Approval has a value, every route knows how
// AWS is reached, and names are in the form in which DNS compares them. Doing it
// twice changes nothing.
func (m *Migration) Default() {
	m.Spec.Gate.Thresholds = m.Spec.Gate.Thresholds.defaulted()
	m.Spec.Gate.Analysis = m.Spec.Gate.Analysis.defaulted()

	r := &m.Spec.Rollback
	if r.Mode == "" {
		r.Mode = RollbackAutomatic
	}
	r.OnUnknown = r.OnUnknown.defaulted()
	if m.Spec.OnDrift == "" {
		m.Spec.OnDrift = DriftHold
	}
	orDefault(&r.UnknownAfter, metav1.Duration{Duration: DefaultUnknownAfter})

	for i := range m.Spec.Signals {
		m.Spec.Signals[i].fillIn(&m.Spec)
	}
	for _, route := range m.Spec.Routes {
		if route.ALB != nil {
			route.ALB.fillIn(m.Spec.AWS)
		}
		if route.Route53 != nil {
			route.Route53.fillIn(m.Spec.AWS)
		}
	}
}

func (t Thresholds) defaulted() Thresholds {
	orDefault(&t.MinRequests, DefaultMinRequests)
	orDefault(&t.Window, metav1.Duration{Duration: DefaultWindow})
	return t
}

func (a Analysis) defaulted() Analysis {
	orDefault(&a.Alpha, DefaultAlpha)
	orDefault(&a.PromotionAlpha, DefaultPromotionAlpha)
	orDefault(&a.Tolerance.Ratio, DefaultToleranceRatio)
	orDefault(&a.Tolerance.Difference, DefaultDifference)
	orDefault(&a.Errors.Unit, metav1.Duration{Duration: DefaultUnit})
	orDefault(&a.Errors.LongestUnit, metav1.Duration{Duration: max(DefaultLongestUnit, a.Errors.Unit.Duration)})
	orDefault(&a.Errors.SLO, DefaultSLO)
	orDefault(&a.MinRequests, DefaultMinRequests)
	orDefault(&a.HarmBudget, DefaultHarmBudget)
	orDefault(&a.Dispersion, DefaultDispersion)
	if a.Errors.Form == "" {
		a.Errors.Form = "hybrid"
	}
	if a.Latency.P50 == "" {
		a.Latency.P50 = LatencyOfSource
	}
	if a.Latency.P99 == "" {
		a.Latency.P99 = LatencyOfSource
	}
	if a.Ramp == "" {
		a.Ramp = RampFixed
	}
	if a.Evidence == "" {
		a.Evidence = EvidenceOptional
		if a.Ramp == RampAdaptive {
			a.Evidence = EvidenceRequired
		}
	}
	return a
}

// fillIn gives a signal its defaults. What counts at a load balancer belongs to
// the only route that has one, unless it says another, and is reached as that
// route is.
func (s *Signal) fillIn(spec *MigrationSpec) {
	if s.CloudWatch != nil || s.AccessLog != nil {
		if only := albRoutes(spec); s.Route == "" && len(only) == 1 {
			s.Route = only[0]
		}
	}
	switch {
	case s.Scrape != nil:
		orDefault(&s.Scrape.Interval, metav1.Duration{Duration: DefaultScrapeInterval})
		orDefault(&s.Scrape.Timeout, *s.Scrape.Interval)
	case s.Prometheus != nil:
		orDefault(&s.Prometheus.Interval, metav1.Duration{Duration: DefaultPrometheusInterval})
	case s.CloudWatch != nil:
		orDefault(&s.CloudWatch.Delay, metav1.Duration{Duration: DefaultCloudWatchDelay})
		s.CloudWatch.AWS = merged(s.CloudWatch.AWS, nil)
		if r := spec.route(s.Route); r != nil && r.ALB != nil {
			own := *r.ALB
			own.fillIn(spec.AWS)
			own.AWS.EndpointURL = "" // that one is the load balancing API's
			if spec.AWS != nil {
				own.AWS.EndpointURL = spec.AWS.EndpointURL
			}
			s.CloudWatch.AWS = merged(s.CloudWatch.AWS, own.AWS)
		}
	case s.AccessLog != nil:
		if s.AccessLog.Errors == "" {
			s.AccessLog.Errors = DefaultLogErrors
		}
		if s.AccessLog.Attempts == "" {
			s.AccessLog.Attempts = AttemptsFirst
		}
		delay := DefaultFileDelay
		if s.AccessLog.Directory != "" {
			delay = DefaultDirectoryDelay
		}
		orDefault(&s.AccessLog.Delay, metav1.Duration{Duration: delay})
	case s.Datadog != nil:
		orDefault(&s.Datadog.Every, metav1.Duration{Duration: DefaultDatadogEvery})
		orDefault(&s.Datadog.Delay, metav1.Duration{Duration: DefaultDatadogDelay})
	}
}

// albRoutes returns the names of the routes that are load balancers.
func albRoutes(spec *MigrationSpec) (names []string) {
	for _, r := range spec.Routes {
		if r.ALB != nil {
			names = append(names, r.Name)
		}
	}
	return names
}

func (s *MigrationSpec) route(name string) *Route {
	for i := range s.Routes {
		if s.Routes[i].Name == name {
			return &s.Routes[i]
		}
	}
	return nil
}

func (r *ALBRoute) fillIn(shared *AWSAccess) {
	if lever, err := parseARN(r.leverARN()); err == nil {
		orDefault(&r.AWS, AWSAccess{})
		// A listener is reached in its own region and in no other.
		r.AWS.Region = lever.region
	}
	r.AWS = merged(r.AWS, shared)
}

func (r *Route53Route) fillIn(shared *AWSAccess) {
	if r.Type == "" {
		r.Type = RecordA
	}
	if r.Target.Value != "" {
		orDefault(&r.Target.TTL, 0)
	}
	for i, name := range r.Names {
		r.Names[i] = canonicalName(name)
	}
	r.AWS = merged(r.AWS, shared)
}

// merged returns own with its empty fields taken from shared.
func merged(own, shared *AWSAccess) *AWSAccess {
	out := AWSAccess{}
	if own != nil {
		out = *own
	}
	if shared == nil {
		return &out
	}
	for _, field := range []struct {
		own    *string
		shared string
	}{
		{&out.Profile, shared.Profile},
		{&out.Region, shared.Region},
		{&out.RoleARN, shared.RoleARN},
		{&out.EndpointURL, shared.EndpointURL},
	} {
		if *field.own == "" {
			*field.own = field.shared
		}
	}
	return &out
}

// canonicalName returns a DNS name in the one form that stands for all equal ones.
func canonicalName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

func orDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}
