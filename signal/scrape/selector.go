package scrape

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// selector is what one PromQL vector selector says; nil selects nothing.
type selector struct {
	text     string
	name     string // of the metric; empty if it is not fixed
	matchers []*labels.Matcher
}

// selectors are those of one side.
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
			return nil, fmt.Errorf("%s is an expression: name the counter itself, such as http_requests_total{code=~\"5..\"}; rates and sums are made here", text)
		}
		return nil, fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: %w", text, err)
	}
	if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches("") }) { // PromQL's own rule
		return nil, fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: it would match everything", text)
	}
	s := &selector{text: text, matchers: matchers}
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			s.name = m.Value
		}
	}
	return s, nil
}

func (s *selector) matches(l labels.Labels) bool {
	for _, m := range s.matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}
