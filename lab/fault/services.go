package fault

import (
	"maps"
	"slices"
)

// services are the services of the lab's AWS with their actions. A test of the
// lab's AWS compares them with what it serves.
func services() map[string][]string {
	return map[string][]string{
		"cloudwatch": {"GetMetricData", "GetMetricStatistics", "ListMetrics"},
		"eks":        {"DescribeCluster", "ListClusters"},
		"elbv2": {
			"AddTags", "CreateListener", "CreateLoadBalancer", "CreateRule", "CreateTargetGroup",
			"DeleteListener", "DeleteLoadBalancer", "DeleteRule", "DeleteTargetGroup", "DeregisterTargets",
			"DescribeListeners", "DescribeLoadBalancerAttributes", "DescribeLoadBalancers", "DescribeRules", "DescribeTags",
			"DescribeTargetGroupAttributes", "DescribeTargetGroups", "DescribeTargetHealth",
			"ModifyListener", "ModifyLoadBalancerAttributes", "ModifyRule", "ModifyTargetGroup", "ModifyTargetGroupAttributes",
			"RegisterTargets", "RemoveTags", "SetRulePriorities",
		},
		"route53": {
			"ChangeResourceRecordSets", "CreateHealthCheck", "CreateHostedZone", "DeleteHealthCheck", "DeleteHostedZone", "GetChange", "GetHostedZone",
			"ListHostedZones", "ListHostedZonesByName", "ListResourceRecordSets",
		},
		"sts": {"AssumeRole", "AssumeRoleWithWebIdentity", "GetCallerIdentity", "GetSessionToken"},
	}
}

// Services are the services that rules can name, by the names of the AWS command
// line.
func Services() []string { return slices.Sorted(maps.Keys(services())) }

// Actions are the actions of a service, or of all services if it is empty.
func Actions(service string) []string {
	if service != "" {
		return services()[service]
	}
	var all []string
	for _, name := range Services() {
		all = append(all, services()[name]...)
	}
	return all
}

// ServiceOf returns the name of a service by the name that stands in signatures:
// elbv2 for elasticloadbalancing, cloudwatch for monitoring, and the others' own.
func ServiceOf(signing string) string {
	switch signing {
	case "elasticloadbalancing":
		return "elbv2"
	case "monitoring":
		return "cloudwatch"
	}
	return signing
}
