// Package history reads what counters showed in the past from a Prometheus server
// (or what speaks its HTTP API), at equal distances, with as few questions as the
// server allows. It only reads, and asks for the counters themselves: differences
// are taken where the answers go. What the server does not say stays missing.
package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"watari.dev/analyze"
	"watari.dev/internal/bounded"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// The bounds of what is asked for. A server answers at most 11,000 points for
// each series (Prometheus, "HTTP API: range queries"); fewer keep one answer
// small where there are many series.
const (
	perQuestion  = 2_000
	mostQuestion = 2_000
	mostPoints   = 40_000_000
)

// Config says which server to ask.
type Config struct {
	URL       string
	Timeout   time.Duration     // of one question; 0 is 1 min
	Transport http.RoundTripper // nil is the standard one
}

// Server answers questions about the past.
type Server struct {
	url     string // for messages
	api     v1.API
	client  *http.Client
	timeout time.Duration
}

// New returns a server, and asks nothing yet.
func New(c Config) (*Server, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("prometheus: %q is not a URL such as http://prometheus:9090", c.URL)
	}
	client := bounded.Client(c.Transport, bounded.Answer{
		Bytes: 128 * bounded.MiB, Do: "select fewer series, ask for less time or a longer --every", Time: 2 * cmp.Or(c.Timeout, time.Minute), // the context ends it first, and says it better
	})
	asker, err := api.NewClient(api.Config{Address: c.URL, Client: client})
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", u.Redacted(), err)
	}
	return &Server{url: u.Redacted(), api: v1.NewAPI(asker), client: client, timeout: cmp.Or(c.Timeout, time.Minute)}, nil
}

// Close lets go of connections that are kept for the next question.
func (s *Server) Close() { s.client.CloseIdleConnections() }

// MistakeError says that a selector cannot be counted, or that there is more to ask
// than is sensible: what was asked for is wrong, and asking again does not help.
type MistakeError struct{ Text string }

// Error implements error.
func (m *MistakeError) Error() string { return m.Text }

// Ask is what to read: Query's selectors from From to To, Every apart.
type Ask struct {
	Query    signal.Query
	From, To time.Time
	Every    time.Duration
}

// question is one selector of one side.
type question struct {
	what, text string
	into       *[]analyze.Series
	le         bool // its series are buckets
}

// Read asks for everything. progress is told after each answer how many there
// are, and how many there will be. A *MistakeError is what no repetition cures.
func (s *Server) Read(ctx context.Context, a Ask, progress func(done, all int)) (analyze.Grid, error) {
	moments := int(a.To.Sub(a.From)/a.Every) + 1
	g := analyze.Grid{Service: a.Query.Name, From: a.From, Every: a.Every, OnlySource: a.Query.Requests.Target == ""}
	for _, e := range a.Query.Events {
		g.Events = append(g.Events, e.Name)
	}
	questions, err := questionsOf(a.Query, &g)
	if err != nil {
		return g, err
	}
	parts := (moments + perQuestion - 1) / perQuestion
	all := parts * len(questions)
	if all > mostQuestion {
		return g, &MistakeError{fmt.Sprintf("that takes %d questions to %s, more than %d: ask for less time or a longer --every", all, s.url, mostQuestion)}
	}
	done := 0
	for _, q := range questions {
		if done, err = s.answer(ctx, a, q, moments, done, func(n int) { progress(n, all) }); err != nil {
			return g, err
		}
	}
	return g, s.check(ctx, a, g)
}

func questionsOf(q signal.Query, g *analyze.Grid) (out []question, err error) {
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		c := &g.Source
		if side == traffic.Target {
			c = &g.Target
		}
		all := []question{
			{what: "requests", text: q.Requests.Of(side), into: &c.Requests}, {what: "errors", text: q.Errors.Of(side), into: &c.Errors},
			{what: "latency", text: q.Latency.Of(side), into: &c.Latency, le: true},
		}
		c.Events = make([][]analyze.Series, len(q.Events))
		for i, e := range q.Events {
			all = append(all, question{what: e.Name, text: e.Count.Of(side), into: &c.Events[i]})
		}
		for _, one := range all {
			if strings.TrimSpace(one.text) == "" {
				continue
			}
			if err := plain(one.text); err != nil {
				return nil, &MistakeError{fmt.Sprintf("%s of the %s: %v", one.what, side, err)}
			}
			out = append(out, one)
		}
	}
	return out, nil
}

// plain refuses what is no selector: what a rate or a sum has thrown away cannot
// be counted.
func plain(text string) error {
	p := parser.NewParser(parser.Options{})
	if _, err := p.ParseMetricSelector(text); err != nil {
		if _, exprErr := p.ParseExpr(text); exprErr == nil {
			return fmt.Errorf("%s is an expression, which cannot be counted exactly: name the counter itself, such as http_requests_total{code=~\"5..\"}; rates and sums are made here", text)
		}
		return fmt.Errorf("%s is not a selector such as http_requests_total{code=~\"5..\"}: %w", text, err)
	}
	return nil
}

