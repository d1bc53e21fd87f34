package alb

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// clientConn is a client's connection. It counts bytes for the access log,
// knows since when it is idle, and sees the answers that net/http gives to
// requests which never become a request.
type clientConn struct {
	net.Conn
	listener *listener
	received atomic.Int64
	sent     atomic.Int64
	serving  atomic.Bool  // a request is being answered
	idleFrom atomic.Int64 // Unix nanoseconds; 0 while a request is being read or answered
	close    sync.Once

	mu        sync.Mutex
	loggedIn  int64 // received up to the last logged request
	loggedOut int64 // sent up to the last logged request
}

type clientConnKey struct{}

func clientConnOf(ctx context.Context) *clientConn {
	c, _ := ctx.Value(clientConnKey{}).(*clientConn)
	return c
}

func (c *clientConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// Write passes bytes on. A status line outside of a handler is net/http's own
// refusal of what it could not read; the client gets the balancer's.
func (c *clientConn) Write(p []byte) (int, error) {
	if !c.serving.Load() && bytes.HasPrefix(p, []byte("HTTP/1.1 ")) {
		c.refuse(decideMalformed(p))
		return len(p), nil
	}
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

// decideMalformed maps the refusal of net/http to the balancer's: a transfer
// encoding it does not know is 501, everything else, too large headers
// included, is 400 ("Troubleshoot your Application Load Balancers").
func decideMalformed(statusLine []byte) int {
	if bytes.HasPrefix(statusLine, []byte("HTTP/1.1 501")) {
		return http.StatusNotImplemented
	}
	return http.StatusBadRequest
}

// refuse answers and logs something that was no request.
func (c *clientConn) refuse(status int) {
	body := page(status)
	head := fmt.Sprintf("HTTP/1.1 %d %s\r\nServer: %s\r\nContent-Type: text/html\r\nContent-Length: %s\r\nConnection: close\r\n\r\n",
		status, statusText(status), serverHeader, strconv.Itoa(len(body)))
	c.Conn.SetWriteDeadline(time.Now().Add(time.Second)) //nolint:errcheck // a dead connection fails the write below
	n, _ := c.Conn.Write(append([]byte(head), body...))
	c.sent.Add(int64(n))
	rec := c.listener.malformed(c.RemoteAddr().String(), status)
	rec.received, rec.sent = c.leave()
	c.listener.balancer.finish(rec)
}

// enter and leave frame one request; leave returns the bytes since the last.
func (c *clientConn) enter() {
	if c != nil {
		c.serving.Store(true)
	}
}

func (c *clientConn) leave() (received, sent int64) {
	if c == nil {
		return 0, 0
	}
	c.serving.Store(false)
	c.mu.Lock()
	defer c.mu.Unlock()
	in, out := c.received.Load(), c.sent.Load()
	received, sent = in-c.loggedIn, out-c.loggedOut
	c.loggedIn, c.loggedOut = in, out
	return received, sent
}

// partial reports whether bytes of a next request have come.
func (c *clientConn) partial() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.received.Load() > c.loggedIn
}

func (c *clientConn) Close() error {
	err := c.Conn.Close()
	c.close.Do(func() { c.listener.forget(c) })
	return err
}

// CloseWrite lets net/http end an answer with a FIN before it closes.
func (c *clientConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
