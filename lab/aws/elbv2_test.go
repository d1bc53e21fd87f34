package aws

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"watari.dev/lab/alb"
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

func TestListeners(t *testing.T) {
	h := start(t)
	lb, other := *h.loadBalancer("web").LoadBalancerArn, *h.loadBalancer("api").LoadBalancerArn
	blue, green := h.targetGroup("blue"), h.targetGroup("green")
	l := h.listener(lb, 80, elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &blue})

	// The legacy single group is echoed in both places, with weight 1.
	got := l.DefaultActions[0]
	if sdk.ToString(got.TargetGroupArn) != blue || len(got.ForwardConfig.TargetGroups) != 1 || *got.ForwardConfig.TargetGroups[0].Weight != 1 || *got.ForwardConfig.TargetGroupStickinessConfig.Enabled {
		t.Errorf("got %+v", got)
	}
	_, err := h.elb.CreateListener(h.ctx, &elb.CreateListenerInput{LoadBalancerArn: &lb, Port: sdk.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: []elbtypes.Action{fixed("404")}})
	wantCode(t, err, "DuplicateListener")
	_, err = h.elb.CreateListener(h.ctx, &elb.CreateListenerInput{LoadBalancerArn: &lb, Port: sdk.Int32(443), Protocol: elbtypes.ProtocolEnumHttps, DefaultActions: []elbtypes.Action{fixed("404")}})
	wantCode(t, err, "UnsupportedProtocol")
	_, err = h.elb.CreateListener(h.ctx, &elb.CreateListenerInput{LoadBalancerArn: sdk.String("x"), Port: sdk.Int32(81), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: []elbtypes.Action{fixed("404")}})
	wantCode(t, err, "LoadBalancerNotFound")
	_, err = h.elb.CreateListener(h.ctx, &elb.CreateListenerInput{LoadBalancerArn: &other, Port: sdk.Int32(80), Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: []elbtypes.Action{forward(blue, 1)}})
	wantCode(t, err, "TargetGroupAssociationLimit")

	modified, err := h.elb.ModifyListener(h.ctx, &elb.ModifyListenerInput{ListenerArn: l.ListenerArn, DefaultActions: []elbtypes.Action{forward(blue, 0, green, 999)}})
	must(t, modified, err)
	described, err := h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{ListenerArns: []string{*l.ListenerArn}})
	action := must(t, described, err).Listeners[0].DefaultActions[0]
	if action.TargetGroupArn != nil || len(action.ForwardConfig.TargetGroups) != 2 || *action.ForwardConfig.TargetGroups[0].Weight != 0 {
		t.Errorf("after the list was replaced: %+v", action)
	}
	// The whole list is replaced: a group that is left out is gone.
	if _, err = h.elb.ModifyListener(h.ctx, &elb.ModifyListenerInput{ListenerArn: l.ListenerArn, DefaultActions: []elbtypes.Action{forward(green, 5)}}); err != nil {
		t.Fatal(err)
	}
	described, err = h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{LoadBalancerArn: &lb})
	action = must(t, described, err).Listeners[0].DefaultActions[0]
	if *action.TargetGroupArn != green || len(action.ForwardConfig.TargetGroups) != 1 || *action.ForwardConfig.TargetGroups[0].Weight != 5 {
		t.Errorf("after a group was left out: %+v", action)
	}
	rules, err := h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: l.ListenerArn})
	if got := must(t, rules, err).Rules; len(got) != 1 || !*got[0].IsDefault || *got[0].Priority != "default" || *got[0].Actions[0].TargetGroupArn != green {
		t.Errorf("the default rule: %+v", got)
	}
	_, err = h.elb.ModifyListener(h.ctx, &elb.ModifyListenerInput{ListenerArn: sdk.String("x"), DefaultActions: []elbtypes.Action{fixed("404")}})
	wantCode(t, err, "ListenerNotFound")
	_, err = h.elb.DeleteListener(h.ctx, &elb.DeleteListenerInput{ListenerArn: sdk.String("x")})
	wantCode(t, err, "ListenerNotFound")
	_, err = h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{ListenerArns: []string{"x"}})
	wantCode(t, err, "ListenerNotFound")
	_, err = h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{})
	wantCode(t, err, "ValidationError")
}

