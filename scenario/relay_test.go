package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const page = "# TYPE alb_requests_total counter\nalb_requests_total 7\n"

// scraped returns a relay before a page of metrics, and a way to read it.
func scraped(t *testing.T) (*relay, func() (int, string, error)) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_lab/metrics" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, page)
	}))
	t.Cleanup(upstream.Close)
	r, err := startRelay(t.Context(), upstream.URL+"/_lab/metrics")
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: transport}
	return r, func() (int, string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), nil)
		if err != nil {
			return 0, "", err
		}
		res, err := client.Do(req)
		if err != nil {
			return 0, "", err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, string(body), err
	}
}

func TestRelayIsCutInEveryWayAndWholeAgain(t *testing.T) {
	r, read := scraped(t)
	at := r.url()
	wantWhole := func(after string) {
		t.Helper()
		if code, body, err := read(); code != http.StatusOK || body != page {
			t.Errorf("%s: %d %q %v, want the page", after, code, body, err)
		}
	}
	wantWhole("at first")
	for _, c := range []struct {
		how cut
		ok  func(code int, body string, err error) bool
	}{
		{refuses, func(_ int, _ string, err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }},
		{hangs, func(_ int, _ string, err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
		{fails, func(code int, _ string, err error) bool { return err == nil && code == http.StatusInternalServerError }},
		{strange, func(code int, body string, err error) bool {
			return err == nil && code == http.StatusOK && strings.Contains(body, "<p>")
		}},
	} {
		if err := r.set(t.Context(), c.how); err != nil {
			t.Fatal(err)
		}
		for range 2 { // on a kept connection as well
			if code, body, err := read(); !c.ok(code, body, err) {
				t.Errorf("a relay that %s: %d %q %v", c.how, code, body, err)
			}
		}
		if err := r.set(t.Context(), whole); err != nil {
			t.Fatal(err)
		}
		wantWhole("after it " + string(c.how))
	}
	if r.url() != at {
		t.Errorf("it is at %s, and was at %s: watari would not find it", r.url(), at)
	}
}

func TestRelayGoesFromOneWayToTheNext(t *testing.T) {
	r, read := scraped(t)
	for _, how := range []cut{refuses, refuses, fails, hangs, refuses, strange, whole} {
		if err := r.set(t.Context(), how); err != nil {
			t.Fatal(err)
		}
	}
	if code, body, err := read(); code != http.StatusOK || body != page {
		t.Errorf("%d %q %v, want the page", code, body, err)
	}
}

func TestRelayIsClosedTwice(t *testing.T) {
	r, read := scraped(t)
	for range 2 {
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := read(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after close: %v", err)
	}
}
