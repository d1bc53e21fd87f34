package kube

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
)

// Ports are picked from a range below the one from which Linux takes the ports
// of outgoing connections (32768 to 60999, ip(7), ip_local_port_range): a
// component that restarts must find its port free, also while a load generator
// opens thousands of connections.
const (
	firstPort = 12000
	lastPort  = 19999
	portTries = 1000
)

// PickPorts returns n different ports that are free on 127.0.0.1 now. They lie
// outside of the range of outgoing connections.
func PickPorts(n int) ([]int, error) { return new(PortPicker).Pick(n) }

// PortPicker picks ports, none twice. The zero value is ready; it is not for several
// goroutines.
type PortPicker struct{ picked map[int]bool }

// Pick is PickPorts without the ports that were picked before: they may not be
// in use yet.
func (p *PortPicker) Pick(n int) ([]int, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if p.picked == nil {
		p.picked = map[int]bool{}
	}
	var ports []int
	var last error
	for range portTries {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if p.picked[port] {
			continue
		}
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, uint16(port))))
		if err != nil {
			last = err
			continue
		}
		_ = l.Close() // it was only to see whether the port is free
		p.picked[port] = true
		ports = append(ports, port)
	}
	if len(ports) == n {
		return ports, nil
	}
	return nil, fmt.Errorf("find %d free ports between %d and %d on %s: %w", n, firstPort, lastPort, loopback, errors.Join(errors.New("too few are free"), last))
}
