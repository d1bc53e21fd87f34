package app

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
)

// openRequest sends a request on a connection of its own and does not wait for
// the answer.
func openRequest(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return conn
}

// readAnswer reads one answer and its body.
func readAnswer(t *testing.T, conn net.Conn, req *http.Request) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(bufio.NewReader(conn), req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res
}

// stacks returns the stacks of all goroutines: the way to know from outside
// that a handler has got as far as waiting.
func stacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}
