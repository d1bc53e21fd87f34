package elbv2

import (
	"net/netip"
	"slices"
	"strconv"

	"watari.dev/lab/alb"
	"watari.dev/lab/aws/wire"
)

// maxTargets per target group ("Quotas for your Application Load Balancers").
const maxTargets = 1000

// targetRanges are the addresses that a target of type ip may have (API
// reference, CreateTargetGroup: RFC 1918 and RFC 6598; no public addresses).
var targetRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("100.64.0.0/10"),
}

type targetsInput struct {
	TargetGroupArn string
	Targets        []targetDescription
}

type targetDescription struct {
	Id               string
	Port             *int    `xml:",omitempty"`
	AvailabilityZone *string `xml:",omitempty"`
}

func (s *Service) registerTargets(in targetsInput) (nothing, *wire.Error) {
	return nothing{}, s.changeTargets(in, func(have []target, t target) []target {
		i := slices.IndexFunc(have, func(o target) bool { return o.Addr == t.Addr })
		if i >= 0 {
			have[i] = t
			return have
		}
		return append(have, t)
	})
}

// deregisterTargets is silent about targets that are not registered (API
// reference, DeregisterTargets).
func (s *Service) deregisterTargets(in targetsInput) (nothing, *wire.Error) {
	return nothing{}, s.changeTargets(in, func(have []target, t target) []target {
		return slices.DeleteFunc(have, func(o target) bool { return o.Addr == t.Addr })
	})
}

func (s *Service) changeTargets(in targetsInput, change func([]target, target) []target) *wire.Error {
	if len(in.Targets) == 0 {
		return wire.Errorf("ValidationError", "A target must be specified")
	}
	return s.update(func(m *model) *wire.Error {
		group, ok := m.TargetGroups[in.TargetGroupArn]
		if !ok {
			return targetGroupNotFound()
		}
		targets := slices.Clone(group.Targets)
		for _, d := range in.Targets {
			t, err := decideTarget(d, group.Port)
			if err != nil {
				return err
			}
			targets = change(targets, t)
		}
		if len(targets) > maxTargets {
			return wire.Errorf("TooManyTargets", "Target group '%s' can have up to %d targets", group.ARN, maxTargets)
		}
		group.Targets = targets
		m.TargetGroups[group.ARN] = group
		return nil
	})
}

// decideTarget reads a target; without a port it has the group's.
func decideTarget(d targetDescription, groupPort int) (target, *wire.Error) {
	addr, err := netip.ParseAddr(d.Id)
	if err != nil || !addr.Is4() {
		return target{}, wire.Errorf("ValidationError", "The IP address '%s' is not a valid IPv4 address", d.Id)
	}
	if !slices.ContainsFunc(targetRanges, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return target{}, wire.Errorf("InvalidTarget", "The IP address '%s' is not within the VPC or the RFC 1918 or RFC 6598 ranges", d.Id)
	}
	port := groupPort
	if d.Port != nil {
		port = *d.Port
	}
	if port < 1 || port > 65535 {
		return target{}, wire.Errorf("ValidationError", "The target port must be between 1 and 65535")
	}
	t := target{Addr: netip.AddrPortFrom(addr, uint16(port))}
	if d.AvailabilityZone != nil {
		t.Zone = *d.AvailabilityZone
	}
	return t, nil
}

type targetHealthResult struct {
	TargetHealthDescriptions []targetHealthXML `xml:"TargetHealthDescriptions>member"`
}

type targetHealthXML struct {
	Target          targetDescription
	HealthCheckPort string
	TargetHealth    struct {
		State       string
		Reason      string `xml:",omitempty"`
		Description string `xml:",omitempty"`
	}
}

func (s *Service) describeTargetHealth(in targetsInput) (targetHealthResult, *wire.Error) {
	m := s.current()
	group, ok := m.TargetGroups[in.TargetGroupArn]
	if !ok {
		return targetHealthResult{}, targetGroupNotFound()
	}
	health := decideHealth(group, len(m.groupUsers()[group.ARN]) > 0, s.opts.Plane.Health(group.ARN))
	if len(in.Targets) > 0 {
		asked, err := selectHealth(health, in.Targets, group.Port)
		if err != nil {
			return targetHealthResult{}, err
		}
		health = asked
	}
	var result targetHealthResult
	for _, h := range health {
		result.TargetHealthDescriptions = append(result.TargetHealthDescriptions, renderHealth(h))
	}
	return result, nil
}

// decideHealth joins what is registered with what the data plane sees. The
// data plane is late: a target it does not know yet is initial, and one that
// it still serves after its deregistration is draining.
func decideHealth(group targetGroup, used bool, seen []alb.Health) []alb.Health {
	byAddr := make(map[netip.AddrPort]alb.Health, len(seen))
	for _, h := range seen {
		byAddr[h.Target.Addr] = h
	}
	var decided []alb.Health
	for _, t := range group.Targets {
		h, known := byAddr[t.Addr]
		delete(byAddr, t.Addr)
		switch {
		case !used:
			h = alb.Health{State: alb.Unused, Reason: "Target.NotInUse", Description: "Target group is not configured to receive traffic from the load balancer"}
		case !known || h.State == alb.Draining || h.State == alb.Unused:
			h = alb.Health{State: alb.Initial, Reason: "Elb.RegistrationInProgress", Description: "Target registration is in progress"}
		}
		h.Target = alb.Target(t)
		decided = append(decided, h)
	}
	for _, h := range seen {
		if _, left := byAddr[h.Target.Addr]; !left || h.State == alb.Unused {
			continue
		}
		decided = append(decided, alb.Health{Target: h.Target, State: alb.Draining, Reason: "Target.DeregistrationInProgress", Description: "Target deregistration is in progress"})
	}
	return decided
}

// selectHealth answers for the asked targets only; one that is not registered
// is unused.
func selectHealth(health []alb.Health, asked []targetDescription, groupPort int) ([]alb.Health, *wire.Error) {
	var selected []alb.Health
	for _, d := range asked {
		t, err := decideTarget(d, groupPort)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(health, func(h alb.Health) bool { return h.Target.Addr == t.Addr })
		if i >= 0 {
			selected = append(selected, health[i])
			continue
		}
		selected = append(selected, alb.Health{Target: alb.Target(t), State: alb.Unused, Reason: "Target.NotRegistered", Description: "Target is not registered to the target group"})
	}
	return selected, nil
}

func renderHealth(h alb.Health) targetHealthXML {
	port := int(h.Target.Addr.Port())
	x := targetHealthXML{Target: targetDescription{Id: h.Target.Addr.Addr().String(), Port: &port}, HealthCheckPort: strconv.Itoa(port)}
	if h.Target.Zone != "" {
		x.Target.AvailabilityZone = &h.Target.Zone
	}
	x.TargetHealth.State = string(h.State)
	if h.State != alb.Healthy {
		x.TargetHealth.Reason, x.TargetHealth.Description = h.Reason, h.Description
	}
	return x
}
