package route53

import (
	"fmt"
	"maps"

	"watari.dev/lab/aws/wire"
)

// Limits of one change batch ("Quotas", ChangeResourceRecordSets): resource
// records, alias records included, and characters of their values. Both count
// twice in an UPSERT.
const (
	maxBatchRecords    = 1000
	maxBatchCharacters = 32000
	maxWeightedSets    = 100 // with one name and type
)

// edit is one element of a change batch.
type edit struct {
	Action            string
	ResourceRecordSet recordSet
}

// balancers says which names belong to load balancers, whose alias records
// name the hosted zone zoneID.
type balancers struct {
	zoneID string
	has    func(name string) bool
}

// decideBatch applies a change batch to a zone's records. It returns the new
// records, or why nothing was changed. It touches nothing.
func decideBatch(z zone, changes []edit, lbs balancers) (map[string]recordSet, *wire.Error) {
	if len(changes) == 0 {
		return nil, wire.Errorf("InvalidInput", "Invalid XML ; The content of element 'Changes' is not complete.")
	}
	if err := checkBatchSize(changes); err != nil {
		return nil, err
	}
	normal, err := normalize(changes)
	if err != nil {
		return nil, err
	}
	b := batch{zone: z, records: maps.Clone(z.Records), balancers: lbs}
	b.checkRepeats(normal)
	for _, c := range normal {
		b.apply(c)
	}
	b.checkApex()
	if len(b.problems) > 0 {
		return nil, &wire.Error{Status: 400, Code: "InvalidChangeBatch", Message: b.problems[0], Messages: b.problems}
	}
	return b.records, nil
}

func checkBatchSize(changes []edit) *wire.Error {
	records, characters := 0, 0
	for _, c := range changes {
		times := 1
		if c.Action == "UPSERT" {
			times = 2
		}
		values := c.ResourceRecordSet.values()
		records += times * max(len(values), 1)
		for _, v := range values {
			characters += times * len(v)
		}
	}
	var problem string
	switch {
	case records > maxBatchRecords:
		problem = fmt.Sprintf("Number of records limit of %d exceeded.", maxBatchRecords)
	case characters > maxBatchCharacters:
		problem = fmt.Sprintf("Number of characters limit of %d exceeded.", maxBatchCharacters)
	default:
		return nil
	}
	return &wire.Error{Status: 400, Code: "InvalidChangeBatch", Message: problem, Messages: []string{problem}}
}

// normalize checks the shape of every change and makes names canonical.
func normalize(changes []edit) ([]edit, *wire.Error) {
	normal := make([]edit, 0, len(changes))
	for _, c := range changes {
		switch c.Action {
		case "CREATE", "DELETE", "UPSERT":
		default:
			return nil, wire.Errorf("InvalidInput", "Invalid XML ; Value '%s' is not one of [CREATE, DELETE, UPSERT]", c.Action)
		}
		if err := decideShape(c.ResourceRecordSet); err != nil {
			return nil, err
		}
		name, err := canonicalName(c.ResourceRecordSet.Name)
		if err != nil {
			err.Messages = []string{err.Message}
			return nil, err
		}
		c.ResourceRecordSet.Name = name
		if alias := c.ResourceRecordSet.AliasTarget; alias != nil {
			target := *alias
			if target.DNSName, err = canonicalName(alias.DNSName); err != nil {
				err.Messages = []string{err.Message}
				return nil, err
			}
			target.HostedZoneID = trimID(target.HostedZoneID)
			c.ResourceRecordSet.AliasTarget = &target
		}
		normal = append(normal, c)
	}
	return normal, nil
}

// batch is a change batch half way through.
type batch struct {
	zone      zone
	records   map[string]recordSet
	balancers balancers
	problems  []string
}

