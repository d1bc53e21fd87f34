package link

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// State is what a link does to connections.
type State string

// The states.
const (
	Whole   State = "whole"
	Hanging State = "hanging" // connections stand still, new ones wait
	Broken  State = "broken"  // connections are reset, new ones refused
)

// Link is one way. Its methods may be called from several goroutines.
type Link struct {
	cut atomic.Bool // it is not whole; what is whole costs no lock

	mu    sync.Mutex
	state State
	free  chan struct{} // closed while it does not hang
	conns map[*conn]bool
	met   int // connections that met a cut
}

// New returns a whole link.
func New() *Link {
	l := &Link{state: Whole, free: make(chan struct{}), conns: map[*conn]bool{}}
	close(l.free)
	return l
}

// Set cuts the link or makes it whole again.
func (l *Link) Set(s State) {
	for _, c := range l.change(s) {
		c.reset()
	}
}

// change returns the connections to reset.
func (l *Link) change(s State) []*conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == s {
		return nil
	}
	if s == Hanging {
		l.free = make(chan struct{})
	} else if l.state == Hanging {
		close(l.free)
	}
	l.state = s
	l.cut.Store(s != Whole)
	var broken []*conn
	for c := range l.conns {
		c.met = false
		if s == Broken {
			l.meet(c)
			broken = append(broken, c)
		}
	}
	return broken
}

// State is what the link does now.
func (l *Link) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// Met counts the connections that met a cut since the link is there. One that
// hangs counts once it wants to send, to receive or to be opened.
func (l *Link) Met() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.met
}

// meet counts c once for each cut; nil is a connection that was not opened yet.
func (l *Link) meet(c *conn) {
	if c != nil {
		if c.met {
			return
		}
		c.met = true
	}
	l.met++
}

// hangs returns what is closed when the link does not hang any more, nil if it
// does not hang. It counts c if it does.
func (l *Link) hangs(c *conn) <-chan struct{} {
	if !l.cut.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state != Hanging {
		return nil
	}
	l.meet(c)
	return l.free
}

// Dial is a function that opens connections, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Through returns a Dial whose connections go over the link. While it hangs, a new
// connection waits until the end or until ctx is done, as it would for an answer to
// its SYN.
func (l *Link) Through(dial Dial) Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		for first := true; ; first = false {
			state, free := l.open(first)
			switch state {
			case Broken:
				return nil, &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
			case Whole:
				nc, err := dial(ctx, network, address)
				if err != nil {
					return nil, err
				}
				return l.Wrap(nc), nil
			}
			select {
			case <-free:
			case <-ctx.Done():
				return nil, &net.OpError{Op: "dial", Net: network, Err: context.Cause(ctx)}
			}
		}
	}
}

// open returns the state for a connection that is not there yet, which is counted
// once.
func (l *Link) open(first bool) (State, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if first && l.state != Whole {
		l.meet(nil)
	}
	return l.state, l.free
}

// Wrap lets an open connection go over the link.
func (l *Link) Wrap(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, link: l, closed: make(chan struct{})}
	l.mu.Lock()
	l.conns[c] = true
	broken := l.state == Broken
	l.mu.Unlock()
	if broken { // since the dial
		c.reset()
	}
	return c
}

func (l *Link) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}
