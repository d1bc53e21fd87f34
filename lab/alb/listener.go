package alb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxHeader is the limit for all headers of a request together ("Troubleshoot
// your Application Load Balancers", HTTP 400).
const maxHeader = 64 << 10

// listener is one socket on which clients connect. It lives as long as its
// address stays in the configuration; everything else may change.
type listener struct {
	balancer *Balancer
	key      string // of the socket
	socket   net.Listener
	server   *http.Server
	current  atomic.Pointer[Listener]
	conns    sync.WaitGroup // one for each connection that net/http serves

	mu   sync.Mutex
	open map[*clientConn]struct{}
}

func openListener(ctx context.Context, b *Balancer, conf Listener) (*listener, error) {
	socket, err := b.listen(ctx, "tcp", conf.Bind)
	if err != nil {
		return nil, fmt.Errorf("listener %s: listen on %s: %w", conf.ARN, conf.Bind, err)
	}
	l := &listener{balancer: b, key: socketKey(conf), socket: socket, open: make(map[*clientConn]struct{})}
	l.current.Store(&conf)
	l.server = &http.Server{
		Handler:        l,
		MaxHeaderBytes: maxHeader,
		ConnState:      l.track,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, clientConnKey{}, c)
		},
		ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
	}
	return l, nil
}

func (l *listener) conf() *Listener { return l.current.Load() }

func (l *listener) idleTimeout() time.Duration {
	if d := l.conf().IdleTimeout; d > 0 {
		return d
	}
	return defaultIdleTimeout
}

// port is the one that users know.
func (l *listener) port() int {
	if p := l.conf().Port; p > 0 {
		return p
	}
	return int(l.addr().Port())
}

func (l *listener) addr() netip.AddrPort { return l.socket.Addr().(*net.TCPAddr).AddrPort() }

// run accepts and reaps until close; ctx ends with the balancer.
func (l *listener) run(ctx context.Context) {
	var reaper sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	reaper.Go(func() { l.reap(ctx) })
	if err := l.server.Serve(acceptor{l.socket, l}); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		l.balancer.log.Error("listener stopped", "listener", l.conf().ARN, "address", l.addr(), "cause", err)
	}
	cancel()
	reaper.Wait()
}

// acceptor wraps what the socket accepts.
type acceptor struct {
	net.Listener
	l *listener
}

func (a acceptor) Accept() (net.Conn, error) {
	nc, err := a.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &clientConn{Conn: nc, listener: a.l}
	c.idleFrom.Store(time.Now().UnixNano())
	a.l.conns.Add(1)
	a.l.mu.Lock()
	a.l.open[c] = struct{}{}
	a.l.mu.Unlock()
	return c, nil
}

// track follows the connections through net/http. A hijacked connection never
// becomes StateClosed; ServeHTTP counts it down when its tunnel has ended.
func (l *listener) track(nc net.Conn, state http.ConnState) {
	c := nc.(*clientConn)
	switch state {
	case http.StateNew, http.StateIdle:
		c.idleFrom.Store(time.Now().UnixNano())
	case http.StateActive, http.StateHijacked:
		c.idleFrom.Store(0)
	case http.StateClosed:
		c.Close()
		l.conns.Done()
	}
}

func (l *listener) forget(c *clientConn) {
	l.mu.Lock()
	delete(l.open, c)
	l.mu.Unlock()
}

func (l *listener) openConns() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

// reap closes connections without a request for the idle timeout. One that has
// begun a request gets 408.
func (l *listener) reap(ctx context.Context) {
	for {
		idle := l.idleTimeout()
		wait := time.NewTimer(min(time.Second, max(idle/8, 10*time.Millisecond)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case now := <-wait.C:
			for _, c := range l.idleSince(now.Add(-idle)) {
				if c.partial() {
					c.refuse(http.StatusRequestTimeout)
				}
				c.Close()
			}
		}
	}
}

func (l *listener) idleSince(limit time.Time) []*clientConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []*clientConn
	for c := range l.open {
		if from := c.idleFrom.Load(); from != 0 && from <= limit.UnixNano() {
			out = append(out, c)
		}
	}
	return out
}

// close stops accepting, lets running requests end until ctx does and then
// closes every connection.
func (l *listener) close(ctx context.Context) {
	l.socket.Close()
	for _, c := range l.idleSince(time.Now()) {
		if !c.partial() {
			c.Close()
		}
	}
	if err := l.server.Shutdown(ctx); err != nil {
		l.server.Close() //nolint:errcheck // what is left is closed below
	}
	for _, c := range l.allConns() { // tunnels, which net/http does not know any more
		c.Close()
	}
	l.conns.Wait()
}

func (l *listener) allConns() []*clientConn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.open))
}
