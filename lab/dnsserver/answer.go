package dnsserver

import (
	"net/netip"

	"github.com/miekg/dns"
)

const (
	// aliasTTL is the TTL of an alias to a load balancer, in seconds (Route 53
	// Developer Guide, "Choosing between alias and non-alias records").
	aliasTTL = 60

	// maxChain bounds aliases and CNAMEs that lead to each other.
	maxChain = 8
)

// resolver answers one question.
type resolver struct {
	ix     index
	roll   func(n int) int
	served func(s *set)
}

// reply is what goes into a message.
type reply struct {
	rcode  int
	answer []dns.RR
	soa    *dns.SOA // in the authority section of a negative answer
}

// resolve answers qtype at qname. Owner names are written as the client wrote
// them.
func (r resolver) resolve(qname string, qtype uint16) reply {
	z := r.ix.zoneOf(canonical(qname))
	if z == nil {
		return reply{rcode: dns.RcodeRefused}
	}
	var out reply
	for range maxChain {
		n := z.find(canonical(qname))
		if n == nil {
			return out.negative(dns.RcodeNameError, z)
		}
		if qtype == dns.TypeANY {
			return reply{answer: []dns.RR{&dns.HINFO{ // RFC 8482
				Hdr: dns.RR_Header{Name: qname, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600}, Cpu: "RFC8482"}}}
		}
		if sets := n.sets[qtype]; len(sets) > 0 {
			rrs, ok := r.expand(z, sets, qtype, maxChain)
			if !ok {
				return reply{rcode: dns.RcodeServerFailure}
			}
			out.answer = append(out.answer, owned(rrs, qname)...)
			if len(rrs) == 0 {
				return out.negative(dns.RcodeSuccess, z)
			}
			return out
		}
		rrs, ok := r.expand(z, n.sets[dns.TypeCNAME], dns.TypeCNAME, maxChain)
		if !ok {
			return reply{rcode: dns.RcodeServerFailure}
		}
		if len(rrs) == 0 {
			return out.negative(dns.RcodeSuccess, z)
		}
		out.answer = append(out.answer, owned(rrs[:1], qname)...)
		qname = rrs[0].(*dns.CNAME).Target
		if z = r.ix.zoneOf(canonical(qname)); z == nil {
			return out // the client asks elsewhere
		}
	}
	return reply{rcode: dns.RcodeServerFailure}
}

// negative ends a reply without further records: NXDOMAIN, or NODATA with
// success, both with the zone's SOA. What a CNAME led to stays.
func (out reply) negative(rcode int, z *zone) reply {
	out.rcode = rcode
	out.soa = z.soa
	return out
}

// expand chooses a record set and follows aliases, which the client never
// sees. It is not ok if a record is broken or aliases go in a circle.
func (r resolver) expand(z *zone, sets []*set, qtype uint16, depth int) (rrs []dns.RR, ok bool) {
	if len(sets) == 0 {
		return nil, true
	}
	if depth == 0 {
		return nil, false
	}
	s := decideSet(sets, r.roll)
	r.served(s)
	switch {
	case s.broken != nil:
		return nil, false
	case s.AliasTarget == "":
		return r.rotate(s.rrs), true
	case len(s.AliasAddrs) > 0:
		return r.rotate(addressRecords(s, qtype)), true
	}
	target := z.find(canonical(s.AliasTarget))
	if target == nil {
		return nil, true
	}
	return r.expand(z, target.sets[qtype], qtype, depth-1)
}

// addressRecords are the addresses of a load balancer that fit the question.
func addressRecords(s *set, qtype uint16) []dns.RR {
	var out []dns.RR
	ttl := s.TTL
	if ttl == 0 {
		ttl = aliasTTL
	}
	for _, a := range s.AliasAddrs {
		if rr := addressRecord(a.Unmap(), ttl); rr.Header().Rrtype == qtype {
			out = append(out, rr)
		}
	}
	return out
}

func addressRecord(a netip.Addr, ttl uint32) dns.RR {
	if a.Is4() {
		return &dns.A{Hdr: dns.RR_Header{Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}, A: a.AsSlice()}
	}
	return &dns.AAAA{Hdr: dns.RR_Header{Rrtype: dns.TypeAAAA, Class: dns.ClassINET, Ttl: ttl}, AAAA: a.AsSlice()}
}

// rotate starts at a random value, as Route 53 orders several values randomly.
func (r resolver) rotate(rrs []dns.RR) []dns.RR {
	if len(rrs) < 2 {
		return rrs
	}
	at := r.roll(len(rrs))
	return append(append([]dns.RR{}, rrs[at:]...), rrs[:at]...)
}

// owned copies records to the name that was asked for.
func owned(rrs []dns.RR, name string) []dns.RR {
	out := make([]dns.RR, 0, len(rrs))
	for _, rr := range rrs {
		c := dns.Copy(rr)
		c.Header().Name = name
		out = append(out, c)
	}
	return out
}
