package alb

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func oneGroup(targets ...Target) Config { return oneListener([]TargetGroup{source(targets...)}, 1) }

func TestTargetFaults(t *testing.T) {
	for _, c := range []struct {
		name  string
		serve func(conn *net.TCPConn, request string)
		want  int
	}{
		{"closes without an answer", func(*net.TCPConn, string) {}, 502},
		{"resets", func(conn *net.TCPConn, _ string) { conn.SetLinger(0) }, 502},
		{"is malformed", func(conn *net.TCPConn, _ string) { io.WriteString(conn, "nonsense\r\n\r\n") }, 502},
		{"has a bad header", func(conn *net.TCPConn, _ string) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n")
		}, 502},
		{"closes inside of the headers", func(conn *net.TCPConn, _ string) { io.WriteString(conn, "HTTP/1.1 200 OK\r\nX: ") }, 502},
		{"closes inside of a short body", func(conn *net.TCPConn, _ string) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}, 502},
		{"switches protocols unasked", func(conn *net.TCPConn, _ string) {
			io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		}, 502},
		{"never answers", func(conn *net.TCPConn, _ string) { io.Copy(io.Discard, conn) }, 504},
		{"never sends the rest of a short body", func(conn *net.TCPConn, _ string) {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
			io.Copy(io.Discard, conn)
		}, 504},
	} {
		t.Run(c.name, func(t *testing.T) {
			var requests atomic.Int32
			config := oneGroup(rawBackend(t, func(conn *net.TCPConn, request string) { requests.Add(1); c.serve(conn, request) }))
			config.Listeners[0].IdleTimeout = 200 * time.Millisecond
			r := newHealthyRig(t, config)
			code, body := r.get("/")
			if code != c.want || !strings.Contains(body, fmt.Sprint(c.want)) {
				t.Errorf("HTTP %d %q, want %d", code, body, c.want)
			}
			if n := requests.Load(); n != 1 {
				t.Errorf("the target got the request %d times, want once", n)
			}
			if line := r.lines(1)[0]; !strings.Contains(line, fmt.Sprintf(" -1 -1 -1 %d ", c.want)) {
				t.Errorf("log line without -1 times: %s", line)
			}
		})
	}
}

// TestRefusedTargetIs502 fails open to a target that nobody listens on.
func TestRefusedTargetIs502(t *testing.T) {
	dead := Target{Addr: refused(t)}
	r := newRig(t, oneGroup(dead))
	r.await(sourceARN, dead.Addr, Unhealthy)
	if code, _ := r.get("/"); code != http.StatusBadGateway {
		t.Errorf("HTTP %d, want 502", code)
	}
}

// TestLongBodyThatBreaksOffBreaksTheClient: the headers were passed on, so all
// that is left is to close.
func TestLongBodyThatBreaksOffBreaksTheClient(t *testing.T) {
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("x", 50_000))
	})))
	resp, err := r.client.Get(r.url())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.ReadAll(resp.Body); err == nil {
		t.Error("the client took half a body for a whole one")
	}
	if line := r.lines(1)[0]; !strings.Contains(line, " 502 200 ") {
		t.Errorf("log line: %s, want balancer 502 and target 200", line)
	}
}

// TestTargetClosesIdleConnection: a connection that was closed while it was
// idle is found before a byte is written, and costs nothing.
func TestTargetClosesIdleConnection(t *testing.T) {
	var served atomic.Int32
	closed := make(chan struct{}, 100)
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		served.Add(1)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") // keep-alive, but then it closes
		conn.Close()
		closed <- struct{}{}
	})))
	for range 50 {
		resp, err := r.client.Post(r.url(), "text/plain", strings.NewReader("not idempotent"))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("HTTP %d, want 200", resp.StatusCode)
		}
		<-closed // the FIN is on its way through loopback before the next request
	}
	if n := served.Load(); n != 50 {
		t.Errorf("the target served %d requests, want 50", n)
	}
}

