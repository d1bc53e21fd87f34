package plan

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

const fixtures = "../api/v1alpha1/testdata/"

// resolved loads the only migration of a fixture.
func resolved(t *testing.T, name string) Plan {
	t.Helper()
	plans := resolvedAll(t, fixtures+name)
	if len(plans) != 1 {
		t.Fatalf("%s has %d migrations, want 1", name, len(plans))
	}
	return plans[0]
}

func resolvedAll(t *testing.T, path string) (plans []Plan) {
	t.Helper()
	bundle, err := v1alpha1.Load(nil, path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range bundle.Migrations {
		plans = append(plans, Resolve(bundle, &bundle.Migrations[i]))
	}
	return plans
}

func bySide[T any](source, target T) traffic.BySide[T] {
	return traffic.BySide[T]{Source: source, Target: target}
}

// TestEverythingIsResolved holds every field of a file in which nothing is left
// out against the plan.
func TestEverythingIsResolved(t *testing.T) {
	const elb = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	const zone = "Z0123456789ABCDEFGHIJ"
	shared := AWS{Profile: "shop", Region: "eu-west-1"}
	special := shared
	special.RoleARN, special.EndpointURL = "arn:aws:iam::123456789012:role/watari", "https://elb.internal:8443/aws"
	slow := []verdict.Metric{
		{Name: "errors", Kind: verdict.Errors, Weight: 3}, {Name: "p99", Kind: verdict.Latency, Weight: 1, Edge: 300 * time.Millisecond},
		{Name: "1s", Kind: verdict.Latency, Weight: 1, Edge: time.Second}, {Name: "slowerThan", Kind: verdict.Slower, Weight: 4, Edge: 5 * time.Second},
	}
	webGroups := bySide(elb+"targetgroup/web-1-33/73e2d6bc24d8a067", elb+"targetgroup/web-1-36/73e2d6bc24d8a067")
	want := Plan{
		Version: 2, Needs: needs,
		Spec: engine.Spec{
			Name: "shop-to-1-36", Source: "eks-1-33", Target: "eks-1-36",
			Routes: []engine.RouteSpec{{Name: "public"}, {Name: "fallback"}, {Name: "partners"}, {Name: "partners-v6"}, {Name: "status"}},
			Steps: []engine.StepSpec{
				{Share: 100, Hold: 10 * time.Minute}, {Share: 1000, Hold: 30 * time.Minute},
				{Share: 5000, Hold: time.Hour, Approval: true}, {Share: 10000, Hold: 24 * time.Hour},
			},
			Gate: engine.Gate{
				Signals: true, MaxErrorRatio: 0.005, MaxP99: 300 * time.Millisecond, MinRequests: 100, StepRequests: 200, Window: 10 * time.Minute, Interval: time.Second,
				Analysis: &verdict.Config{
					Alpha: 0.005, Advance: 0.02, Ratio: 1.2, Difference: 0.001, Form: verdict.Hybrid, Unit: time.Minute, LongestUnit: 4 * time.Minute,
					Limit: verdict.LimitOf(0.999), Horizon: 26 * time.Hour, Dispersion: 1.8, SampleAlpha: verdict.DefaultSampleAlpha,
					SampleTolerance: verdict.DefaultSampleTolerance, HarmBudget: 50, Adaptive: true, Promote: true,
					Services: []verdict.Service{
						{Name: "checkout", Route: "public", Weight: 12, Every: 30 * time.Second, Lag: 30 * time.Second, Split: 0.2, Latency: true, Metrics: []verdict.Metric{
							{Name: "errors", Kind: verdict.Errors, Weight: 3}, {Name: "p99", Kind: verdict.Latency, Weight: 1, Edge: 300 * time.Millisecond},
							{Name: "1s", Kind: verdict.Latency, Weight: 1, Edge: time.Second}, {Name: "slowerThan", Kind: verdict.Slower, Weight: 4, Edge: 5 * time.Second}, {Name: "declined", Kind: verdict.Events, Weight: 2},
						}},
						{Name: "signals[1]", Weight: 1, Every: 2 * time.Second, Split: 0.2, Latency: true, Metrics: slow},
						{Name: "web", Route: "fallback", Weight: 2, Every: 5 * time.Minute, Lag: 4 * time.Minute, Split: 0.2, Latency: true, Metrics: slow},
						{Name: "signals[4]", Weight: 1, Every: 30 * time.Second, Lag: 2 * time.Minute, Split: 0.2, Metrics: slow[:1]},
					},
				},
			},
			Rollback: engine.Rollback{OnUnknown: engine.UnknownHolds, UnknownAfter: 2 * time.Minute, Kinds: map[engine.Why]engine.OnUnknown{
				engine.NoTraffic: engine.UnknownHolds, engine.NoTargetData: engine.UnknownRollsBack, engine.NoSourceData: engine.UnknownHolds, engine.NoData: engine.UnknownHolds,
				engine.Unreachable: engine.UnknownRollsBack, engine.Silent: engine.UnknownHolds, engine.ClockSkew: engine.UnknownRollsBack, engine.Missplit: engine.UnknownIgnored,
				engine.NoSourceLatency: engine.UnknownIgnored, engine.NoTargetLatency: engine.UnknownIgnored,
			}},
			OnDrift:  engine.DriftReasserts,
			Deadline: 2 * time.Hour,
		},
		Levers: []Lever{
			{AWS: special, Ref: router.Ref{
				Name: "public", Driver: "alb", ID: elb + "listener-rule/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2/9683b2d02a6cabee",
				Source: elb + "targetgroup/shop-1-33/73e2d6bc24d8a067", Target: elb + "targetgroup/shop-1-36/73e2d6bc24d8a067",
			}},
			{AWS: shared, Ref: router.Ref{
				Name: "fallback", Driver: "alb", ID: elb + "listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2",
				Source: elb + "targetgroup/web-1-33/73e2d6bc24d8a067", Target: elb + "targetgroup/web-1-36/73e2d6bc24d8a067",
			}},
			{AWS: shared, Ref: router.Ref{
				Name: "partners", Driver: "route53", ID: zone, Names: []string{"api.example.com", "*.api.example.com", "upload.example.com"}, Type: "A",
				Source: "eks-1-33", Target: "eks-1-36", Convert: true,
				Create: &router.Record{Alias: &router.Alias{Zone: "Z32O12XQLNTSW2", Name: "shop-36.eu-west-1.elb.amazonaws.com", EvaluateHealth: true}},
			}},
			{AWS: shared, Ref: router.Ref{
				Name: "partners-v6", Driver: "route53", ID: zone, Names: []string{"api.example.com"}, Type: "AAAA", Source: "eks-1-33", Target: "eks-1-36",
				Create: &router.Record{Values: []string{"2001:db8::36"}, TTL: 30 * time.Second},
			}},
			{AWS: AWS{Profile: "dns", Region: "eu-west-1"}, Ref: router.Ref{
				Name: "status", Driver: "route53", ID: zone, Names: []string{"status.example.com"}, Type: "CNAME", Source: "eks-1-33", Target: "eks-1-36",
				Create: &router.Record{Values: []string{"status-36.example.net"}},
			}},
		},
		Signals: []Signal{
			{
				Service: "checkout", Every: 30 * time.Second,
				Prometheus: &Prometheus{URL: "http://prometheus.eks-1-33:9090", Target: "http://prometheus.eks-1-36:9090"},
				Query: signal.Query{
					Name:     "signals[0] prometheus",
					Requests: bySide(`http_requests_total{cluster="eks-1-33"}`, `http_requests_total{cluster="eks-1-36"}`),
					Errors:   bySide(`http_requests_total{cluster="eks-1-33",code=~"5.."}`, `http_requests_total{cluster="eks-1-36",code=~"5.."}`),
					Latency:  bySide(`http_request_duration_seconds_bucket{cluster="eks-1-33"}`, `http_request_duration_seconds_bucket{cluster="eks-1-36"}`),
					Events:   []signal.Event{{Name: "declined", Count: bySide(`payments_total{cluster="eks-1-33",result="declined"}`, `payments_total{cluster="eks-1-36",result="declined"}`)}},
				},
			},
			{
				Service: "signals[1]", Every: 2 * time.Second,
				Scrape: &Scrape{Endpoints: []string{"http://10.0.3.7:9100/metrics", "http://10.0.4.7:9100/metrics"}, Interval: 2 * time.Second, Timeout: time.Second},
				Query: signal.Query{
					Name:     "signals[1] scrape",
					Requests: bySide(`requests_total{group="shop-1-33"}`, `requests_total{group="shop-1-36"}`),
					Errors:   bySide(`errors_total{group="shop-1-33"}`, `errors_total{group="shop-1-36"}`),
					Latency:  bySide(`latency_seconds_bucket{group="shop-1-33"}`, `latency_seconds_bucket{group="shop-1-36"}`),
				},
			},
			{
				Service: "web", Every: time.Minute,
				CloudWatch: &CloudWatch{AWS: shared, Listener: elb + "listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2", Delay: 3 * time.Minute},
				Query:      signal.Query{Name: "signals[2] cloudWatch", Requests: webGroups, Errors: bySide("5xx", "5xx"), Latency: bySide("300ms,1s,5s", "300ms,1s,5s")},
			},
			{
				Service: "web", Every: 5 * time.Minute,
				AccessLog: &AccessLog{Path: filepath.Join(fixtures, "logs/alb"), All: true, AttemptField: "Attempt", Delay: 7 * time.Minute},
				Query: signal.Query{
					Name: "signals[3] accessLog", Requests: webGroups, Errors: bySide("502,503", "502,503"), Latency: bySide("target_processing_time", "target_processing_time"),
				},
			},
			{
				Service: "signals[4]", Every: 30 * time.Second,
				Datadog: &Datadog{
					Site: "datadoghq.eu", Every: 30 * time.Second, Delay: 90 * time.Second,
					APIKeyFile: filepath.Join(fixtures, "keys/api"), AppKeyFile: filepath.Join(fixtures, "keys/app"),
				},
				Query: signal.Query{
					Name:     "signals[4] datadog",
					Requests: bySide("sum:trace.http.request.hits{cluster:eks-1-33}.as_count()", "sum:trace.http.request.hits{cluster:eks-1-36}.as_count()"),
					Errors:   bySide("sum:trace.http.request.errors{cluster:eks-1-33}.as_count()", "sum:trace.http.request.errors{cluster:eks-1-36}.as_count()"),
				},
			},
		},
		Environments: bySide(
			Environment{Name: "eks-1-33", Kubernetes: &Kubernetes{Kubeconfig: filepath.Join(fixtures, "kube/eks-1-33.yaml"), Context: "eks-1-33", Include: []string{"shop", "payments"}}},
			Environment{Name: "eks-1-36", Kubernetes: &Kubernetes{Kubeconfig: "/etc/watari/eks-1-36.yaml", Context: "eks-1-36", Exclude: []string{"kube-system"}}},
		),
	}
	if diff := cmp.Diff(want, resolved(t, "valid-everything.yaml")); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
}

// TestDefaultsAreTheDocumentedOnes resolves a file in which everything optional
// is left out.
func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	p := resolved(t, "valid-minimal.yaml")
	cfg := verdict.Config{Services: []verdict.Service{{Name: "signals[0]", Every: 15 * time.Second, Lag: 15 * time.Second, Split: splitByRequest}}}.WithDefaults()
	want := engine.Gate{Signals: true, MaxErrorRatio: 1, MinRequests: 50, StepRequests: 50, Window: 30 * time.Second, Interval: time.Second, Analysis: &cfg}
	if diff := cmp.Diff(want, p.Spec.Gate); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	kinds := map[engine.Why]engine.OnUnknown{
		engine.NoTraffic: engine.UnknownHolds, engine.NoTargetData: engine.UnknownRollsBack, engine.NoSourceData: engine.UnknownHolds, engine.NoData: engine.UnknownHolds,
		engine.Unreachable: engine.UnknownHolds, engine.Silent: engine.UnknownRollsBack, engine.ClockSkew: engine.UnknownHolds, engine.Missplit: engine.UnknownHolds,
		engine.NoSourceLatency: engine.UnknownHolds, engine.NoTargetLatency: engine.UnknownHolds,
	}
	if diff := cmp.Diff(engine.Rollback{OnUnknown: engine.UnknownHolds, UnknownAfter: time.Minute, Kinds: kinds}, p.Spec.Rollback); diff != "" || p.Spec.Deadline != 0 {
		t.Errorf("deadline %s, rollback want -, have +\n%s", p.Spec.Deadline, diff)
	}
	if q := p.Signals[0].Query; q.Latency != bySide("", "") || p.Levers[0].Ref.Create != nil || p.Levers[0].AWS != (AWS{Region: "eu-west-1"}) {
		t.Errorf("latency %+v, lever %+v", q.Latency, p.Levers[0])
	}
}

