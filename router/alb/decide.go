package alb

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// decision is what a write will do.
type decision struct {
	groups []types.TargetGroupTuple // the whole list; nil if it is right already
	pair   router.Pair
	note   string
}

// decideWrite chooses the new list of groups, or says why there can be none.
func decideWrite(f forward, change router.Change) (decision, error) {
	route := change.Route
	have, others := f.split(route)
	full := len(f.groups) >= maxGroups && !f.has(route.Target)
	back := change.Share == traffic.None && change.IfVersion == ""
	switch {
	case change.Share == traffic.None && have.Target == 0 && (full || back && (!f.has(route.Target) || !f.has(route.Source))) && have.Sum()+others > 0:
		return decision{pair: have}, nil // nothing to take back, and no room to add the target, which may be gone
	case back && !f.has(route.Source) && len(f.groups) < maxGroups:
		return returned(f, change), nil
	case !f.has(route.Source):
		return decision{}, refusal(change, router.ErrNotOwned, "add the source's target group to it; it forwards to "+groupNames(f.groups))
	case full:
		return decision{}, refusal(change, router.ErrNotOwned, fmt.Sprintf("remove a target group from it: it has %d, which is AWS's limit", maxGroups))
	}
	want, err := router.Choose(change.Share, have, others, MaxWeight)
	if err != nil {
		return decision{}, refusal(change, err, adviceFor(err, change, have, others))
	}
	d := decision{pair: want, note: router.RoundingNote(change.Share, want)}
	if others > 0 && want.Sum() != have.Sum() {
		d.note = joined(d.note, fmt.Sprintf("the weights of both sides were lowered from %d to %d in sum, so that each fits into one", have.Sum(), want.Sum()))
	}
	if want != have || !f.has(route.Target) {
		d.groups = f.with(route, want)
	}
	return d, nil
}

// returned gives a lever that has lost the source's target group that group back,
// with all that both sides have: it is known by its ARN, and everything else that is
// there would leave the users on the target.
func returned(f forward, change router.Change) decision {
	have, _ := f.split(change.Route)
	want := router.Pair{Source: max(1, min(have.Sum(), MaxWeight))}
	groups := append(f.with(change.Route, want), types.TargetGroupTuple{TargetGroupArn: aws.String(change.Route.Source), Weight: aws.Int32(int32(want.Source))})
	return decision{groups: groups, pair: want, note: "the source's target group was missing and was put back"}
}

func adviceFor(err error, change router.Change, have router.Pair, others int64) string {
	switch {
	case errors.Is(err, router.ErrNotOwned):
		return "give the source's target group a weight: all traffic goes to other target groups"
	case others > 0:
		return fmt.Sprintf("multiply all weights of it, for example by 10: both sides have %d beside %d of others, which is too coarse for %s", have.Sum(), others, change.Share)
	default:
		return fmt.Sprintf("leave out steps below %s", router.Pair{Source: MaxWeight, Target: 1}.Share())
	}
}

func refusal(change router.Change, kind error, advice string) error {
	return &router.Error{Op: setWeights, On: name(change.Route.ID), Kind: kind, Effect: router.EffectNothing, Advice: advice}
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
