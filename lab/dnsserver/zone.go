package dnsserver

import "net/netip"

// Zone is what the server answers for one hosted zone. The control plane
// hands over a new one after each change that became INSYNC.
type Zone struct {
	Name    string // with the trailing dot
	Records []Record
}

// Record is one resource record set.
type Record struct {
	Name          string // with the trailing dot
	Type          string // A, AAAA, CNAME, TXT, NS, SOA
	SetIdentifier string // empty for a simple record
	Weight        *int64 // 0..255; nil for a simple record
	TTL           uint32 // seconds; an alias to a load balancer has 60
	Values        []string
	AliasTarget   string       // name of a load balancer or of a record in the zone; empty if Values count
	AliasAddrs    []netip.Addr // what the alias resolves to at present; the control plane fills it
	Healthy       bool         // false only where EvaluateTargetHealth found nothing healthy behind the alias
}