// TestShortForms resolves what may be written shorter.
func TestShortForms(t *testing.T) {
	p := resolved(t, "valid-short-forms.yaml")
	want := []engine.StepSpec{
		{Share: 50, Hold: time.Minute}, {Share: 75, Hold: 30 * time.Second}, {Share: 1250, Hold: 90 * time.Minute}, {Share: 10000, Hold: 24 * time.Hour, Approval: true},
	}
	if diff := cmp.Diff(want, p.Spec.Steps); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	if s := p.Signals[0].Scrape; s.Interval != time.Second || s.Timeout != time.Second {
		t.Errorf("interval %s, timeout %s", s.Interval, s.Timeout)
	}
	if ref := p.Levers[1].Ref; ref.Create != nil || ref.Convert || ref.Type != "A" {
		t.Errorf("records that exist need nothing created: %+v", ref)
	}
}

func TestWithoutSignalsAndByHand(t *testing.T) {
	p := resolved(t, "valid-approval-only.yaml")
	if p.Spec.Gate.Signals || len(p.Signals) != 0 {
		t.Error("signals came from nowhere")
	}
	for _, s := range p.Spec.Steps {
		if !s.Approval {
			t.Errorf("a step without any gate: %+v", s)
		}
	}
	bundle, err := v1alpha1.Load(nil, fixtures+"valid-minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bundle.Migrations[0].Spec.Rollback.Mode = v1alpha1.RollbackManual
	if !Resolve(bundle, &bundle.Migrations[0]).Spec.Rollback.Manual {
		t.Error("rollback: manual was lost")
	}
}
