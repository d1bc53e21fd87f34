package aws

import (
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

func TestLoadBalancers(t *testing.T) {
	h := start(t)
	lb := h.loadBalancer("web")
	arn := *lb.LoadBalancerArn
	if !strings.HasPrefix(arn, "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/web/") {
		t.Errorf("got ARN %s", arn)
	}
	if !strings.HasPrefix(*lb.DNSName, "web-") || !strings.HasSuffix(*lb.DNSName, ".eu-central-1.elb.lab.internal") {
		t.Errorf("got DNS name %s", *lb.DNSName)
	}
	if lb.State.Code != elbtypes.LoadBalancerStateEnumActive || len(lb.AvailabilityZones) != 2 || lb.CreatedTime == nil {
		t.Errorf("got %+v", lb)
	}
	if again := h.loadBalancer("web"); *again.LoadBalancerArn != arn {
		t.Error("creating the same load balancer again made another one")
	}
	_, err := h.elb.CreateLoadBalancer(h.ctx, &elb.CreateLoadBalancerInput{Name: sdk.String("web"), Subnets: []string{"subnet-a", "subnet-c"}})
	wantCode(t, err, "DuplicateLoadBalancerName")
	for name, in := range map[string]*elb.CreateLoadBalancerInput{
		"one subnet": {Name: sdk.String("x"), Subnets: []string{"subnet-a"}},
		"bad name":   {Name: sdk.String("-x"), Subnets: []string{"subnet-a", "subnet-b"}},
		"long name":  {Name: sdk.String(strings.Repeat("x", 33)), Subnets: []string{"subnet-a", "subnet-b"}},
		"reserved":   {Name: sdk.String("internal-x"), Subnets: []string{"subnet-a", "subnet-b"}},
		"network":    {Name: sdk.String("x"), Subnets: []string{"subnet-a", "subnet-b"}, Type: elbtypes.LoadBalancerTypeEnumNetwork},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.elb.CreateLoadBalancer(h.ctx, in)
			wantCode(t, err, "ValidationError")
		})
	}
	_, err = h.elb.CreateLoadBalancer(h.ctx, &elb.CreateLoadBalancerInput{Name: sdk.String("x"), Subnets: []string{"subnet-a", "subnet-b"}, Scheme: "sideways"})
	wantCode(t, err, "InvalidScheme")
	_, err = h.elb.CreateLoadBalancer(h.ctx, &elb.CreateLoadBalancerInput{Name: sdk.String("x"), Subnets: []string{"subnet-a", "subnet-a"}})
	wantCode(t, err, "InvalidSubnet")
	_, err = h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{Names: []string{"gone"}})
	wantCode(t, err, "LoadBalancerNotFound")
	_, err = h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{LoadBalancerArns: []string{arn + "x"}})
	wantCode(t, err, "LoadBalancerNotFound")

	h.attribute(arn, "deletion_protection.enabled", "true")
	_, err = h.elb.DeleteLoadBalancer(h.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn})
	wantCode(t, err, "OperationNotPermitted")
	h.attribute(arn, "deletion_protection.enabled", "false")
	h.listener(arn, 80, fixed("404"))
	for range 2 { // the second time it is gone already, which is no error
		if _, err = h.elb.DeleteLoadBalancer(h.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: &arn}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{LoadBalancerArn: &arn})
	wantCode(t, err, "LoadBalancerNotFound")
}

func (h *harness) attribute(lb, key, value string) {
	h.Helper()
	_, err := h.elb.ModifyLoadBalancerAttributes(h.ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &lb, Attributes: []elbtypes.LoadBalancerAttribute{{Key: &key, Value: &value}},
	})
	if err != nil {
		h.Fatal(err)
	}
}

