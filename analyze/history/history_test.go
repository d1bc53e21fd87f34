package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"watari.dev/signal"
	"watari.dev/traffic"
)

var dawn = time.Date(2026, 5, 4, 14, 0, 0, 0, time.UTC)

// remembered is a server that answers range queries: each series shows the seconds
// since dawn times its number, up to a moment.
type remembered struct {
	series    map[string][]map[string]string // by selector
	names     map[string]bool
	gone      time.Time
	warning   string
	refuse    int
	questions int
	longest   int
}

func (m *remembered) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	m.questions++
	if m.refuse > 0 {
		w.WriteHeader(m.refuse)
		fmt.Fprint(w, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory"}`)
		return
	}
	query := r.Form.Get("query")
	answer := map[string]any{"resultType": "matrix", "result": []any{}}
	if strings.HasSuffix(r.URL.Path, "/query") {
		result := []any{}
		for name := range m.names {
			if strings.Contains(query, strconv.Quote(name)) {
				result = append(result, map[string]any{"metric": map[string]string{}, "value": []any{0, "1"}})
			}
		}
		answer = map[string]any{"resultType": "vector", "result": result}
	} else {
		answer["result"] = m.matrix(query, seconds(r.Form.Get("start")), seconds(r.Form.Get("end")), seconds(r.Form.Get("step")))
	}
	out := map[string]any{"status": "success", "data": answer}
	if m.warning != "" {
		out["warnings"] = []string{m.warning}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (m *remembered) matrix(query string, start, end, step float64) []any {
	result := []any{}
	for i, labels := range m.series[query] {
		var values []any
		for at := start; at <= end+1e-6; at += step {
			if now := time.Unix(int64(at), 0); m.gone.IsZero() || now.Before(m.gone) {
				values = append(values, []any{at, fmt.Sprint(now.Sub(dawn).Seconds() * float64(i+1))})
			}
		}
		m.longest = max(m.longest, len(values))
		if len(values) > 0 {
			result = append(result, map[string]any{"metric": labels, "values": values})
		}
	}
	return result
}

func seconds(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return v
}

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

func TestReadInParts(t *testing.T) {
	m := &remembered{series: map[string][]map[string]string{
		"requests_a": {{"__name__": "requests_a", "job": "web", "instance": "1"}, {"__name__": "requests_a", "job": "web", "instance": "2"}},
		"requests_b": {{"__name__": "requests_b", "job": "web", "instance": "3"}},
		"errors_a":   {{"__name__": "errors_a", "job": "web", "instance": "1"}},
		"slow_a":     {{"le": "0.1", "job": "web", "instance": "1"}, {"le": "+Inf", "job": "web", "instance": "1"}, {"job": "no edge"}},
	}, names: map[string]bool{"errors_b": true}, gone: dawn.Add(3000 * time.Second)}
	s := server(t, m)
	var told []string
	g, err := s.Read(t.Context(), Ask{
		Query: signal.Query{Requests: both("requests_a", "requests_b"), Errors: both("errors_a", "errors_b"), Latency: both("slow_a", "")},
		From:  dawn, To: dawn.Add(5000 * time.Second), Every: time.Second,
	}, func(done, all int) { told = append(told, fmt.Sprintf("%d/%d", done, all)) })
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 15 || told[14] != "15/15" || m.questions != 16 || m.longest > perQuestion {
		t.Errorf("%d questions of up to %d points, told %v", m.questions, m.longest, told)
	}
	if len(g.Source.Requests) != 2 || len(g.Target.Requests) != 1 || len(g.Source.Errors) != 1 || len(g.Target.Errors) != 0 || len(g.Source.Latency) != 2 {
		t.Fatalf("%d, %d, %d, %d, %d series", len(g.Source.Requests), len(g.Target.Requests), len(g.Source.Errors), len(g.Target.Errors), len(g.Source.Latency))
	}
	second := g.Source.Requests[1]
	if second.Instance != "web/2" || len(second.Values) != 5001 || second.Values[2999] != 5998 || !math.IsNaN(second.Values[3000]) {
		t.Errorf("%s: %d values, %v, %v", second.Instance, len(second.Values), second.Values[2999], second.Values[3000])
	}
	if l := g.Source.Latency; l[0].Edge != 100*time.Millisecond || l[1].Edge != signal.Rest || l[0].Group != l[1].Group {
		t.Errorf("%v and %v", l[0].Edge, l[1].Edge)
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	here := map[string][]map[string]string{"requests": {{"instance": "1"}}}
	for name, c := range map[string]struct {
		m       *remembered
		query   signal.Query
		to      time.Duration
		mistake bool
		want    string
	}{
		"a rate": {&remembered{}, signal.Query{Requests: both("rate(requests[1m])", "")}, time.Minute, true,
			`requests of the source: rate(requests[1m]) is an expression, which cannot be counted exactly`},
		"no PromQL":     {&remembered{}, signal.Query{Requests: both("{", "")}, time.Minute, true, "requests of the source: { is not a selector"},
		"too much time": {&remembered{}, signal.Query{Requests: both("requests", "")}, 50 * 24 * time.Hour * 1000, true, "more than 2000: ask for less time or a longer --every"},
		"no series":     {&remembered{}, signal.Query{Requests: both("requests", "")}, time.Minute, false, "has no series requests of the source from"},
		"errors of no name": {&remembered{series: here}, signal.Query{Requests: both("requests", ""), Errors: both("erors", "")}, time.Minute, false,
			"has no metric of the name in erors: correct it, or let the application start this counter at 0"},
		"half an answer": {&remembered{series: here, warning: "a store is down"}, signal.Query{Requests: both("requests", "")}, time.Minute, false,
			"its answer may be incomplete: a store is down"},
		"a refusal": {&remembered{refuse: 422}, signal.Query{Requests: both("requests", "")}, time.Minute, false, "it answered: query processing would load too many samples"},
	} {
		t.Run(name, func(t *testing.T) {
			s := server(t, c.m)
			_, err := s.Read(t.Context(), Ask{Query: c.query, From: dawn, To: dawn.Add(c.to), Every: time.Second}, func(int, int) {})
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
	_, err = s.Read(context.Background(), Ask{Query: signal.Query{Requests: both("requests", "")}, From: dawn, To: dawn.Add(time.Minute), Every: time.Second}, func(int, int) {})
	if err == nil || !strings.Contains(err.Error(), "see whether the URL is right and reachable from here") {
		t.Error(err)
	}
	if _, err := New(Config{URL: "prometheus:9090"}); err == nil || !strings.Contains(err.Error(), "is not a URL such as http://prometheus:9090") {
		t.Error(err)
	}
}
