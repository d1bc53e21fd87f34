package aws

import (
	"fmt"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"
)

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
