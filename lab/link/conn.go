package link

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection over a link. It has no ReadFrom and no WriteTo, by which
// bytes would pass the link unseen.
type conn struct {
	net.Conn
	link   *Link
	closed chan struct{}
	once   sync.Once
	broken atomic.Bool // was reset
	met    bool        // met the cut that there is; guarded by the link

	reading, writing deadline

	mu      sync.Mutex
	pending []byte // was received while the link hung and nobody could be given it
}

// Read receives. What arrives while the link hangs is given out after its end.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.pass(&c.reading); err != nil {
		return 0, err
	}
	if n := c.takePending(p); n > 0 {
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if held := c.pass(&c.reading); held != nil { // it was cut while we waited
		c.keepPending(p[:n])
		return 0, held
	}
	return n, c.cause(err)
}

func (c *conn) takePending(p []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := copy(p, c.pending)
	c.pending = c.pending[n:]
	return n
}

func (c *conn) keepPending(p []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, p...)
}

// Write sends. While the link hangs it waits, although a kernel would take some
// bytes: nobody can tell the difference before the answer, which does not come.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.pass(&c.writing); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	return n, c.cause(err)
}

// pass waits while the link hangs. The error is that of a connection that is
// closed, reset or out of time.
func (c *conn) pass(d *deadline) error {
	for {
		if c.broken.Load() {
			return c.cause(net.ErrClosed)
		}
		free := c.link.hangs(c)
		if free == nil {
			return nil
		}
		if err := c.await(free, d); err != nil {
			return err
		}
	}
}

// await waits until the link may be free, or the deadline was moved.
func (c *conn) await(free <-chan struct{}, d *deadline) error {
	left, bounded, moved := d.left(time.Now())
	var out <-chan time.Time
	if bounded {
		if left <= 0 {
			return os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		out = timer.C
	}
	select {
	case <-free:
	case <-moved:
	case <-out:
	case <-c.closed:
		return c.cause(net.ErrClosed)
	}
	return nil
}

// cause says that the connection was reset, if it was.
func (c *conn) cause(err error) error {
	if err != nil && c.broken.Load() {
		return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
	}
	return err
}

// Close closes the connection, whatever the link does.
func (c *conn) Close() error {
	c.end()
	return c.Conn.Close()
}

func (c *conn) end() {
	c.once.Do(func() { close(c.closed) })
	c.link.forget(c)
}

// reset ends the connection so that both ends notice.
func (c *conn) reset() {
	c.broken.Store(true)
	c.end()
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the other end gets a RST; a closed one needs none
	}
	_ = c.Conn.Close() // both ends know by now
}

// SetDeadline sets both deadlines.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds Read, also while the link hangs.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.reading.set(t)
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline bounds Write, also while the link hangs.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.writing.set(t)
	return c.Conn.SetWriteDeadline(t)
}

// errNoSocket says that a connection has no file descriptor.
var errNoSocket = errors.New("link: the connection is no socket")

// SyscallConn gives access to the socket, for those who want to look whether the
// other end has closed.
func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errNoSocket
}

// deadline is a time that can be moved while somebody waits for it.
type deadline struct {
	mu    sync.Mutex
	at    time.Time     // zero: none
	moved chan struct{} // closed when it is moved; nil while nobody waits
}

func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
}

// left returns how much time is left, if there is a bound, and what is closed when
// that changes.
func (d *deadline) left(now time.Time) (left time.Duration, bounded bool, moved <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.moved == nil {
		d.moved = make(chan struct{})
	}
	return d.at.Sub(now), !d.at.IsZero(), d.moved
}
