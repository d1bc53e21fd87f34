package database

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// asked is a database that serves, and somebody who asks it.
type asked struct {
	*Database
	t      *testing.T
	client *http.Client
}

func start(t *testing.T, f Faults) *asked {
	t.Helper()
	d, err := Start(t.Context(), Config{Bind: "127.0.0.1", Seed: 1, Faults: f})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return &asked{Database: d, t: t, client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

func (a *asked) get(path string) (int, string) {
	a.t.Helper()
	res, err := a.client.Get(a.URL() + path)
	if err != nil {
		a.t.Fatal(err)
	}
	return read(a.t, res)
}

func (a *asked) post(faults string) (int, string) {
	a.t.Helper()
	res, err := a.client.Post(a.URL()+"/faults", "application/json", strings.NewReader(faults))
	if err != nil {
		a.t.Fatal(err)
	}
	return read(a.t, res)
}

func read(t *testing.T, res *http.Response) (int, string) {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(body))
}

func TestAnswers(t *testing.T) {
	a := start(t, Faults{})
	for range 3 {
		if code, body := a.get("/"); code != http.StatusOK {
			t.Errorf("%d %s, want 200", code, body)
		}
	}
	if got := a.Counts(); got != (Counts{Answered: 3}) {
		t.Errorf("%+v", got)
	}
	if code, _ := a.get("/other"); code != http.StatusNotFound {
		t.Errorf("/other answers %d", code)
	}
}

func TestFailsInPartAndIsSwitchedWhileItRuns(t *testing.T) {
	a := start(t, Faults{})
	if code, body := a.post(`{"errorRatio":0.5}`); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	failed := 0
	for range 200 {
		if code, _ := a.get("/"); code == http.StatusInternalServerError {
			failed++
		}
	}
	if failed < 70 || failed > 130 { // 100 expected; 7.1 is the standard deviation
		t.Errorf("%d of 200 failed, want about 100", failed)
	}
	a.post(`{"errorRatio":1}`)
	if code, _ := a.get("/"); code != http.StatusInternalServerError {
		t.Errorf("with errorRatio 1: %d", code)
	}
	a.post(`{}`)
	if code, _ := a.get("/"); code != http.StatusOK {
		t.Errorf("after the faults were cleared: %d", code)
	}
	if _, body := a.get("/counts"); !strings.Contains(body, `"hung":0`) {
		t.Errorf("/counts: %s", body)
	}
	if got, want := a.Counts(), (Counts{Answered: int64(200 - failed + 1), Failed: int64(failed + 1)}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestTheSameSeedFailsTheSameRequests(t *testing.T) {
	trace := func() (codes []int) {
		a := start(t, Faults{ErrorRatio: 0.3})
		for range 50 {
			code, _ := a.get("/")
			codes = append(codes, code)
		}
		return codes
	}
	first, second := trace(), trace()
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("request %d: %d, then %d with the same seed", i+1, first[i], second[i])
		}
	}
}

func TestSlow(t *testing.T) {
	a := start(t, Faults{Latency: Duration(30 * time.Millisecond)})
	began := time.Now()
	if code, _ := a.get("/"); code != http.StatusOK {
		t.Errorf("a slow answer is %d, want 200", code)
	}
	if took := time.Since(began); took < 30*time.Millisecond {
		t.Errorf("answered after %s, want 30ms at least", took)
	}
}

func TestHangsUntilTheClientLeavesAndCanStillBeSwitched(t *testing.T) {
	a := start(t, Faults{HangRatio: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, a.URL()+"/", nil)
	if res, err := a.client.Do(req); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			res.Body.Close()
		}
		t.Fatalf("%v, want no answer", err)
	}
	if got := a.Counts(); got != (Counts{Hung: 1}) {
		t.Errorf("%+v", got)
	}
	if code, body := a.post(`{}`); code != http.StatusOK {
		t.Fatalf("control does not answer while it hangs: %d %s", code, body)
	}
	if code, _ := a.get("/"); code != http.StatusOK {
		t.Errorf("afterwards: %d", code)
	}
}

func TestCloseCutsWhatHangs(t *testing.T) {
	a := start(t, Faults{HangRatio: 1})
	result := make(chan error, 1)
	go func() {
		res, err := a.client.Get(a.URL() + "/")
		if err == nil {
			res.Body.Close()
		}
		result <- err
	}()
	for deadline := time.Now().Add(10 * time.Second); a.Counts().Hung == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the request did not arrive")
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if err := <-result; err == nil {
		t.Error("the request that hung was answered")
	}
	if conn, err := net.Dial("tcp", strings.TrimPrefix(a.URL(), "http://")); err == nil {
		conn.Close()
		t.Error("still listens after Close")
	}
}

func TestFaultsAreShownReplacedAndChecked(t *testing.T) {
	a := start(t, Faults{ErrorRatio: 0.25})
	for _, bad := range []string{`{"errorRatio":2}`, `{"errorRatio":-1}`, `{"errorRatio":0.6,"hangRatio":0.6}`, `{"errors":1}`, `{"latency":"-1s"}`, `{"latency":"soon"}`, `{`} {
		if code, _ := a.post(bad); code != http.StatusBadRequest {
			t.Errorf("POST %s: %d, want 400", bad, code)
		}
	}
	if _, body := a.get("/faults"); body != `{"errorRatio":0.25}` {
		t.Errorf("refused faults changed something: %s", body)
	}
	a.post(`{"latency":"1ms"}`)
	if _, body := a.get("/faults"); body != `{"latency":"1ms"}` {
		t.Errorf("faults are %s, want only what was posted", body)
	}
}

func TestStartRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"an address that others reach", Config{Bind: "0.0.0.0"}, "loopback"},
		{"faults with a mistake", Config{Bind: "127.0.0.1", Faults: Faults{HangRatio: 2}}, "hangRatio"},
		{"a port that is taken", Config{Bind: "127.0.0.1", Port: port}, taken.Addr().String()},
	} {
		d, err := Start(t.Context(), c.cfg)
		if err == nil {
			_ = d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.want)
		}
		if c.cfg.Port == port && !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: %v is not the typed error", c.name, err)
		}
	}
}

// TestOutcomesAreSharedOutAsAsked checks the ratios over an even grid of rolls.
func TestOutcomesAreSharedOutAsAsked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		failing := rapid.Float64Range(0, 1).Draw(t, "errorRatio")
		hanging := rapid.Float64Range(0, 1-failing).Draw(t, "hangRatio")
		f := Faults{ErrorRatio: failing, HangRatio: hanging}
		if err := f.check(); err != nil {
			t.Fatal(err)
		}
		const rolls = 1000
		got := map[outcome]float64{}
		for i := range rolls {
			got[decideOutcome(f, (float64(i)+0.5)/rolls)] += 1.0 / rolls
		}
		for does, want := range map[outcome]float64{fail: failing, hang: hanging, answer: 1 - failing - hanging} {
			if diff := got[does] - want; diff > 2.0/rolls || diff < -2.0/rolls {
				t.Errorf("outcome %d for %.4f of the rolls, want %.4f", does, got[does], want)
			}
		}
	})
}