func TestForwardActions(t *testing.T) {
	h := start(t)
	lb := *h.loadBalancer("web").LoadBalancerArn
	groups := make([]string, 6)
	for i := range groups {
		groups[i] = h.targetGroup(fmt.Sprintf("g%d", i))
	}
	l := *h.listener(lb, 80, fixed("404")).ListenerArn
	r := *h.rule(l, 1, "/a", forward(groups[0], 1)).RuleArn
	sticky := func(enabled bool, seconds *int32) elbtypes.Action {
		a := forward(groups[0], 1, groups[1], 2)
		a.ForwardConfig.TargetGroupStickinessConfig = &elbtypes.TargetGroupStickinessConfig{Enabled: &enabled, DurationSeconds: seconds}
		return a
	}
	noWeights := forward(groups[0], 1, groups[1], 1)
	noWeights.ForwardConfig.TargetGroups[1].Weight = nil
	disagreeing := forward(groups[0], 1)
	disagreeing.TargetGroupArn = &groups[1]
	agreeing := forward(groups[0], 7)
	agreeing.TargetGroupArn = &groups[0]
	for name, tt := range map[string]struct {
		code    string
		actions []elbtypes.Action
	}{
		"weights 0 and 999":      {"", []elbtypes.Action{forward(groups[0], 0, groups[1], 999)}},
		"five groups":            {"", []elbtypes.Action{forward(groups[0], 1, groups[1], 1, groups[2], 1, groups[3], 1, groups[4], 1)}},
		"both ways agree":        {"", []elbtypes.Action{agreeing}},
		"sticky for a week":      {"", []elbtypes.Action{sticky(true, sdk.Int32(604800))}},
		"sticky off":             {"", []elbtypes.Action{sticky(false, nil)}},
		"fixed response":         {"", []elbtypes.Action{fixed("503")}},
		"weight 1000":            {"ValidationError", []elbtypes.Action{forward(groups[0], 1000, groups[1], 1)}},
		"weight -1":              {"ValidationError", []elbtypes.Action{forward(groups[0], -1, groups[1], 1)}},
		"a weight is missing":    {"ValidationError", []elbtypes.Action{noWeights}},
		"no groups":              {"ValidationError", []elbtypes.Action{forward()}},
		"six groups":             {"TooManyTargetGroups", []elbtypes.Action{forward(groups[0], 1, groups[1], 1, groups[2], 1, groups[3], 1, groups[4], 1, groups[5], 1)}},
		"a group twice":          {"ValidationError", []elbtypes.Action{forward(groups[0], 1, groups[0], 2)}},
		"an unknown group":       {"TargetGroupNotFound", []elbtypes.Action{forward(groups[0]+"x", 1)}},
		"both ways disagree":     {"ValidationError", []elbtypes.Action{disagreeing}},
		"sticky for 0 s":         {"ValidationError", []elbtypes.Action{sticky(true, sdk.Int32(0))}},
		"sticky for over a week": {"ValidationError", []elbtypes.Action{sticky(true, sdk.Int32(604801))}},
		"sticky without time":    {"ValidationError", []elbtypes.Action{sticky(true, nil)}},
		"two actions":            {"TooManyActions", []elbtypes.Action{forward(groups[0], 1), fixed("404")}},
		"fixed response 302":     {"ValidationError", []elbtypes.Action{fixed("302")}},
		"redirect":               {"InvalidLoadBalancerAction", []elbtypes.Action{{Type: elbtypes.ActionTypeEnumRedirect, RedirectConfig: &elbtypes.RedirectActionConfig{StatusCode: elbtypes.RedirectActionStatusCodeEnumHttp301}}}},
	} {
		t.Run(name, func(t *testing.T) {
			before := h.actionsOf(r)
			out, err := h.elb.ModifyRule(h.ctx, &elb.ModifyRuleInput{RuleArn: &r, Actions: tt.actions})
			if tt.code == "" {
				must(t, out, err)
				if diff := cmp.Diff(out.Rules[0].Actions, h.actionsOf(r), ignoreSerde); diff != "" {
					t.Errorf("the answer and the next reading differ:\n%s", diff)
				}
				return
			}
			wantCode(t, err, tt.code)
			if diff := cmp.Diff(before, h.actionsOf(r), ignoreSerde); diff != "" {
				t.Errorf("a refused change had an effect:\n%s", diff)
			}
		})
	}
}

