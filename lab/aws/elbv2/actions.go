package elbv2

import (
	"slices"
	"strings"

	"watari.dev/lab/aws/wire"
)

// Limits of a forward action (API reference, TargetGroupTuple and
// TargetGroupStickinessConfig; "Quotas for your Application Load Balancers").
const (
	maxGroupsPerAction   = 5
	maxGroupsPerBalancer = 100
	maxWeight            = 999
	maxStickySeconds     = 604800
)

// ruleAction of a rule or listener. The exported fields are named as on the wire.
type ruleAction struct {
	Type                string
	TargetGroupArn      *string              `xml:",omitempty"`
	ForwardConfig       *forwardConfig       `xml:",omitempty"`
	FixedResponseConfig *fixedResponseConfig `xml:",omitempty"`
	Order               *int                 `xml:",omitempty"`
}

// forwardConfig is the list of weighted groups.
type forwardConfig struct {
	TargetGroups                []groupTuple      `xml:"TargetGroups>member"`
	TargetGroupStickinessConfig *stickinessConfig `xml:",omitempty"`
}

// groupTuple is one target group with its weight.
type groupTuple struct {
	TargetGroupArn string
	Weight         *int `xml:",omitempty"`
}

// stickinessConfig is the stickiness of the group, not of the target.
type stickinessConfig struct {
	Enabled         *bool `xml:",omitempty"`
	DurationSeconds *int  `xml:",omitempty"`
}

// fixedResponseConfig answers without a target.
type fixedResponseConfig struct {
	ContentType *string `xml:",omitempty"`
	MessageBody *string `xml:",omitempty"`
	StatusCode  string
}

// decideActions checks the actions of one rule or listener and returns them
// as AWS echoes them: a forward has both its ForwardConfig and, with a single
// group, the legacy TargetGroupArn.
func decideActions(actions []ruleAction) ([]ruleAction, *wire.Error) {
	if len(actions) == 0 {
		return nil, wire.Errorf("ValidationError", "An action must be specified")
	}
	if len(actions) > 1 {
		return nil, wire.Errorf("TooManyActions", "A rule can have one forward or fixed-response action; %d were given", len(actions))
	}
	a := actions[0]
	if a.Order != nil && (*a.Order < 1 || *a.Order > 50000) {
		return nil, wire.Errorf("ValidationError", "Action order must be between 1 and 50000")
	}
	var err *wire.Error
	switch a.Type {
	case "forward":
		a, err = decideForward(a)
	case "fixed-response":
		a, err = decideFixedResponse(a)
	default:
		err = wire.Errorf("InvalidLoadBalancerAction", "Action type '%s' is not served by this emulator; it serves forward and fixed-response", a.Type)
	}
	if err != nil {
		return nil, err
	}
	return []ruleAction{a}, nil
}

func decideForward(a ruleAction) (ruleAction, *wire.Error) {
	if a.FixedResponseConfig != nil {
		return a, wire.Errorf("InvalidLoadBalancerAction", "FixedResponseConfig is not valid for action type 'forward'")
	}
	groups, stickiness, err := forwardOf(a)
	if err != nil {
		return a, err
	}
	if groups, err = decideGroups(groups); err != nil {
		return a, err
	}
	if stickiness, err = decideStickiness(stickiness); err != nil {
		return a, err
	}
	a.ForwardConfig = &forwardConfig{TargetGroups: groups, TargetGroupStickinessConfig: stickiness}
	a.TargetGroupArn = nil
	if len(groups) == 1 {
		a.TargetGroupArn = &groups[0].TargetGroupArn
	}
	return a, nil
}

// forwardOf reads both ways of naming groups. Given both, they must agree on
// one group (API reference, Action).
func forwardOf(a ruleAction) ([]groupTuple, *stickinessConfig, *wire.Error) {
	if a.ForwardConfig == nil {
		if a.TargetGroupArn == nil {
			return nil, nil, wire.Errorf("ValidationError", "A target group ARN must be specified for a forward action")
		}
		return []groupTuple{{TargetGroupArn: *a.TargetGroupArn}}, nil, nil
	}
	groups := a.ForwardConfig.TargetGroups
	if a.TargetGroupArn != nil && (len(groups) != 1 || groups[0].TargetGroupArn != *a.TargetGroupArn) {
		return nil, nil, wire.Errorf("ValidationError", "TargetGroupArn and ForwardConfig must name the same single target group when both are specified")
	}
	return groups, a.ForwardConfig.TargetGroupStickinessConfig, nil
}

