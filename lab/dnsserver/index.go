package dnsserver

import (
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// index is all zones, ready for questions. It is built once for each Apply and
// never changed.
type index map[string]*zone // by canonical name

type zone struct {
	name  string
	soa   *dns.SOA
	nodes map[string]*node // by canonical name; a name that only has names below it has an empty node
}

// node is everything that one name has.
type node struct {
	sets map[uint16][]*set // by record type
}

// set is one resource record set.
type set struct {
	Record
	name   string   // canonical, for the counters
	rrs    []dns.RR // of Values, owned by the name of the record
	broken error    // a value that is no record of this type
}

// Route 53 gives a new zone an SOA record like this one, and the hosted zone's
// TTL of 900 s to it (Route 53 Developer Guide, "The start of authority (SOA)
// record").
const soaFormat = "%s 900 IN SOA ns-1.%s awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"

func buildIndex(zones []Zone) index {
	ix := make(index, len(zones))
	for _, in := range zones {
		z := &zone{name: canonical(in.Name), nodes: make(map[string]*node)}
		z.node(z.name)
		for _, r := range in.Records {
			z.add(r)
		}
		if z.soa == nil {
			rr, err := dns.NewRR(fmt.Sprintf(soaFormat, z.name, strings.TrimPrefix(z.name, ".")))
			if soa, ok := rr.(*dns.SOA); ok && err == nil {
				z.soa = soa
				apex := z.node(z.name)
				apex.sets[dns.TypeSOA] = []*set{{Record: Record{Name: z.name, Type: "SOA"}, name: z.name, rrs: []dns.RR{soa}}}
			}
		}
		ix[z.name] = z
	}
	return ix
}

// canonical is lower case with a trailing dot. Route 53 shows the asterisk of
// a wildcard as \052 ("DNS domain name format").
func canonical(name string) string {
	return dns.CanonicalName(strings.ReplaceAll(name, `\052`, "*"))
}

func (z *zone) add(r Record) {
	name := canonical(r.Name)
	s := &set{Record: r, name: name}
	for _, v := range r.Values {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", name, r.TTL, r.Type, v))
		if err != nil || rr == nil {
			s.broken = fmt.Errorf("dnsserver: record %s %s: value %q: %w", r.Name, r.Type, v, err)
			continue
		}
		s.rrs = append(s.rrs, rr)
		if soa, ok := rr.(*dns.SOA); ok {
			z.soa = soa
		}
	}
	n := z.node(name)
	t := dns.StringToType[strings.ToUpper(r.Type)]
	n.sets[t] = append(n.sets[t], s)
}

// node returns the node of a name and makes it, with those above it up to the
// zone.
func (z *zone) node(name string) *node {
	if n, ok := z.nodes[name]; ok {
		return n
	}
	n := &node{sets: make(map[uint16][]*set)}
	z.nodes[name] = n
	if name != z.name && dns.IsSubDomain(z.name, name) {
		z.node(parent(name))
	}
	return n
}

func parent(name string) string {
	if i, end := dns.NextLabel(name, 0); !end {
		return name[i:]
	}
	return "."
}

// zoneOf returns the most specific zone of a name, nil if there is none.
func (ix index) zoneOf(name string) *zone {
	for {
		if z := ix[name]; z != nil {
			return z
		}
		if name == "." {
			return nil
		}
		name = parent(name)
	}
}

// find returns the node that answers for a name: its own, or the wildcard's at
// the closest name that exists (RFC 4592 section 3.3.1). nil is NXDOMAIN, or a
// name outside of the zone.
func (z *zone) find(name string) *node {
	if !dns.IsSubDomain(z.name, name) {
		return nil
	}
	if n := z.nodes[name]; n != nil {
		return n
	}
	for at := name; at != z.name; {
		at = parent(at)
		if z.nodes[at] != nil {
			return z.nodes["*."+strings.TrimPrefix(at, ".")]
		}
	}
	return nil
}
