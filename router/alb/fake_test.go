package alb

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"watari.dev/router/routertest"
)

// fakeELB is Elastic Load Balancing as far as the driver uses it, in memory.
type fakeELB struct {
	mu       sync.Mutex
	rules    map[string][]types.Action
	defaults map[string][]types.Action
	tags     map[string]string // nil refuses to say
	speaks   map[string]string // protocol versions of target groups; nil refuses to say
	tagCalls int
	faults   []routertest.Fault
	calls    int
	meddle   func() // what somebody else does between our write and our look
	pass     func(time.Duration)
}

var (
	errThrottled = &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	errDenied    = &smithy.GenericAPIError{Code: "AccessDenied", Message: "User is not authorized to perform this action"}
	errBroken    = errors.New("connection reset by peer")
)

// fault takes the next fault that fits; before says that the call must not
// happen, otherwise only its answer is lost.
func (f *fakeELB) fault(ctx context.Context, writes bool) (before bool, err error) {
	f.mu.Lock()
	f.calls++
	i := slices.IndexFunc(f.faults, func(x routertest.Fault) bool { return x.Writes == writes })
	if i < 0 {
		f.mu.Unlock()
		return false, ctx.Err()
	}
	fault := f.faults[i]
	if fault.Times > 0 {
		if f.faults[i].Times--; f.faults[i].Times == 0 {
			f.faults = slices.Delete(f.faults, i, i+1)
		}
	}
	f.mu.Unlock()
	switch fault.Kind {
	case routertest.Throttled:
		return true, errThrottled
	case routertest.Denied:
		return true, errDenied
	case routertest.RequestLost:
		return true, errBroken
	case routertest.ReplyLost:
		return false, errBroken
	case routertest.Slow:
		f.pass(fault.Takes)
		return false, nil
	default:
		<-ctx.Done()
		return true, &aws.RequestCanceledError{Err: ctx.Err()}
	}
}

func (f *fakeELB) DescribeRules(ctx context.Context, in *elb.DescribeRulesInput, _ ...func(*elb.Options)) (*elb.DescribeRulesOutput, error) {
	if _, err := f.fault(ctx, false); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	actions, ok := f.rules[in.RuleArns[0]]
	if !ok {
		return nil, &types.RuleNotFoundException{Message: aws.String("One or more rules not found")}
	}
	return &elb.DescribeRulesOutput{Rules: []types.Rule{{RuleArn: &in.RuleArns[0], Actions: actions}}}, nil
}

func (f *fakeELB) DescribeListeners(ctx context.Context, in *elb.DescribeListenersInput, _ ...func(*elb.Options)) (*elb.DescribeListenersOutput, error) {
	if _, err := f.fault(ctx, false); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	actions, ok := f.defaults[in.ListenerArns[0]]
	if !ok {
		return nil, &types.ListenerNotFoundException{Message: aws.String("One or more listeners not found")}
	}
	return &elb.DescribeListenersOutput{Listeners: []types.Listener{{ListenerArn: &in.ListenerArns[0], DefaultActions: actions}}}, nil
}

func (f *fakeELB) DescribeTargetGroups(_ context.Context, in *elb.DescribeTargetGroupsInput, _ ...func(*elb.Options)) (*elb.DescribeTargetGroupsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.speaks == nil {
		return nil, errDenied
	}
	out := &elb.DescribeTargetGroupsOutput{}
	for _, arn := range in.TargetGroupArns {
		version, there := f.speaks[arn]
		if !there {
			return nil, &types.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
		}
		out.TargetGroups = append(out.TargetGroups, types.TargetGroup{TargetGroupArn: aws.String(arn), ProtocolVersion: aws.String(version)})
	}
	return out, nil
}

func (f *fakeELB) DescribeTags(ctx context.Context, in *elb.DescribeTagsInput, _ ...func(*elb.Options)) (*elb.DescribeTagsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tagCalls++
	if f.tags == nil {
		return nil, errDenied
	}
	d := types.TagDescription{ResourceArn: &in.ResourceArns[0]}
	for k, v := range f.tags {
		d.Tags = append(d.Tags, types.Tag{Key: aws.String(k), Value: aws.String(v)})
	}
	return &elb.DescribeTagsOutput{TagDescriptions: []types.TagDescription{d}}, nil
}

func (f *fakeELB) ModifyRule(ctx context.Context, in *elb.ModifyRuleInput, _ ...func(*elb.Options)) (*elb.ModifyRuleOutput, error) {
	return &elb.ModifyRuleOutput{}, f.modify(ctx, f.rules, *in.RuleArn, in.Actions)
}

func (f *fakeELB) ModifyListener(ctx context.Context, in *elb.ModifyListenerInput, _ ...func(*elb.Options)) (*elb.ModifyListenerOutput, error) {
	return &elb.ModifyListenerOutput{}, f.modify(ctx, f.defaults, *in.ListenerArn, in.DefaultActions)
}

func (f *fakeELB) modify(ctx context.Context, all map[string][]types.Action, arn string, actions []types.Action) error {
	before, err := f.fault(ctx, true)
	if before || err == ctx.Err() && err != nil {
		return err
	}
	if invalid := validate(actions); invalid != nil {
		return invalid
	}
	f.mu.Lock()
	all[arn] = actions
	meddle := f.meddle
	f.mu.Unlock()
	if meddle != nil {
		meddle()
	}
	return err
}

// validate refuses what AWS refuses.
func validate(actions []types.Action) error {
	bad := func(why string) error { return &smithy.GenericAPIError{Code: "ValidationError", Message: why} }
	for _, a := range actions {
		if a.AuthenticateOidcConfig != nil && a.AuthenticateOidcConfig.ClientSecret == nil && !aws.ToBool(a.AuthenticateOidcConfig.UseExistingClientSecret) {
			return bad("A client secret must be specified")
		}
		if a.Type != types.ActionTypeEnumForward || a.ForwardConfig == nil {
			continue
		}
		if n := len(a.ForwardConfig.TargetGroups); n > 5 || n > 1 && a.TargetGroupArn != nil {
			return bad(http.StatusText(http.StatusBadRequest))
		}
		for _, g := range a.ForwardConfig.TargetGroups {
			if w := aws.ToInt32(g.Weight); w < 0 || w > 999 {
				return bad("weight out of range")
			}
		}
	}
	return nil
}

// set changes the weight of a group in a lever behind the driver's back.
func (f *fakeELB) set(all map[string][]types.Action, arn, group string, weight int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fwd, err := findForward(all[arn])
	if err != nil {
		panic(err)
	}
	actions, groups := slices.Clone(all[arn]), slices.Clone(fwd.groups)
	g := types.TargetGroupTuple{TargetGroupArn: aws.String(group), Weight: aws.Int32(int32(weight))}
	if i := fwd.index(group); i >= 0 {
		groups[i] = g
	} else {
		groups = append(groups, g)
	}
	actions[fwd.at].ForwardConfig = &types.ForwardActionConfig{TargetGroups: groups, TargetGroupStickinessConfig: config(actions[fwd.at])}
	actions[fwd.at].TargetGroupArn = nil
	all[arn] = actions
}

func config(a types.Action) *types.TargetGroupStickinessConfig {
	if a.ForwardConfig == nil {
		return nil
	}
	return a.ForwardConfig.TargetGroupStickinessConfig
}
