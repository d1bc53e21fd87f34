package route53

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router"
	"watari.dev/traffic"
)

// group is all record sets of one name and type: one simple one, or weighted
// ones.
type group struct {
	name string // as the route names it
	sets []types.ResourceRecordSet
}

// groupsOf picks the route's names and type out of a listing, in the route's
// order.
func groupsOf(route router.Ref, found listing) []group {
	var groups []group
	for _, name := range route.Names {
		g := group{name: name}
		for _, set := range found.sets[canonical(name)] {
			if string(set.Type) == route.Type {
				g.sets = append(g.sets, set)
			}
		}
		groups = append(groups, g)
	}
	return groups
}

// simple reports whether the name has one record without any routing policy.
func (g group) simple() bool { return len(g.sets) == 1 && g.sets[0].SetIdentifier == nil }

// problem says what to do where the records are not a lever of route, and
// of which kind that is; nil if they are.
func (g group) problem(route router.Ref) (advice string, kind error) {
	switch {
	case len(g.sets) == 0:
		return fmt.Sprintf("the zone has no %s record of that name", route.Type), router.ErrNotFound
	case g.simple() && !route.Convert:
		return "it has a simple record; write convert: true in the route to permit that it becomes weighted ones", router.ErrNotOwned
	case g.simple() && route.Create == nil:
		return "it has a simple record; say in the route what the target's record is to answer, or create weighted records in its place", router.ErrNotOwned
	case g.simple() && len(g.sets[0].ResourceRecords) > 1:
		return "its record has several values and a weighted record can have one only; give them a name of their own and make this one an alias of it", router.ErrNotOwned
	case g.simple():
		return "", nil
	}
	for _, set := range g.sets {
		if set.Weight == nil {
			return "its records have another routing policy than weights", router.ErrNotOwned
		}
	}
	if g.find(route.Source) == nil && g.find(route.Target) == nil {
		return "it has neither side's record; its set identifiers are " + g.identifiers(), router.ErrNotOwned
	}
	return "", nil
}

func (g group) find(identifier string) *types.ResourceRecordSet {
	i := slices.IndexFunc(g.sets, func(s types.ResourceRecordSet) bool {
		return s.Weight != nil && aws.ToString(s.SetIdentifier) == identifier
	})
	if i < 0 {
		return nil
	}
	return &g.sets[i]
}

func (g group) identifiers() string {
	var all []string
	for _, s := range g.sets {
		all = append(all, aws.ToString(s.SetIdentifier))
	}
	return strings.Join(all, ", ")
}

// sideOf returns whose record set it is. A simple record is the source's, until
// it answers what the target's is to answer.
func (g group) sideOf(set types.ResourceRecordSet, route router.Ref) traffic.Side {
	id := aws.ToString(set.SetIdentifier)
	switch {
	case set.SetIdentifier == nil && answers(set, route.Create), set.Weight != nil && id == route.Target:
		return traffic.Target
	case set.SetIdentifier == nil, set.Weight != nil && id == route.Source:
		return traffic.Source
	default:
		return traffic.NoSide
	}
}

// weightOf is the weight of a record set; a simple one is all there is.
func weightOf(set types.ResourceRecordSet) int64 {
	if set.SetIdentifier == nil {
		return 1
	}
	return aws.ToInt64(set.Weight)
}

// split returns the weights of both sides and the sum of all others'.
func (g group) split(route router.Ref) (have router.Pair, others int64) {
	for _, set := range g.sets {
		switch g.sideOf(set, route) {
		case traffic.Source:
			have.Source = weightOf(set)
		case traffic.Target:
			have.Target = weightOf(set)
		default:
			others += weightOf(set)
		}
	}
	return have, others
}

func (g group) part(route router.Ref) router.Part {
	have, others := g.split(route)
	p := router.Part{Name: g.name, Share: have.Share()}
	if have.Sum()+others == 0 {
		p.Share = traffic.All / 2 // Route 53 answers with each as often (Developer Guide, "Weighted routing")
	}
	for _, set := range g.sets {
		w := router.Weight{Entry: aws.ToString(set.SetIdentifier), Side: g.sideOf(set, route), Weight: weightOf(set)}
		switch {
		case set.SetIdentifier == nil && w.Side == traffic.Target:
			w.Entry = route.Target
		case set.SetIdentifier == nil:
			w.Entry = route.Source
		}
		p.Weights = append(p.Weights, w)
	}
	return p
}

// ttlOf is how long resolvers keep an answer.
func ttlOf(set types.ResourceRecordSet) time.Duration {
	if set.TTL == nil {
		return aliasTTL
	}
	return time.Duration(*set.TTL) * time.Second
}

// longestTTL of the two sides' records, over all groups.
func longestTTL(groups []group, route router.Ref) (ttl time.Duration) {
	for _, g := range groups {
		for _, set := range g.sets {
			if g.sideOf(set, route) != traffic.NoSide {
				ttl = max(ttl, ttlOf(set))
			}
		}
	}
	return ttl
}

// answers reports whether set answers what record says.
func answers(set types.ResourceRecordSet, record *router.Record) bool {
	switch {
	case record == nil:
		return false
	case record.Alias != nil:
		a := set.AliasTarget
		return a != nil && canonical(aws.ToString(a.DNSName)) == canonical(record.Alias.Name) && aws.ToString(a.HostedZoneId) == record.Alias.Zone
	default:
		var values []string
		for _, r := range set.ResourceRecords {
			values = append(values, aws.ToString(r.Value))
		}
		return len(values) > 0 && slices.Equal(slices.Sorted(slices.Values(values)), slices.Sorted(slices.Values(record.Values)))
	}
}

// versionOf is a digest of all records that the route's weights depend on.
func versionOf(groups []group) (string, error) {
	digest := sha256.New()
	for _, g := range groups {
		sets := slices.Clone(g.sets)
		slices.SortFunc(sets, func(a, b types.ResourceRecordSet) int {
			return cmp.Compare(aws.ToString(a.SetIdentifier), aws.ToString(b.SetIdentifier))
		})
		text, err := json.Marshal(sets)
		if err != nil {
			return "", fmt.Errorf("digest of the records of %s: %w", g.name, err)
		}
		digest.Write(text)
	}
	return hex.EncodeToString(digest.Sum(nil)[:16]), nil
}
