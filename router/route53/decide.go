package route53

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// nameChange is what has to change at one name; nothing if it is right already.
// It is never split over two batches.
type nameChange struct {
	name    string
	changes []types.Change
	pair    router.Pair
}

// decision is what a write will do.
type decision struct {
	batches [][]nameChange
	share   traffic.Share // the lowest of all names
	note    string
}

// decideWrite chooses the batches that bring all groups to the change's share.
// Where that takes several, it looks for weights that touch one record of each
// name only, so that twice as many names fit into a batch.
func decideWrite(groups []group, change router.Change) (decision, error) {
	d, err := decideWith(groups, change, false)
	if err != nil || len(d.batches) < 2 {
		return d, err
	}
	near, err := decideWith(groups, change, true)
	if err == nil && len(near.batches) < len(d.batches) {
		return near, nil
	}
	return d, nil
}

func decideWith(groups []group, change router.Change, near bool) (decision, error) {
	d := decision{share: traffic.All}
	var all []nameChange
	for _, g := range groups {
		n, err := decideName(g, change, near)
		if err != nil {
			return decision{}, err
		}
		if n.pair.Share() < d.share || d.note == "" {
			d.note = router.RoundingNote(change.Share, n.pair)
		}
		d.share = min(d.share, n.pair.Share())
		if len(n.changes) > 0 {
			all = append(all, n)
		}
	}
	d.batches = pack(all)
	return d, nil
}

// decideName chooses what changes at one name, or says why nothing may.
func decideName(g group, change router.Change, near bool) (nameChange, error) {
	route := change.Route
	have, others := g.split(route)
	n := nameChange{name: g.name, pair: have}
	target := g.find(route.Target)
	switch {
	case have.Sum() > 0 && have.Share() == change.Share && (change.Share == traffic.None || change.Share == traffic.All):
		return n, nil // all of it is there already, in whatever form
	case g.simple() && have.Target > 0:
		return n, refusal(g.name, router.ErrNotOwned, "its simple record is the target's and there is none of the source; let it answer by hand what the source's did")
	case !g.simple() && g.find(route.Source) == nil:
		return n, refusal(g.name, router.ErrNotOwned, "create the source's record first; its set identifiers are "+g.identifiers())
	case target == nil && route.Create == nil:
		return n, refusal(g.name, router.ErrNotOwned, "create the target's record first, or say in the route what it is to answer")
	}
	want, err := router.Choose(change.Share, have, others, MaxWeight)
	if err != nil {
		return n, refusal(g.name, err, adviceFor(err, change, have, others))
	}
	if near && others == 0 && !g.simple() {
		want = router.ExpressNear(want, have, MaxWeight)
	}
	n.pair = want
	if g.simple() {
		n.changes = convert(g.sets[0], route, want)
		return n, nil
	}
	exact := change.IfVersion != ""
	source := g.find(route.Source)
	if target == nil {
		n.changes = append(n.changes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: created(*source, route, want.Target)})
	} else if aws.ToInt64(target.Weight) != want.Target {
		n.changes = append(n.changes, reweigh(*target, want.Target, exact)...)
	}
	if aws.ToInt64(source.Weight) != want.Source {
		n.changes = append(n.changes, reweigh(*source, want.Source, exact)...)
	}
	return n, nil
}

// reweigh returns the changes that give set another weight. The exact form
// deletes the record as it was read, which AWS refuses if it has changed since;
// it counts no more towards the limits of a batch than an UPSERT.
func reweigh(set types.ResourceRecordSet, weight int64, exact bool) []types.Change {
	next := set
	next.Weight = aws.Int64(weight)
	if !exact {
		return []types.Change{{Action: types.ChangeActionUpsert, ResourceRecordSet: &next}}
	}
	return []types.Change{
		{Action: types.ChangeActionDelete, ResourceRecordSet: &set},
		{Action: types.ChangeActionCreate, ResourceRecordSet: &next},
	}
}

// convert returns the changes that turn a simple record into the weighted ones
// of both sides, without a moment in which there is none. A weighted record
// cannot be created beside a simple one.
func convert(simple types.ResourceRecordSet, route router.Ref, want router.Pair) []types.Change {
	source := simple
	source.SetIdentifier, source.Weight = aws.String(route.Source), aws.Int64(want.Source)
	return []types.Change{
		{Action: types.ChangeActionDelete, ResourceRecordSet: &simple},
		{Action: types.ChangeActionCreate, ResourceRecordSet: &source},
		{Action: types.ChangeActionCreate, ResourceRecordSet: created(simple, route, want.Target)},
	}
}

// created returns the target's record beside the source's, whose TTL it shares
// as Route 53 demands of one name's weighted records.
func created(source types.ResourceRecordSet, route router.Ref, weight int64) *types.ResourceRecordSet {
	set := &types.ResourceRecordSet{
		Name: source.Name, Type: source.Type, SetIdentifier: aws.String(route.Target), Weight: aws.Int64(weight),
	}
	if a := route.Create.Alias; a != nil {
		set.AliasTarget = &types.AliasTarget{DNSName: aws.String(a.Name), HostedZoneId: aws.String(a.Zone), EvaluateTargetHealth: a.EvaluateHealth}
		return set
	}
	for _, v := range route.Create.Values {
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: aws.String(v)})
	}
	set.TTL = source.TTL
	if set.TTL == nil {
		ttl := route.Create.TTL
		if ttl == 0 {
			ttl = aliasTTL
		}
		set.TTL = aws.Int64(int64(ttl / time.Second))
	}
	return set
}

func adviceFor(err error, change router.Change, have router.Pair, others int64) string {
	switch {
	case errors.Is(err, router.ErrNotOwned):
		return "give the source's record a weight: all traffic goes to other records"
	case others > 0:
		return fmt.Sprintf("multiply all weights of it: both sides have %d beside %d of others, which is too coarse for %s", have.Sum(), others, change.Share)
	default:
		return fmt.Sprintf("leave out steps below %s", router.Pair{Source: MaxWeight, Target: 1}.Share())
	}
}

func refusal(name string, kind error, advice string) error {
	return &router.Error{Op: setWeights, On: shown(name), Kind: kind, Effect: router.EffectNothing, Advice: advice}
}

func namesOf(batches [][]nameChange) (names []string) {
	for _, n := range slices.Concat(batches...) {
		names = append(names, n.name)
	}
	return names
}