// TestTargetClosesAtTheNextRequest: a connection that breaks after bytes were
// written fails the request, idempotent or not. It is never sent again.
func TestTargetClosesAtTheNextRequest(t *testing.T) {
	var second atomic.Int32
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		if readRequestHead(conn) != "" {
			second.Add(1)
		}
	})))
	for range 20 {
		if code, _ := r.get("/"); code != 200 {
			t.Fatalf("on a new connection: HTTP %d, want 200", code)
		}
		before := second.Load()
		if code, _ := r.get("/"); code != 502 {
			t.Fatalf("on a connection that breaks: HTTP %d, want 502", code)
		}
		if n := second.Load() - before; n != 1 {
			t.Fatalf("the target saw the request %d times, want once", n)
		}
	}
}

func TestConnectionsToTargetsAreReused(t *testing.T) {
	var conns atomic.Int32
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		conns.Add(1)
		for {
			io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if readRequestHead(conn) == "" {
				return
			}
		}
	})))
	for range 20 {
		r.get("/")
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections for 20 requests one after another, want 1", n)
	}
}

// TestClientLeaves: 460 is logged, and the target learns that nobody waits.
func TestClientLeaves(t *testing.T) {
	asked, gone := make(chan struct{}), make(chan struct{})
	r := newHealthyRig(t, oneGroup(backend(t, func(_ http.ResponseWriter, req *http.Request) {
		close(asked)
		<-req.Context().Done()
		close(gone)
	})))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-asked; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.url(), nil)
	if resp, err := r.client.Do(req); err == nil {
		resp.Body.Close()
		t.Fatal("the request was answered")
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the target still works for a client that left")
	}
	if line := r.lines(1)[0]; !strings.Contains(line, " 460 - ") {
		t.Errorf("log line: %s, want 460", line)
	}
}

func TestClientLeavesInsideOfItsBody(t *testing.T) {
	for name, body := range map[string]string{
		"small": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
		"large": "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			r := newHealthyRig(t, oneGroup(backend(t, func(_ http.ResponseWriter, req *http.Request) { io.Copy(io.Discard, req.Body) })))
			conn, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, body)
			conn.Close()
			if line := r.lines(1)[0]; !strings.Contains(line, " 460 - ") {
				t.Errorf("log line: %s, want 460", line)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, says("ok"))))
	forwarded := strings.TrimSuffix(strings.Repeat("10.0.0.1, ", 31), ", ")
	for i, c := range []struct {
		name, request string
		want          int
		line          string
	}{
		{"nonsense", "nonsense\r\n\r\n", 400, `"- http://`},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, `"- http://`},
		{"two lengths", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, `"- http://`},
		{"too large headers", "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 70<<10) + "\r\n\r\n", 400, `"- http://`},
		{"unknown transfer encoding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, `"- http://`},
		{"bad chunk", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, `"POST http://x`},
		{"TRACE", "TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, `"TRACE http://x`},
		{"31 forwarders", "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Forwarded-For: " + forwarded + "\r\n\r\n", 463, `"GET http://x`},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(r.raw(c.request))), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.want || resp.Header.Get("Server") != "awselb/2.0" {
				t.Errorf("HTTP %d from %q, want %d from the balancer", resp.StatusCode, resp.Header.Get("Server"), c.want)
			}
			line := r.lines(i + 1)[i]
			if !strings.Contains(line, fmt.Sprintf(" %d - ", c.want)) || !strings.Contains(line, c.line) {
				t.Errorf("log line: %s", line)
			}
			parseLine(t, line)
		})
	}
}

// TestIdleClients: without a request a connection is closed; half a request
// and half a body get 408.
func TestIdleClients(t *testing.T) {
	config := oneGroup(backend(t, func(w http.ResponseWriter, req *http.Request) { io.Copy(io.Discard, req.Body) }))
	config.Listeners[0].IdleTimeout = 150 * time.Millisecond
	r := newHealthyRig(t, config)
	for name, c := range map[string]struct{ request, want string }{
		"nothing":      {"", ""},
		"half a head":  {"GET / HTTP/1.1\r\nHos", "HTTP/1.1 408 "},
		"half a body":  {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf", "HTTP/1.1 408 "},
		"half a chunk": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha", "HTTP/1.1 408 "},
	} {
		t.Run(name, func(t *testing.T) {
			if got := r.raw(c.request); !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
				t.Errorf("answer %q, want %q", got, c.want)
			}
		})
	}
}
