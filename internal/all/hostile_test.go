package all

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// hostile is a server whose answers have no end that a client could wait for.
type hostile struct {
	*httptest.Server
	sent    atomic.Int64 // bytes of the largest answer so far, as they went over the wire
	largest atomic.Int64 // heap of this process while it answered
	before  int64
}

func newHostile(t *testing.T, answer func(*hostile, http.ResponseWriter, *http.Request)) *hostile {
	t.Helper()
	h := &hostile{before: heapNow()}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// A client that still writes when it has its answer may lose the connection, and say that.
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			answer(h, w, r)
		}
	}))
	t.Cleanup(func() {
		h.CloseClientConnections()
		h.Close()
	})
	return h
}

func heapNow() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// grown is by how much the heap had grown at its largest.
func (h *hostile) grown() int64 { return h.largest.Load() - h.before }

// counting counts what an answer takes.
type counting struct {
	to   io.Writer
	h    *hostile
	sent int64
	seen int64
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.to.Write(p)
	c.sent += int64(n)
	if c.sent > c.h.sent.Load() {
		c.h.sent.Store(c.sent)
	}
	if c.sent-c.seen > 4<<20 {
		c.seen = c.sent
		c.h.largest.Store(max(c.h.largest.Load(), heapNow()))
	}
	return n, err
}

// mostServed ends a test whose client would read for ever.
const mostServed = 1 << 30

// endless answers with one text again and again until the client has gone.
func endless(text string) func(*hostile, http.ResponseWriter, *http.Request) {
	block := bytes.Repeat([]byte(text), 1+(256<<10)/len(text))
	return func(h *hostile, w http.ResponseWriter, _ *http.Request) {
		out := &counting{to: w, h: h}
		for out.sent < mostServed {
			if _, err := out.Write(block); err != nil {
				return
			}
		}
	}
}

// bomb answers with a megabyte of blanks for each kilobyte that it sends.
func bomb(h *hostile, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	out := &counting{to: w, h: h}
	z := gzip.NewWriter(out)
	block := bytes.Repeat([]byte(" "), 1<<20)
	for range mostServed >> 20 {
		if _, err := z.Write(block); err != nil {
			return
		}
		h.largest.Store(max(h.largest.Load(), heapNow()))
	}
}

// packedTwice answers in an encoding that nobody asked for.
func packedTwice(_ *hostile, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip, gzip")
	_, _ = io.WriteString(w, "x")
}

// deep answers with two million open brackets.
func deep(open string) func(*hostile, http.ResponseWriter, *http.Request) {
	return func(h *hostile, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		out := &counting{to: w, h: h}
		block := []byte(strings.Repeat(open, 10_000))
		for range 200 {
			if _, err := out.Write(block); err != nil {
				return
			}
		}
	}
}

// endlessHeader answers with a header that does not end.
func endlessHeader(h *hostile, w http.ResponseWriter, _ *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close() //nolint:errcheck // the client has gone
	out := &counting{to: connection, h: h}
	_, _ = io.WriteString(out, "HTTP/1.1 200 OK\r\n")
	line := []byte("X-More: " + strings.Repeat("a", 4000) + "\r\n")
	for out.sent < mostServed {
		if _, err := out.Write(line); err != nil {
			return
		}
	}
}

// endlessReason answers with a reason phrase that does not end.
func endlessReason(h *hostile, w http.ResponseWriter, _ *http.Request) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close() //nolint:errcheck // the client has gone
	out := &counting{to: connection, h: h}
	_, _ = io.WriteString(out, "HTTP/1.1 503 ")
	for out.sent < mostServed {
		if _, err := io.WriteString(out, strings.Repeat("complete ", 1000)); err != nil {
			return
		}
	}
}

// elsewhere leads to another server, which counts who comes.
func elsewhere(t *testing.T, status int) (answer func(*hostile, http.ResponseWriter, *http.Request), came *atomic.Int64) {
	t.Helper()
	came = &atomic.Int64{}
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	go func() {
		for {
			connection, err := other.Accept()
			if err != nil {
				return
			}
			came.Add(1)
			_ = connection.Close()
		}
	}()
	return func(_ *hostile, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", fmt.Sprintf("http://%s/stolen", other.Addr()))
		w.WriteHeader(status)
	}, came
}

// round leads to the same server again and again.
func round(_ *hostile, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", r.URL.Path+"x")
	w.WriteHeader(http.StatusTemporaryRedirect)
}
