package elbv2

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"watari.dev/lab/aws/wire"
)

// CanonicalHostedZoneID is the hosted zone of every load balancer here, which
// an alias record must name. AWS has one such zone per region.
const CanonicalHostedZoneID = "Z2WATARILABELB"

// namePattern is for load balancers and target groups: 1 to 32 letters, digits
// and hyphens, no hyphen at either end (API reference, CreateLoadBalancer).
var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`)

type createLoadBalancerInput struct {
	Name           string
	Type           string
	Scheme         string
	IpAddressType  string
	Subnets        []string
	SubnetMappings []struct{ SubnetId string }
	SecurityGroups []string
	Tags           []tag
}

type loadBalancersResult struct {
	LoadBalancers []loadBalancerXML `xml:"LoadBalancers>member"`
	NextMarker    string            `xml:",omitempty"`
}

type loadBalancerXML struct {
	LoadBalancerArn       string
	LoadBalancerName      string
	DNSName               string
	CanonicalHostedZoneId string
	CreatedTime           string
	Scheme                string
	VpcId                 string
	Type                  string
	IpAddressType         string
	State                 struct{ Code string }
	SecurityGroups        []string  `xml:"SecurityGroups>member"`
	AvailabilityZones     []zoneXML `xml:"AvailabilityZones>member"`
}

type zoneXML struct {
	ZoneName string
	SubnetId string
}

func (s *Service) createLoadBalancer(in createLoadBalancerInput) (loadBalancersResult, *wire.Error) {
	lb, err := decideLoadBalancer(in)
	if err != nil {
		return loadBalancersResult{}, err
	}
	var made loadBalancer
	err = s.update(func(m *model) *wire.Error {
		for _, have := range m.LoadBalancers {
			if have.Name != lb.Name {
				continue
			}
			if have.Scheme != lb.Scheme || !slices.Equal(have.Subnets, lb.Subnets) || !slices.Equal(have.SecurityGroups, lb.SecurityGroups) {
				return wire.Errorf("DuplicateLoadBalancerName", "A load balancer with the same name '%s' exists, but with different settings", lb.Name)
			}
			made = have
			return nil
		}
		made = s.newLoadBalancer(m, lb)
		m.LoadBalancers[made.ARN] = made
		return m.setTags(made.ARN, in.Tags)
	})
	if err != nil {
		return loadBalancersResult{}, err
	}
	return loadBalancersResult{LoadBalancers: []loadBalancerXML{s.renderLoadBalancer(made)}}, nil
}

func decideLoadBalancer(in createLoadBalancerInput) (loadBalancer, *wire.Error) {
	lb := loadBalancer{Name: in.Name, Scheme: cmp.Or(in.Scheme, "internet-facing"), Subnets: in.Subnets, SecurityGroups: in.SecurityGroups}
	for _, mapping := range in.SubnetMappings {
		lb.Subnets = append(lb.Subnets, mapping.SubnetId)
	}
	switch {
	case !namePattern.MatchString(in.Name) || strings.HasPrefix(in.Name, "internal-"):
		return lb, wire.Errorf("ValidationError", "The load balancer name '%s' must have 1 to 32 letters, digits and hyphens, must not begin or end with a hyphen and must not begin with 'internal-'", in.Name)
	case in.Type != "" && in.Type != "application":
		return lb, wire.Errorf("ValidationError", "Load balancer type '%s' is not served by this emulator; it serves application", in.Type)
	case lb.Scheme != "internet-facing" && lb.Scheme != "internal":
		return lb, wire.Errorf("InvalidScheme", "The requested scheme '%s' is not valid", lb.Scheme)
	case in.IpAddressType != "" && in.IpAddressType != "ipv4":
		return lb, wire.Errorf("ValidationError", "IP address type '%s' is not served by this emulator; it serves ipv4", in.IpAddressType)
	case len(in.Subnets) > 0 && len(in.SubnetMappings) > 0:
		return lb, wire.Errorf("ValidationError", "You must specify either subnets or subnet mappings")
	case len(lb.Subnets) < 2:
		return lb, wire.Errorf("ValidationError", "At least two subnets in two different Availability Zones must be specified")
	case len(lb.Subnets) > maxZones:
		return lb, wire.Errorf("ValidationError", "A load balancer of this emulator can have up to %d subnets", maxZones)
	}
	if i := firstDuplicate(lb.Subnets); i >= 0 {
		return lb, wire.Errorf("InvalidSubnet", "The subnet '%s' is specified more than once", lb.Subnets[i])
	}
	return lb, nil
}

// maxZones bounds the loopback addresses of one load balancer.
const maxZones = 6

func firstDuplicate(items []string) int {
	for i, item := range items {
		if slices.Contains(items[:i], item) {
			return i
		}
	}
	return -1
}

func (s *Service) newLoadBalancer(m *model, lb loadBalancer) loadBalancer {
	lb.Number = m.number()
	id := s.hexID(lb.Number)
	lb.ARN = s.arn("loadbalancer/app/" + lb.Name + "/" + id)
	prefix := ""
	if lb.Scheme == "internal" {
		prefix = "internal-"
	}
	lb.DNSName = fmt.Sprintf("%s%s-%s.%s.elb.lab.internal", prefix, lb.Name, wire.DecimalID(s.opts.Seed, serviceName, lb.Number), s.opts.Region)
	lb.Created = s.opts.Now().UTC()
	lb.Attributes = maps.Clone(loadBalancerDefaults)
	for range lb.Subnets {
		lb.Addresses = append(lb.Addresses, nodeAddress(m.Addresses))
		m.Addresses++
	}
	return lb
}

// nodeAddress is the n-th loopback address of 127.230.0.0/16.
func nodeAddress(n int) netip.Addr {
	n = n%65533 + 1
	return netip.AddrFrom4([4]byte{127, 230, byte(n >> 8), byte(n)})
}

func (s *Service) renderLoadBalancer(lb loadBalancer) loadBalancerXML {
	x := loadBalancerXML{
		LoadBalancerArn: lb.ARN, LoadBalancerName: lb.Name, DNSName: lb.DNSName,
		CanonicalHostedZoneId: CanonicalHostedZoneID, CreatedTime: lb.Created.Format(time.RFC3339Nano),
		Scheme: lb.Scheme, VpcId: labVPC, Type: "application", IpAddressType: "ipv4", SecurityGroups: lb.SecurityGroups,
	}
	x.State.Code = "active"
	if s.opts.Now().Before(lb.Created.Add(s.opts.PropagationDelay)) {
		x.State.Code = "provisioning"
	}
	for i, subnet := range lb.Subnets {
		x.AvailabilityZones = append(x.AvailabilityZones, zoneXML{ZoneName: s.zoneName(i), SubnetId: subnet})
	}
	return x
}

// labVPC is the one network of the lab.
const labVPC = "vpc-0a1b2c3d4e5f60718"

func (s *Service) zoneName(i int) string { return s.opts.Region + string(rune('a'+i)) }

type describeLoadBalancersInput struct {
	LoadBalancerArns []string
	Names            []string
	paging
}

func (s *Service) describeLoadBalancers(in describeLoadBalancersInput) (loadBalancersResult, *wire.Error) {
	m := s.current()
	found := slices.SortedFunc(maps.Values(m.LoadBalancers), func(a, b loadBalancer) int { return cmp.Compare(a.Number, b.Number) })
	for _, arn := range in.LoadBalancerArns {
		if _, ok := m.LoadBalancers[arn]; !ok {
			return loadBalancersResult{}, loadBalancerNotFound(arn)
		}
	}
	for _, name := range in.Names {
		if !slices.ContainsFunc(found, func(lb loadBalancer) bool { return lb.Name == name }) {
			return loadBalancersResult{}, wire.Errorf("LoadBalancerNotFound", "Load balancers '[%s]' not found", name)
		}
	}
	if len(in.LoadBalancerArns)+len(in.Names) > 0 {
		found = slices.DeleteFunc(found, func(lb loadBalancer) bool {
			return !slices.Contains(in.LoadBalancerArns, lb.ARN) && !slices.Contains(in.Names, lb.Name)
		})
	}
	cut, next, err := page(found, in.paging)
	result := loadBalancersResult{NextMarker: next}
	for _, lb := range cut {
		result.LoadBalancers = append(result.LoadBalancers, s.renderLoadBalancer(lb))
	}
	return result, err
}

type loadBalancerArnInput struct{ LoadBalancerArn string }

// deleteLoadBalancer takes the listeners and rules along. A load balancer that
// does not exist is deleted already (API reference, DeleteLoadBalancer).
func (s *Service) deleteLoadBalancer(in loadBalancerArnInput) (nothing, *wire.Error) {
	return nothing{}, s.update(func(m *model) *wire.Error {
		lb, ok := m.LoadBalancers[in.LoadBalancerArn]
		if !ok {
			return nil
		}
		if lb.Attributes["deletion_protection.enabled"] == "true" {
			return wire.Errorf("OperationNotPermitted", "Load balancer '%s' cannot be deleted because deletion protection is enabled", lb.ARN)
		}
		for _, l := range m.listenersOf(lb.ARN) {
			m.removeListener(l.ARN)
		}
		delete(m.LoadBalancers, lb.ARN)
		delete(m.Tags, lb.ARN)
		return nil
	})
}

func loadBalancerNotFound(arn string) *wire.Error {
	return wire.Errorf("LoadBalancerNotFound", "Load balancer '%s' not found", arn)
}
