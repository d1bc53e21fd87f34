package route53

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
)

// Limits of one change batch (Route 53 Developer Guide, "Quotas",
// ChangeResourceRecordSets): resource records, alias records included, and
// characters of their values. Both count twice in an UPSERT.
const (
	maxRecords    = 1000
	maxCharacters = 32000
)

// size is what changes take of a batch.
type size struct{ records, characters int }

func sizeOf(changes []types.Change) (s size) {
	for _, c := range changes {
		times := 1
		if c.Action == types.ChangeActionUpsert {
			times = 2
		}
		s.records += times * max(1, len(c.ResourceRecordSet.ResourceRecords))
		for _, r := range c.ResourceRecordSet.ResourceRecords {
			s.characters += times * len(aws.ToString(r.Value))
		}
	}
	return s
}

// pack puts the names into as few batches as their order allows.
func pack(all []nameChange) (batches [][]nameChange) {
	var sum size
	for _, n := range all {
		s := sizeOf(n.changes)
		sum.records += s.records
		sum.characters += s.characters
		if len(batches) == 0 || sum.records > maxRecords || sum.characters > maxCharacters {
			batches, sum = append(batches, nil), s
		}
		batches[len(batches)-1] = append(batches[len(batches)-1], n)
	}
	return batches
}

// largest returns the batches of a write that changes both records of each
// name: the most that a write can take.
func largest(groups []group) [][]nameChange {
	var all []nameChange
	for _, g := range groups {
		n := nameChange{name: g.name}
		for range 2 {
			n.changes = append(n.changes, reweigh(g.sets[0], 0, true)...)
		}
		all = append(all, n)
	}
	return pack(all)
}
