package v1alpha1

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func parsed(t testing.TB, name string) *Bundle {
	t.Helper()
	bundle, err := Parse(name, fixtures(t, name)[name])
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestDefaultsOfAMinimalMigration(t *testing.T) {
	m := parsed(t, "valid-minimal.yaml").Migrations[0]
	duration := func(d time.Duration) *metav1.Duration { return &metav1.Duration{Duration: d} }
	requests, budget := int32(50), int32(20)
	alpha, promotion, difference, slo := Ratio(10_000), Ratio(50_000), Ratio(500), Ratio(995_000)
	ratio, dispersion := Factor(1_500_000), Factor(1_000_000)
	want := Gate{
		Thresholds: Thresholds{MinRequests: &requests, Window: duration(30 * time.Second)},
		Analysis: Analysis{
			Alpha: &alpha, PromotionAlpha: &promotion, Tolerance: Tolerance{Ratio: &ratio, Difference: &difference},
			Errors:  ErrorAnalysis{Form: "hybrid", Unit: duration(30 * time.Second), LongestUnit: duration(5 * time.Minute), SLO: &slo},
			Latency: LatencyAnalysis{P50: "source", P99: "source"}, MinRequests: &requests, Evidence: "optional", Ramp: "fixed",
			HarmBudget: &budget, Dispersion: &dispersion,
		},
	}
	if diff := cmp.Diff(want, m.Spec.Gate); diff != "" {
		t.Error(diff)
	}
	unknown := OnUnknown{
		NoTraffic: "hold", NoTargetData: "rollback", NoSourceData: "hold", NoData: "hold", Unreachable: "hold", SilentTarget: "rollback",
		ClockSkew: "hold", SampleRatio: "hold", NoLatency: "hold",
	}
	if diff := cmp.Diff(Rollback{Mode: "automatic", OnUnknown: unknown, UnknownAfter: duration(time.Minute)}, m.Spec.Rollback); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(&AWSAccess{Region: "eu-west-1"}, m.Spec.Routes[0].ALB.AWS); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultsOfRoutesAndSignals(t *testing.T) {
	m := parsed(t, "valid-everything.yaml").Migrations[0]
	want := map[string]*AWSAccess{
		"public":      {Profile: "shop", Region: "eu-west-1", RoleARN: "arn:aws:iam::123456789012:role/watari", EndpointURL: "https://elb.internal:8443/aws"},
		"fallback":    {Profile: "shop", Region: "eu-west-1"},
		"partners":    {Profile: "shop", Region: "eu-west-1"},
		"partners-v6": {Profile: "shop", Region: "eu-west-1"},
		"status":      {Profile: "dns", Region: "eu-west-1"},
	}
	got := map[string]*AWSAccess{}
	for _, r := range m.Spec.Routes {
		if r.ALB != nil {
			got[r.Name] = r.ALB.AWS
		} else {
			got[r.Name] = r.Route53.AWS
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"api.example.com", "*.api.example.com", "upload.example.com"}, m.Spec.Routes[2].Route53.Names); diff != "" {
		t.Error(diff)
	}
	if ttl := m.Spec.Routes[4].Route53.Target.TTL; ttl == nil || *ttl != 0 {
		t.Error("the default TTL is not the source's:", ttl)
	}
	if m.Spec.Routes[2].Route53.Target.TTL != nil {
		t.Error("an alias has a TTL")
	}

	s := parsed(t, "valid-short-forms.yaml").Migrations[0].Spec.Signals[0].Scrape
	if s.Interval.Duration != time.Second || s.Timeout.Duration != time.Second {
		t.Error("interval and timeout are", s.Interval, s.Timeout)
	}
}

func TestALBIsReachedInTheRegionOfItsARN(t *testing.T) {
	m := parsed(t, "valid-minimal.yaml").Migrations[0]
	m.Spec.AWS = &AWSAccess{Region: "us-east-1", Profile: "shop"}
	m.Default()
	if diff := cmp.Diff(&AWSAccess{Region: "eu-west-1", Profile: "shop"}, m.Spec.Routes[0].ALB.AWS); diff != "" {
		t.Error(diff)
	}
}

func TestDefaultTwiceChangesNothing(t *testing.T) {
	for name := range fixtures(t, "valid-*.yaml") {
		for _, m := range parsed(t, name).Migrations {
			again := *m.DeepCopy()
			again.Default()
			if diff := cmp.Diff(m, again); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for _, pattern := range []string{"valid-*.yaml", "valid-*.json"} {
		for name := range fixtures(t, pattern) {
			mustRoundTrip(t, parsed(t, name))
		}
	}
}

// mustRoundTrip writes what was read and reads it again. Objects must be valid
// on their own as well, since that is how a controller sees them.
func mustRoundTrip(t *testing.T, bundle *Bundle) {
	t.Helper()
	var text []byte
	add := func(object any, mistakes error) {
		data, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		if mistakes != nil {
			t.Errorf("valid in its file, but not on its own: %v\n%s", mistakes, data)
		}
		text = append(append(text, "---\n"...), data...)
	}
	for i := range bundle.Environments {
		add(bundle.Environments[i], bundle.Environments[i].Validate())
	}
	for i := range bundle.Migrations {
		add(bundle.Migrations[i], bundle.Migrations[i].Validate())
	}
	again, err := Parse("again.yaml", text)
	if err != nil {
		t.Fatalf("what was written cannot be read: %v\n%s", err, text)
	}
	// The status is not read from files.
	for i := range bundle.Migrations {
		bundle.Migrations[i].Status = MigrationStatus{}
	}
	if diff := cmp.Diff(bundle, again); diff != "" {
		t.Fatal(diff)
	}
}