func (b *batch) problem(format string, args ...any) {
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// checkRepeats lets one record set appear once, or twice as a DELETE followed
// by something else.
func (b *batch) checkRepeats(changes []edit) {
	last := make(map[string]string)
	for _, c := range changes {
		r := c.ResourceRecordSet
		if before := last[r.key()]; before != "" && (before != "DELETE" || c.Action == "DELETE") {
			b.problem("The request contains an invalid set of changes for a resource record set '%s %s'", r.Type, r.Name)
		}
		last[r.key()] = c.Action
	}
}

// apply changes the records, or notes why it cannot.
func (b *batch) apply(c edit) {
	r := c.ResourceRecordSet
	have, exists := b.records[r.key()]
	switch {
	case c.Action == "DELETE" && !exists:
		b.problem("Tried to delete resource record set %s but it was not found", label(r))
		return
	case c.Action == "DELETE" && !have.same(r):
		b.problem("Tried to delete resource record set %s but the values provided do not match the current values", label(r))
		return
	case c.Action == "DELETE":
		delete(b.records, r.key())
		return
	case c.Action == "CREATE" && exists:
		b.problem("Tried to create resource record set %s but it already exists", label(r))
		return
	}
	problems := problemsOf(r, b.zone.Name)
	problems = append(problems, b.conflictsOf(r)...)
	problems = append(problems, b.aliasProblems(r)...)
	b.problems = append(b.problems, problems...)
	if len(problems) == 0 {
		b.put(r)
	}
}

// put stores a record set. The weighted sets of one name and type share a TTL,
// and the last one given wins (Route 53 Developer Guide, "Values specific for
// weighted records", TTL).
func (b *batch) put(r recordSet) {
	if r.weighted() && r.TTL != nil {
		for _, o := range sameName(b.records, r.Name) {
			if o.Type == r.Type && o.TTL != nil {
				o.TTL = r.TTL
				b.records[o.key()] = o
			}
		}
	}
	b.records[r.key()] = r
}

func label(r recordSet) string {
	if r.SetIdentifier == "" {
		return fmt.Sprintf("[name='%s', type='%s']", r.Name, r.Type)
	}
	return fmt.Sprintf("[name='%s', type='%s', set identifier='%s']", r.Name, r.Type, r.SetIdentifier)
}

// conflictsOf compares with the other record sets of the same name.
func (b *batch) conflictsOf(r recordSet) []string {
	var problems []string
	sets := 0
	for _, o := range sameName(b.records, r.Name) {
		switch {
		case o.key() == r.key():
			sets++
		case o.Type == r.Type && r.weighted() && !o.weighted():
			return []string{fmt.Sprintf("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as a non-weighted set exists with the same name and type.", r.Name, r.Type, r.SetIdentifier)}
		case o.Type == r.Type && !r.weighted():
			return []string{fmt.Sprintf("RRSet with DNS name %s, type %s cannot be created as other RRSets exist with the same name and type.", r.Name, r.Type)}
		case o.Type == r.Type:
			sets++
		case r.Type == "CNAME":
			problems = []string{fmt.Sprintf("RRSet of type CNAME with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s", r.Name, b.zone.Name)}
		case o.Type == "CNAME":
			problems = []string{fmt.Sprintf("RRSet of type %s with DNS name %s is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone %s", r.Type, r.Name, b.zone.Name)}
		}
	}
	if _, exists := b.records[r.key()]; !exists && sets >= maxWeightedSets {
		problems = append(problems, fmt.Sprintf("RRSet with DNS name %s, type %s cannot be created as more than %d weighted sets would exist with the same name and type", r.Name, r.Type, maxWeightedSets))
	}
	return problems
}

// aliasProblems checks that an alias points to a load balancer, with the load
// balancers' own hosted zone, or to a record of the same type in this zone.
func (b *batch) aliasProblems(r recordSet) []string {
	alias := r.AliasTarget
	if alias == nil {
		return nil
	}
	said := fmt.Sprintf("Tried to create an alias that targets %s, type %s in zone %s, but ", alias.DNSName, r.Type, alias.HostedZoneID)
	switch alias.HostedZoneID {
	case b.balancers.zoneID:
		if r.Type != "A" && r.Type != "AAAA" {
			return []string{said + "an alias to a load balancer must have type A or AAAA"}
		}
		if !b.balancers.has(alias.DNSName) {
			return []string{said + "the alias target name does not lie within the target zone", said + "that target was not found"}
		}
	case b.zone.ID:
		if !within(alias.DNSName, b.zone.Name) {
			return []string{said + "the alias target name does not lie within the target zone"}
		}
		for _, o := range sameName(b.records, alias.DNSName) {
			if o.Type == r.Type && o.key() != r.key() {
				return nil
			}
		}
		return []string{said + "that target was not found"}
	default:
		return []string{said + "the alias target name does not lie within the target zone"}
	}
	return nil
}

// checkApex keeps the records that make a zone a zone.
func (b *batch) checkApex() {
	if _, ok := b.records[keyOf(b.zone.Name, "SOA", "")]; !ok {
		b.problem("A HostedZone must contain exactly one SOA record.")
	}
	if _, ok := b.records[keyOf(b.zone.Name, "NS", "")]; !ok {
		b.problem("A HostedZone must contain at least one NS record for the zone itself.")
	}
}