// ignoreSerde compares SDK types by their exported fields.
var ignoreSerde = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())

func (h *harness) actionsOf(ruleARN string) []elbtypes.Action {
	h.Helper()
	out, err := h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{RuleArns: []string{ruleARN}})
	return must(h.T, out, err).Rules[0].Actions
}

func TestUniqueTargetGroupsPerLoadBalancer(t *testing.T) {
	h := start(t)
	l := *h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, fixed("404")).ListenerArn
	group := 0
	five := func() elbtypes.Action {
		var pairs []any
		for range 5 {
			group++
			pairs = append(pairs, h.targetGroup(fmt.Sprintf("g%d", group)), 1)
		}
		return forward(pairs...)
	}
	for i := range 20 {
		h.rule(l, int32(i+1), fmt.Sprintf("/%d", i), five())
	}
	_, err := h.elb.CreateRule(h.ctx, &elb.CreateRuleInput{ListenerArn: &l, Priority: sdk.Int32(100), Conditions: pathIs("/x"), Actions: []elbtypes.Action{five()}})
	wantCode(t, err, "TooManyUniqueTargetGroupsPerLoadBalancer")
}

func TestRules(t *testing.T) {
	h := start(t)
	blue, green := h.targetGroup("blue"), h.targetGroup("green")
	l := *h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, forward(blue, 1)).ListenerArn
	r := h.rule(l, 10, "/a*", forward(blue, 3, green, 1))
	if c := r.Conditions[0]; !slices.Equal(c.Values, []string{"/a*"}) || !slices.Equal(c.PathPatternConfig.Values, []string{"/a*"}) {
		t.Errorf("the condition is echoed as %+v", c)
	}
	create := func(change func(*elb.CreateRuleInput)) error {
		in := &elb.CreateRuleInput{ListenerArn: &l, Priority: sdk.Int32(11), Conditions: pathIs("/b"), Actions: []elbtypes.Action{forward(blue, 1)}}
		change(in)
		_, err := h.elb.CreateRule(h.ctx, in)
		return err
	}
	host := elbtypes.RuleCondition{Field: sdk.String("host-header"), HostHeaderConfig: &elbtypes.HostHeaderConditionConfig{Values: []string{"a", "b", "c"}}}
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Priority = sdk.Int32(10) }), "PriorityInUse")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Priority = sdk.Int32(0) }), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Priority = sdk.Int32(50001) }), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.ListenerArn = sdk.String("x") }), "ListenerNotFound")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Conditions = []elbtypes.RuleCondition{} }), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Conditions[0].Field = sdk.String("source-ip") }), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Conditions = append(in.Conditions, pathIs("/c")...) }), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) {
		in.Conditions[0].Values = []string{"/1", "/2", "/3"}
		in.Conditions = append(in.Conditions, host)
	}), "ValidationError")
	wantCode(t, create(func(in *elb.CreateRuleInput) { in.Conditions = pathIs("/" + strings.Repeat("x", 128)) }), "ValidationError")

	// Conditions stay when only actions are given, and the other way round.
	if _, err := h.elb.ModifyRule(h.ctx, &elb.ModifyRuleInput{RuleArn: r.RuleArn, Actions: []elbtypes.Action{forward(green, 4)}}); err != nil {
		t.Fatal(err)
	}
	out, err := h.elb.ModifyRule(h.ctx, &elb.ModifyRuleInput{RuleArn: r.RuleArn, Conditions: []elbtypes.RuleCondition{host}})
	got := must(t, out, err).Rules[0]
	if *got.Conditions[0].Field != "host-header" || *got.Actions[0].TargetGroupArn != green || *got.Priority != "10" {
		t.Errorf("got %+v", got)
	}
	_, err = h.elb.ModifyRule(h.ctx, &elb.ModifyRuleInput{RuleArn: sdk.String("x"), Actions: []elbtypes.Action{forward(green, 4)}})
	wantCode(t, err, "RuleNotFound")

	rules, err := h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: &l})
	standard := must(t, rules, err).Rules[1].RuleArn
	_, err = h.elb.ModifyRule(h.ctx, &elb.ModifyRuleInput{RuleArn: standard, Actions: []elbtypes.Action{forward(green, 4)}})
	wantCode(t, err, "OperationNotPermitted")
	_, err = h.elb.DeleteRule(h.ctx, &elb.DeleteRuleInput{RuleArn: standard})
	wantCode(t, err, "OperationNotPermitted")
	_, err = h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{})
	wantCode(t, err, "ValidationError")
	_, err = h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: sdk.String("x")})
	wantCode(t, err, "ListenerNotFound")

	if _, err = h.elb.DeleteRule(h.ctx, &elb.DeleteRuleInput{RuleArn: r.RuleArn}); err != nil {
		t.Fatal(err)
	}
	_, err = h.elb.DeleteRule(h.ctx, &elb.DeleteRuleInput{RuleArn: r.RuleArn})
	wantCode(t, err, "RuleNotFound")
}

