package elbv2

import (
	"cmp"
	"maps"
	"slices"

	"watari.dev/lab/aws/wire"
)

type createTargetGroupInput struct {
	Name            string
	Protocol        string
	ProtocolVersion string
	Port            *int
	VpcId           string
	TargetType      string
	IpAddressType   string
	Tags            []tag
	healthCheckInput
}

type targetGroupsResult struct {
	TargetGroups []targetGroupXML `xml:"TargetGroups>member"`
	NextMarker   string           `xml:",omitempty"`
}

type targetGroupXML struct {
	TargetGroupArn             string
	TargetGroupName            string
	Protocol                   string
	ProtocolVersion            string
	Port                       int
	VpcId                      string
	TargetType                 string
	IpAddressType              string
	HealthCheckEnabled         bool
	HealthCheckProtocol        string
	HealthCheckPort            string
	HealthCheckPath            string
	HealthCheckIntervalSeconds int
	HealthCheckTimeoutSeconds  int
	HealthyThresholdCount      int
	UnhealthyThresholdCount    int
	Matcher                    struct{ HttpCode string }
	LoadBalancerArns           []string `xml:"LoadBalancerArns>member"`
}

func (s *Service) createTargetGroup(in createTargetGroupInput) (targetGroupsResult, *wire.Error) {
	group, err := decideTargetGroup(in)
	if err != nil {
		return targetGroupsResult{}, err
	}
	var made targetGroup
	err = s.update(func(m *model) *wire.Error {
		for _, have := range m.TargetGroups {
			if have.Name != group.Name {
				continue
			}
			if have.Port != group.Port || have.VpcID != group.VpcID || have.HealthCheck != group.HealthCheck {
				return wire.Errorf("DuplicateTargetGroupName", "A target group with the same name '%s' exists, but with different settings", group.Name)
			}
			made = have
			return nil
		}
		group.Number = m.number()
		group.ARN = s.arn("targetgroup/" + group.Name + "/" + s.hexID(group.Number))
		group.Attributes = maps.Clone(targetGroupDefaults)
		made = group
		m.TargetGroups[made.ARN] = made
		return m.setTags(made.ARN, in.Tags)
	})
	if err != nil {
		return targetGroupsResult{}, err
	}
	return targetGroupsResult{TargetGroups: []targetGroupXML{renderTargetGroup(made, s.current().groupUsers())}}, nil
}

func decideTargetGroup(in createTargetGroupInput) (targetGroup, *wire.Error) {
	group := targetGroup{Name: in.Name, VpcID: in.VpcId}
	switch {
	case !namePattern.MatchString(in.Name):
		return group, wire.Errorf("ValidationError", "Target group name '%s' must have 1 to 32 letters, digits and hyphens and must not begin or end with a hyphen", in.Name)
	case cmp.Or(in.TargetType, "instance") != "ip":
		return group, wire.Errorf("ValidationError", "Target type '%s' is not served by this emulator; it serves ip", cmp.Or(in.TargetType, "instance"))
	case in.Protocol != "HTTP" || cmp.Or(in.ProtocolVersion, "HTTP1") != "HTTP1":
		return group, wire.Errorf("UnsupportedProtocol", "Protocol '%s' version '%s' is not served by this emulator; it serves HTTP version HTTP1", in.Protocol, in.ProtocolVersion)
	case cmp.Or(in.IpAddressType, "ipv4") != "ipv4":
		return group, wire.Errorf("ValidationError", "IP address type '%s' is not served by this emulator; it serves ipv4", in.IpAddressType)
	case in.Port == nil || *in.Port < 1 || *in.Port > 65535:
		return group, wire.Errorf("ValidationError", "A port between 1 and 65535 must be specified")
	case in.VpcId == "":
		return group, wire.Errorf("ValidationError", "A VPC ID must be specified")
	}
	group.Port = *in.Port
	check, err := decideHealthCheck(healthCheckDefaults, in.healthCheckInput)
	group.HealthCheck = check
	return group, err
}

