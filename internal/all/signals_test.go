package all

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"watari.dev/plan"
	"watari.dev/signal"
	"watari.dev/traffic"
)

func both(text string) traffic.BySide[string] {
	return traffic.BySide[string]{Source: text, Target: text}
}

// TestWrongSettingsAreSaid: what a constructor refuses is an error, and what was
// connected before it is closed.
func TestWrongSettingsAreSaid(t *testing.T) {
	good := plan.Signal{Query: signal.Query{Name: "good", Requests: both("r"), Errors: both("e")}, Scrape: &plan.Scrape{Endpoints: []string{"http://127.0.0.1:1/metrics"}, Interval: time.Second, Timeout: time.Second}}
	for says, bad := range map[string]plan.Signal{
		"datadoghq.ue":      {Query: signal.Query{Name: "bad"}, Datadog: &plan.Datadog{Site: "datadoghq.ue"}},
		"names no kind":     {Query: signal.Query{Name: "bad"}},
		"is not a URL":      {Query: signal.Query{Name: "bad"}, Prometheus: &plan.Prometheus{URL: "prometheus"}},
		"name target group": {Query: signal.Query{Name: "bad", Requests: both("x")}, CloudWatch: &plan.CloudWatch{Listener: "y"}},
	} {
		_, closing, err := Signals(t.Context(), []plan.Signal{good, bad})
		if err == nil || closing != nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "connect bad: ") {
			t.Errorf("%s: %v", says, err)
		}
	}
}

func TestAskSaysWhatIsWrong(t *testing.T) {
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }))
	defer down.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	q := signal.Query{Name: "prom", Requests: both(`r{c="x"}`), Errors: both(`e{c="x"}`)}
	trouble, err := Ask(ctx, []plan.Signal{{Query: q, Prometheus: &plan.Prometheus{URL: down.URL}}})
	if err != nil || !strings.Contains(trouble["prom"], "the source cannot be counted: ") || !strings.Contains(trouble["prom"], "503") {
		t.Errorf("%v, %v", trouble, err)
	}
	q.Requests = both("rate(")
	if _, err := Ask(ctx, []plan.Signal{{Query: q, Prometheus: &plan.Prometheus{URL: down.URL}}}); err == nil {
		t.Error("a malformed query was not said")
	}
}
