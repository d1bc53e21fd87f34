package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Relay passes connections to one address on over a link. It is the only way there
// for whoever stands outside.
type Relay struct {
	link     *Link
	to       string
	listener net.Listener
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// StartRelay listens on one loopback address and passes to another, both
// host:port, until Close.
func StartRelay(ctx context.Context, l *Link, listen, to string) (*Relay, error) {
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("relay to %s: %w", to, err)
	}
	r := &Relay{link: l, to: to, listener: listener}
	r.ctx, r.cancel = context.WithCancel(context.WithoutCancel(ctx))
	r.running.Go(r.accept)
	return r, nil
}

// Addr is where it listens.
func (r *Relay) Addr() net.Addr { return r.listener.Addr() }

// Close ends the relay and every connection over it.
func (r *Relay) Close() error {
	r.cancel()
	err := r.listener.Close()
	r.running.Wait()
	return err
}

// acceptPause is how long it waits after a connection that could not be accepted.
const acceptPause = 10 * time.Millisecond

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as no file descriptor left
			select {
			case <-time.After(acceptPause):
			case <-r.ctx.Done():
			}
			continue
		}
		r.running.Go(func() { r.pass(client) })
	}
}

// pass joins a client with the other end. A client whose other end cannot be
// reached is reset, which is what it would see without a relay.
func (r *Relay) pass(client net.Conn) {
	defer client.Close()
	var d net.Dialer
	other, err := r.link.Through(d.DialContext)(r.ctx, "tcp", r.to)
	if err != nil {
		reset(client)
		return
	}
	defer other.Close()
	defer context.AfterFunc(r.ctx, func() { client.Close(); other.Close() })()
	var both sync.WaitGroup
	both.Go(func() {
		_, err := io.Copy(other, onlyReader{client})
		finish(err, other, client)
	})
	_, err = io.Copy(client, onlyReader{other})
	finish(err, client, other)
	both.Wait()
}

// onlyReader hides the WriteTo of a connection, which would not go over the link.
type onlyReader struct{ io.Reader }

// finish ends both ways once one has ended: nothing in the lab speaks on after its
// other end has stopped listening. If it was an error, the ends see it as one.
func finish(err error, ends ...net.Conn) {
	for _, c := range ends {
		if err != nil && !errors.Is(err, net.ErrClosed) {
			reset(c)
		}
		c.Close()
	}
}

// reset lets the other end of c see a reset when c is closed.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a closed one needs none
	}
}
