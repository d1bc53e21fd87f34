package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// running is an application that serves, and how to tell it to end.
type running struct {
	t      *testing.T
	base   string
	addr   string
	client *http.Client
	term   context.CancelFunc
	result chan error
}

func start(t *testing.T, change func(*Config)) *running {
	t.Helper()
	cfg := Config{Bind: "127.0.0.1", Side: Target, Version: "v2", Pod: "shop-7", Seed: 1, DrainTimeout: 5 * time.Second}
	change(&cfg)
	if err := cfg.check(); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{}
	r := &running{
		t: t, base: "http://" + ln.Addr().String(), addr: ln.Addr().String(),
		client: &http.Client{Transport: transport, Timeout: 10 * time.Second}, term: cancel, result: make(chan error, 1),
	}
	go func() { r.result <- serve(ctx, cfg, ln) }()
	t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		select {
		case <-r.result:
		case <-time.After(10 * time.Second):
			t.Error("the application did not end")
		}
	})
	return r
}

// ended waits for Run to return.
func (r *running) ended() error {
	r.t.Helper()
	select {
	case err := <-r.result:
		r.result <- err
		return err
	case <-time.After(10 * time.Second):
		r.t.Fatal("the application did not end")
		return nil
	}
}

func (r *running) get(path string) (*http.Response, string) {
	r.t.Helper()
	res, err := r.client.Get(r.base + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(body)
}

func (r *running) post(faults string) int {
	r.t.Helper()
	res, err := r.client.Post(r.base+"/faults", "application/json", strings.NewReader(faults))
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// eventually polls until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("%s: not within 10 s", what)
}

func TestAnswerSaysWhoAnswered(t *testing.T) {
	r := start(t, func(*Config) {})
	for n := int64(1); n <= 2; n++ {
		res, body := r.get("/some/path?q=1")
		var got Answer
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if want := (Answer{Side: Target, Version: "v2", Pod: "shop-7", N: n}); got != want {
			t.Errorf("answer %+v, want %+v", got, want)
		}
		if res.Header.Get(HeaderSide) != Target || res.Header.Get(HeaderPod) != "shop-7" {
			t.Errorf("headers %v do not say side and pod", res.Header)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if res, _ := r.get(path); res.StatusCode != http.StatusOK || res.Header.Get(HeaderSide) != "" {
			t.Errorf("%s: %s with headers %v; want 200 and no side", path, res.Status, res.Header)
		}
	}
}

func TestErrorRatioAndMetrics(t *testing.T) {
	r := start(t, func(c *Config) { c.Faults = Faults{ErrorRatio: 0.25} })
	failed := 0
	for range 200 {
		if res, _ := r.get("/"); res.StatusCode == http.StatusInternalServerError {
			if res.Header.Get(HeaderSide) != Target {
				t.Fatal("a failed answer does not say its side")
			}
			failed++
		}
	}
	if failed < 30 || failed > 70 { // 50 expected; 6.1 is the standard deviation
		t.Errorf("%d of 200 requests failed, want about 50", failed)
	}
	if code := r.post(`{"errorRatio":1,"statusCode":503}`); code != http.StatusOK {
		t.Fatalf("POST /faults: %d", code)
	}
	if res, _ := r.get("/"); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after errorRatio 1 with 503: %s", res.Status)
	}
	_, text := r.get("/metrics")
	for _, want := range []string{
		fmt.Sprintf(`http_requests_total{code="500",side="target"} %d`, failed),
		fmt.Sprintf(`http_requests_total{code="200",side="target"} %d`, 200-failed),
		`http_requests_total{code="503",side="target"} 1`,
		`http_request_duration_seconds_count{side="target"} 201`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics has no line %q", want)
		}
	}
}

func TestCountersExistBeforeTheFirstRequest(t *testing.T) {
	r := start(t, func(*Config) {})
	_, text := r.get("/metrics")
	for _, want := range []string{`http_requests_total{code="500",side="target"} 0`, `http_requests_total{code="200",side="target"} 0`} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics has no line %q", want)
		}
	}
}

func TestFaultsAreShownReplacedAndChecked(t *testing.T) {
	r := start(t, func(c *Config) { c.Faults = Faults{LeakRate: 1} })
	for _, bad := range []string{`{"errorRatio":2}`, `{"errors":1}`, `{`, `{"extraLatency":"soon"}`} {
		if code := r.post(bad); code != http.StatusBadRequest {
			t.Errorf("POST %s: %d, want 400", bad, code)
		}
	}
	if _, body := r.get("/faults"); strings.TrimSpace(body) != `{"leakRate":1}` {
		t.Errorf("refused faults changed something: %s", body)
	}
	r.post(`{"extraLatency":"1ms"}`)
	if _, body := r.get("/faults"); strings.TrimSpace(body) != `{"extraLatency":"1ms"}` {
		t.Errorf("faults are %s, want only what was posted", body)
	}
}

func TestExtraLatency(t *testing.T) {
	r := start(t, func(c *Config) { c.LatencyBase = 20 * time.Millisecond })
	r.post(`{"extraLatency":"30ms"}`)
	begin := time.Now()
	r.get("/")
	if took := time.Since(begin); took < 50*time.Millisecond {
		t.Errorf("answered after %s, want 50ms at least", took)
	}
}

