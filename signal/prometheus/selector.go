package prometheus

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// selector is a PromQL vector selector.
type selector struct {
	text  string // as the user wrote it
	query string // the same in one normal form, to which a range can be added
	name  string // of the metric; empty if it is not fixed
}

// selectors are those of one side; nil where nothing is asked for.
type selectors struct{ requests, errors, latency *selector }

func parseSelectors(q signal.Query, side traffic.Side) (s selectors, err error) {
	for _, e := range []struct {
		what, text string
		into       **selector
	}{
		{"requests", q.Requests.Of(side), &s.requests}, {"errors", q.Errors.Of(side), &s.errors}, {"latency", q.Latency.Of(side), &s.latency},
	} {
		if *e.into, err = parseSelector(e.text); err != nil {
			return selectors{}, fmt.Errorf("%s of the %s: %w", e.what, side, err)
		}
	}
	return s, nil
}

func parseSelector(text string) (*selector, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	p := parser.NewParser(parser.Options{})
	matchers, err := p.ParseMetricSelector(text)
	if err != nil {
		if _, exprErr := p.ParseExpr(text); exprErr == nil {
			return nil, fmt.Errorf("%s is an expression, which cannot be counted exactly: name the counter itself, such as http_requests_total{code=~\"5..\"}; rates and sums are made here", text)
		}
		return nil, fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: %w", text, err)
	}
	s := &selector{text: text}
	var all []string
	empty := true
	for _, m := range matchers {
		all = append(all, m.String())
		empty = empty && m.Matches("")
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			s.name = m.Value
		}
	}
	if empty { // PromQL's own rule
		return nil, fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: it would match everything", text)
	}
	s.query = "{" + strings.Join(all, ",") + "}"
	return s, nil
}
