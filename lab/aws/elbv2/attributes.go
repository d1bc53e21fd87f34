package elbv2

import (
	"maps"
	"slices"
	"strconv"

	"watari.dev/lab/aws/wire"
)

// attribute is one key and value of a load balancer or target group.
type attribute struct {
	Key   string
	Value string
}

type attributesResult struct {
	Attributes []attribute `xml:"Attributes>member"`
}

// loadBalancerDefaults are the attributes of a new Application Load Balancer
// (API reference, LoadBalancerAttribute).
var loadBalancerDefaults = map[string]string{
	"access_logs.s3.bucket":                                    "",
	"access_logs.s3.enabled":                                   "false",
	"access_logs.s3.prefix":                                    "",
	"client_keep_alive.seconds":                                "3600",
	"connection_logs.s3.bucket":                                "",
	"connection_logs.s3.enabled":                               "false",
	"connection_logs.s3.prefix":                                "",
	"deletion_protection.enabled":                              "false",
	"idle_timeout.timeout_seconds":                             "60",
	"load_balancing.cross_zone.enabled":                        "true",
	"routing.http.desync_mitigation_mode":                      "defensive",
	"routing.http.drop_invalid_header_fields.enabled":          "false",
	"routing.http.preserve_host_header.enabled":                "false",
	"routing.http.x_amzn_tls_version_and_cipher_suite.enabled": "false",
	"routing.http.xff_client_port.enabled":                     "false",
	"routing.http.xff_header_processing.mode":                  "append",
	"routing.http2.enabled":                                    "true",
	"waf.fail_open.enabled":                                    "false",
	"zonal_shift.config.enabled":                               "false",
}

// targetGroupDefaults are the attributes of a new target group of an
// Application Load Balancer (API reference, TargetGroupAttribute).
var targetGroupDefaults = map[string]string{
	"deregistration_delay.timeout_seconds":                                           "300",
	"load_balancing.algorithm.anomaly_mitigation":                                    "off",
	"load_balancing.algorithm.type":                                                  "round_robin",
	"load_balancing.cross_zone.enabled":                                              "use_load_balancer_configuration",
	"slow_start.duration_seconds":                                                    "0",
	"stickiness.app_cookie.cookie_name":                                              "",
	"stickiness.app_cookie.duration_seconds":                                         "86400",
	"stickiness.enabled":                                                             "false",
	"stickiness.lb_cookie.duration_seconds":                                          "86400",
	"stickiness.type":                                                                "lb_cookie",
	"target_group_health.dns_failover.minimum_healthy_targets.count":                 "1",
	"target_group_health.dns_failover.minimum_healthy_targets.percentage":            "off",
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.count":      "1",
	"target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
}

// attributeRanges are the numbers that AWS bounds. Zero is allowed where the
// attribute's default is zero, which means off.
var attributeRanges = map[string][2]int{
	"idle_timeout.timeout_seconds":           {1, 4000},
	"client_keep_alive.seconds":              {60, 604800},
	"deregistration_delay.timeout_seconds":   {0, 3600},
	"slow_start.duration_seconds":            {30, 900},
	"stickiness.app_cookie.duration_seconds": {1, 604800},
	"stickiness.lb_cookie.duration_seconds":  {1, 604800},
}

// attributeWords are the values of the other attributes that are checked.
var attributeWords = map[string][]string{
	"deletion_protection.enabled": {"true", "false"},
	"stickiness.enabled":          {"true", "false"},
	"stickiness.type":             {"lb_cookie", "app_cookie"},
}

// decideAttributes overlays the given attributes; a key that is not known
// already is refused.
func decideAttributes(have map[string]string, given []attribute) (map[string]string, *wire.Error) {
	decided := maps.Clone(have)
	for _, a := range given {
		if _, known := have[a.Key]; !known {
			return nil, wire.Errorf("ValidationError", "Attribute key '%s' is not recognized", a.Key)
		}
		if err := checkAttribute(a); err != nil {
			return nil, err
		}
		decided[a.Key] = a.Value
	}
	return decided, nil
}

func checkAttribute(a attribute) *wire.Error {
	if words, ok := attributeWords[a.Key]; ok && !slices.Contains(words, a.Value) {
		return wire.Errorf("ValidationError", "'%s' is not a valid value for attribute '%s'", a.Value, a.Key)
	}
	bounds, ok := attributeRanges[a.Key]
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(a.Value)
	off := n == 0 && targetGroupDefaults[a.Key] == "0"
	if err != nil || (!off && (n < bounds[0] || n > bounds[1])) {
		return wire.Errorf("ValidationError", "'%s' must be between %d and %d for attribute '%s'", a.Value, bounds[0], bounds[1], a.Key)
	}
	return nil
}

func renderAttributes(have map[string]string) attributesResult {
	var result attributesResult
	for _, key := range slices.Sorted(maps.Keys(have)) {
		result.Attributes = append(result.Attributes, attribute{key, have[key]})
	}
	return result
}

func (s *Service) describeLoadBalancerAttributes(in loadBalancerArnInput) (attributesResult, *wire.Error) {
	lb, ok := s.current().LoadBalancers[in.LoadBalancerArn]
	if !ok {
		return attributesResult{}, loadBalancerNotFound(in.LoadBalancerArn)
	}
	return renderAttributes(lb.Attributes), nil
}

type modifyLoadBalancerAttributesInput struct {
	LoadBalancerArn string
	Attributes      []attribute
}

func (s *Service) modifyLoadBalancerAttributes(in modifyLoadBalancerAttributesInput) (attributesResult, *wire.Error) {
	err := s.update(func(m *model) *wire.Error {
		lb, ok := m.LoadBalancers[in.LoadBalancerArn]
		if !ok {
			return loadBalancerNotFound(in.LoadBalancerArn)
		}
		decided, err := decideAttributes(lb.Attributes, in.Attributes)
		lb.Attributes = decided
		m.LoadBalancers[lb.ARN] = lb
		return err
	})
	if err != nil {
		return attributesResult{}, err
	}
	return s.describeLoadBalancerAttributes(loadBalancerArnInput{in.LoadBalancerArn})
}

func (s *Service) describeTargetGroupAttributes(in targetGroupArnInput) (attributesResult, *wire.Error) {
	group, ok := s.current().TargetGroups[in.TargetGroupArn]
	if !ok {
		return attributesResult{}, targetGroupNotFound()
	}
	return renderAttributes(group.Attributes), nil
}

type modifyTargetGroupAttributesInput struct {
	TargetGroupArn string
	Attributes     []attribute
}

func (s *Service) modifyTargetGroupAttributes(in modifyTargetGroupAttributesInput) (attributesResult, *wire.Error) {
	err := s.update(func(m *model) *wire.Error {
		group, ok := m.TargetGroups[in.TargetGroupArn]
		if !ok {
			return targetGroupNotFound()
		}
		decided, err := decideAttributes(group.Attributes, in.Attributes)
		group.Attributes = decided
		m.TargetGroups[group.ARN] = group
		return err
	})
	if err != nil {
		return attributesResult{}, err
	}
	return s.describeTargetGroupAttributes(targetGroupArnInput{in.TargetGroupArn})
}
