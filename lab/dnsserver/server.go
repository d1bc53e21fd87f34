package dnsserver

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/miekg/dns"
)

// Server answers DNS queries over UDP and TCP on one loopback address. Its
// methods may be called from several goroutines.
type Server struct {
	addr    netip.AddrPort
	servers []*dns.Server
	running sync.WaitGroup
	index   atomic.Pointer[index]

	mu     sync.Mutex
	rng    *rand.Rand
	counts map[countKey]uint64
}

type countKey struct{ name, set string }

// portTries bounds the search for a port that is free for both UDP and TCP.
const portTries = 50

// maxUDP is the largest answer over UDP, whatever the client offers: the size
// that avoids fragments (DNS Flag Day 2020).
const maxUDP = 1232

// New listens on a loopback host:port; port 0 picks a free one. It serves no
// zone yet: every query is refused.
func New(addr string, seed uint64) (*Server, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil || !ap.Addr().IsLoopback() {
		return nil, fmt.Errorf("dnsserver: listen on %q: not a loopback host:port; use one of 127.0.0.0/8", addr)
	}
	tcp, udp, err := listen(ap)
	if err != nil {
		return nil, fmt.Errorf("dnsserver: listen on %s: %w", addr, err)
	}
	s := &Server{
		addr:   tcp.Addr().(*net.TCPAddr).AddrPort(),
		rng:    rand.New(rand.NewPCG(seed, 0)),
		counts: make(map[countKey]uint64),
	}
	s.index.Store(&index{})
	s.servers = []*dns.Server{{Listener: tcp, Handler: s}, {PacketConn: udp, Handler: s}}
	for _, server := range s.servers {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		s.running.Go(func() { server.ActivateAndServe() }) //nolint:errcheck // it ends with Close
		<-started
	}
	return s, nil
}

// listen finds a port for both protocols.
func listen(ap netip.AddrPort) (tcp net.Listener, udp net.PacketConn, err error) {
	for range portTries {
		if tcp, err = net.Listen("tcp", ap.String()); err != nil {
			return nil, nil, err
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			return tcp, udp, nil
		}
		tcp.Close()
		if ap.Port() != 0 {
			return nil, nil, err
		}
	}
	return nil, nil, err
}

// Apply makes these zones the ones that the next query sees. A record whose
// value cannot be parsed answers SERVFAIL.
func (s *Server) Apply(zones []Zone) {
	ix := buildIndex(zones)
	s.index.Store(&ix)
}

// Addr is where the server listens, for UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Served returns how many answers used the record set, chosen directly or
// through an alias or CNAME; setIdentifier is empty for a simple record. The
// counts outlive Apply.
func (s *Server) Served(name, setIdentifier string) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[countKey{canonical(name), setIdentifier}]
}

// Close stops the server and returns when nothing runs any more.
func (s *Server) Close() error {
	var errs []error
	for _, server := range s.servers {
		errs = append(errs, server.Shutdown())
	}
	s.running.Wait()
	return errors.Join(errs...)
}

// ServeDNS answers one query.
func (s *Server) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := s.reply(q)
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp {
		m.Truncate(udpSize(q))
	}
	w.WriteMsg(m) //nolint:errcheck // the client asks again
}

// udpSize is what the client can take: 512 bytes (RFC 1035) or what it offers
// (RFC 6891).
func udpSize(q *dns.Msg) int {
	size := dns.MinMsgSize
	if opt := q.IsEdns0(); opt != nil {
		size = max(size, int(opt.UDPSize()))
	}
	return min(size, maxUDP)
}

func (s *Server) reply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	opt := q.IsEdns0()
	if opt != nil {
		m.SetEdns0(maxUDP, false)
	}
	switch {
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
		return m
	case len(q.Question) != 1:
		m.Rcode = dns.RcodeFormatError
		return m
	case opt != nil && opt.Version() != 0:
		m.Rcode = dns.RcodeBadVers
		return m
	case q.Question[0].Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeRefused
		return m
	}
	m.Compress = true
	r := resolver{ix: *s.index.Load(), roll: s.roll, served: s.count}
	out := r.resolve(q.Question[0].Name, q.Question[0].Qtype)
	m.Rcode, m.Answer = out.rcode, out.answer
	m.Authoritative = out.rcode == dns.RcodeSuccess || out.rcode == dns.RcodeNameError
	if out.soa != nil {
		soa := dns.Copy(out.soa)
		soa.Header().Ttl = min(soa.Header().Ttl, out.soa.Minttl) // RFC 2308 section 3
		m.Ns = []dns.RR{soa}
	}
	return m
}

func (s *Server) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

func (s *Server) count(set *set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[countKey{set.name, set.SetIdentifier}]++
}
