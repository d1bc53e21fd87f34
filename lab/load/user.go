package load

import (
	"bufio"
	"context"
	"net/netip"
	"sync"
	"time"
)

const (
	// idleLimit is how long a user keeps an unused connection: less than the
	// 60 s after which an ALB closes it by default ("Edit attributes for your
	// Application Load Balancer"), so that the two do not race.
	idleLimit = 30 * time.Second
	maxIdle   = 8 // connections that one user keeps
)

// user is one simulated user. Its methods may be called at the same time.
type user struct {
	kind  Kind
	port  uint16
	cache *cache // nil if the host is an address
	fixed netip.Addr

	mu   sync.Mutex
	turn int // which of several addresses comes next
	idle []*conn
}

// connect returns a connection for one request: a kept one if it may be, or a
// new one.
func (u *user) connect(ctx context.Context, mayReuse bool) (*conn, error) {
	if u.kind != Fresh && mayReuse {
		if c := u.takeIdle(time.Now()); c != nil {
			return c, nil
		}
	}
	addr, err := u.address(ctx)
	if err != nil {
		return nil, err
	}
	raw, err := dial(ctx, netip.AddrPortFrom(addr, u.port))
	if err != nil {
		return nil, err
	}
	return &conn{Conn: raw, in: bufio.NewReaderSize(raw, 2048)}, nil
}

// address returns where to connect to. Of several addresses each has its turn;
// if one does not work no other is tried, so that its fault is seen.
func (u *user) address(ctx context.Context) (netip.Addr, error) {
	if u.cache == nil {
		return u.fixed, nil
	}
	addrs, err := u.cache.resolve(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.turn++
	return addrs[u.turn%len(addrs)], nil
}

// takeIdle returns the connection used last, if it still lives.
func (u *user) takeIdle(now time.Time) *conn {
	for {
		u.mu.Lock()
		n := len(u.idle)
		if n == 0 {
			u.mu.Unlock()
			return nil
		}
		c := u.idle[n-1]
		u.idle[n-1] = nil
		u.idle = u.idle[:n-1]
		u.mu.Unlock()
		if now.Sub(c.idleSince) < idleLimit && alive(c.Conn) {
			c.reused = true
			return c
		}
		_ = c.Close() // it is dead or too old; there is nothing to lose
	}
}

// giveBack keeps a connection for the next request, or closes it.
func (u *user) giveBack(c *conn, now time.Time) {
	if err := c.SetDeadline(time.Time{}); err != nil {
		_ = c.Close()
		return
	}
	c.idleSince = now
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.idle) == maxIdle {
		_ = c.Close()
		return
	}
	u.idle = append(u.idle, c)
}

// closeIdle ends what the user keeps.
func (u *user) closeIdle() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, c := range u.idle {
		_ = c.Close()
	}
	u.idle = nil
}
