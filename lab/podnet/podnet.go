// Package podnet maps the addresses that the lab's pods report to the loopback
// addresses on which their processes listen: 10.231.x.y becomes 127.231.x.y.
// The API server refuses loopback addresses in EndpointSlices, and the lab
// creates no routes, so whoever dials a pod asks this package. It never lets a
// dial leave the loopback range.
package podnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Reported is the range of addresses that pods of the lab report.
var Reported = netip.MustParsePrefix("10.231.0.0/16")

// Local returns the loopback address behind a reported pod address. A loopback
// address is returned as it is; any other address is not the lab's and gives
// an error.
func Local(addr netip.Addr) (netip.Addr, error) {
	addr = addr.Unmap()
	if addr.IsLoopback() {
		return addr, nil
	}
	if !Reported.Contains(addr) {
		return netip.Addr{}, fmt.Errorf("podnet: %s is neither a pod address of the lab (%s) nor loopback", addr, Reported)
	}
	b := addr.As4()
	b[0] = 127
	return netip.AddrFrom4(b), nil
}

// DialContext dials host:port where host is a literal pod or loopback address.
// It has the shape that net/http.Transport wants.
func DialContext(ctx context.Context, network, hostport string) (net.Conn, error) {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return nil, fmt.Errorf("podnet: dial %s: %w", hostport, err)
	}
	local, err := Local(ap.Addr())
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, network, netip.AddrPortFrom(local, ap.Port()).String())
}
