//go:build linux

package node

import (
	"errors"
	"net/netip"
	"sync"
)

// errNoAddress says that every address of the range is in use.
var errNoAddress = errors.New("no pod address is free")

// addressPool hands out the addresses of one range. An address that was given
// back is used again as late as possible, so that a load balancer that still
// knows a pod that is gone does not reach its successor.
type addressPool struct {
	mu    sync.Mutex
	free  []netip.Addr // oldest first
	taken map[netip.Addr]bool
}

func newAddressPool(cidr netip.Prefix) *addressPool {
	p := &addressPool{taken: map[netip.Addr]bool{}}
	// The first address is the network's and the last is broadcast; 127.231.x.255
	// is an ordinary loopback address, but pods of real clusters do not have it.
	for a := cidr.Masked().Addr().Next(); cidr.Contains(a.Next()); a = a.Next() {
		p.free = append(p.free, a)
	}
	return p
}

// take returns the address that has been free for the longest time.
func (p *addressPool) take() (netip.Addr, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return netip.Addr{}, errNoAddress
	}
	a := p.free[0]
	p.free = p.free[1:]
	p.taken[a] = true
	return a, nil
}

// reserve takes a known address; false if it is in use or not of this pool.
func (p *addressPool) reserve(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, f := range p.free {
		if f == a {
			p.free = append(p.free[:i:i], p.free[i+1:]...)
			p.taken[a] = true
			return true
		}
	}
	return false
}

// release gives an address back; addresses that are not taken are ignored.
func (p *addressPool) release(a netip.Addr) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken[a] {
		delete(p.taken, a)
		p.free = append(p.free, a)
	}
}

// inUse says whether an address of the pool is taken.
func (p *addressPool) inUse(a netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taken[a]
}
