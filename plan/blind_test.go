package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/signal"
	"watari.dev/verdict"
)

// TestSignalsThatDoNotSeeGRPC: those that count by HTTP status, on a route that speaks
// gRPC, and no others.
func TestSignalsThatDoNotSeeGRPC(t *testing.T) {
	public := router.Ref{Name: "public", Driver: "alb", Source: "arn:old", Target: "arn:new"}
	inner := router.Ref{Name: "inner", Driver: "alb", Source: "arn:a", Target: "arn:b"}
	of := func(r router.Ref, name string) signal.Query {
		return signal.Query{Name: name, Requests: bySide(r.Source, r.Target), Errors: bySide("5xx", "5xx")}
	}
	selects := func(name, errors string) signal.Query {
		return signal.Query{Name: name, Requests: bySide("requests", "requests"), Errors: bySide(errors, errors)}
	}
	p := Plan{
		Levers: []Lever{{Ref: public}, {Ref: inner}},
		Spec:   engine.Spec{Gate: engine.Gate{Analysis: &verdict.Config{Services: []verdict.Service{{Name: "calls", Route: "public"}, {Name: "pages", Route: "inner"}, {Name: "all"}}}}},
		Signals: []Signal{
			{Service: "calls", Query: of(public, "cloudWatch"), CloudWatch: &CloudWatch{}},
			{Service: "calls", Query: of(public, "accessLog"), AccessLog: &AccessLog{}},
			{Service: "pages", Query: of(inner, "cloudWatch of another"), CloudWatch: &CloudWatch{}},
			{Service: "calls", Query: selects("codes of HTTP", `http_requests_total{code=~"5.."}`), Prometheus: &Prometheus{}},
			{Service: "calls", Query: selects("codes by digits", `http_requests_total{code=~"5\\d\\d|500"}`), Scrape: &Scrape{}},
			{Service: "calls", Query: selects("classes", `sum:trace.hits{http.status_class:5xx}.as_count()`), Datadog: &Datadog{}},
			{Service: "calls", Query: selects("one code", `http_requests_total{code="503"}`), Prometheus: &Prometheus{}},
			{Service: "calls", Query: selects("grpc_code", `grpc_server_handled_total{grpc_code!="OK"}`), Prometheus: &Prometheus{}},
			{Service: "calls", Query: selects("grpc_status", `envoy_rq{envoy_grpc_status=~"4|5..|13"}`), Prometheus: &Prometheus{}},
			{Service: "calls", Query: selects("outcome", `requests_total{outcome="failed",port="1500"}`), Prometheus: &Prometheus{}},
			{Service: "calls", Query: selects("no errors", ""), Prometheus: &Prometheus{}},
			{Service: "pages", Query: selects("pages", `http_requests_total{code=~"5.."}`), Prometheus: &Prometheus{}},
			{Service: "all", Query: selects("whose route nobody knows", `http_requests_total{code=~"5.."}`), Prometheus: &Prometheus{}},
		},
	}
	speak := func(public, inner bool) map[string]router.Features {
		return map[string]router.Features{"public": {GRPC: public}, "inner": {GRPC: inner}}
	}
	names := []string{"cloudWatch", "accessLog", "codes of HTTP", "codes by digits", "classes", "one code"}
	var want []BlindForecast
	for _, name := range names {
		want = append(want, BlindForecast{Signal: name, Route: "public"})
	}
	if diff := cmp.Diff(want, p.Foresee(speak(true, false), nil, nil, Pace{}).Gate.Blind); diff != "" {
		t.Errorf("want -, have +\n%s", diff)
	}
	if got := p.Foresee(speak(false, false), nil, nil, Pace{}).Gate.Blind; len(got) != 0 {
		t.Errorf("HTTP only: %+v", got)
	}
	p.Spec.Gate.Analysis = nil // thresholds alone
	if got := p.Foresee(speak(true, false), nil, nil, Pace{}).Gate.Blind; len(got) != 2 {
		t.Errorf("without analysis: %+v", got)
	}
}
