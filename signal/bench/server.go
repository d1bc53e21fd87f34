package bench

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// server remembers what was scraped, and answers questions about it as Prometheus
// defines them. It is a transport: nothing leaves the process.
type server struct {
	ahead int // seconds that its clock is ahead of ours

	mu      sync.Mutex
	series  []*series
	byLine  map[string]*series
	parsed  map[string]parser.Expr
	matches map[string]*matched
}

// series is one counter as it is stored.
type series struct {
	labels  labels.Labels
	json    string
	samples []sample
}

type sample struct {
	at    int64 // milliseconds since 1970
	value float64
}

// matched are the series that a selector has found among the first of them.
type matched struct {
	among int
	found []*series
}

// store takes down what a scrape shows.
func (s *server) store(now time.Time, e exposition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := now.Add(time.Duration(s.ahead) * time.Second).UnixMilli()
	for copied := range e.copies + 1 {
		replica := ""
		if e.copies > 0 {
			replica = fmt.Sprintf(",prometheus_replica=%q", string(rune('a'+copied)))
		}
		of := fmt.Sprintf(",side=%q,job=\"web\",instance=%q%s", e.side, e.instance, replica)
		s.add("up", of[1:], at, 1)
		for _, l := range e.lines() {
			s.add(l.name, l.labels+of, at, l.value)
		}
		at += 400 // a second server scrapes a little later, and sees the same
	}
}

func (s *server) add(name, text string, at int64, value float64) {
	key := name + "{" + text + "}"
	one := s.byLine[key]
	if one == nil {
		one = newSeries(name, key)
		if s.byLine == nil {
			s.byLine = map[string]*series{}
		}
		s.byLine[key] = one
		s.series = append(s.series, one)
	}
	one.samples = append(one.samples, sample{at, value})
}

func newSeries(name, selector string) *series {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		panic("a series that was made up here: " + err.Error())
	}
	one := &series{}
	all := labels.NewBuilder(labels.EmptyLabels()).Set(labels.MetricName, name)
	for _, m := range matchers {
		all.Set(m.Name, m.Value)
	}
	one.labels = all.Labels()
	one.json = jsonOf(one.labels)
	return one
}

func jsonOf(l labels.Labels) string {
	var b bytes.Buffer
	b.WriteByte('{')
	l.Range(func(one labels.Label) {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:%q", one.Name, one.Value)
	})
	b.WriteByte('}')
	return b.String()
}

// RoundTrip implements http.RoundTripper.
func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	seconds, err := strconv.ParseFloat(r.FormValue("time"), 64)
	if err != nil {
		return nil, fmt.Errorf("the time of a question: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	status, header := http.StatusOK, http.Header{"Content-Type": {"application/json"}}
	body, err := s.answer(r.FormValue("query"), int64(math.Round(seconds*1000)))
	if err != nil {
		status = http.StatusUnprocessableEntity
		body = fmt.Appendf(nil, `{"status":"error","errorType":"execution","error":%q}`, err)
	}
	if s.ahead != 0 { // without a date nothing is known of its clock, which is right
		header.Set("Date", time.Now().Add(time.Duration(s.ahead)*time.Second).UTC().Format(http.TimeFormat))
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// rangeIn finds the length of a range, which differs in each question.
var rangeIn = regexp.MustCompile(`\[(\d+)ms\]`)

// answer evaluates a question: a range, the last values in one, the values at a
// moment, and how many of these there are.
func (s *server) answer(query string, at int64) ([]byte, error) {
	length := int64(5 * 60 * 1000) // the server's own lookback
	if found := rangeIn.FindStringSubmatch(query); found != nil {
		length, _ = strconv.ParseInt(found[1], 10, 64)
		query = rangeIn.ReplaceAllString(query, "[1m]")
	}
	expr, err := s.parse(query)
	if err != nil {
		return nil, err
	}
	var counted *parser.AggregateExpr
	if aggregate, is := expr.(*parser.AggregateExpr); is && aggregate.Op == parser.COUNT {
		counted, expr = aggregate, aggregate.Expr
	}
	if call, is := expr.(*parser.Call); is && call.Func.Name == "last_over_time" {
		expr = call.Args[0]
	}
	matrix, ranged := expr.(*parser.MatrixSelector)
	if ranged {
		expr = matrix.VectorSelector
	}
	selector, is := expr.(*parser.VectorSelector)
	switch found := []*series(nil); {
	case !is:
		return nil, fmt.Errorf("%s is not known here", query)
	case counted == nil && !ranged:
		return nil, fmt.Errorf("%s is not known here", query)
	default:
		found = s.find(selector)
		if counted != nil {
			return countBy(found, counted.Grouping, at-length, at), nil
		}
		return samplesOf(found, at-length, at), nil
	}
}

func (s *server) parse(query string) (parser.Expr, error) {
	if expr := s.parsed[query]; expr != nil {
		return expr, nil
	}
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return nil, err
	}
	if s.parsed == nil {
		s.parsed = map[string]parser.Expr{}
	}
	s.parsed[query] = expr
	return expr, nil
}

// find returns the series that a selector selects.
func (s *server) find(selector *parser.VectorSelector) []*series {
	text := selector.String()
	m := s.matches[text]
	if m == nil {
		if s.matches == nil {
			s.matches = map[string]*matched{}
		}
		m = &matched{}
		s.matches[text] = m
	}
	for ; m.among < len(s.series); m.among++ {
		one := s.series[m.among]
		if !slices.ContainsFunc(selector.LabelMatchers, func(l *labels.Matcher) bool { return !l.Matches(one.labels.Get(l.Name)) }) {
			m.found = append(m.found, one)
		}
	}
	return m.found
}

// between returns the samples after from up to to, as since Prometheus 3.
func (s *series) between(from, to int64) []sample {
	after := func(t int64) int {
		n, _ := slices.BinarySearchFunc(s.samples, t, func(one sample, t int64) int {
			if one.at > t {
				return 1
			}
			return -1
		})
		return n
	}
	return s.samples[after(from):after(to)]
}

func samplesOf(all []*series, from, to int64) []byte {
	b := []byte(`{"status":"success","data":{"resultType":"matrix","result":[`)
	some := false
	for _, one := range all {
		samples := one.between(from, to)
		if len(samples) == 0 {
			continue
		}
		if some {
			b = append(b, ',')
		}
		some = true
		b = append(append(append(b, `{"metric":`...), one.json...), `,"values":[`...)
		for i, p := range samples {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(append(b, '['), float64(p.at)/1000, 'f', 3, 64)
			b = strconv.AppendFloat(append(b, `,"`...), p.value, 'f', -1, 64)
			b = append(b, `"]`...)
		}
		b = append(b, `]}`...)
	}
	return append(b, `]}}`...)
}

func countBy(all []*series, names []string, from, to int64) []byte {
	n, groups := map[string]int{}, []string(nil)
	for _, one := range all {
		if len(one.between(from, to)) == 0 {
			continue
		}
		group := labels.NewBuilder(labels.EmptyLabels())
		for _, name := range names {
			group.Set(name, one.labels.Get(name))
		}
		text := jsonOf(group.Labels())
		if n[text]++; n[text] == 1 {
			groups = append(groups, text)
		}
	}
	b := []byte(`{"status":"success","data":{"resultType":"vector","result":[`)
	for i, group := range groups {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"metric":%s,"value":[%d.%03d,"%d"]}`, group, to/1000, to%1000, n[group])
	}
	return append(b, `]}}`...)
}
