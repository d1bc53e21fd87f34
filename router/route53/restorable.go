package route53

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Restorable implements router.Restorer. Of the names that it refuses the others are
// returned beside the error.
func (d *Driver) Restorable(ctx context.Context, route router.Ref, keep traffic.Side) (out []router.Restoration, err error) {
	groups, _, err := d.look(ctx, d.calls(false), restoring, route, nil)
	if err != nil {
		return nil, err
	}
	var left []router.PartProblem
	for _, g := range groups {
		advice, kind := g.problem(route)
		var n nameChange
		if kind == nil {
			n, err = decideRestore(g, route, keep)
			if e := (*router.Error)(nil); errors.As(err, &e) {
				advice, kind = e.Advice, e.Kind
			}
		}
		if kind == nil {
			out = append(out, restoration(g, n))
			continue
		}
		left = append(left, router.PartProblem{Name: g.name, Kind: kind, Text: advice, Share: g.exposure(route, d.now())})
	}
	if len(left) > 0 {
		return out, noneSound(restoring, route, left)
	}
	return out, nil
}

// restoration says what the changes of a name do.
func restoration(g group, n nameChange) router.Restoration {
	r := router.Restoration{Name: shown(g.name)}
	for _, c := range n.changes {
		if c.Action == types.ChangeActionDelete {
			r.Deletes = append(r.Deletes, recordText(*c.ResourceRecordSet))
		} else {
			r.Stays = recordText(*c.ResourceRecordSet)
		}
	}
	if len(n.changes) == 0 {
		r.Stays = recordText(g.sets[0])
	}
	return r
}

// recordText writes a record set as people read it.
func recordText(set types.ResourceRecordSet) string {
	text := string(set.Type)
	if set.SetIdentifier != nil {
		text += fmt.Sprintf(" %s weight %d", *set.SetIdentifier, weightOf(set))
	}
	if a := set.AliasTarget; a != nil {
		return text + ", alias of " + shown(aws.ToString(a.DNSName))
	}
	var values []string
	for _, r := range set.ResourceRecords {
		values = append(values, aws.ToString(r.Value))
	}
	return fmt.Sprintf("%s, TTL %d: %s", text, aws.ToInt64(set.TTL), strings.Join(values, ", "))
}