func TestRulePrioritiesAndPaging(t *testing.T) {
	h := start(t)
	l := *h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, fixed("404")).ListenerArn
	arns := make([]string, 5)
	for i := range arns {
		arns[i] = *h.rule(l, int32(i+1), fmt.Sprintf("/%d", i), fixed("200")).RuleArn
	}
	pair := func(arn string, p int32) elbtypes.RulePriorityPair {
		return elbtypes.RulePriorityPair{RuleArn: &arn, Priority: &p}
	}
	set := func(pairs ...elbtypes.RulePriorityPair) error {
		_, err := h.elb.SetRulePriorities(h.ctx, &elb.SetRulePrioritiesInput{RulePriorities: pairs})
		return err
	}
	if err := set(pair(arns[0], 5), pair(arns[4], 1)); err != nil { // a swap is one change
		t.Fatal(err)
	}
	wantCode(t, set(pair(arns[0], 2)), "PriorityInUse")
	wantCode(t, set(pair("x", 9)), "RuleNotFound")
	wantCode(t, set(pair(arns[0], 0)), "ValidationError")

	var listed []string
	pages := elb.NewDescribeRulesPaginator(h.elb, &elb.DescribeRulesInput{ListenerArn: &l, PageSize: sdk.Int32(4)})
	count := 0
	for ; pages.HasMorePages(); count++ {
		out, err := pages.NextPage(h.ctx)
		for _, r := range must(t, out, err).Rules {
			listed = append(listed, *r.Priority)
		}
	}
	if want := []string{"1", "2", "3", "4", "5", "default"}; !slices.Equal(listed, want) || count != 2 {
		t.Errorf("got %v on %d pages, want %v on 2", listed, count, want)
	}
	_, err := h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: &l, PageSize: sdk.Int32(401)})
	wantCode(t, err, "ValidationError")
	_, err = h.elb.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: &l, Marker: sdk.String("?")})
	wantCode(t, err, "ValidationError")

	for i := range 95 {
		h.rule(l, int32(i+100), fmt.Sprintf("/x%d", i), fixed("200"))
	}
	_, err = h.elb.CreateRule(h.ctx, &elb.CreateRuleInput{ListenerArn: &l, Priority: sdk.Int32(999), Conditions: pathIs("/y"), Actions: []elbtypes.Action{fixed("200")}})
	wantCode(t, err, "TooManyRules")
}