// answer asks one question part by part, and joins the series.
func (s *Server) answer(ctx context.Context, a Ask, q question, moments, done int, progress func(int)) (int, error) {
	at, out := map[model.Fingerprint]int{}, []analyze.Series(nil)
	for first := 0; first < moments; first += perQuestion {
		last := min(first+perQuestion, moments) - 1
		matrix, err := s.ask(ctx, q.text, v1.Range{
			Start: a.From.Add(time.Duration(first) * a.Every), End: a.From.Add(time.Duration(last) * a.Every), Step: a.Every,
		})
		if err != nil {
			return done, err
		}
		for _, stream := range matrix {
			i, known := at[stream.Metric.Fingerprint()]
			if !known {
				series, ok := seriesOf(stream.Metric, q.le, moments)
				if !ok {
					continue
				}
				if (len(out)+1)*moments > mostPoints {
					return done, &MistakeError{fmt.Sprintf("%s selects more than %d series over %d moments: select fewer, ask for less time or a longer --every", q.text, len(out), moments)}
				}
				i, out = len(out), append(out, series)
				at[stream.Metric.Fingerprint()] = i
			}
			for _, p := range stream.Values {
				k := int((p.Timestamp.Time().Sub(a.From) + a.Every/2) / a.Every)
				if k >= 0 && k < moments {
					out[i].Values[k] = float64(p.Value)
				}
			}
		}
		done++
		progress(done)
	}
	slices.SortFunc(out, func(a, b analyze.Series) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Edge, b.Edge))
	})
	*q.into = out
	return done, nil
}

// seriesOf returns a series without values; false for a bucket without an edge.
func seriesOf(m model.Metric, le bool, moments int) (analyze.Series, bool) {
	out := analyze.Series{Instance: string(m[model.JobLabel]) + "/" + string(m[model.InstanceLabel]), Values: make([]float64, moments)}
	for i := range out.Values {
		out.Values[i] = math.NaN()
	}
	if !le {
		return out, true
	}
	seconds, err := strconv.ParseFloat(string(m[model.BucketLabel]), 64)
	if err != nil {
		return out, false
	}
	edge, ok := signal.EdgeOf(seconds)
	group := m.Clone()
	delete(group, model.BucketLabel)
	out.Edge, out.Group = edge, group.String()
	return out, ok
}

func (s *Server) ask(ctx context.Context, text string, r v1.Range) (model.Matrix, error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	value, warnings, err := s.api.QueryRange(ctx, text, r)
	if err != nil {
		return nil, s.explained(ctx, text, err)
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("ask %s for %s: its answer may be incomplete: %s", s.url, text, strings.Join(warnings, "; "))
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask %s for %s: a matrix was asked for, and the answer is of type %s", s.url, text, value.Type())
	}
	return matrix, nil
}

func (s *Server) explained(ctx context.Context, text string, err error) error {
	answer, outer := (*v1.Error)(nil), (*url.Error)(nil)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("ask %s for %s: no answer within %s: ask for less time or a longer --every", s.url, text, s.timeout)
	case errors.As(err, &answer):
		return fmt.Errorf("ask %s for %s: it answered: %s", s.url, text, answer.Msg)
	case errors.As(err, &outer):
		return fmt.Errorf("ask %s: %w; see whether the URL is right and reachable from here", s.url, outer.Err) // the URL is said already
	default:
		return fmt.Errorf("ask %s: %w", s.url, err)
	}
}

// check makes sure that what is missing is no zero: no requests at all, or errors
// under a name that does not exist.
func (s *Server) check(ctx context.Context, a Ask, g analyze.Grid) error {
	for _, side := range []struct {
		of traffic.Side
		c  analyze.SideCounters
	}{{traffic.Source, g.Source}, {traffic.Target, g.Target}} {
		requests, failed := a.Query.Requests.Of(side.of), a.Query.Errors.Of(side.of)
		if requests == "" {
			continue
		}
		if len(side.c.Requests) == 0 {
			return fmt.Errorf("%s has no series %s of the %s from %s to %s: correct the selector, or the time", s.url, requests, side.of, a.From.Format(time.DateTime), a.To.Format(time.DateTime))
		}
		if failed == "" || len(side.c.Errors) > 0 || metricName(failed) == metricName(requests) {
			continue
		}
		name := metricName(failed)
		if name == "" {
			return fmt.Errorf("%s has no series %s of the %s: correct the selector, or name the metric in it", s.url, failed, side.of)
		}
		ctx, cancel := context.WithTimeout(ctx, s.timeout)
		defer cancel()
		value, _, err := s.api.Query(ctx, fmt.Sprintf("count({__name__=%q})", name), a.To)
		if err != nil {
			return s.explained(ctx, name, err)
		}
		if v, ok := value.(model.Vector); !ok || len(v) == 0 {
			return fmt.Errorf("%s has no metric of the name in %s: correct it, or let the application start this counter at 0", s.url, failed)
		}
	}
	return nil
}

// metricName is the fixed name in a selector; empty if it has none.
func metricName(selector string) string {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		return ""
	}
	for _, m := range matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return m.Value
		}
	}
	return ""
}