func renderTargetGroup(g targetGroup, users map[string][]string) targetGroupXML {
	x := targetGroupXML{
		TargetGroupArn: g.ARN, TargetGroupName: g.Name, Protocol: "HTTP", ProtocolVersion: "HTTP1", Port: g.Port,
		VpcId: g.VpcID, TargetType: "ip", IpAddressType: "ipv4",
		HealthCheckEnabled: true, HealthCheckProtocol: "HTTP", HealthCheckPort: "traffic-port",
		HealthCheckPath: g.HealthCheck.Path, HealthCheckIntervalSeconds: g.HealthCheck.IntervalSeconds,
		HealthCheckTimeoutSeconds: g.HealthCheck.TimeoutSeconds, HealthyThresholdCount: g.HealthCheck.HealthyThreshold,
		UnhealthyThresholdCount: g.HealthCheck.UnhealthyThreshold, LoadBalancerArns: users[g.ARN],
	}
	x.Matcher.HttpCode = g.HealthCheck.Matcher
	return x
}

type describeTargetGroupsInput struct {
	LoadBalancerArn string
	TargetGroupArns []string
	Names           []string
	paging
}

func (s *Service) describeTargetGroups(in describeTargetGroupsInput) (targetGroupsResult, *wire.Error) {
	m := s.current()
	if _, ok := m.LoadBalancers[in.LoadBalancerArn]; in.LoadBalancerArn != "" && !ok {
		return targetGroupsResult{}, loadBalancerNotFound(in.LoadBalancerArn)
	}
	users := m.groupUsers()
	found := slices.SortedFunc(maps.Values(m.TargetGroups), func(a, b targetGroup) int { return cmp.Compare(a.Number, b.Number) })
	for _, arn := range in.TargetGroupArns {
		if _, ok := m.TargetGroups[arn]; !ok {
			return targetGroupsResult{}, targetGroupNotFound()
		}
	}
	for _, name := range in.Names {
		if !slices.ContainsFunc(found, func(g targetGroup) bool { return g.Name == name }) {
			return targetGroupsResult{}, targetGroupNotFound()
		}
	}
	found = slices.DeleteFunc(found, func(g targetGroup) bool {
		named := len(in.TargetGroupArns)+len(in.Names) == 0 || slices.Contains(in.TargetGroupArns, g.ARN) || slices.Contains(in.Names, g.Name)
		used := in.LoadBalancerArn == "" || slices.Contains(users[g.ARN], in.LoadBalancerArn)
		return !named || !used
	})
	cut, next, err := page(found, in.paging)
	result := targetGroupsResult{NextMarker: next}
	for _, g := range cut {
		result.TargetGroups = append(result.TargetGroups, renderTargetGroup(g, users))
	}
	return result, err
}

type modifyTargetGroupInput struct {
	TargetGroupArn string
	healthCheckInput
}

func (s *Service) modifyTargetGroup(in modifyTargetGroupInput) (targetGroupsResult, *wire.Error) {
	err := s.update(func(m *model) *wire.Error {
		group, ok := m.TargetGroups[in.TargetGroupArn]
		if !ok {
			return targetGroupNotFound()
		}
		check, err := decideHealthCheck(group.HealthCheck, in.healthCheckInput)
		if err != nil {
			return err
		}
		group.HealthCheck = check
		m.TargetGroups[group.ARN] = group
		return nil
	})
	if err != nil {
		return targetGroupsResult{}, err
	}
	m := s.current()
	return targetGroupsResult{TargetGroups: []targetGroupXML{renderTargetGroup(m.TargetGroups[in.TargetGroupArn], m.groupUsers())}}, nil
}

type targetGroupArnInput struct{ TargetGroupArn string }

func (s *Service) deleteTargetGroup(in targetGroupArnInput) (nothing, *wire.Error) {
	return nothing{}, s.update(func(m *model) *wire.Error {
		if _, ok := m.TargetGroups[in.TargetGroupArn]; !ok {
			return targetGroupNotFound()
		}
		if len(m.groupUsers()[in.TargetGroupArn]) > 0 {
			return wire.Errorf("ResourceInUse", "Target group '%s' is currently in use by a listener or a rule", in.TargetGroupArn)
		}
		delete(m.TargetGroups, in.TargetGroupArn)
		delete(m.Tags, in.TargetGroupArn)
		return nil
	})
}

func targetGroupNotFound() *wire.Error {
	return wire.Errorf("TargetGroupNotFound", "One or more target groups not found")
}
