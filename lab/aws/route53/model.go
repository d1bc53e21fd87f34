package route53

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// model is everything the service knows. Entries are values that are replaced,
// never changed in place, so that a clone shares them safely.
type model struct {
	Made    int                    // numbers of identifiers given out
	Zones   map[string]zone        // by id without prefix
	Changes map[string]change      // by id without prefix
	Checks  map[string]healthCheck // by id
}

type zone struct {
	ID              string
	Name            string // canonical
	CallerReference string
	Comment         string
	Records         map[string]recordSet // by keyOf
}

type change struct {
	ID        string
	Submitted time.Time
	Comment   string
	InSync    bool
}

// recordSet is one resource record set, on the wire and in the model.
type recordSet struct {
	Name             string
	Type             string
	SetIdentifier    string     `xml:",omitempty"`
	Weight           *int64     `xml:",omitempty"`
	Region           *string    `xml:",omitempty" json:"-"`
	Failover         *string    `xml:",omitempty" json:"-"`
	MultiValueAnswer *string    `xml:",omitempty" json:"-"`
	GeoLocation      *other     `xml:",omitempty" json:"-"`
	GeoProximity     *other     `xml:"GeoProximityLocation,omitempty" json:"-"`
	CIDR             *other     `xml:"CidrRoutingConfig,omitempty" json:"-"`
	TTL              *int64     `xml:",omitempty"`
	Records          *valueList `xml:"ResourceRecords,omitempty"`
	AliasTarget      *aliasTarget
	HealthCheckID    *string `xml:"HealthCheckId,omitempty" json:",omitempty"`
}

// other marks a routing policy that is recognized only to be refused.
type other struct{}

// valueList are the values of a record set.
type valueList struct {
	List []setValue `xml:"ResourceRecord"`
}

// setValue is one value of a record set.
type setValue struct {
	Value string
}

// aliasTarget is the target of an alias record.
type aliasTarget struct {
	HostedZoneID         string `xml:"HostedZoneId"`
	DNSName              string
	EvaluateTargetHealth bool
}

func newModel() model {
	return model{Zones: make(map[string]zone), Changes: make(map[string]change), Checks: make(map[string]healthCheck)}
}

func (m model) clone() model {
	m.Zones = maps.Clone(m.Zones)
	m.Changes = maps.Clone(m.Changes)
	m.Checks = maps.Clone(m.Checks)
	if m.Checks == nil { // a state of before there were any
		m.Checks = make(map[string]healthCheck)
	}
	return m
}

func (r recordSet) key() string { return keyOf(r.Name, r.Type, r.SetIdentifier) }

func (r recordSet) weighted() bool { return r.Weight != nil }

func (r recordSet) values() []string {
	if r.Records == nil {
		return nil
	}
	values := make([]string, len(r.Records.List))
	for i, v := range r.Records.List {
		values[i] = v.Value
	}
	return values
}

// same compares everything a DELETE must state; values in any order.
func (r recordSet) same(o recordSet) bool {
	mine, theirs := r.values(), o.values()
	slices.Sort(mine)
	slices.Sort(theirs)
	return r.key() == o.key() && equalPointers(r.Weight, o.Weight) && equalPointers(r.TTL, o.TTL) &&
		slices.Equal(mine, theirs) && equalPointers(r.AliasTarget, o.AliasTarget) && equalPointers(r.HealthCheckID, o.HealthCheckID)
}

func equalPointers[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameName lists the record sets with a name in listing order.
func sameName(records map[string]recordSet, name string) []recordSet {
	prefix := sortingName(name) + "\x00"
	var found []recordSet
	for key, r := range records {
		if strings.HasPrefix(key, prefix) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b recordSet) int { return strings.Compare(a.key(), b.key()) })
	return found
}
