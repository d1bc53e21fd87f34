package history

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"watari.dev/signal"
	"watari.dev/signal/prometheus"
)

// past answers what package signal/prometheus asks about one piece of time. It asks
// the server once for all samples of the piece, and takes the answers to the many
// small questions from these. What it does not know to answer, the server answers.
type past struct {
	v1.API
	server   *Server
	source   signal.Source // that asks it
	from, to time.Time     // of the samples that it keeps

	mu      sync.Mutex
	samples map[string]model.Matrix // by selector
	values  map[string]model.Value  // by question, of what is no range
	shapes  map[string]shape
	err     error // the first, after which nothing is asked any more
}

// shape is what a question asks for, but for the length of its range.
type shape struct {
	selector string   // of the samples in a range; empty: the server answers
	count    bool     // how many series there are
	by       []string // by these labels
}

// answersWithin is more than all answers to one count take, each of which has a
// deadline of its own.
const answersWithin = time.Hour

func newPast(s *Server, from, to time.Time) *past {
	p := &past{API: s.api, server: s, from: from, to: to, samples: map[string]model.Matrix{}, values: map[string]model.Value{}, shapes: map[string]shape{}}
	p.source = prometheus.Over(p, s.url, lookback, answersWithin)
	return p
}

// ranges finds the length of a range, which differs from question to question.
var ranges = regexp.MustCompile(`\[(\d+)ms\]`)

// Query implements the question of v1.API that is asked often; others go to the server.
func (p *past) Query(ctx context.Context, text string, at time.Time, _ ...v1.Option) (model.Value, v1.Warnings, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return nil, nil, p.err
	}
	value, err := p.answer(ctx, text, at)
	p.err = err
	return value, nil, err
}

func (p *past) answer(ctx context.Context, text string, at time.Time) (model.Value, error) {
	length, general := time.Duration(0), text
	if all := ranges.FindAllStringSubmatch(text, -1); len(all) == 1 {
		ms, err := strconv.ParseInt(all[0][1], 10, 64)
		if err == nil {
			length, general = time.Duration(ms)*time.Millisecond, ranges.ReplaceAllLiteralString(text, "[1m]")
		}
	}
	s, known := p.shapes[general]
	if !known {
		s = shapeOf(general)
		p.shapes[general] = s
	}
	switch {
	case s.selector == "" || at.Add(-length).Before(p.from) || at.After(p.to):
		return p.value(ctx, general, text, at)
	}
	all, err := p.all(ctx, s.selector)
	if err != nil {
		return nil, err
	}
	within := cut(all, model.TimeFromUnixNano(at.Add(-length).UnixNano()), model.TimeFromUnixNano(at.UnixNano()))
	if s.count {
		return countBy(within, s.by), nil
	}
	return within, nil
}

// value asks the server for anything but the samples of the piece. What has no range
// is asked once: whether there is a metric of some name does not change that soon.
func (p *past) value(ctx context.Context, general, text string, at time.Time) (model.Value, error) {
	if v := p.values[text]; v != nil && general == text {
		return v, nil
	}
	v, err := p.server.query(ctx, text, at)
	if err == nil && general == text {
		p.values[text] = v
	}
	return v, err
}

// all returns the samples of a selector in the whole piece.
func (p *past) all(ctx context.Context, selector string) (model.Matrix, error) {
	if all, asked := p.samples[selector]; asked {
		return all, nil
	}
	value, err := p.server.query(ctx, fmt.Sprintf("%s[%dms]", selector, p.to.Sub(p.from).Milliseconds()), p.to)
	if err != nil {
		return nil, err
	}
	all, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask %s for %s: a range was asked for, and the answer is of type %s", p.server.url, selector, value.Type())
	}
	p.samples[selector] = all
	return all, nil
}

// shapeOf reads a question: a range, or how many series have samples in one.
func shapeOf(text string) shape {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
	if err != nil {
		return shape{}
	}
	var s shape
	if count, is := expr.(*parser.AggregateExpr); is && count.Op == parser.COUNT && !count.Without {
		call, is := count.Expr.(*parser.Call)
		if !is || call.Func.Name != "last_over_time" {
			return shape{}
		}
		s, expr = shape{count: true, by: count.Grouping}, call.Args[0]
	}
	matrix, is := expr.(*parser.MatrixSelector)
	if !is {
		return shape{}
	}
	selected, is := matrix.VectorSelector.(*parser.VectorSelector)
	if !is || selected.OriginalOffset != 0 || selected.Timestamp != nil || selected.StartOrEnd != 0 {
		return shape{}
	}
	s.selector = "{"
	for i, m := range selected.LabelMatchers {
		if i > 0 {
			s.selector += ","
		}
		s.selector += matcher(m)
	}
	s.selector += "}"
	return s
}

func matcher(m *labels.Matcher) string { return m.String() }

// cut returns the samples after from up to to, and no series without any. The server
// whose answers these are made of keeps what it has.
func cut(all model.Matrix, from, to model.Time) model.Matrix {
	out := model.Matrix{}
	for _, s := range all {
		one := &model.SampleStream{Metric: s.Metric, Values: between(s.Values, from, to, func(p model.SamplePair) model.Time { return p.Timestamp })}
		one.Histograms = between(s.Histograms, from, to, func(p model.SampleHistogramPair) model.Time { return p.Timestamp })
		if len(one.Values)+len(one.Histograms) > 0 {
			out = append(out, one)
		}
	}
	return out
}

func between[T any](all []T, from, to model.Time, at func(T) model.Time) []T {
	after := func(t model.Time) int {
		n, _ := slices.BinarySearchFunc(all, t, func(one T, t model.Time) int {
			if at(one) > t {
				return 1
			}
			return -1
		})
		return n
	}
	return slices.Clone(all[after(from):after(to)])
}

func countBy(all model.Matrix, names []string) model.Vector {
	out, groups := model.Vector{}, map[model.Fingerprint]*model.Sample{}
	for _, s := range all {
		group := model.Metric{}
		for _, name := range names {
			if value, has := s.Metric[model.LabelName(name)]; has {
				group[model.LabelName(name)] = value
			}
		}
		of := group.Fingerprint()
		if groups[of] == nil {
			groups[of] = &model.Sample{Metric: group}
			out = append(out, groups[of])
		}
		groups[of].Value++
	}
	return out
}