func TestTargetGroups(t *testing.T) {
	h := start(t)
	arn := h.targetGroup("blue")
	if h.targetGroup("blue") != arn {
		t.Error("creating the same target group again made another one")
	}
	valid := func(change func(*elb.CreateTargetGroupInput)) *elb.CreateTargetGroupInput {
		in := &elb.CreateTargetGroupInput{
			Name: sdk.String("other"), Protocol: elbtypes.ProtocolEnumHttp, Port: sdk.Int32(80), VpcId: sdk.String("vpc-1"), TargetType: elbtypes.TargetTypeEnumIp,
		}
		change(in)
		return in
	}
	for name, tt := range map[string]struct {
		code   string
		change func(*elb.CreateTargetGroupInput)
	}{
		"same name":      {"DuplicateTargetGroupName", func(in *elb.CreateTargetGroupInput) { in.Name = sdk.String("blue") }},
		"no port":        {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.Port = nil }},
		"port too high":  {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.Port = sdk.Int32(65536) }},
		"no vpc":         {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.VpcId = nil }},
		"instances":      {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.TargetType = elbtypes.TargetTypeEnumInstance }},
		"tcp":            {"UnsupportedProtocol", func(in *elb.CreateTargetGroupInput) { in.Protocol = elbtypes.ProtocolEnumTcp }},
		"interval 4":     {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckIntervalSeconds = sdk.Int32(4) }},
		"timeout 1":      {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = sdk.Int32(1) }},
		"timeout longer": {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckTimeoutSeconds = sdk.Int32(30) }},
		"threshold 1":    {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthyThresholdCount = sdk.Int32(1) }},
		"threshold 11":   {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.UnhealthyThresholdCount = sdk.Int32(11) }},
		"path":           {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckPath = sdk.String("health") }},
		"matcher":        {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.Matcher = &elbtypes.Matcher{HttpCode: sdk.String("100")} }},
		"duplicate tags": {"DuplicateTagKeys", func(in *elb.CreateTargetGroupInput) {
			in.Tags = []elbtypes.Tag{{Key: sdk.String("a")}, {Key: sdk.String("a")}}
		}},
		"health disabled": {"ValidationError", func(in *elb.CreateTargetGroupInput) { in.HealthCheckEnabled = sdk.Bool(false) }},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.elb.CreateTargetGroup(h.ctx, valid(tt.change))
			wantCode(t, err, tt.code)
		})
	}
	modified, err := h.elb.ModifyTargetGroup(h.ctx, &elb.ModifyTargetGroupInput{
		TargetGroupArn: &arn, HealthCheckPath: sdk.String("/ready"), HealthCheckIntervalSeconds: sdk.Int32(5), HealthCheckTimeoutSeconds: sdk.Int32(2),
		Matcher: &elbtypes.Matcher{HttpCode: sdk.String("200-299")},
	})
	if got := must(t, modified, err).TargetGroups[0]; *got.HealthCheckPath != "/ready" || *got.HealthyThresholdCount != 5 || *got.Matcher.HttpCode != "200-299" {
		t.Errorf("got %+v", got)
	}
	_, err = h.elb.ModifyTargetGroup(h.ctx, &elb.ModifyTargetGroupInput{TargetGroupArn: sdk.String(arn + "x")})
	wantCode(t, err, "TargetGroupNotFound")
	_, err = h.elb.DescribeTargetGroups(h.ctx, &elb.DescribeTargetGroupsInput{Names: []string{"gone"}})
	wantCode(t, err, "TargetGroupNotFound")

	lb := h.loadBalancer("web")
	l := h.listener(*lb.LoadBalancerArn, 80, forward(arn, 1))
	used, err := h.elb.DescribeTargetGroups(h.ctx, &elb.DescribeTargetGroupsInput{LoadBalancerArn: lb.LoadBalancerArn})
	if got := must(t, used, err).TargetGroups; len(got) != 1 || !slices.Equal(got[0].LoadBalancerArns, []string{*lb.LoadBalancerArn}) {
		t.Errorf("groups of the load balancer: %+v", got)
	}
	_, err = h.elb.DeleteTargetGroup(h.ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn})
	wantCode(t, err, "ResourceInUse")
	if _, err = h.elb.DeleteListener(h.ctx, &elb.DeleteListenerInput{ListenerArn: l.ListenerArn}); err != nil {
		t.Fatal(err)
	}
	if _, err = h.elb.DeleteTargetGroup(h.ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn}); err != nil {
		t.Fatal(err)
	}
	_, err = h.elb.DeleteTargetGroup(h.ctx, &elb.DeleteTargetGroupInput{TargetGroupArn: &arn})
	wantCode(t, err, "TargetGroupNotFound")
}

func TestAttributes(t *testing.T) {
	h := start(t)
	lb, group := *h.loadBalancer("web").LoadBalancerArn, h.targetGroup("blue")
	set := func(key, value string) error {
		_, err := h.elb.ModifyTargetGroupAttributes(h.ctx, &elb.ModifyTargetGroupAttributesInput{
			TargetGroupArn: &group, Attributes: []elbtypes.TargetGroupAttribute{{Key: &key, Value: &value}},
		})
		return err
	}
	for key, values := range map[string][]string{
		"deregistration_delay.timeout_seconds":  {"0", "3600"},
		"slow_start.duration_seconds":           {"0", "30", "900"},
		"stickiness.enabled":                    {"true"},
		"stickiness.lb_cookie.duration_seconds": {"1", "604800"},
		"stickiness.type":                       {"lb_cookie"},
	} {
		for _, v := range values {
			if err := set(key, v); err != nil {
				t.Errorf("%s=%s: %v", key, v, err)
			}
		}
	}
	for key, values := range map[string][]string{
		"deregistration_delay.timeout_seconds":  {"-1", "3601", "soon"},
		"slow_start.duration_seconds":           {"29", "901"},
		"stickiness.enabled":                    {"yes"},
		"stickiness.lb_cookie.duration_seconds": {"0", "604801"},
		"no.such.key":                           {"1"},
	} {
		for _, v := range values {
			wantCode(t, set(key, v), "ValidationError")
		}
	}
	out, err := h.elb.DescribeTargetGroupAttributes(h.ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: &group})
	for _, a := range must(t, out, err).Attributes {
		if *a.Key == "stickiness.enabled" && *a.Value != "true" {
			t.Errorf("stickiness is %s after it was set", *a.Value)
		}
	}
	_, err = h.elb.DescribeTargetGroupAttributes(h.ctx, &elb.DescribeTargetGroupAttributesInput{TargetGroupArn: sdk.String("x")})
	wantCode(t, err, "TargetGroupNotFound")

	h.attribute(lb, "idle_timeout.timeout_seconds", "4000")
	_, err = h.elb.ModifyLoadBalancerAttributes(h.ctx, &elb.ModifyLoadBalancerAttributesInput{
		LoadBalancerArn: &lb, Attributes: []elbtypes.LoadBalancerAttribute{{Key: sdk.String("idle_timeout.timeout_seconds"), Value: sdk.String("4001")}},
	})
	wantCode(t, err, "ValidationError")
	lbOut, err := h.elb.DescribeLoadBalancerAttributes(h.ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &lb})
	if !slices.ContainsFunc(must(t, lbOut, err).Attributes, func(a elbtypes.LoadBalancerAttribute) bool {
		return *a.Key == "idle_timeout.timeout_seconds" && *a.Value == "4000"
	}) {
		t.Error("the idle timeout is not 4000 after it was set")
	}
	_, err = h.elb.DescribeLoadBalancerAttributes(h.ctx, &elb.DescribeLoadBalancerAttributesInput{LoadBalancerArn: sdk.String("x")})
	wantCode(t, err, "LoadBalancerNotFound")
}
