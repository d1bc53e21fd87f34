package history

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"watari.dev/analyze"
	"watari.dev/signal"
	"watari.dev/traffic"
)

// find returns a program of the Debian package prometheus, or skips.
func find(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	switch {
	case err == nil:
		return path
	case os.Getenv("WATARI_REQUIRE_PROMETHEUS") == "1":
		t.Fatalf("no %s in PATH, and WATARI_REQUIRE_PROMETHEUS=1 wants it: run hack/prometheus.sh as root (Debian package prometheus)", name)
	default:
		t.Skipf("NOT TESTED against a real Prometheus: there is no %s in PATH; hack/prometheus.sh installs it as root (Debian package prometheus)", name)
	}
	return ""
}

// TestRealServerRemembersEveryRequest puts twelve hours of samples into a real
// server, with an instance that begins again and one that comes later, and reads
// them back: the sum must be what was served, to the request.
func TestRealServerRemembersEveryRequest(t *testing.T) {
	server, tool := find(t, "prometheus"), find(t, "promtool")
	// Past is where samples may be put in afterwards.
	begin := time.Now().Add(-24 * time.Hour).Truncate(time.Hour)
	end := begin.Add(12 * time.Hour)
	samples, served := morning(begin, end)
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.txt")
	if err := os.WriteFile(file, []byte(samples), 0o600); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	if out, err := exec.Command(tool, "tsdb", "create-blocks-from", "openmetrics", file, data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s, err := New(Config{URL: start(t, server, dir, data)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := Read(t.Context(), traffic.BySide[*Server]{Source: s, Target: s}, Ask{
		Query: signal.Query{Requests: both(`requests_total{cluster="old"}`, ""), Errors: both(`requests_total{cluster="old",code="500"}`, "")},
		From:  begin, To: end, Every: 15 * time.Second,
	}, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	var got [2]int64
	for _, turn := range analyze.Counted("t", []analyze.Readings{r}, nil).Turns {
		c, _ := turn.Intervals[0].Source.Get()
		got[0], got[1] = got[0]+c.Requests, got[1]+c.Errors
	}
	if got != served {
		t.Errorf("read %d requests with %d errors; %d with %d were served", got[0], got[1], served[0], served[1])
	}
}

// morning writes samples every 15 s, and says what they hold in requests and
// errors, without what an instance had counted before it was seen.
func morning(begin, end time.Time) (text string, served [2]int64) {
	chance := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	b.WriteString("# TYPE requests counter\n")
	for instance := range 3 {
		for i, code := range []string{"200", "500"} {
			value, seen := int64(1000*instance), false
			for at := begin; !at.After(end); at = at.Add(15 * time.Second) {
				more := chance.Int64N(int64(900 / (1 + 99*i)))
				switch hour := at.Sub(begin); {
				case instance == 2 && hour < 5*time.Hour:
					continue // it is not there yet
				case instance == 1 && hour == 3*time.Hour:
					value, more = 0, 1 // it begins again
				}
				value += more
				if seen {
					served[0] += more
					served[1] += more * int64(i)
				}
				seen = true
				fmt.Fprintf(&b, "requests_total{cluster=\"old\",code=%q,job=\"web\",instance=\"%d\"} %d %d\n", code, instance, value, at.Unix())
			}
		}
	}
	b.WriteString("# EOF\n")
	return b.String(), served
}

// start runs a server that scrapes nothing, and returns its URL.
func start(t *testing.T, binary, dir, data string) string {
	t.Helper()
	config := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "--config.file="+config, "--storage.tsdb.path="+data, "--storage.tsdb.retention.time=30d", "--web.listen-address=127.0.0.1:0")
	logs := &serverLog{found: make(chan string, 1)}
	cmd.Stderr = logs
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // its data is thrown away
	select {
	case address := <-logs.found:
		return "http://" + address
	case <-time.After(30 * time.Second):
		t.Fatal("prometheus is not ready within 30s")
		return ""
	}
}

// serverLog finds the address that the server listens on, once it is ready.
type serverLog struct {
	mu    sync.Mutex
	all   strings.Builder
	found chan string
}

var listening = regexp.MustCompile(`msg="Listening on" address=([0-9.:]+)`)

// Write implements io.Writer.
func (w *serverLog) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all.Write(b)
	text := w.all.String()
	if m := listening.FindStringSubmatch(text); m != nil && strings.Contains(text, "Server is ready to receive web requests") {
		select {
		case w.found <- m[1]:
		default: // said already
		}
	}
	return len(b), nil
}
