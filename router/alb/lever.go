package alb

import (
	"context"
	"errors"
	"fmt"
	"strings"

	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
)

// kind tells what holds the actions.
type kind uint8

const (
	unknownLever kind = iota
	rule
	listener
)

func (k kind) String() string {
	if k == rule {
		return "rule"
	}
	return "listener"
}

// kindOf reads it off the ARN: arn:aws:elasticloadbalancing:region:account:
// listener-rule/app/name/... or listener/app/name/...
func kindOf(arn string) kind {
	parts := strings.SplitN(arn, ":", 6)
	switch {
	case len(parts) < 6 || parts[0] != "arn" || parts[2] != "elasticloadbalancing":
		return unknownLever
	case strings.HasPrefix(parts[5], "listener-rule/app/"):
		return rule
	case strings.HasPrefix(parts[5], "listener/app/"):
		return listener
	default:
		return unknownLever
	}
}

// name is what messages call the lever.
func name(arn string) string {
	switch kindOf(arn) {
	case rule:
		return "rule " + arn
	case listener:
		return "default action of listener " + arn
	default:
		return fmt.Sprintf("%q", arn)
	}
}

var errNotOne = errors.New("AWS described none")

// readActions returns the actions of the lever.
func (d *Driver) readActions(ctx context.Context, op, arn string) ([]types.Action, error) {
	var actions []types.Action
	var err error
	switch kindOf(arn) {
	case rule:
		actions, err = awscall.Read(ctx, d.retry, func(ctx context.Context) ([]types.Action, error) {
			out, err := d.api.DescribeRules(ctx, &elb.DescribeRulesInput{RuleArns: []string{arn}})
			if err != nil {
				return nil, err
			}
			return ruleActions(out.Rules)
		})
	case listener:
		actions, err = awscall.Read(ctx, d.retry, func(ctx context.Context) ([]types.Action, error) {
			out, err := d.api.DescribeListeners(ctx, &elb.DescribeListenersInput{ListenerArns: []string{arn}})
			if err != nil {
				return nil, err
			}
			return listenerActions(out.Listeners)
		})
	default:
		return nil, &router.Error{Op: op, On: name(arn), Kind: router.ErrNotFound, Effect: router.EffectNothing,
			Advice: "give the ARN of a listener rule or of a listener of an Application Load Balancer"}
	}
	if errors.Is(err, errNotOne) {
		return nil, &router.Error{Op: op, On: name(arn), Kind: router.ErrNotFound, Cause: err, Effect: router.EffectNothing}
	}
	if err != nil {
		return nil, awscall.ReadError(op, name(arn), err)
	}
	return actions, nil
}

// writeActions replaces the actions of the lever.
func (d *Driver) writeActions(ctx context.Context, p awscall.Policy, arn string, actions []types.Action) error {
	_, err := awscall.Write(ctx, p, func(ctx context.Context) (struct{}, error) {
		var err error
		if kindOf(arn) == rule {
			_, err = d.api.ModifyRule(ctx, &elb.ModifyRuleInput{RuleArn: &arn, Actions: actions})
		} else {
			_, err = d.api.ModifyListener(ctx, &elb.ModifyListenerInput{ListenerArn: &arn, DefaultActions: actions})
		}
		return struct{}{}, err
	})
	if err != nil {
		return awscall.WriteError(setWeights, name(arn), err)
	}
	return nil
}

func ruleActions(rules []types.Rule) ([]types.Action, error) {
	if len(rules) != 1 {
		return nil, errNotOne
	}
	return rules[0].Actions, nil
}

func listenerActions(listeners []types.Listener) ([]types.Action, error) {
	if len(listeners) != 1 {
		return nil, errNotOne
	}
	return listeners[0].DefaultActions, nil
}
