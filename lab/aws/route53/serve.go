package route53

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"watari.dev/lab/dnsserver"
)

// aliasTTL is the TTL of an alias record to a load balancer (Route 53
// Developer Guide, "Choosing between alias and non-alias records": 60 s).
const aliasTTL = 60

// Resolve tells what a load balancer's DNS name stands for at present.
type Resolve func(dnsName string) (addrs []netip.Addr, healthy, ok bool)

// Served is what the data plane may answer now: the state of each zone at its
// last INSYNC change. Aliases to load balancers are resolved; an alias to a
// record of the zone is left to the data plane.
func (s *Service) Served(resolve Resolve) []dnsserver.Zone {
	s.mu.Lock()
	served := maps.Clone(s.served)
	s.mu.Unlock()
	var zones []dnsserver.Zone
	for _, z := range (model{Zones: served}).sortedZones() {
		out := dnsserver.Zone{Name: plainName(z.Name)}
		for _, key := range slices.Sorted(maps.Keys(z.Records)) {
			out.Records = append(out.Records, s.serve(z.Records[key], resolve))
		}
		zones = append(zones, out)
	}
	return zones
}

func (s *Service) serve(r recordSet, resolve Resolve) dnsserver.Record {
	out := dnsserver.Record{Name: plainName(r.Name), Type: r.Type, SetIdentifier: r.SetIdentifier, Weight: r.Weight, Values: r.values(), Healthy: true}
	if r.TTL != nil {
		out.TTL = uint32(*r.TTL)
	}
	alias := r.AliasTarget
	if alias == nil {
		return out
	}
	out.AliasTarget = plainName(alias.DNSName)
	if alias.HostedZoneID != s.opts.LoadBalancerZoneID {
		return out
	}
	out.TTL = aliasTTL
	addrs, healthy, ok := resolve(strings.TrimPrefix(out.AliasTarget, "dualstack."))
	out.AliasAddrs = slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return a.Is4() != (r.Type == "A") })
	out.Healthy = !alias.EvaluateTargetHealth || (ok && healthy)
	return out
}
