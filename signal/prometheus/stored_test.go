package prometheus

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// stored is a server in memory that answers what this package asks, as Prometheus
// defines it. It is a transport: nothing leaves the process.
type stored struct {
	series   []*model.SampleStream
	leftOpen bool                      // ranges do not hold their beginning, as since Prometheus 3
	broken   string                    // questions about the metric of this name fail
	types    map[string][]string       // what the targets declare metrics to be
	metadata func(*http.Request) error // what becomes of questions about that; nil is an answer

	mu    sync.Mutex
	asked []string // what, of which metric, over which range
}

func (p *stored) source(t interface{ Fatal(...any) }) *Source {
	s, err := New(Config{URL: "http://stored", Transport: p, Settle: time.Nanosecond, Lookback: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// takeAsked returns what was asked since the last call, sorted.
func (p *stored) takeAsked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	slices.Sort(asked)
	return asked
}

func (p *stored) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	if name, ok := strings.CutPrefix(r.URL.RequestURI(), "/api/v1/metadata?"); ok {
		return p.declare(answer, r, name)
	}
	seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil {
		return nil, err
	}
	value, err := p.evaluate(r.FormValue("query"), time.UnixMilli(int64(math.Round(seconds*1000))))
	if err != nil {
		http.Error(answer, err.Error(), http.StatusInternalServerError)
		return answer.Result(), nil
	}
	data := map[string]any{"resultType": value.Type().String(), "result": value}
	err = json.NewEncoder(answer).Encode(map[string]any{"status": "success", "data": data})
	return answer.Result(), err
}

func (p *stored) declare(answer *httptest.ResponseRecorder, r *http.Request, asked string) (*http.Response, error) {
	p.mu.Lock()
	p.asked = append(p.asked, "type "+strings.TrimPrefix(asked, "limit=&metric="))
	p.mu.Unlock()
	if p.metadata != nil {
		if err := p.metadata(r); err != nil {
			return nil, err
		}
	}
	all := map[string][]map[string]string{}
	for _, is := range p.types[r.FormValue("metric")] {
		all[r.FormValue("metric")] = append(all[r.FormValue("metric")], map[string]string{"type": is, "help": "", "unit": ""})
	}
	err := json.NewEncoder(answer).Encode(map[string]any{"status": "success", "data": all})
	return answer.Result(), err
}

// evaluate knows a range, the last values in a range and the values at a moment, and
// counts them.
func (p *stored) evaluate(query string, at time.Time) (model.Value, error) {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, err
	}
	count, counts := expr.(*parser.AggregateExpr)
	what, length := "range", 5*time.Minute // the server's own lookback
	if counts {
		what, expr = "count", count.Expr
	}
	if call, ok := expr.(*parser.Call); ok && call.Func.Name == "last_over_time" {
		expr = call.Args[0]
	}
	if matrix, ok := expr.(*parser.MatrixSelector); ok {
		length, expr = matrix.Range, matrix.VectorSelector
	}
	selected, ok := expr.(*parser.VectorSelector)
	if !ok || counts && count.Op != parser.COUNT {
		return nil, fmt.Errorf("%s is not known here", query)
	}
	name := selected.LabelMatchers[slices.IndexFunc(selected.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })].Value
	p.mu.Lock()
	p.asked = append(p.asked, fmt.Sprintf("%s %s %s", what, name, length))
	p.mu.Unlock()
	if name == p.broken {
		return nil, fmt.Errorf("%s cannot be read", name)
	}
	matrix := p.rangeOf(selected.LabelMatchers, at.Add(-length), at)
	if !counts {
		return matrix, nil
	}
	return countBy(matrix, count.Grouping), nil
}

func (p *stored) rangeOf(matchers []*labels.Matcher, from, to time.Time) model.Matrix {
	out := model.Matrix{}
	for _, s := range p.series {
		if slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(string(s.Metric[model.LabelName(m.Name)])) }) {
			continue
		}
		held := func(stamp model.Time) bool {
			at := stamp.Time()
			return at.After(from) && !at.After(to) || at.Equal(from) && !p.leftOpen
		}
		cut := &model.SampleStream{Metric: s.Metric}
		for _, v := range s.Values {
			if held(v.Timestamp) {
				cut.Values = append(cut.Values, v)
			}
		}
		for _, v := range s.Histograms {
			if held(v.Timestamp) {
				cut.Histograms = append(cut.Histograms, v)
			}
		}
		if len(cut.Values)+len(cut.Histograms) > 0 {
			out = append(out, cut)
		}
	}
	return out
}

func countBy(matrix model.Matrix, names []string) model.Vector {
	out, groups := model.Vector{}, map[model.Fingerprint]*model.Sample{}
	for _, s := range matrix {
		group := model.Metric{}
		for _, name := range names {
			if value, ok := s.Metric[model.LabelName(name)]; ok {
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
