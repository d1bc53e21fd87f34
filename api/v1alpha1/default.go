package v1alpha1

import (
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The defaults of a migration.
const (
	DefaultMaxErrorRatio  Ratio = 10_000 // 1 %
	DefaultMinRequests    int32 = 50
	DefaultWindow               = 30 * time.Second
	DefaultUnknownAfter         = 60 * time.Second
	DefaultScrapeInterval       = time.Second
)

// Default fills in what the migration leaves open, so that every optional field
// but MaxP99, Latency, Deadline and Approval has a value, every route knows how
// AWS is reached, and names are in the form in which DNS compares them. Doing it
// twice changes nothing.
func (m *Migration) Default() {
	m.Spec.Gate.Thresholds = m.Spec.Gate.Thresholds.defaulted()

	r := &m.Spec.Rollback
	if r.Mode == "" {
		r.Mode = RollbackAutomatic
	}
	if r.OnUnknown == "" {
		r.OnUnknown = OnUnknownHold
	}
	orDefault(&r.UnknownAfter, metav1.Duration{Duration: DefaultUnknownAfter})

	for _, s := range m.Spec.Signals {
		if s.Scrape != nil {
			orDefault(&s.Scrape.Interval, metav1.Duration{Duration: DefaultScrapeInterval})
			orDefault(&s.Scrape.Timeout, *s.Scrape.Interval)
		}
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
	orDefault(&t.MaxErrorRatio, DefaultMaxErrorRatio)
	orDefault(&t.MinRequests, DefaultMinRequests)
	orDefault(&t.Window, metav1.Duration{Duration: DefaultWindow})
	return t
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
