package load

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	dnsTry   = 2 * time.Second // how long one question may take
	dnsTries = 2               // "attempts" of resolv.conf(5)
	maxChain = 8               // of CNAMEs
)

// records is what the DNS says of a name.
type records struct {
	addrs []netip.Addr
	ttl   time.Duration // 0: not to be kept
}

// ask finds the records of a host.
type ask func(ctx context.Context, host string) (records, error)

// askServer returns an ask that speaks to one DNS server, by UDP, and by TCP
// where an answer is cut short.
func askServer(server netip.AddrPort) ask {
	return func(ctx context.Context, host string) (records, error) {
		name := dns.Fqdn(host)
		ttl := uint32(1<<32 - 1)
		for range maxChain {
			answer, err := exchangeDNS(ctx, server.String(), name)
			if err != nil {
				return records{}, fmt.Errorf("resolve %s at %s: %w", host, server, err)
			}
			addrs, next, lowest := decideAddresses(name, answer.Answer)
			ttl = min(ttl, lowest)
			if len(addrs) > 0 {
				return records{addrs: addrs, ttl: time.Duration(ttl) * time.Second}, nil
			}
			if next == name {
				return records{}, fmt.Errorf("resolve %s at %s: %s has no address", host, server, name)
			}
			name = next
		}
		return records{}, fmt.Errorf("resolve %s at %s: more than %d aliases in a row", host, server, maxChain)
	}
}

// exchangeDNS asks one question, and asks again if no answer came.
func exchangeDNS(ctx context.Context, server, name string) (*dns.Msg, error) {
	question := new(dns.Msg).SetQuestion(name, dns.TypeA)
	network := "udp"
	var lastErr error
	for try := 0; try < dnsTries; try++ {
		client := dns.Client{Net: network, Timeout: dnsTry}
		answer, _, err := client.ExchangeContext(ctx, question, server)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			lastErr = err
		case answer.Truncated && network == "udp":
			network = "tcp"
			try = -1 // another question, with tries of its own
		case answer.Rcode != dns.RcodeSuccess:
			return nil, fmt.Errorf("answer %s", dns.RcodeToString[answer.Rcode])
		default:
			return answer, nil
		}
	}
	return nil, lastErr
}

// decideAddresses follows the aliases within one answer. It returns the
// addresses at the end of the chain, or the name at which the chain ends, and
// the lowest TTL on the way.
func decideAddresses(name string, answer []dns.RR) (addrs []netip.Addr, end string, ttl uint32) {
	ttl = 1<<32 - 1
	end = name
	for range maxChain {
		alias := ""
		for _, rr := range answer {
			if !strings.EqualFold(rr.Header().Name, end) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.A:
				if addr, ok := netip.AddrFromSlice(rr.A); ok {
					addrs = append(addrs, addr.Unmap())
					ttl = min(ttl, rr.Hdr.Ttl)
				}
			case *dns.CNAME:
				alias = rr.Target
				ttl = min(ttl, rr.Hdr.Ttl)
			}
		}
		if alias == "" || len(addrs) > 0 {
			break
		}
		end = alias
	}
	return addrs, end, ttl
}

// cache is the DNS cache of one user, for the one name that users ask for.
// Failures are not kept.
type cache struct {
	ask     ask
	host    string
	forever bool // as if every TTL had no end
	turn    chan struct{}
	known   []netip.Addr
	expires time.Time
}

func newCache(ask ask, host string, forever bool) *cache {
	return &cache{ask: ask, host: host, forever: forever, turn: make(chan struct{}, 1)}
}

// resolve returns the addresses of the host. One question is asked at a time;
// who comes meanwhile waits for its answer.
func (c *cache) resolve(ctx context.Context) ([]netip.Addr, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, dnsError{ctx.Err()}
	}
	if len(c.known) > 0 && (c.forever || time.Now().Before(c.expires)) {
		return c.known, nil
	}
	found, err := c.ask(ctx, c.host)
	if err != nil {
		return nil, dnsError{err}
	}
	c.known = found.addrs
	c.expires = time.Now().Add(found.ttl)
	return c.known, nil
}

// dial connects to an address, which must be on loopback.
func dial(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	if err := checkLoopback(addr.Addr()); err != nil {
		return nil, err
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}
