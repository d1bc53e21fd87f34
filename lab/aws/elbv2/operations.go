package elbv2

import (
	"net/url"

	"watari.dev/lab/aws/wire"
)

type operation func(*Service, url.Values) (any, *wire.Error)

// operations is every action the service has.
var operations = map[string]operation{
	"AddTags":                        op((*Service).addTags),
	"CreateListener":                 op((*Service).createListener),
	"CreateLoadBalancer":             op((*Service).createLoadBalancer),
	"CreateRule":                     op((*Service).createRule),
	"CreateTargetGroup":              op((*Service).createTargetGroup),
	"DeleteListener":                 op((*Service).deleteListener),
	"DeleteLoadBalancer":             op((*Service).deleteLoadBalancer),
	"DeleteRule":                     op((*Service).deleteRule),
	"DeleteTargetGroup":              op((*Service).deleteTargetGroup),
	"DeregisterTargets":              op((*Service).deregisterTargets),
	"DescribeListeners":              op((*Service).describeListeners),
	"DescribeLoadBalancerAttributes": op((*Service).describeLoadBalancerAttributes),
	"DescribeLoadBalancers":          op((*Service).describeLoadBalancers),
	"DescribeRules":                  op((*Service).describeRules),
	"DescribeTags":                   op((*Service).describeTags),
	"DescribeTargetGroupAttributes":  op((*Service).describeTargetGroupAttributes),
	"DescribeTargetGroups":           op((*Service).describeTargetGroups),
	"DescribeTargetHealth":           op((*Service).describeTargetHealth),
	"ModifyListener":                 op((*Service).modifyListener),
	"ModifyLoadBalancerAttributes":   op((*Service).modifyLoadBalancerAttributes),
	"ModifyRule":                     op((*Service).modifyRule),
	"ModifyTargetGroup":              op((*Service).modifyTargetGroup),
	"ModifyTargetGroupAttributes":    op((*Service).modifyTargetGroupAttributes),
	"RegisterTargets":                op((*Service).registerTargets),
	"RemoveTags":                     op((*Service).removeTags),
	"SetRulePriorities":              op((*Service).setRulePriorities),
}

// op decodes the request of an action before the action sees it.
func op[In, Out any](do func(*Service, In) (Out, *wire.Error)) operation {
	return func(s *Service, values url.Values) (any, *wire.Error) {
		var in In
		if err := wire.DecodeQuery(values, &in); err != nil {
			return nil, err
		}
		return do(s, in)
	}
}

// nothing is the result of actions that answer with an empty element.
type nothing struct{}
