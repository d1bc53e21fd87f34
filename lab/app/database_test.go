package app

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"watari.dev/lab/database"
)

// startWithDatabase returns an application and the database that it asks.
func startWithDatabase(t *testing.T, change func(*Config)) (*running, *database.Database) {
	t.Helper()
	d, err := database.Start(t.Context(), database.Config{Bind: "127.0.0.1", Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return start(t, func(c *Config) {
		c.Database, c.DatabaseTimeout = d.URL(), 10*time.Second
		change(c)
	}), d
}

// answer asks as a user does.
func (r *running) answer() (int, Answer) {
	r.t.Helper()
	res, body := r.get("/")
	var a Answer
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		r.t.Fatalf("%v: %s", err, body)
	}
	if res.Header.Get(HeaderSide) != Target {
		r.t.Errorf("%s does not say its side", res.Status)
	}
	return res.StatusCode, a
}

func (r *running) wantReady() {
	r.t.Helper()
	if res, body := r.get("/readyz"); res.StatusCode != http.StatusOK {
		r.t.Errorf("readyz: %s %s; the database is behind every pod, and none would be left", res.Status, body)
	}
}

func (r *running) wantMetrics(lines ...string) {
	r.t.Helper()
	_, text := r.get("/metrics")
	for _, want := range lines {
		if !strings.Contains(text, want+"\n") {
			r.t.Errorf("/metrics has no line %q", want)
		}
	}
}

func TestWithoutADatabaseNobodyIsAsked(t *testing.T) {
	r := start(t, func(*Config) {})
	if code, a := r.answer(); code != http.StatusOK || a.Error != "" {
		t.Errorf("%d %+v", code, a)
	}
	if _, text := r.get("/metrics"); strings.Contains(text, "app_database_requests_total{") {
		t.Error("/metrics counts requests to a database that is not there")
	}
}

func TestTheDatabaseIsAskedOnceForEachRequestOfAUser(t *testing.T) {
	r, d := startWithDatabase(t, func(*Config) {})
	for range 3 {
		if code, a := r.answer(); code != http.StatusOK || a.Error != "" {
			t.Errorf("%d %+v", code, a)
		}
	}
	r.get("/healthz")
	r.wantReady()
	if got := d.Counts(); got != (database.Counts{Answered: 3}) {
		t.Errorf("%+v, want three that were answered", got)
	}
	r.wantMetrics(`app_database_requests_total{result="answered",side="target"} 3`, `app_database_requests_total{result="failed",side="target"} 0`)
}

func TestADatabaseThatFailsIsA500(t *testing.T) {
	r, d := startWithDatabase(t, func(*Config) {})
	if err := d.SetFaults(database.Faults{ErrorRatio: 1}); err != nil {
		t.Fatal(err)
	}
	if code, a := r.answer(); code != http.StatusInternalServerError || !strings.Contains(a.Error, "database") {
		t.Errorf("%d %+v, want 500 that names the database", code, a)
	}
	r.wantReady()
	if err := d.SetFaults(database.Faults{}); err != nil {
		t.Fatal(err)
	}
	if code, _ := r.answer(); code != http.StatusOK {
		t.Errorf("after the database works again: %d", code)
	}
	r.wantMetrics(
		`app_database_requests_total{result="failed",side="target"} 1`, `app_database_requests_total{result="answered",side="target"} 1`,
		`http_requests_total{code="500",side="target"} 1`, `http_requests_total{code="200",side="target"} 1`,
	)
}

func TestADatabaseThatHangsIsA504WithinABound(t *testing.T) {
	r, d := startWithDatabase(t, func(c *Config) { c.DatabaseTimeout = 30 * time.Millisecond })
	if err := d.SetFaults(database.Faults{HangRatio: 1}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if code, a := r.answer(); code != http.StatusGatewayTimeout || !strings.Contains(a.Error, "30ms") {
		t.Errorf("%d %+v, want 504 that says the bound", code, a)
	}
	if took := time.Since(began); took < 30*time.Millisecond || took > 5*time.Second {
		t.Errorf("answered after %s, want 30ms and little more", took)
	}
	r.wantReady()
	r.wantMetrics(`app_database_requests_total{result="timed_out",side="target"} 1`, `http_requests_total{code="504",side="target"} 1`)
}

func TestADatabaseThatIsSlowMakesTheAnswerSlow(t *testing.T) {
	r, d := startWithDatabase(t, func(*Config) {})
	if err := d.SetFaults(database.Faults{Latency: database.Duration(30 * time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if code, _ := r.answer(); code != http.StatusOK {
		t.Errorf("%d", code)
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %s, want 30ms at least", took)
	}
}

func TestADatabaseThatIsGoneIsA500(t *testing.T) {
	r, d := startWithDatabase(t, func(*Config) {})
	r.answer()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if code, a := r.answer(); code != http.StatusInternalServerError || !strings.Contains(a.Error, "refused") {
		t.Errorf("%d %+v, want 500 that says why", code, a)
	}
	r.wantReady()
	r.wantMetrics(`app_database_requests_total{result="unreachable",side="target"} 1`)
}

func TestAUserWhoLeavesIsNoFailureOfTheDatabase(t *testing.T) {
	r, d := startWithDatabase(t, func(*Config) {})
	if err := d.SetFaults(database.Faults{HangRatio: 1}); err != nil {
		t.Fatal(err)
	}
	conn := openRequest(t, r.addr)
	eventually(t, "the database is asked", func() bool { return d.Counts().Hung == 1 })
	conn.Close()
	eventually(t, "nobody asks any more", func() bool { return !bytes.Contains(stacks(), []byte("askDatabase")) })
	if err := d.SetFaults(database.Faults{}); err != nil {
		t.Fatal(err)
	}
	r.answer()
	r.wantMetrics(
		`app_database_requests_total{result="answered",side="target"} 1`,
		`app_database_requests_total{result="timed_out",side="target"} 0`, `app_database_requests_total{result="unreachable",side="target"} 0`,
	)
}

func TestAFaultOfItsOwnDoesNotAskTheDatabase(t *testing.T) {
	r, d := startWithDatabase(t, func(c *Config) { c.Faults = Faults{ErrorRatio: 1, StatusCode: http.StatusBadGateway} })
	if code, a := r.answer(); code != http.StatusBadGateway || a.Error != "" {
		t.Errorf("%d %+v", code, a)
	}
	if got := d.Counts(); got != (database.Counts{}) {
		t.Errorf("%+v, want nobody to have asked", got)
	}
}
