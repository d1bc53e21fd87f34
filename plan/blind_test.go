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

// TestWhatAsksForStatus: a signal counts by HTTP status if its errors tell 5xx from 2xx
// by a label of that, whatever other labels hold.
func TestWhatAsksForStatus(t *testing.T) {
	for errors, want := range map[string]bool{
		`nginx_ingress_controller_requests{ingress="grpc-checkout",status=~"5.."}`: true,
		`traefik_service_requests_total{service="grpc@file",code=~"5.."}`:          true,
		`envoy_cluster_upstream_rq_xx{envoy_response_code_class="5"}`:              true,
		`istio_requests_total{response_code=~"[45].."}`:                            true,
		`r{code=~"(4|5).."}`:                                           true,
		`r{code!~"2.."}`:                                               true,
		`r{code!="200"}`:                                               true,
		`r{code=~".+", code!~"[123].."}`:                               true,
		`r{code=~'5[0-9]{2}',pod="a}b,{"}`:                             true,
		`{__name__="r",http_response_status_code="503"}`:               true,
		`{"http.requests","http.response.status_code"=~"5\\d\\d"}`:     true,
		"r{http_status_class=`5xx`}":                                   true,
		`envoy_cluster_upstream_rq_5xx{cluster="grpc"}`:                true,
		`sum:trace.hits{http.status_code:5*}.as_count()`:               true,
		`sum:trace.hits{env:grpc AND !http.status_code:2*}`:            true,
		`sum:trace.hits{http.status_code:500 OR http.status_code:503}`: true,
		`sum:trace.hits{http.status_code IN (500,503)}`:                true,
		`sum:trace.hits{http.status_code NOT IN (200, 204)}`:           true,

		`errors_total{pod=~"web-5.*"}`:                               false,
		`errors_total{port="50051",instance=~"10.0.5.."}`:            false,
		`errors_total{instance="host-500:9"}`:                        false,
		`errors_total{path="code=~\"5..\""}`:                         false,
		`errors_total`:                                               false,
		`r{status="failed"}`:                                         false,
		`r{status!="success"}`:                                       false,
		`r{code=~".+"}`:                                              false,
		`r{code=~"4.."}`:                                             false,
		`r{code!="OK"}`:                                              false,
		`r{code=~"5..("}`:                                            false,
		`grpc_server_handled_total{code=~"5.."}`:                     false,
		`{__name__="grpc_server_handled_total",code!="200"}`:         false,
		`r{grpc_status=~"4|5..|13"}`:                                 false,
		`istio_requests_total{grpc_response_status=~"2|13"}`:         false,
		`istio_requests_total{code="500",grpc_response_status!="0"}`: false,
		`sum:trace.grpc.server.errors{env:shop}.as_count()`:          false,
		`sum:trace.hits{rpc.grpc.status_code:13}`:                    false,
		`sum:trace.errors{version:5.0.500}.as_count()`:               false,
		``: false,
	} {
		if got := asksForStatus(errors); got != want {
			t.Errorf("%s: %v", errors, got)
		}
	}
}
