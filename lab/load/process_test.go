package load

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func deadline(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestRunAsAProcess(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	dir := t.TempDir()
	cfg := ProcessConfig{
		Config:  Config{URL: srv.URL, Rate: 200, Duration: 100 * time.Millisecond},
		Control: "127.0.0.1:0", LogFile: filepath.Join(dir, "requests.jsonl"), ResultFile: filepath.Join(dir, "result.json"),
	}
	if err := Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(cfg.ResultFile)
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Check()); err != nil || r.Total.Sent != 20 {
		t.Errorf("%d sent, %v", r.Total.Sent, err)
	}
	if log, err := os.ReadFile(cfg.LogFile); err != nil || strings.Count(string(log), "\n") != 20 {
		t.Errorf("log of %d lines, %v", strings.Count(string(log), "\n"), err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("%v, %v in the directory; want two files", left, err)
	}
}

func TestRunRefusesControlFromOutside(t *testing.T) {
	for _, addr := range []string{"0.0.0.0:0", "nonsense"} {
		err := Run(t.Context(), ProcessConfig{Config: Config{URL: "http://127.0.0.1/", Rate: 1}, Control: addr})
		if err == nil || !strings.Contains(err.Error(), "control") {
			t.Errorf("control on %s: %v", addr, err)
		}
	}
}

func TestControl(t *testing.T) {
	g, err := New(Config{URL: "http://127.0.0.1/", Rate: 1})
	if err != nil {
		t.Fatal(err)
	}
	h := controlHandler(g)
	call := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	if w := call("POST", "/mark?name=step%202"); w.Code != http.StatusNoContent {
		t.Errorf("mark: %d", w.Code)
	}
	if w := call("POST", "/mark"); w.Code != http.StatusBadRequest {
		t.Errorf("mark without a name: %d", w.Code)
	}
	var r Result
	if err := json.Unmarshal(call("GET", "/snapshot").Body.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Segments) != 2 || r.Segments[1].Name != "step 2" {
		t.Errorf("segments %+v", r.Segments)
	}
	for range maxSegments {
		call("POST", "/mark?name=x")
	}
	if w := call("POST", "/mark?name=x"); w.Code != http.StatusConflict {
		t.Errorf("mark beyond the bound: %d", w.Code)
	}
}
