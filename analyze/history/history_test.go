package history

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	promlabels "github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.uber.org/goleak"

	"watari.dev/analyze"
	"watari.dev/signal"
	"watari.dev/traffic"
)

var dawn = time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)

// remembered is a server that keeps samples: of each series one every second, which is
// the seconds since dawn times its number, up to a moment.
type remembered struct {
	series    map[string][]map[string]string // by the name of the metric
	gone      time.Time
	shows     func(labels map[string]string, at time.Time, value float64) (float64, bool) // what else it shows; nil is that
	every     time.Duration
	warning   string
	refuse    int
	questions []string
}

func (m *remembered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	if strings.HasSuffix(r.URL.Path, "/metadata") {
		fmt.Fprint(w, `{"status":"success","data":{}}`)
		return
	}
	query := r.Form.Get("query")
	m.questions = append(m.questions, query)
	if m.refuse > 0 {
		w.WriteHeader(m.refuse)
		fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}`)
		return
	}
	answer := map[string]any{"resultType": "vector", "result": []any{}}
	if ranged := ranges.FindStringSubmatch(query); ranged != nil {
		end, err := strconv.ParseFloat(r.Form.Get("time"), 64)
		ms, err2 := strconv.Atoi(ranged[1])
		if err != nil || err2 != nil || !strings.HasPrefix(query, "{") {
			panic(query)
		}
		answer = map[string]any{"resultType": "matrix", "result": m.matrix(query[:strings.LastIndex(query, "[")], time.UnixMilli(int64(end*1000)-int64(ms)), time.UnixMilli(int64(end*1000)))}
	} else if name := named.FindStringSubmatch(query); len(m.series[name[1]]) > 0 {
		answer["result"] = []any{map[string]any{"metric": map[string]string{}, "value": []any{0, "1"}}}
	}
	out := map[string]any{"status": "success", "data": answer}
	if m.warning != "" {
		out["warnings"] = []string{m.warning}
	}
	_ = json.NewEncoder(w).Encode(out)
}

var named = regexp.MustCompile(`__name__="(\w+)"`)

func (m *remembered) matrix(selector string, from, to time.Time) []any {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(selector)
	if err != nil {
		panic(err)
	}
	result := []any{}
	for i, labels := range m.series[named.FindStringSubmatch(selector)[1]] {
		if slices.ContainsFunc(matchers, func(m *promlabels.Matcher) bool { return !m.Matches(labels[m.Name]) }) {
			continue
		}
		var values []any
		for at := from.Truncate(m.step()).Add(m.step()); !at.After(to); at = at.Add(m.step()) {
			value, is := at.Sub(dawn).Seconds()*float64(i+1), !at.Before(dawn) && (m.gone.IsZero() || at.Before(m.gone))
			if is && m.shows != nil {
				value, is = m.shows(labels, at, value)
			}
			if is {
				values = append(values, []any{float64(at.UnixMilli()) / 1000, fmt.Sprint(value)})
			}
		}
		if len(values) > 0 {
			result = append(result, map[string]any{"metric": labels, "values": values})
		}
	}
	return result
}

func (m *remembered) step() time.Duration { return cmp.Or(m.every, time.Second) }

func server(t *testing.T, m *remembered) *Server {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	listening := httptest.NewServer(m)
	s, err := New(Config{URL: listening.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		listening.Close()
	})
	return s
}

func both(source, target string) traffic.BySide[string] {
	return traffic.BySide[string]{Source: source, Target: target}
}

func of(name, instance string, more ...string) map[string]string {
	out := map[string]string{"__name__": name, "job": "web", "instance": instance}
	for i := 0; i < len(more); i += 2 {
		out[more[i]] = more[i+1]
	}
	return out
}

// read reads with one server.
func read(t *testing.T, m *remembered, a Ask) analyze.Readings {
	t.Helper()
	s := server(t, m)
	r, err := Read(t.Context(), traffic.BySide[*Server]{Source: s, Target: s}, a, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sum adds up what is known, and says of how many intervals it is.
func sum(all []analyze.Reading) (c traffic.Counts, known int) {
	for _, r := range all {
		if r.State == traffic.Known {
			c, known = c.Plus(r.Value), known+1
		}
	}
	return c, known
}

func TestReadInPieces(t *testing.T) {
	m := &remembered{series: map[string][]map[string]string{
		"requests_a": {of("requests_a", "1"), of("requests_a", "2")},
		"requests_b": {of("requests_b", "3")},
		"errors_a":   {of("errors_a", "1")}, "errors_b": {of("errors_b", "4", "code", "500")},
		"slow_a": {of("slow_a", "1", "le", "0.1"), of("slow_a", "1", "le", "+Inf"), {"__name__": "slow_a", "job": "no edge"}},
		"paid_a": {of("paid_a", "1")}, "paid_b": {of("paid_b", "3")},
	}, every: 5 * time.Second}
	s := server(t, m)
	var told []string
	r, err := Read(t.Context(), traffic.BySide[*Server]{Source: s, Target: s}, Ask{
		Query: signal.Query{
			Requests: both("requests_a", "requests_b"), Errors: both("errors_a", `errors_b{code="503"}`), Latency: both("slow_a", ""),
			Events: []signal.Event{{Name: "paid", Count: both("paid_a", "paid_b")}},
		},
		From: dawn.Add(time.Minute), To: dawn.Add(9000 * time.Second), Every: 30 * time.Second,
	}, func(done, all int) { told = append(told, fmt.Sprintf("%d/%d", done, all)) })
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, []string{"1/3", "2/3", "3/3"}) {
		t.Errorf("told %v", told)
	}
	// Seven selectors, whether errors of the target exist, and nothing twice.
	slices.Sort(m.questions)
	if n := len(m.questions); n > 3*8 {
		t.Errorf("%d questions:\n%s", n, strings.Join(m.questions, "\n"))
	}
	source, known := sum(r.Source)
	if known != 298 || source.Requests != 3*298*30 || source.Errors != 298*30 || source.Events[0] != 298*30 || source.Resets != 0 {
		t.Errorf("the source: %d intervals, %+v", known, source)
	}
	if h := source.Latency; len(h.Edges) != 1 || h.Buckets[0] != 298*30 || h.Buckets[1] != 298*30 {
		t.Errorf("its latency: %v", h)
	}
	target, known := sum(r.Target)
	if known != 298 || target.Requests != 298*30 || target.Errors != 0 || target.Events[0] != 298*30 {
		t.Errorf("the target: %d intervals, %+v", known, target)
	}
	if !r.Service.Full || !slices.Equal(r.Service.Events, []string{"paid"}) {
		t.Errorf("%+v", r.Service)
	}
}

// TestWhatACounterMeans is what the live reading says of the same samples, and it is
// the same code: a dip, a restart, other labels, two servers of the same.
func TestWhatACounterMeans(t *testing.T) {
	ask := Ask{Query: signal.Query{Requests: both(`requests`, ""), Errors: both("errors", "")}, From: dawn.Add(10 * time.Minute), To: dawn.Add(40 * time.Minute), Every: 30 * time.Second}
	middle := dawn.Add(20 * time.Minute)
	for name, c := range map[string]struct {
		requests, errors []map[string]string
		shows            func(labels map[string]string, at time.Time, value float64) (float64, bool)
		want             traffic.Counts
	}{
		"as it is": {[]map[string]string{of("requests", "1")}, []map[string]string{of("errors", "1")}, nil, traffic.Counts{Requests: 1800, Errors: 1800}},
		"one sample is a little less": {[]map[string]string{of("requests", "1")}, []map[string]string{of("errors", "1")}, func(_ map[string]string, at time.Time, v float64) (float64, bool) {
			if at.Equal(middle) {
				v -= 20
			}
			return v, true
		}, traffic.Counts{Requests: 1800, Errors: 1800}},
		"it begins again": {[]map[string]string{of("requests", "1")}, []map[string]string{of("errors", "1")}, func(_ map[string]string, at time.Time, v float64) (float64, bool) {
			if !at.Before(middle) {
				v -= middle.Sub(dawn).Seconds()
			}
			return v, true
		}, traffic.Counts{Requests: 1785, Errors: 1785, Resets: 1}},
		"other labels": {[]map[string]string{of("requests", "1", "role", "canary"), of("requests", "1", "role", "stable")}, []map[string]string{of("errors", "1", "role", "canary"), of("errors", "1", "role", "stable")},
			func(labels map[string]string, at time.Time, _ float64) (float64, bool) {
				return at.Sub(dawn).Seconds() + 1e6, (labels["role"] == "canary") == at.Before(middle)
			}, traffic.Counts{Requests: 1800, Errors: 1800}},
		"two servers of the same": {[]map[string]string{of("requests", "1", "prometheus_replica", "a"), of("requests", "1", "prometheus_replica", "b")}, []map[string]string{of("errors", "1", "prometheus_replica", "a"), of("errors", "1", "prometheus_replica", "b")},
			func(_ map[string]string, at time.Time, _ float64) (float64, bool) {
				return at.Sub(dawn).Seconds(), true
			}, traffic.Counts{Requests: 1800, Errors: 1800}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &remembered{series: map[string][]map[string]string{"requests": c.requests, "errors": c.errors}, shows: c.shows, every: 15 * time.Second}
			got, _ := sum(read(t, m, ask).Source)
			if got.Requests != c.want.Requests || got.Errors != c.want.Errors || got.Resets != c.want.Resets {
				t.Errorf("counted %d requests, %d errors, %d resets; want %d, %d, %d", got.Requests, got.Errors, got.Resets, c.want.Requests, c.want.Errors, c.want.Resets)
			}
		})
	}
}

// TestWhatIsGoneIsNotKnown: a side that is not there any more is not known, and the
// other one is.
func TestWhatIsGoneIsNotKnown(t *testing.T) {
	m := &remembered{series: map[string][]map[string]string{"requests_a": {of("requests_a", "1")}, "requests_b": {of("requests_b", "2")}},
		shows: func(labels map[string]string, at time.Time, v float64) (float64, bool) {
			return v, labels["instance"] == "1" || at.Before(dawn.Add(30*time.Minute))
		}, every: 15 * time.Second}
	r := read(t, m, Ask{Query: signal.Query{Requests: both("requests_a", "requests_b")}, From: dawn.Add(time.Minute), To: dawn.Add(time.Hour), Every: 30 * time.Second})
	source, known := sum(r.Source)
	if source.Requests != 59*60 || known < 110 {
		t.Errorf("the source: %+v in %d intervals", source, known)
	}
	if target, known := sum(r.Target); known < 55 || known > 60 || target.Requests < 28*60 || target.Requests > 29*60 {
		t.Errorf("the target: %+v in %d intervals", target, known)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	here := map[string][]map[string]string{"requests": {of("requests", "1")}}
	for name, c := range map[string]struct {
		m       *remembered
		query   signal.Query
		to      time.Duration
		mistake bool
		want    string
	}{
		"a rate": {&remembered{}, signal.Query{Requests: both("rate(requests[1m])", "")}, 10 * time.Minute, true,
			`requests of the source: rate(requests[1m]) is an expression, which cannot be counted exactly`},
		"no PromQL":     {&remembered{}, signal.Query{Requests: both("{", "")}, 10 * time.Minute, true, "requests of the source: { is not a selector"},
		"too much time": {&remembered{}, signal.Query{Requests: both("requests", "")}, 50 * 24 * time.Hour * 1000, true, "ask for less time or a longer --every"},
		"no series":     {&remembered{}, signal.Query{Requests: both("requests", "")}, 10 * time.Minute, false, "has nothing that can be counted of the source from 2026-05-04 14:01:00 to 2026-05-04 14:10:00: no series matches requests; correct the selector, or the time"},
		"errors of no name": {&remembered{series: here}, signal.Query{Requests: both("requests", ""), Errors: both("erors", "")}, 10 * time.Minute, false,
			"there is no metric of the name in erors: correct it, or let the application start this counter at 0"},
		"half an answer": {&remembered{series: here, warning: "a store is down"}, signal.Query{Requests: both("requests", "")}, 10 * time.Minute, false,
			"its answer may be incomplete: a store is down"},
		"a refusal": {&remembered{refuse: 422}, signal.Query{Requests: both("requests", "")}, 10 * time.Minute, false, "it answered: query processing would load too many samples"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, c.m)
			_, err := Read(t.Context(), traffic.BySide[*Server]{Source: s, Target: s}, Ask{Query: c.query, From: dawn.Add(time.Minute), To: dawn.Add(c.to), Every: 5 * time.Second}, func(int, int) {})
			var mistake *MistakeError
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, &mistake) != c.mistake {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestNobodyAnswers(t *testing.T) {
	s, err := New(Config{URL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Read(context.Background(), traffic.BySide[*Server]{Source: s, Target: s}, Ask{Query: signal.Query{Requests: both("requests", "")}, From: dawn, To: dawn.Add(time.Minute), Every: time.Second}, func(int, int) {})
	if err == nil || !strings.Contains(err.Error(), "see whether the URL is right and reachable from here") {
		t.Error(err)
	}
	if _, err := New(Config{URL: "prometheus:9090"}); err == nil || !strings.Contains(err.Error(), "is not a URL such as http://prometheus:9090") {
		t.Error(err)
	}
}
