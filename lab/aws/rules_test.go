package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

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
