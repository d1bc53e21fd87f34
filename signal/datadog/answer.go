package datadog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/DataDog/datadog-api-client-go/v2/api/datadog"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV1"
	"github.com/DataDog/datadog-api-client-go/v2/api/datadogV2"
)

// answer is what one request told of its expressions.
type answer struct {
	expressions []expression
	counts      []map[int64]int64 // by expression, then cell
	skew        time.Duration     // 0 below 2 s: the header Date has whole seconds
	refused     string            // instead of counts: Datadog does not understand the expression
}

// kind is what is known of a metric.
type kind struct {
	at          time.Time
	missing     bool   // there is no metric of this name
	uncountable string // why it cannot be counted
}

// known reports whether k need not be asked again: what a metric is does not change,
// but a missing one may appear, and a wrong type may be corrected.
func (k kind) known(now time.Time) bool {
	return !k.at.IsZero() && (!k.missing && k.uncountable == "" || now.Sub(k.at) < knownFor)
}

// limit says that Datadog counts requests, and when it begins anew.
type limit struct {
	words    string
	wait     time.Duration
	answered bool // this request was still answered
}

// Error says how many requests are allowed.
func (l *limit) Error() string { return l.words }

// read asks for the points of a. If Datadog refuses the request as a whole, each
// expression is asked for alone, once, to learn which one is wrong.
func (s *Source) read(ctx context.Context, a ask) ([]answer, error) {
	got, err := s.query(ctx, a)
	var bad *refusal
	if !errors.As(err, &bad) {
		return []answer{got}, err
	}
	if len(a.expressions) == 1 {
		return []answer{{expressions: a.expressions, refused: bad.words}}, nil
	}
	var all []answer
	for _, e := range a.expressions {
		one := a
		one.expressions = []expression{e}
		got, err := s.query(ctx, one)
		switch {
		case errors.As(err, &bad):
			got = answer{expressions: one.expressions, refused: bad.words}
		case err != nil:
			return append(all, got), err
		}
		all = append(all, got)
	}
	return all, nil
}

// query makes one request for points. Its error may be a limit beside a good answer.
func (s *Source) query(ctx context.Context, a ask) (answer, error) {
	attributes := datadogV2.TimeseriesFormulaRequestAttributes{
		From: s.grid.begin(a.from).UnixMilli(), To: s.grid.begin(a.to).UnixMilli(), Interval: datadog.PtrInt64(s.grid.every.Milliseconds()),
	}
	for i, e := range a.expressions {
		name := "q" + strconv.Itoa(i)
		attributes.Formulas = append(attributes.Formulas, datadogV2.QueryFormula{Formula: name})
		attributes.Queries = append(attributes.Queries, datadogV2.MetricsTimeseriesQueryAsTimeseriesQuery(&datadogV2.MetricsTimeseriesQuery{
			DataSource: datadogV2.METRICSDATASOURCE_METRICS, Name: &name, Query: e.query(s.grid.every),
		}))
	}
	body := datadogV2.TimeseriesFormulaQueryRequest{Data: datadogV2.TimeseriesFormulaRequest{
		Type: datadogV2.TIMESERIESFORMULAREQUESTTYPE_TIMESERIES_REQUEST, Attributes: attributes,
	}}
	var out datadogV2.TimeseriesFormulaQueryResponse
	response, err := s.call(ctx, func(ctx context.Context) (response *http.Response, err error) { //nolint:bodyclose // the client has read and closed it
		out, response, err = s.points.QueryTimeseriesData(ctx, body)
		return response, err
	})
	var limited *limit
	if err != nil && (!errors.As(err, &limited) || !limited.answered) {
		return answer{}, s.refusalIf(response, err, a.expressions)
	}
	counts, wrong := s.grid.countsOf(out, a)
	if wrong != nil {
		secret, _ := s.keys.read() // they were read just now
		return answer{}, fmt.Errorf("%s answered what cannot be counted: %s", s.name, firstLine(secret.hide(wrong.Error())))
	}
	return answer{expressions: a.expressions, counts: counts, skew: skewOf(response, s.now())}, err
}

// refusalIf makes a refusal of Datadog's 400.
func (s *Source) refusalIf(response *http.Response, err error, expressions []expression) error {
	if response == nil || response.StatusCode != http.StatusBadRequest || isPage(response) {
		return err
	}
	if len(expressions) == 1 {
		return &refusal{fmt.Sprintf("%s: %q", err, expressions[0].query(s.grid.every))}
	}
	return &refusal{err.Error()}
}

