package datadog

import (
	"strings"
	"testing"
	"time"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestExpressions(t *testing.T) {
	for text, metric := range map[string]string{
		"sum:trace.http.request.hits{env:prod,cluster:eks-1-33}.as_count()":            "trace.http.request.hits",
		" sum:requests{*}.as_count()\n":                                                "requests",
		"sum:http.requests{env:prod AND (code:5* OR NOT code:2*)}.as_count()":          "http.requests",
		"sum:aws.applicationelb.request_count{targetgroup:targetgroup/a/1}.as_count()": "aws.applicationelb.request_count",
	} {
		e, err := parseExpression(text)
		if err != nil || e.metric != metric {
			t.Errorf("%s: %+v, %v; want %s", text, e, err, metric)
		}
		if got, want := e.query(30*time.Second), strings.TrimSpace(text)+".rollup(sum, 30)"; got != want {
			t.Errorf("asks %s, want %s", got, want)
		}
	}
}

func TestExpressionsThatCannotBeCounted(t *testing.T) {
	for text, want := range map[string]string{
		"requests{*}.as_count()":                                "it begins with sum:",
		"avg:requests{*}.as_count()":                            "avg: does not add up what all hosts counted",
		"count:latency{*}.as_count()":                           "count: does not add up",
		"p99:latency{*}":                                        "p99: does not add up",
		"default_zero(sum:requests{*}.as_count())":              "functions may fill, smooth or shift",
		"ewma_5(sum:requests{*}.as_count())":                    "functions may fill, smooth or shift",
		"count(v: v>0.3):latency{*}.as_count()":                 "functions may fill",
		"sum:requests.as_count()":                               "its tags in braces",
		"sum:1requests{*}.as_count()":                           "its tags in braces",
		"sum:requests{}.as_count()":                             "selects nothing",
		"sum:requests{$env}.as_count()":                         "template variable",
		"sum:requests{*}":                                       "without it Datadog averages and interpolates",
		"sum:requests{*} by {host}.as_count()":                  "leave out the grouping",
		"sum:requests{*}.as_rate()":                             "a rate per second is not a count",
		"sum:requests{*}.as_count().fill(zero)":                 "fill makes counts up",
		"sum:requests{*}.fill(last, 60).as_count()":             "fill makes counts up",
		"sum:requests{*}.as_count().rollup(avg, 60)":            "leave out the rollup",
		"sum:requests{*}.as_count() + sum:errors{*}.as_count()": "count several metrics with one signal each",
		"sum:requests{*}.as_count(), sum:errors{*}.as_count()":  "count several metrics",
		"sum:requests{*}.as_count() * 2":                        "must end with .as_count()",
		"":                                                      "it begins with sum:",
	} {
		if e, err := parseExpression(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %+v, %v; want %s", text, e, err, want)
		}
	}
}

func TestWanted(t *testing.T) {
	const requests, errors = "sum:requests{*}.as_count()", "sum:errors{*}.as_count()"
	q := signal.Query{
		Requests: traffic.BySide[string]{Target: requests}, Errors: traffic.BySide[string]{Source: "nonsense", Target: errors},
		Events: []signal.Event{{Name: "declined", Count: traffic.BySide[string]{Target: errors}}, {Name: "paid"}},
	}
	if w, err := wantedOf(q, traffic.Source); err != nil || w.requests != nil || len(w.all()) != 0 {
		t.Errorf("a side without requests is not asked for: %+v, %v", w, err)
	}
	w, err := wantedOf(q, traffic.Target)
	if all := w.all(); err != nil || len(all) != 2 || all[0].text != requests || all[1].text != errors || len(w.events) != 2 || w.events[1] != nil {
		t.Errorf("%+v, %v", w, err)
	}
	q.Events[1].Count.Target = "avg:a{*}"
	if _, err := wantedOf(q, traffic.Target); err == nil || !strings.Contains(err.Error(), "the target's event paid: ") {
		t.Error(err)
	}
	q.Latency.Target = "sum:latency{*}.as_count()"
	if _, err := wantedOf(q, traffic.Target); err == nil || !strings.Contains(err.Error(), "latency, which is not available from Datadog") {
		t.Error(err)
	}
}
