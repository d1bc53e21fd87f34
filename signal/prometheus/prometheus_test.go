package prometheus

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"watari.dev/signal"
	"watari.dev/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mustNew(t *testing.T, c Config) *Source {
	t.Helper()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func query() signal.Query {
	return signal.Query{Name: "test", Requests: traffic.BySide[string]{Source: `r{s="s"}`, Target: `r{s="t"}`}}
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	emptyAnswer = `{"status":"success","data":{"resultType":"matrix","result":[]}}`
	emptyVector = `{"status":"success","data":{"resultType":"vector","result":[]}}`
)

// empty returns the answer of a server that has nothing.
func empty(r *http.Request) string {
	if strings.HasPrefix(r.FormValue("query"), "count") {
		return emptyVector
	}
	return emptyAnswer
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string // in the readings
		bad    string // in the error
	}{
		"server error":    {500, "out of memory\nat line 1", "answered: server error: 500: out of memory", ""},
		"forbidden":       {403, "no", "answered: client error: 403: no", ""},
		"redirect":        {302, "", "redirects to http://127.0.0.1:1/elsewhere, another server, which is not followed", ""},
		"no JSON":         {200, "<html>", "answered", ""},
		"execution":       {422, `{"status":"error","errorType":"execution","error":"query processing would load too many samples"}`, "too many samples", ""},
		"timeout":         {503, `{"status":"error","errorType":"timeout","error":"query timed out"}`, "query timed out", ""},
		"bad query":       {400, `{"status":"error","errorType":"bad_data","error":"parse error"}`, "", "refuses the source's query: parse error"},
		"no range":        {200, emptyVector, "a range was asked for, and the answer is of type vector", ""},
		"no list":         {200, emptyAnswer, "one value per instance was asked for, and the answer is of type matrix", ""},
		"partial":         {200, strings.Replace(emptyAnswer, `{`, `{"warnings":["store gateway 3 is gone"],`, 1), "may be incomplete: store gateway 3 is gone", ""},
		"nothing matches": {200, "", `no series matches r{s="`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
				w.WriteHeader(c.status)
				body := c.body
				if name == "nothing matches" {
					body = empty(r)
				}
				_, _ = io.WriteString(w, body)
			}))
			defer server.Close()
			s := mustNew(t, Config{URL: server.URL + "/"})
			now := time.Now()
			got, err := s.Counts(t.Context(), query(), now.Add(-time.Minute), now)
			if c.bad != "" {
				if err == nil || !strings.Contains(err.Error(), c.bad) {
					t.Errorf("%v, want %s", err, c.bad)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			state := traffic.Failed
			if name == "nothing matches" {
				state = traffic.Unknown
			}
			for _, r := range []traffic.Reading[traffic.Counts]{got.Source, got.Target} {
				if r.State != state || !strings.Contains(r.Err, c.want) || state == traffic.Failed && !strings.Contains(r.Err, server.URL) {
					t.Errorf("%+v, want %s: %s", r, state, c.want)
				}
			}
		})
	}
}

