package aws

import (
	"context"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"time"

	"watari.dev/lab/aws/elbv2"
	"watari.dev/lab/dnsserver"
)

// Names is the DNS data plane.
type Names interface {
	// Apply replaces all zones.
	Apply([]dnsserver.Zone)
}

// healthInterval is how often alias records learn of their targets' health.
// Route 53 publishes no number for it.
const healthInterval = time.Second

// balancerTTL of a load balancer's own name, in seconds (Elastic Load
// Balancing User Guide, "Request routing": 60).
const balancerTTL = 60

// publisher hands zones to the DNS server one after the other.
type publisher struct {
	mu   sync.Mutex
	last []dnsserver.Zone
}

// publishNames gives the DNS server what hosted zones and load balancers look
// like now.
func (s *Server) publishNames() {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	balancers := s.elb.Names()
	zones := append(s.dns.Served(resolver(balancers)), balancerZone(s.conf.Region, balancers))
	if reflect.DeepEqual(zones, s.names.last) {
		return
	}
	s.names.last = zones
	s.planes.DNS.Apply(zones)
}

// watchHealth publishes again when the health behind an alias has changed.
func (s *Server) watchHealth(ctx context.Context) {
	ticker := time.NewTicker(healthInterval)
	defer ticker.Stop()
	for {
		s.publishNames()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// resolver looks names of load balancers up.
func resolver(balancers []elbv2.Name) func(string) ([]netip.Addr, bool, bool) {
	byName := make(map[string]elbv2.Name, len(balancers))
	for _, b := range balancers {
		byName[balancerName(b)] = b
	}
	return func(name string) ([]netip.Addr, bool, bool) {
		b, ok := byName[name]
		return b.Addresses, b.Healthy, ok
	}
}

func balancerName(b elbv2.Name) string { return strings.ToLower(b.DNSName) + "." }

// balancerZone holds the load balancers' own names: one address per zone.
func balancerZone(region string, balancers []elbv2.Name) dnsserver.Zone {
	zone := dnsserver.Zone{Name: region + ".elb.lab.internal."}
	for _, b := range balancers {
		record := dnsserver.Record{Name: balancerName(b), Type: "A", TTL: balancerTTL, Healthy: true}
		for _, addr := range b.Addresses {
			record.Values = append(record.Values, addr.String())
		}
		zone.Records = append(zone.Records, record)
	}
	return zone
}