func TestTargets(t *testing.T) {
	h := start(t)
	group := h.targetGroup("blue")
	id := func(ip string, port int32) elbtypes.TargetDescription {
		d := elbtypes.TargetDescription{Id: &ip}
		if port > 0 {
			d.Port = &port
		}
		return d
	}
	register := func(targets ...elbtypes.TargetDescription) error {
		_, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets})
		return err
	}
	for _, ip := range []string{"10.231.33.1", "172.31.0.1", "192.168.0.1", "100.64.0.1"} {
		if err := register(id(ip, 0)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	for _, ip := range []string{"127.0.0.1", "8.8.8.8", "172.32.0.1", "169.254.0.1"} {
		wantCode(t, register(id(ip, 0)), "InvalidTarget")
	}
	wantCode(t, register(id("i-0123", 0)), "ValidationError")
	wantCode(t, register(id("10.0.0.1", 70000)), "ValidationError")
	wantCode(t, register([]elbtypes.TargetDescription{}...), "ValidationError")
	_, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: sdk.String("x"), Targets: []elbtypes.TargetDescription{id("10.0.0.1", 1)}})
	wantCode(t, err, "TargetGroupNotFound")

	for _, ip := range []string{"172.31.0.1", "192.168.0.1", "100.64.0.1", "10.9.9.9"} { // the last one was never there
		if _, err = h.elb.DeregisterTargets(h.ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{id(ip, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	health := func(asked ...elbtypes.TargetDescription) map[string]string {
		out, err := h.elb.DescribeTargetHealth(h.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group, Targets: asked})
		states := make(map[string]string)
		for _, d := range must(t, out, err).TargetHealthDescriptions {
			states[fmt.Sprintf("%s:%d", *d.Target.Id, *d.Target.Port)] = string(d.TargetHealth.State) + " " + string(d.TargetHealth.Reason)
		}
		return states
	}
	expect := func(want map[string]string, asked ...elbtypes.TargetDescription) {
		t.Helper()
		if diff := cmp.Diff(want, health(asked...)); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
	}
	expect(map[string]string{"10.231.33.1:8080": "unused Target.NotInUse"})
	h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, forward(group, 1))
	expect(map[string]string{"10.231.33.1:8080": "initial Elb.RegistrationInProgress"})

	at := func(text string) alb.Target { return alb.Target{Addr: netip.MustParseAddrPort(text)} }
	h.plane.setHealth(group,
		alb.Health{Target: at("10.231.33.1:8080"), State: alb.Unhealthy, Reason: "Target.Timeout"},
		alb.Health{Target: at("10.231.33.2:8080"), State: alb.Healthy}, // deregistered, but the data plane does not know yet
		alb.Health{Target: at("10.231.33.3:8080"), State: alb.Draining, Reason: "Target.DeregistrationInProgress"},
	)
	expect(map[string]string{
		"10.231.33.1:8080": "unhealthy Target.Timeout",
		"10.231.33.2:8080": "draining Target.DeregistrationInProgress",
		"10.231.33.3:8080": "draining Target.DeregistrationInProgress",
	})
	expect(map[string]string{"10.231.33.1:8080": "unhealthy Target.Timeout", "10.5.5.5:1": "unused Target.NotRegistered"}, id("10.231.33.1", 0), id("10.5.5.5", 1))
	h.plane.setHealth(group, alb.Health{Target: at("10.231.33.1:8080"), State: alb.Healthy})
	expect(map[string]string{"10.231.33.1:8080": "healthy "})
	_, err = h.elb.DescribeTargetHealth(h.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: sdk.String("x")})
	wantCode(t, err, "TargetGroupNotFound")

	many := make([]elbtypes.TargetDescription, 1001)
	for i := range many {
		many[i] = id(fmt.Sprintf("10.1.%d.%d", i/256, i%256), 0)
	}
	wantCode(t, register(many...), "TooManyTargets")
}