func decideGroups(groups []groupTuple) ([]groupTuple, *wire.Error) {
	if len(groups) == 0 {
		return nil, wire.Errorf("ValidationError", "A forward action must have at least one target group")
	}
	if len(groups) > maxGroupsPerAction {
		return nil, wire.Errorf("TooManyTargetGroups", "A forward action can have up to %d target groups", maxGroupsPerAction)
	}
	decided := slices.Clone(groups)
	seen := make(map[string]bool)
	for i, g := range decided {
		if seen[g.TargetGroupArn] {
			return nil, wire.Errorf("ValidationError", "Target group '%s' is specified more than once in the action", g.TargetGroupArn)
		}
		seen[g.TargetGroupArn] = true
		if g.Weight == nil && len(groups) == 1 {
			one := 1
			decided[i].Weight = &one
			continue
		}
		if g.Weight == nil || *g.Weight < 0 || *g.Weight > maxWeight {
			return nil, wire.Errorf("ValidationError", "The weight for each target group must be between 0 and %d, inclusive", maxWeight)
		}
	}
	return decided, nil
}

func decideStickiness(given *stickinessConfig) (*stickinessConfig, *wire.Error) {
	enabled := given != nil && given.Enabled != nil && *given.Enabled
	decided := &stickinessConfig{Enabled: &enabled}
	if given != nil {
		decided.DurationSeconds = given.DurationSeconds
	}
	d := decided.DurationSeconds
	if (enabled && d == nil) || (d != nil && (*d < 1 || *d > maxStickySeconds)) {
		return nil, wire.Errorf("ValidationError", "Target group stickiness duration must be between 1 and %d seconds", maxStickySeconds)
	}
	return decided, nil
}

func decideFixedResponse(a ruleAction) (ruleAction, *wire.Error) {
	f := a.FixedResponseConfig
	if f == nil || a.ForwardConfig != nil || a.TargetGroupArn != nil {
		return a, wire.Errorf("InvalidLoadBalancerAction", "A fixed-response action must have FixedResponseConfig and no target group")
	}
	if len(f.StatusCode) != 3 || strings.IndexByte("245", f.StatusCode[0]) < 0 || strings.Trim(f.StatusCode, "0123456789") != "" {
		return a, wire.Errorf("ValidationError", "The fixed-response status code '%s' must be 2XX, 4XX or 5XX", f.StatusCode)
	}
	if f.MessageBody != nil && len(*f.MessageBody) > 1024 {
		return a, wire.Errorf("ValidationError", "The fixed-response message body must be at most 1024 characters")
	}
	known := []string{"text/plain", "text/css", "text/html", "application/javascript", "application/json"}
	if f.ContentType != nil && !slices.Contains(known, *f.ContentType) {
		return a, wire.Errorf("ValidationError", "The fixed-response content type '%s' must be one of %s", *f.ContentType, strings.Join(known, ", "))
	}
	return a, nil
}

func forwardedGroups(actions []ruleAction) []string {
	var arns []string
	for _, a := range actions {
		if a.ForwardConfig == nil {
			continue
		}
		for _, g := range a.ForwardConfig.TargetGroups {
			arns = append(arns, g.TargetGroupArn)
		}
	}
	return arns
}

// checkGroups says whether the changed model still keeps to the limits that
// span rules: groups exist, each belongs to one load balancer, and a load
// balancer has at most 100 of them.
func (m model) checkGroups(changed []ruleAction, balancer string) *wire.Error {
	for _, arn := range forwardedGroups(changed) {
		if _, ok := m.TargetGroups[arn]; !ok {
			return wire.Errorf("TargetGroupNotFound", "Target groups '%s' not found", arn)
		}
	}
	users := m.groupUsers()
	for _, arn := range forwardedGroups(changed) {
		if len(users[arn]) > 1 {
			return wire.Errorf("TargetGroupAssociationLimit", "The following target groups cannot be associated with more than one load balancer: %s", arn)
		}
	}
	used := 0
	for _, balancers := range users {
		if slices.Contains(balancers, balancer) {
			used++
		}
	}
	if used > maxGroupsPerBalancer {
		return wire.Errorf("TooManyUniqueTargetGroupsPerLoadBalancer", "Load balancer '%s' would use more than %d target groups", balancer, maxGroupsPerBalancer)
	}
	return nil
}