// learn asks what the metrics are.
func (s *Source) learn(ctx context.Context, metrics []string) (map[string]kind, error) {
	kinds := map[string]kind{}
	for _, name := range metrics {
		var out datadogV1.MetricMetadata
		response, err := s.call(ctx, func(ctx context.Context) (response *http.Response, err error) { //nolint:bodyclose // the client has read and closed it
			out, response, err = s.about.GetMetricMetadata(ctx, name)
			return response, err
		})
		var limited *limit
		switch {
		case response != nil && response.StatusCode == http.StatusNotFound && !isPage(response):
			kinds[name] = kind{missing: true}
		case err != nil && (!errors.As(err, &limited) || !limited.answered):
			return kinds, err
		case out.UnparsedObject != nil:
			return kinds, fmt.Errorf("%s answered nothing that is documented about the metric %s", s.name, name)
		default:
			kinds[name] = kind{uncountable: s.grid.uncountable(name, out)}
		}
	}
	return kinds, nil
}

// uncountable says why a metric cannot be counted, or nothing. A metric whose type
// Datadog does not say is taken for a count, as the expression does.
func (g grid) uncountable(name string, m datadogV1.MetricMetadata) string {
	switch kind := m.GetType(); {
	case kind != "" && kind != "count" && kind != "rate":
		return fmt.Sprintf("the metric %s is a %s for Datadog, and only those of type count and rate can be counted: name another, or correct its type on the Metrics Summary page", name, kind)
	case time.Duration(m.GetStatsdInterval())*time.Second > g.every:
		return fmt.Sprintf("the metric %s has one point in %d seconds: set every to that, or longer, instead of %s", name, m.GetStatsdInterval(), g.every)
	default:
		return ""
	}
}

// call makes one request, and once more if the connection or the server failed.
func (s *Source) call(ctx context.Context, do func(context.Context) (*http.Response, error)) (*http.Response, error) {
	secret, err := s.keys.read()
	if err != nil {
		return nil, err
	}
	ctx = secret.in(ctx)
	response, err := do(ctx)
	if err != nil && ctx.Err() == nil && (response == nil || response.StatusCode >= http.StatusInternalServerError) {
		response, err = do(ctx)
	}
	return response, s.explained(ctx, response, err, secret)
}

// explained turns an answer's status and headers into words.
func (s *Source) explained(ctx context.Context, response *http.Response, err error, secret secrets) error {
	outer := (*url.Error)(nil)
	switch {
	case response != nil && response.StatusCode == http.StatusTooManyRequests:
		return limitOf(s.name, response, false)
	case response != nil && isPage(response):
		return fmt.Errorf("%s answered %s with a page instead of JSON: is there a proxy in between, or is the URL wrong?", s.name, response.Status)
	case err == nil && response.Header.Get("X-RateLimit-Remaining") == "0":
		return limitOf(s.name, response, true)
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", s.name, context.Cause(ctx))
	case response == nil && errors.As(err, &outer):
		return fmt.Errorf("ask %s: %s", s.name, secret.hide(outer.Err.Error())) // without the path
	case response == nil:
		return fmt.Errorf("ask %s: %s", s.name, secret.hide(err.Error()))
	case response.StatusCode == http.StatusForbidden || response.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%s refuses the keys (%s)%s: check both keys, that they belong to this site, and that the application key may timeseries_query and metrics_read",
			s.name, response.Status, saidIn(response, err, secret))
	case response.StatusCode < http.StatusMultipleChoices:
		return fmt.Errorf("%s answered no JSON: %s", s.name, firstLine(secret.hide(err.Error())))
	default:
		return fmt.Errorf("%s answered %s%s", s.name, response.Status, saidIn(response, err, secret))
	}
}

// saidIn returns what Datadog said beside the status, for a message. A page has
// nothing that fits into one.
func saidIn(response *http.Response, err error, secret secrets) string {
	var api datadog.GenericOpenAPIError
	if isPage(response) || !errors.As(err, &api) {
		return ""
	}
	text := string(api.ErrorBody)
	var listed struct{ Errors []string }
	if json.Unmarshal(api.ErrorBody, &listed) == nil && len(listed.Errors) > 0 {
		text = strings.Join(listed.Errors, "; ")
	}
	if text = firstLine(secret.hide(text)); text == "" { // hidden first: half a key is one too
		return ""
	}
	return ": " + text
}