func TestTags(t *testing.T) {
	h := start(t)
	lb := *h.loadBalancer("web").LoadBalancerArn
	group := h.targetGroup("blue")
	l := *h.listener(lb, 80, fixed("404")).ListenerArn
	r := *h.rule(l, 1, "/", fixed("404")).RuleArn
	all := []string{lb, group, l, r}
	add := func(arn string, tags ...elbtypes.Tag) error {
		_, err := h.elb.AddTags(h.ctx, &elb.AddTagsInput{ResourceArns: []string{arn}, Tags: tags})
		return err
	}
	tag := func(k, v string) elbtypes.Tag { return elbtypes.Tag{Key: &k, Value: &v} }
	for _, arn := range all {
		if err := add(arn, tag("a", "1"), tag("b", "2")); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(lb, tag("a", "3")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.elb.RemoveTags(h.ctx, &elb.RemoveTagsInput{ResourceArns: []string{lb, group}, TagKeys: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	out, err := h.elb.DescribeTags(h.ctx, &elb.DescribeTagsInput{ResourceArns: all})
	got := make(map[string]string)
	for _, d := range must(t, out, err).TagDescriptions {
		for _, tag := range d.Tags {
			got[*d.ResourceArn] += *tag.Key + "=" + *tag.Value + " "
		}
	}
	if diff := cmp.Diff(map[string]string{lb: "a=3 ", group: "a=1 ", l: "a=1 b=2 ", r: "a=1 b=2 "}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	wantCode(t, add(lb+"x", tag("a", "1")), "LoadBalancerNotFound")
	wantCode(t, add(group+"x", tag("a", "1")), "TargetGroupNotFound")
	wantCode(t, add(l+"x", tag("a", "1")), "ListenerNotFound")
	wantCode(t, add(r+"x", tag("a", "1")), "RuleNotFound")
	wantCode(t, add("x", tag("a", "1")), "ValidationError")
	wantCode(t, add(lb, tag("a", "1"), tag("a", "2")), "DuplicateTagKeys")
	wantCode(t, add(lb, tag("aws:a", "1")), "ValidationError")
	var many []elbtypes.Tag
	for i := range 51 {
		many = append(many, tag(fmt.Sprintf("k%d", i), ""))
	}
	wantCode(t, add(lb, many...), "TooManyTags")
}

// TestHandOver checks what the data plane is given, and that it comes late.
func TestHandOver(t *testing.T) {
	const lag = 60 * time.Millisecond
	h := start(t, func(c *Config) { c.PropagationDelay = lag })
	lb := h.loadBalancer("web")
	if lb.State.Code != elbtypes.LoadBalancerStateEnumProvisioning {
		t.Errorf("a new load balancer is %s, want provisioning", lb.State.Code)
	}
	blue, green := h.targetGroup("blue"), h.targetGroup("green")
	l := *h.listener(*lb.LoadBalancerArn, 80, fixed("404")).ListenerArn
	h.attribute(*lb.LoadBalancerArn, "idle_timeout.timeout_seconds", "30")
	sticky := forward(blue, 9, green, 1)
	sticky.ForwardConfig.TargetGroupStickinessConfig = &elbtypes.TargetGroupStickinessConfig{Enabled: sdk.Bool(true), DurationSeconds: sdk.Int32(60)}
	r := h.rule(l, 1, "/api/*", sticky)
	port := int32(9090)
	if _, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &blue, Targets: []elbtypes.TargetDescription{{Id: sdk.String("10.231.33.7"), Port: &port, AvailabilityZone: sdk.String("eu-central-1a")}}}); err != nil {
		t.Fatal(err)
	}
	answered := time.Now()
	h.until("the target is in the data plane", func() bool {
		groups := h.plane.config().TargetGroups
		return len(groups) == 2 && len(groups[0].Targets) == 1
	})
	if took := time.Since(answered); took < lag/2 {
		t.Errorf("the change was in the data plane after %v, want about %v", took, lag)
	}
	conf := h.plane.config()
	if len(conf.Listeners) != 2 || conf.Listeners[0].Bind == conf.Listeners[1].Bind {
		t.Fatalf("want one listener entry per zone, got %+v", conf.Listeners)
	}
	want := alb.Listener{
		ARN: l, LoadBalancer: "web", Port: 80, IdleTimeout: 30 * time.Second, Bind: conf.Listeners[0].Bind,
		Default: alb.Action{Fixed: &alb.FixedResponse{Status: 404, ContentType: "text/plain", Body: "no"}},
		Rules: []alb.Rule{{ARN: *r.RuleArn, Priority: 1, Paths: []string{"/api/*"}, Action: alb.Action{
			Forward:    []alb.WeightedGroup{{TargetGroupARN: blue, Weight: 9}, {TargetGroupARN: green, Weight: 1}},
			Stickiness: alb.Stickiness{Enabled: true, Duration: time.Minute},
		}}},
	}
	if diff := cmp.Diff(want, conf.Listeners[0]); diff != "" {
		t.Errorf("listener (-want +got):\n%s", diff)
	}
	wantGroup := alb.TargetGroup{
		ARN: blue, Name: "blue", DeregistrationDelay: 300 * time.Second,
		HealthCheck: alb.HealthCheck{Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2, MatcherLow: 200, MatcherHigh: 200},
		Targets:     []alb.Target{{Addr: netip.MustParseAddrPort("10.231.33.7:9090"), Zone: "eu-central-1a"}},
	}
	if diff := cmp.Diff(wantGroup, conf.TargetGroups[0], cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("target group (-want +got):\n%s", diff)
	}
	name, _ := h.names.record(*lb.DNSName+".", "A", "")
	if len(name.Values) != 2 || !strings.HasPrefix(name.Values[0], "127.230.") {
		t.Errorf("the load balancer's name stands for %v", name.Values)
	}
}
