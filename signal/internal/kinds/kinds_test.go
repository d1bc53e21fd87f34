package kinds_test

import (
	"strings"
	"testing"

	"watari.dev/signal/internal/kinds"
	"watari.dev/traffic"
)

func shapeOf(series ...map[string]string) (s kinds.Shape) {
	for _, labels := range series {
		s.Add(func(name string) string { return labels[name] }, labels["native"] != "")
	}
	return s
}

// one returns the labels of a series.
func one(name string, labels ...string) map[string]string {
	m := map[string]string{"__name__": name}
	for i := 0; i < len(labels); i += 2 {
		m[labels[i]] = labels[i+1]
	}
	return m
}

func TestLatency(t *testing.T) {
	for name, c := range map[string]struct {
		shape kinds.Shape
		is    kinds.Type
		want  string
	}{
		"a histogram":             {shapeOf(one("d_seconds_bucket", "le", "0.1"), one("d_seconds_bucket", "le", "+Inf")), "", ""},
		"a native one":            {shapeOf(one("d_seconds", "native", "yes")), "histogram", ""},
		"a native one, untold":    {shapeOf(one("d_seconds", "native", "yes")), "", ""},
		"a native one of gauges":  {shapeOf(one("d_seconds", "native", "yes")), "gaugehistogram", "d_seconds is a gauge histogram"},
		"nothing":                 {shapeOf(), "", ""},
		"a summary by its labels": {shapeOf(one("d_seconds", "quantile", "0.5")), "", "latency of the target is not known: d_seconds is a summary; use the _bucket series of a histogram"},
		"a summary by its type":   {shapeOf(one("d_seconds")), "summary", "d_seconds is a summary; use"},
		"a summary's sum":         {shapeOf(one("d_seconds_sum")), "summary", "not known: d_seconds is a summary; use"},
		"a histogram's sum":       {shapeOf(one("d_seconds_sum")), "histogram", "d_seconds_sum has no buckets; use d_seconds_bucket if"},
		"a count":                 {shapeOf(one("d_seconds_count")), "", "d_seconds_count has no buckets; use d_seconds_bucket if"},
		"a gauge":                 {shapeOf(one("d_seconds")), "gauge", "d_seconds is a gauge; use the _bucket"},
		"a counter":               {shapeOf(one("d_total")), "counter", "d_total is a counter; use the _bucket"},
		"anything":                {shapeOf(one("d_seconds")), "", "d_seconds has no label le, so it is no histogram; use"},
		"buckets without le":      {shapeOf(one("d_seconds_bucket")), "", "d_seconds_bucket has no label le; use the series as"},
		"le that is no number":    {shapeOf(one("d_seconds_bucket", "le", "none"), one("d_seconds_bucket", "le", "NaN")), "", "the label le of d_seconds_bucket is no number"},
		"only +Inf":               {shapeOf(one("d_seconds_bucket", "le", "+Inf")), "", `no bucket but le="+Inf", as a native histogram has in text`},
		"no +Inf":                 {shapeOf(one("d_seconds_bucket", "le", "0.1")), "", "latency of the target is not complete: d_seconds_bucket has no bucket le="},
		"VictoriaMetrics":         {shapeOf(one("d_seconds_bucket", "vmrange", "1.0e-01...1.1e-01")), "", "label vmrange, which only VictoriaMetrics reads"},
	} {
		asked := false
		got := c.shape.Latency(traffic.Target, func() kinds.Type { asked = true; return c.is })
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if asked && c.is == "" && c.shape.Edges {
			t.Errorf("%s: the type was asked for, though the labels tell", name)
		}
	}
}

func TestElsewhere(t *testing.T) {
	names := func(all ...string) map[string]bool {
		m := map[string]bool{}
		for _, name := range all {
			base, quantile := strings.CutSuffix(name, "{quantile}")
			m[base] = quantile
		}
		return m
	}
	for name, c := range map[string]struct {
		asked string
		names map[string]bool
		is    kinds.Type
		want  string
	}{
		"other labels":        {"d_bucket", names("d_bucket", "d_count", "d_sum"), "", "no series matches SELECTOR, but there are others of d_bucket; correct its labels"},
		"a summary":           {"d_bucket", names("d{quantile}", "d_count", "d_sum"), "", "d is a summary; use the _bucket series of a histogram"},
		"a bare summary":      {"d_bucket", names("d_count", "d_sum"), "summary", "d is a summary; use"},
		"a bare one, untold":  {"d_bucket", names("d_count", "d_sum"), "", "d has no buckets: it is a summary, or a histogram without"},
		"a native one":        {"d_bucket", names("d"), "histogram", "d is a native histogram; use d without an ending"},
		"a gauge":             {"d_bucket", names("d"), "gauge", "d is a gauge; use"},
		"something":           {"d_bucket", names("d"), "", "there is no d_bucket, but a metric d; use that if"},
		"a classic one":       {"d", names("d_bucket", "d_count", "d_sum"), "", "there is no d, but a histogram d_bucket; use that"},
		"a counter":           {"d_bucket", names("d"), "counter", "d is a counter; use"},
		"nothing":             {"d_bucket", names(), "", "there is no metric of the name in SELECTOR; correct it"},
		"nobody knows":        {"d_bucket", nil, "", "no series matches SELECTOR"},
		"its own other count": {"d_count", names("d_count", "d_sum", "d_bucket"), "", "no series matches SELECTOR, but there are others of d_count"},
	} {
		got := kinds.Elsewhere(traffic.Source, "SELECTOR", c.asked, c.names, func() kinds.Type { return c.is })
		if !strings.HasPrefix(got, "latency of the source is not known: ") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCounter(t *testing.T) {
	for name, c := range map[string]struct {
		shape kinds.Shape
		is    kinds.Type
		want  string
	}{
		"a counter":                {shapeOf(one("r_total", "code", "200"), one("r_total", "code", "500")), "", ""},
		"one without its ending":   {shapeOf(one("r")), "counter", ""},
		"nobody knows":             {shapeOf(one("r")), "", ""},
		"a histogram's count":      {shapeOf(one("d_count")), "", ""},
		"one of its buckets":       {shapeOf(one("d_bucket", "le", "0.5"), one("d_bucket", "le", "0.50")), "", ""},
		"all of its buckets":       {shapeOf(one("d_bucket", "le", "0.5"), one("d_bucket", "le", "+Inf")), "", "requests: d_bucket counts each request in several buckets; use d_count, or select one le"},
		"a native histogram":       {shapeOf(one("d", "native", "yes")), "histogram", ""},
		"a gauge":                  {shapeOf(one("in_flight")), "gauge", "requests: in_flight is a gauge, not a counter; use a counter"},
		"a gauge of minutes' sums": {shapeOf(one("elb_request_count_sum")), "gauge", "elb_request_count_sum is a gauge"},
		"a counter of sums":        {shapeOf(one("request_sum")), "counter", ""},
		"a histogram's sum":        {shapeOf(one("d_sum")), "histogram", "d_sum adds up what was observed, not how often; use d_count"},
		"quantiles":                {shapeOf(one("d", "quantile", "0.9")), "", "d is a summary, whose quantiles are no counters; use d_count"},
		"a gauge histogram":        {shapeOf(one("d", "native", "yes")), "gaugehistogram", "d is a gauge histogram, not"},
		"an info metric":           {shapeOf(one("build_info")), "info", "build_info is an info metric"},
		"a state set":              {shapeOf(one("mode")), "stateset", "mode is a state set"},
		"nothing":                  {shapeOf(), "gauge", ""},
	} {
		got := c.shape.Counter("requests", func() kinds.Type { return c.is })
		if !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