func TestReset(t *testing.T) {
	r := start(t, func(c *Config) { c.Faults = Faults{ResetRatio: 1} })
	_, err := r.client.Get(r.base + "/")
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a connection reset", err)
	}
}

func TestHangNeverAnswersAndDoesNotOutliveTheClient(t *testing.T) {
	r := start(t, func(c *Config) { c.Faults = Faults{HangRatio: 1} })
	r.client.Timeout = 50 * time.Millisecond
	if res, err := r.client.Get(r.base + "/"); err == nil {
		res.Body.Close()
		t.Fatalf("answered %s, want none", res.Status)
	}
	r.term()
	if err := r.ended(); err != nil {
		t.Errorf("a hanging request whose client left kept the service: %v", err)
	}
}

func TestCrash(t *testing.T) {
	r := start(t, func(*Config) {})
	r.post(`{"crashAfter":"1ms"}`)
	if err := r.ended(); !errors.Is(err, ErrCrashed) {
		t.Errorf("ended with %v, want ErrCrashed", err)
	}
	if conn, err := net.Dial("tcp", r.addr); err == nil {
		conn.Close()
		t.Error("still listens after the crash")
	}
}

func TestCrashIsCalledOff(t *testing.T) {
	s := newService(Config{Side: Source, Faults: Faults{CrashAfter: Duration(time.Hour)}})
	timer := s.crashTimer
	s.setFaults(Faults{})
	if timer.Stop() {
		t.Error("the crash was still to come after the faults were cleared")
	}
}

// rawGet sends a request on an open connection and returns the answer.
func rawGet(t *testing.T, conn net.Conn, path string) *http.Response {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, "http://app"+path, nil)
	if err := req.Write(conn); err != nil {
		t.Fatal(err)
	}
	return readAnswer(t, conn, req)
}

func TestGracefulShutdown(t *testing.T) {
	r := start(t, func(c *Config) { c.LameDuck = 1500 * time.Millisecond; c.LatencyBase = 20 * time.Millisecond })
	idle, err := net.Dial("tcp", r.addr) // a keep-alive connection from before
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if res := rawGet(t, idle, "/"); res.Close {
		t.Fatal("connection closed before the shutdown")
	}
	r.term()
	eventually(t, "readyz fails", func() bool { res, _ := r.get("/readyz"); return res.StatusCode == http.StatusServiceUnavailable })
	if res, _ := r.get("/healthz"); res.StatusCode != http.StatusOK {
		t.Errorf("healthz during the shutdown: %s; a restart would not help", res.Status)
	}
	res := rawGet(t, idle, "/") // the connection was kept, the request is answered, and now it ends
	if res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("on the old connection: %s, close %v; want 200 and close", res.Status, res.Close)
	}
	if res, _ := r.get("/"); res.StatusCode != http.StatusOK { // a new connection still works
		t.Errorf("on a new connection: %s", res.Status)
	}
	if err := r.ended(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestShutdownLetsARunningRequestFinish(t *testing.T) {
	r := start(t, func(c *Config) { c.LatencyBase = 200 * time.Millisecond })
	conn := openRequest(t, r.addr)
	eventually(t, "the request runs", func() bool { return bytes.Contains(stacks(), []byte("app.pause")) })
	r.term()
	if res := readAnswer(t, conn, nil); res.StatusCode != http.StatusOK || !res.Close {
		t.Errorf("running request: %s, close %v; want 200 and close", res.Status, res.Close)
	}
	if err := r.ended(); err != nil {
		t.Errorf("ended with %v", err)
	}
}

func TestShutdownIsBounded(t *testing.T) {
	r := start(t, func(c *Config) { c.LatencyBase = time.Hour; c.DrainTimeout = 20 * time.Millisecond })
	conn := openRequest(t, r.addr)
	eventually(t, "the request runs", func() bool { return bytes.Contains(stacks(), []byte("app.pause")) })
	r.term()
	if err := r.ended(); !errors.Is(err, ErrCut) {
		t.Errorf("ended with %v, want ErrCut", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the cut request got an answer")
	}
}

func TestBadShutdownCutsRequests(t *testing.T) {
	r := start(t, func(c *Config) { c.LatencyBase = time.Hour; c.LameDuck = time.Hour; c.BadShutdown = true })
	conn := openRequest(t, r.addr)
	eventually(t, "the request runs", func() bool { return bytes.Contains(stacks(), []byte("app.pause")) })
	r.term()
	if err := r.ended(); err != nil {
		t.Errorf("ended with %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the cut request got an answer")
	}
}

func TestRunRefusesAddressesOutsideOfLoopback(t *testing.T) {
	err := Run(t.Context(), Config{Bind: "0.0.0.0", Side: Source})
	if err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("Run on 0.0.0.0: %v", err)
	}
}

func TestRunNamesTheAddressThatIsTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	err = Run(t.Context(), Config{Bind: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, Side: Source})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("Run on a taken address: %v", err)
	}
}