func isPage(response *http.Response) bool {
	return strings.HasPrefix(response.Header.Get("Content-Type"), "text/html")
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if len(line) > 200 {
		line = line[:200]
	}
	return strings.ToValidUTF8(line, "")
}

// limitOf reads the headers of docs.datadoghq.com/api/latest/rate-limits. Without
// them a minute is waited.
func limitOf(name string, response *http.Response, answered bool) *limit {
	number := func(header string) int64 {
		n, err := strconv.ParseInt(response.Header.Get(header), 10, 32)
		if err != nil || n < 0 {
			return 0
		}
		return n
	}
	wait := number("X-RateLimit-Reset")
	if wait == 0 {
		wait = number("X-RateLimit-Period")
	}
	if wait == 0 {
		wait = 60
	}
	words := fmt.Sprintf("%s allows no more requests for now", name)
	if most, period := number("X-RateLimit-Limit"), number("X-RateLimit-Period"); most > 0 && period > 0 {
		words = fmt.Sprintf("%s allows %d requests in %s, and they are used up", name, most, time.Duration(period)*time.Second)
	}
	return &limit{words: words, wait: time.Duration(min(wait, 3600)) * time.Second, answered: answered}
}

// skewOf returns how far Datadog's clock is ahead of ours, by the header Date.
func skewOf(response *http.Response, now time.Time) time.Duration {
	at, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return 0
	}
	if skew := at.Sub(now); skew.Abs() >= 2*time.Second {
		return skew.Round(time.Second)
	}
	return 0
}

// countsOf checks an answer against what was asked for, and returns its counts.
func (g grid) countsOf(out datadogV2.TimeseriesFormulaQueryResponse, a ask) ([]map[int64]int64, error) {
	if said := out.GetErrors(); said != "" {
		return nil, fmt.Errorf("it may be incomplete: %s", said)
	}
	if status, is := out.AdditionalProperties["status"].(string); is && status == "error" {
		return nil, errors.New(`it may be incomplete: its status is "error"`)
	}
	if out.UnparsedObject != nil || out.Data == nil || out.Data.Attributes == nil || out.Data.Attributes.UnparsedObject != nil {
		return nil, errors.New("it is not of the form that is documented")
	}
	got := out.Data.Attributes
	cells, err := g.cellsOf(got.Times, a)
	if err != nil {
		return nil, err
	}
	if len(got.Series) != len(got.Values) {
		return nil, fmt.Errorf("%d series have %d lists of values", len(got.Series), len(got.Values))
	}
	counts := make([]map[int64]int64, len(a.expressions))
	for i := range counts {
		counts[i] = map[int64]int64{}
	}
	for i, one := range got.Series {
		n := int(one.GetQueryIndex())
		switch {
		case one.QueryIndex == nil || n < 0 || n >= len(counts):
			return nil, fmt.Errorf("series %d belongs to no query", i)
		case len(got.Values[i]) != len(cells):
			return nil, fmt.Errorf("%d values stand at %d times", len(got.Values[i]), len(cells))
		}
		if err := add(counts[n], cells, got.Values[i]); err != nil {
			return nil, fmt.Errorf("%q: %w", a.expressions[n].text, err)
		}
	}
	return counts, nil
}

// cellsOf returns the cells of an answer's times. Datadog may have answered on a
// coarser grid than it was asked for ("may be overridden by a larger interval").
func (g grid) cellsOf(times []int64, a ask) ([]int64, error) {
	cells := make([]int64, len(times))
	for i, ms := range times {
		if ms%g.every.Milliseconds() != 0 {
			return nil, fmt.Errorf("a point at %s is not on the grid of %s that was asked for", clock(time.UnixMilli(ms)), g.every)
		}
		cells[i] = ms / g.every.Milliseconds()
		if cells[i] < a.from || cells[i] >= a.to || i > 0 && cells[i] <= cells[i-1] {
			return nil, fmt.Errorf("a point at %s is outside of the window, or out of order", clock(time.UnixMilli(ms)))
		}
	}
	return cells, nil
}

// add rounds each cell to a whole number, since rates are stored as fractions and
// multiplied again; whole cells let windows add up.
func add(counts map[int64]int64, cells []int64, values []*float64) error {
	for i, v := range values {
		switch {
		case v == nil:
		case *v < 0 || *v >= math.MaxInt64/1e6 || math.IsNaN(*v):
			return fmt.Errorf("%v at point %d is no count", *v, i)
		default:
			counts[cells[i]] += int64(math.Round(*v))
		}
	}
	return nil
}
