//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"

	"watari.dev/lab/podnet"
)

// Labs that run at the same time on one machine must not share addresses of pods:
// one's load balancer would reach the other's. A lab takes the first pair of networks
// that no other has, and holds it as long as its supervisor lives, by listening on
// the networks' first addresses, which no pod gets. 10231 is a port that nobody else
// has a reason to take there.
const (
	claimPort   = 10231
	networkStep = 10 // from one lab's networks to the next one's
)

// networks are the addresses that the pods of a lab report, by the number of the
// cluster's version: the first lab has 10.231.33.0/24 and 10.231.36.0/24.
type networks struct {
	offset int // added to the number
	claims []net.Listener
}

// claimNetworks takes the first networks that are free for all clusters.
func claimNetworks(ctx context.Context, numbers ...int) (networks, error) {
	highest := 0
	for _, n := range numbers {
		highest = max(highest, n)
	}
	for offset := 0; highest+offset <= 255; offset += networkStep {
		n := networks{offset: offset}
		err := n.claim(ctx, numbers)
		if err == nil {
			return n, nil
		}
		n.close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return networks{}, fmt.Errorf("claim addresses for pods: %w", err)
		}
	}
	return networks{}, errors.New("claim addresses for pods: other labs of this machine have all of them; stop one: watari lab down --dir ITS-DIRECTORY")
}

func (n *networks) claim(ctx context.Context, numbers []int) error {
	for _, number := range numbers {
		first, err := podnet.Local(n.pods(number).Addr())
		if err != nil {
			return err
		}
		var lc net.ListenConfig
		held, err := lc.Listen(ctx, "tcp", net.JoinHostPort(first.String(), strconv.Itoa(claimPort)))
		if err != nil {
			return err
		}
		n.claims = append(n.claims, held)
	}
	return nil
}

// pods is the network of one cluster.
func (n networks) pods(number int) netip.Prefix {
	b := podnet.Reported.Addr().As4()
	b[2] = byte(number + n.offset)
	return netip.PrefixFrom(netip.AddrFrom4(b), 24)
}

// halves are the networks of a cluster's two nodes.
func halves(p netip.Prefix) []string {
	low := netip.PrefixFrom(p.Addr(), p.Bits()+1)
	b := p.Addr().As4()
	b[3] = 128
	return []string{low.String(), netip.PrefixFrom(netip.AddrFrom4(b), p.Bits()+1).String()}
}

// close gives the networks up.
func (n networks) close() {
	for _, c := range n.claims {
		_ = c.Close() // nobody ever connected to it
	}
}
