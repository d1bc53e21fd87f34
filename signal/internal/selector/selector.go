// Package selector reads the expressions of a query as PromQL vector selectors,
// for every signal that counts Prometheus's counters. It accepts selectors only:
// what a rate or a sum has thrown away cannot be counted exactly, and the error
// says what to write instead. It counts nothing itself.
package selector

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"watari.dev/signal"
	"watari.dev/traffic"
)

// Selector is one PromQL vector selector.
type Selector struct {
	Text  string // as the user wrote it
	Query string // the same in one normal form, to which a range can be added
	Name  string // of the metric; empty if it is not fixed

	matchers []*labels.Matcher
}

// Side are the selectors of one side; nil where nothing is asked for.
type Side struct {
	Side                      traffic.Side // for messages
	Requests, Errors, Latency *Selector
	Events                    []*Selector // one per event of the query, in its order
}

// Parts returns what is counted of the requests: the errors, then each event. A
// metric of theirs that nobody has is a wrong name.
func (s Side) Parts() []*Selector { return append([]*Selector{s.Errors}, s.Events...) }

// Of reads what q asks of a side.
func Of(q signal.Query, side traffic.Side) (s Side, err error) {
	s.Side = side
	type expression struct {
		what, text string
		into       **Selector
	}
	all := []expression{{"requests", q.Requests.Of(side), &s.Requests}, {"errors", q.Errors.Of(side), &s.Errors}, {"latency", q.Latency.Of(side), &s.Latency}}
	s.Events = make([]*Selector, len(q.Events))
	for i, e := range q.Events {
		all = append(all, expression{fmt.Sprintf("event %q", e.Name), e.Count.Of(side), &s.Events[i]})
	}
	for _, e := range all {
		if *e.into, err = Parse(e.text); err != nil {
			return Side{}, fmt.Errorf("%s of the %s: %w", e.what, side, err)
		}
	}
	return s, nil
}

// Parse reads one expression; nil if it is blank.
func Parse(text string) (*Selector, error) {
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
	s := &Selector{Text: text, matchers: matchers}
	var all []string
	empty := true
	for _, m := range matchers {
		all = append(all, m.String())
		empty = empty && m.Matches("")
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			s.Name = m.Value
		}
	}
	if empty { // PromQL's own rule
		return nil, fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: it would match everything", text)
	}
	s.Query = "{" + strings.Join(all, ",") + "}"
	return s, nil
}

// Matches reports whether a series with these labels is selected.
func (s *Selector) Matches(l labels.Labels) bool {
	for _, m := range s.matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// Misses returns the labels by which a series is not selected, as one text; empty if
// it is.
func (s *Selector) Misses(l labels.Labels) string {
	var names []string
	for _, m := range s.matchers {
		if !m.Matches(l.Get(m.Name)) {
			names = append(names, m.Name)
		}
	}
	return strings.Join(names, ",")
}
