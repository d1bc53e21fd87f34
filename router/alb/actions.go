package alb

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// forward is the forward action of a lever, whichever of its two spellings AWS
// used: a list of weighted groups, or a single group's ARN.
type forward struct {
	at     int // index in the list of actions
	groups []types.TargetGroupTuple
	sticky time.Duration // 0 if target group stickiness is off
}

var (
	errNoForward = errors.New("it has no forward action")
	errNoGroup   = errors.New("it forwards to neither of the two target groups")
)

// findForward returns the forward action of actions.
func findForward(actions []types.Action) (forward, error) {
	for i, a := range actions {
		if a.Type != types.ActionTypeEnumForward {
			continue
		}
		f := forward{at: i}
		if a.ForwardConfig == nil || len(a.ForwardConfig.TargetGroups) == 0 {
			f.groups = []types.TargetGroupTuple{{TargetGroupArn: a.TargetGroupArn, Weight: aws.Int32(1)}}
		} else {
			f.groups = slices.Clone(a.ForwardConfig.TargetGroups)
		}
		if a.ForwardConfig != nil {
			f.sticky = stickiness(a.ForwardConfig.TargetGroupStickinessConfig)
		}
		return f, nil
	}
	return forward{}, errNoForward
}

func stickiness(c *types.TargetGroupStickinessConfig) time.Duration {
	if c == nil || !aws.ToBool(c.Enabled) {
		return 0
	}
	return time.Duration(aws.ToInt32(c.DurationSeconds)) * time.Second
}

// weightOf returns the weight of a group; a group without one has 1, the weight
// that AWS gives a group that stands alone.
func weightOf(g types.TargetGroupTuple) int64 {
	if g.Weight == nil {
		return 1
	}
	return int64(*g.Weight)
}

func (f forward) has(arn string) bool { return f.index(arn) >= 0 }

func (f forward) index(arn string) int {
	return slices.IndexFunc(f.groups, func(g types.TargetGroupTuple) bool { return aws.ToString(g.TargetGroupArn) == arn })
}

// split returns the weights of both sides and the sum of all others'.
func (f forward) split(route router.Ref) (have router.Pair, others int64) {
	for _, g := range f.groups {
		switch aws.ToString(g.TargetGroupArn) {
		case route.Source:
			have.Source = weightOf(g)
		case route.Target:
			have.Target = weightOf(g)
		default:
			others += weightOf(g)
		}
	}
	return have, others
}

// part returns what the router calls it.
func (f forward) part(route router.Ref) router.Part {
	have, _ := f.split(route)
	p := router.Part{Share: have.Share()}
	for _, g := range f.groups {
		w := router.Weight{Entry: aws.ToString(g.TargetGroupArn), Weight: weightOf(g)}
		switch w.Entry {
		case route.Source:
			w.Side = traffic.Source
		case route.Target:
			w.Side = traffic.Target
		}
		p.Weights = append(p.Weights, w)
	}
	return p
}

// with returns the groups with the weights of both sides set to want. A target
// that is not there yet is added.
func (f forward) with(route router.Ref, want router.Pair) []types.TargetGroupTuple {
	groups := slices.Clone(f.groups)
	set := func(arn string, weight int64) {
		g := types.TargetGroupTuple{TargetGroupArn: aws.String(arn), Weight: aws.Int32(int32(weight))}
		if i := f.index(arn); i >= 0 {
			groups[i] = g
		} else {
			groups = append(groups, g)
		}
	}
	if f.has(route.Source) {
		set(route.Source, want.Source)
	}
	set(route.Target, want.Target)
	return groups
}

// replaced returns actions as they are to be written: all as they were but the
// groups of the forward action. The single ARN is left out, because AWS refuses
// it beside several groups. An OIDC action is told to keep its client secret,
// which AWS never shows and otherwise demands again.
func replaced(actions []types.Action, f forward, groups []types.TargetGroupTuple) []types.Action {
	out := slices.Clone(actions)
	for i, a := range out {
		if a.AuthenticateOidcConfig != nil && a.AuthenticateOidcConfig.ClientSecret == nil {
			oidc := *a.AuthenticateOidcConfig
			oidc.UseExistingClientSecret = aws.Bool(true)
			out[i].AuthenticateOidcConfig = &oidc
		}
	}
	config := types.ForwardActionConfig{TargetGroups: groups}
	if had := out[f.at].ForwardConfig; had != nil {
		config.TargetGroupStickinessConfig = had.TargetGroupStickinessConfig
	}
	out[f.at].ForwardConfig, out[f.at].TargetGroupArn = &config, nil
	return out
}

// versionOf is a digest of everything that a write replaces. The order of the
// groups means nothing to AWS and so nothing here.
func versionOf(actions []types.Action) (string, error) {
	same := slices.Clone(actions)
	for i, a := range same {
		if a.Type != types.ActionTypeEnumForward {
			continue
		}
		f, err := findForward(same[i : i+1])
		if err != nil {
			return "", err
		}
		slices.SortFunc(f.groups, func(a, b types.TargetGroupTuple) int {
			return cmp.Compare(aws.ToString(a.TargetGroupArn), aws.ToString(b.TargetGroupArn))
		})
		same[i].TargetGroupArn = nil
		same[i].ForwardConfig = &types.ForwardActionConfig{TargetGroups: f.groups}
		if a.ForwardConfig != nil {
			same[i].ForwardConfig.TargetGroupStickinessConfig = a.ForwardConfig.TargetGroupStickinessConfig
		}
	}
	text, err := json.Marshal(same)
	if err != nil {
		return "", fmt.Errorf("digest of the actions: %w", err)
	}
	digest := sha256.Sum256(text)
	return hex.EncodeToString(digest[:16]), nil
}

// groupNames lists the groups in a message.
func groupNames(groups []types.TargetGroupTuple) string {
	var names []string
	for _, g := range groups {
		names = append(names, fmt.Sprintf("%s (weight %d)", aws.ToString(g.TargetGroupArn), weightOf(g)))
	}
	return strings.Join(names, ", ")
}
