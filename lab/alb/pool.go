package alb

import (
	"bufio"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// connectTimeout is how long a target may take to accept a connection
// (Application Load Balancer guide, "Troubleshoot", HTTP 504).
const connectTimeout = 10 * time.Second

// errCut says that the deregistration delay has passed: the target takes no
// connection any more.
var errCut = errors.New("the deregistration delay of the target has passed")

// targetConn is one connection to a target, used by one request at a time.
type targetConn struct {
	net.Conn
	br      *bufio.Reader
	bw      *bufio.Writer
	expires time.Time       // while idle: when the idle timeout ends it
	raw     syscall.RawConn // nil if the connection is no socket
	cut     atomic.Bool
}

// pool holds the connections to one target: the idle ones for the next
// request, the active ones so that they can be cut.
type pool struct {
	dial dialFunc
	addr string

	mu     sync.Mutex
	idle   []*targetConn // the most recently used last
	active map[*targetConn]struct{}
	phase  poolPhase
}

type poolPhase int

const (
	poolOpen    poolPhase = iota
	poolLeaving           // running requests may still dial; nothing is kept idle
	poolCut               // nothing goes through any more
)

func newPool(dial dialFunc, addr string) *pool {
	return &pool{dial: dial, addr: addr, active: make(map[*targetConn]struct{})}
}

// get returns an idle connection that the target has not closed, or a new
// one. It looks before a byte of the request is written: what is found closed
// here costs nothing, what closes later fails the request (HTTP 502), and no
// request is ever written twice.
func (p *pool) get(ctx context.Context) (*targetConn, error) {
	for {
		c, err := p.takeIdle()
		if err != nil {
			return nil, err
		}
		if c == nil {
			return p.open(ctx)
		}
		if time.Now().Before(c.expires) && c.quiet() {
			return c, nil
		}
		p.discard(c)
	}
}

func (p *pool) takeIdle() (*targetConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == poolCut {
		return nil, errCut
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	p.active[c] = struct{}{}
	return c, nil
}

func (p *pool) open(ctx context.Context) (*targetConn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	nc, err := p.dial(ctx, "tcp", p.addr)
	if err != nil {
		return nil, err
	}
	c := &targetConn{Conn: nc, br: bufio.NewReaderSize(nc, 8<<10), bw: bufio.NewWriterSize(nc, 4<<10)}
	if sc, ok := nc.(syscall.Conn); ok {
		if c.raw, err = sc.SyscallConn(); err != nil {
			nc.Close()
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == poolCut {
		nc.Close()
		return nil, errCut
	}
	p.active[c] = struct{}{}
	return c, nil
}

// keep gives a connection back for another request.
func (p *pool) keep(c *targetConn, idle time.Duration) {
	c.expires = time.Now().Add(idle)
	p.mu.Lock()
	delete(p.active, c)
	ok := p.phase == poolOpen && c.SetDeadline(time.Time{}) == nil
	if ok {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !ok {
		c.Close()
	}
}

func (p *pool) discard(c *targetConn) {
	c.Close()
	p.mu.Lock()
	delete(p.active, c)
	p.mu.Unlock()
}

// prune closes connections whose idle timeout has passed.
func (p *pool) prune(now time.Time) {
	p.mu.Lock()
	var expired []*targetConn
	kept := p.idle[:0]
	for _, c := range p.idle {
		if now.Before(c.expires) {
			kept = append(kept, c)
		} else {
			expired = append(expired, c)
		}
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	p.mu.Unlock()
	closeAll(expired)
}

// leave closes the idle connections and lets the active ones finish.
func (p *pool) leave() {
	p.mu.Lock()
	p.phase = max(p.phase, poolLeaving)
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	closeAll(idle)
}

// cut ends every connection, those of running requests too.
func (p *pool) cut() {
	p.mu.Lock()
	p.phase = poolCut
	conns := p.idle
	p.idle = nil
	for c := range p.active {
		c.cut.Store(true)
		conns = append(conns, c)
	}
	p.mu.Unlock()
	closeAll(conns)
}

func closeAll(conns []*targetConn) {
	for _, c := range conns {
		c.Close()
	}
}
