package route53

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Restorable implements router.Restorer.
func (d *Driver) Restorable(ctx context.Context, route router.Ref, keep traffic.Side) ([]router.Restoration, error) {
	groups, _, err := d.read(ctx, d.calls(false), restoring, route)
	if err != nil {
		return nil, err
	}
	var out []router.Restoration
	for _, g := range groups {
		n, err := decideRestore(g, route, keep)
		if err != nil {
			return nil, err
		}
		out = append(out, restoration(g, n))
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
