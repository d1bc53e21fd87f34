package alb

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestBodies sends bodies of many sizes both ways, with and without a length.
func TestBodies(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sha256.Sum256(body)))
		if req.URL.Path == "/length" {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		w.Write(body)
	})))
	noise := make([]byte, 3<<20)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range noise {
		noise[i] = byte(rng.Uint32())
	}
	for _, size := range []int{0, 1, 100, smallBody - 1, smallBody, smallBody + 1, 3 << 20} {
		for _, path := range []string{"/length", "/chunked"} {
			for _, known := range []bool{true, false} {
				var body io.Reader = bytes.NewReader(noise[:size])
				if !known {
					body = io.MultiReader(body) // hides the length
				}
				resp, err := r.client.Post(r.url()+path, "application/octet-stream", body)
				if err != nil {
					t.Fatalf("size %d %s: %v", size, path, err)
				}
				got, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || !bytes.Equal(got, noise[:size]) || resp.Header.Get("X-Sum") != fmt.Sprintf("%x", sha256.Sum256(noise[:size])) {
					t.Errorf("size %d %s known=%v: HTTP %d, %d bytes back, %v", size, path, known, resp.StatusCode, len(got), err)
				}
			}
		}
	}
	if n := r.b.listenersOpen(); n != 1 {
		t.Errorf("%d client connections, want 1: every answer left it usable", n)
	}
}

func TestBodilessAnswers(t *testing.T) {
	r := newHealthyRig(t, oneGroup(backend(t, func(w http.ResponseWriter, req *http.Request) {
		switch req.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "1000000")
		}
	})))
	for range 3 {
		resp, err := r.client.Head(r.url())
		if err != nil || resp.ContentLength != 1_000_000 {
			t.Fatalf("HEAD: %v, %v", resp, err)
		}
		for _, want := range []int{204, 304} {
			if code, body := r.get(fmt.Sprint("/", want)); code != want || body != "" {
				t.Errorf("HTTP %d %q, want %d", code, body, want)
			}
		}
	}
	if n := r.b.listenersOpen(); n != 1 {
		t.Errorf("%d client connections, want 1", n)
	}
}

// TestStreaming: a client gets each piece as soon as the target has sent it.
func TestStreaming(t *testing.T) {
	next := make(chan struct{})
	r := newHealthyRig(t, oneGroup(backend(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 3 {
			fmt.Fprintf(w, "piece %d\n", i)
			w.(http.Flusher).Flush()
			<-next
		}
	})))
	resp, err := r.client.Get(r.url())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for i := range 3 {
		if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("piece %d\n", i) {
			t.Fatalf("line %q, %v", line, err)
		}
		next <- struct{}{}
	}
}

// TestEarlyAnswer: a target may answer and close before it has read the body;
// the client gets the answer.
func TestEarlyAnswer(t *testing.T) {
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		io.WriteString(conn, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch")
		conn.CloseWrite()
		io.CopyN(io.Discard, conn, 1<<20) // some of it, then a reset
	})))
	resp, err := r.client.Post(r.url(), "text/plain", strings.NewReader(strings.Repeat("x", 3<<20)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != 413 || string(body) != "much" || err != nil {
		t.Errorf("HTTP %d %q %v, want the target's 413", resp.StatusCode, body, err)
	}
}

func TestInterimResponses(t *testing.T) {
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	})))
	if code, body := r.get("/"); code != 200 || body != "ok" {
		t.Errorf("HTTP %d %q", code, body)
	}
}

func TestHTTP10ClientAndTarget(t *testing.T) {
	r := newHealthyRig(t, oneGroup(rawBackend(t, func(conn *net.TCPConn, _ string) {
		io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nuntil the end")
	})))
	if answer := r.raw("GET / HTTP/1.0\r\n\r\n"); !strings.Contains(answer, " 200 OK\r\n") || !strings.HasSuffix(answer, "until the end") {
		t.Errorf("answer %q", answer)
	}
}

// TestTunnel switches protocols and passes bytes both ways.
func TestTunnel(t *testing.T) {
	echo := rawBackend(t, func(conn *net.TCPConn, request string) {
		if !strings.Contains(request, "Connection: Upgrade\r\n") || !strings.Contains(request, "Upgrade: websocket\r\n") {
			return
		}
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Key: 1\r\n\r\nhello ")
		io.Copy(conn, conn)
	})
	for name, end := range map[string]func(r *rig, client net.Conn, c Config){
		"client closes": func(_ *rig, client net.Conn, _ Config) { client.Close() },
		"target is cut off": func(r *rig, client net.Conn, c Config) {
			c.TargetGroups[0].Targets = nil
			r.apply(c)
			if _, err := client.Read(make([]byte, 1)); err == nil {
				r.Error("the tunnel outlives the deregistration delay")
			}
		},
		"nothing moves": func(r *rig, client net.Conn, _ Config) {
			if _, err := client.Read(make([]byte, 1)); err == nil {
				r.Error("the tunnel outlives the idle timeout")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := oneGroup(echo)
			c.Listeners[0].IdleTimeout = 300 * time.Millisecond
			r := newHealthyRig(t, c)
			client, err := net.Dial("tcp", r.addr())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			client.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(client, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\nworld")
			br := bufio.NewReader(client)
			resp, err := http.ReadResponse(br, nil)
			if err != nil || resp.StatusCode != 101 || resp.Header.Get("X-Key") != "1" || resp.Header.Get("Upgrade") != "websocket" {
				t.Fatalf("%v, %v", resp, err)
			}
			got := make([]byte, len("hello world"))
			if _, err := io.ReadFull(br, got); err != nil || string(got) != "hello world" {
				t.Fatalf("%q, %v", got, err)
			}
			end(r, client, c)
			line := parseLine(t, r.lines(1)[0])
			if line["type"] != "ws" || line["elb_status_code"] != "101" || line["target_status_code"] != "101" {
				t.Errorf("log %v", line)
			}
		})
	}
}