func TestOneSideFailsAlone(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.FormValue("query"), `s="s"`) {
			http.Error(w, "no", http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, empty(r))
	}))
	defer server.Close()
	got, err := mustNew(t, Config{URL: server.URL}).Counts(t.Context(), query(), time.Now().Add(-time.Second), time.Now())
	if err != nil || got.Source.State != traffic.Failed || got.Target.State != traffic.Unknown {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestServerThatDoesNotAnswer(t *testing.T) {
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer hangs.Close()
	defer close(release)
	gone := httptest.NewServer(nil)
	gone.Close()
	for url, want := range map[string]string{
		hangs.URL: "did not answer in time (20ms)",
		gone.URL:  "connection refused",
	} {
		s := mustNew(t, Config{URL: url, Timeout: 20 * time.Millisecond})
		got, err := s.Counts(t.Context(), query(), time.Now().Add(-time.Second), time.Now())
		if err != nil || got.Source.State != traffic.Failed || got.Target.State != traffic.Failed || !strings.Contains(got.Target.Err, want) || !strings.Contains(got.Target.Err, url) {
			t.Errorf("%+v, %v; want %s", got, err, want)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	asked := make(chan string, 10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path + " " + r.FormValue("query") + " at " + r.FormValue("time")
		_, _ = io.WriteString(w, empty(r))
	}))
	defer server.Close()
	s := mustNew(t, Config{URL: server.URL + "/prefix/", Lookback: time.Minute, Settle: 10 * time.Second})
	to := time.UnixMilli(1_800_000_000_500)
	q := signal.Query{Requests: traffic.BySide[string]{Target: "r{s=~\"a|\\\"b\"} # the new one"}}
	if _, err := s.Counts(t.Context(), q, to.Add(-30*time.Second), to); err != nil {
		t.Fatal(err)
	}
	close(asked)
	for _, want := range []string{
		`/prefix/api/v1/query {s=~"a|\"b",__name__="r"}[30001ms] at 1799999990.501`,
		`/prefix/api/v1/query count by (job, instance) (last_over_time({s=~"a|\"b",__name__="r"}[90001ms])) at 1799999990.501`,
		"",
	} {
		if got := <-asked; got != want {
			t.Errorf("asked %s\nwant  %s", got, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, r.Header.Get("Authorization")+" "+r.Header.Get("X-Scope-Orgid"), http.StatusTeapot)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // one client does not trust it, as it should
	server.StartTLS()
	defer server.Close()
	ca := file(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	token := file(t, "first\n")
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"token":    {Config{CAFile: ca, BearerTokenFile: token}, "418: Bearer first"},
		"basic":    {Config{CAFile: ca, Username: "ana", PasswordFile: file(t, "s3cret\n")}, "418: Basic YW5hOnMzY3JldA=="},
		"header":   {Config{CAFile: ca, Headers: map[string]string{"X-Scope-OrgID": "shop"}}, "418: shop"},
		"no file":  {Config{CAFile: ca, BearerTokenFile: "/nowhere/token"}, "read the credentials: stat /nowhere/token"},
		"other CA": {Config{}, "certificate"},
	} {
		c.config.URL = server.URL
		s := mustNew(t, c.config)
		ask := func() string {
			got, err := s.Counts(t.Context(), query(), time.Now().Add(-time.Second), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return got.Source.Err
		}
		if got := ask(); !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if name == "token" {
			if err := os.WriteFile(token, []byte("second"), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := ask(); !strings.Contains(got, "Bearer second") {
				t.Errorf("the token was rotated: %s", got)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	const url = "http://prometheus:9090"
	for name, c := range map[string]Config{
		"no URL":             {},
		"no scheme":          {URL: "prometheus:9090"},
		"negative":           {URL: url, Settle: -1},
		"two credentials":    {URL: url, BearerTokenFile: "a", Username: "b"},
		"no CA":              {URL: url, CAFile: "/nowhere/ca.pem"},
		"CA that is none":    {URL: url, CAFile: file(t, "hello")},
		"cert without key":   {URL: url, CertFile: file(t, "hello")},
		"key without a cert": {URL: url, KeyFile: file(t, "hello")},
	} {
		if _, err := New(c); err == nil || !strings.HasPrefix(err.Error(), "prometheus") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestExpressionsAreRefusedWithTheRemedy(t *testing.T) {
	s := mustNew(t, Config{URL: "http://127.0.0.1:1"})
	for text, want := range map[string]string{
		`sum(rate(r[5m]))`: "cannot be counted exactly: name the counter itself",
		`r[5m]`:            "cannot be counted exactly: name the counter itself",
		`r offset 5m`:      "cannot be counted exactly: name the counter itself",
		`r @ 5`:            "cannot be counted exactly: name the counter itself",
		`r{a=`:             "is not a selector",
		`{}`:               "it would match everything",
		`{s=~".*"}`:        "it would match everything",
	} {
		for i, q := range []signal.Query{
			{Requests: traffic.BySide[string]{Source: text}},
			{Requests: traffic.BySide[string]{Source: "r"}, Errors: traffic.BySide[string]{Source: text}},
			{Requests: traffic.BySide[string]{Target: "r"}, Latency: traffic.BySide[string]{Target: text}},
			{Requests: traffic.BySide[string]{Target: "r"}, Events: []signal.Event{{Name: "paid", Count: traffic.BySide[string]{Source: "r", Target: text}}}},
		} {
			_, err := s.Counts(t.Context(), q, time.Now(), time.Now())
			what := []string{"requests of the source", "errors of the source", "latency of the target", `event "paid" of the target`}[i]
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: %v", fmt.Sprint(what, " ", text), err)
			}
		}
	}
}
