package route53

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/router/internal/awscall"
)

// A page has at most 300 record sets (Route 53 API Reference,
// ListResourceRecordSets); one name and type has at most 100 weighted ones.
const (
	pageSize    = 300
	onlyOneName = 100
)

// listing is what was found of the names that somebody asked for.
type listing struct {
	sets  map[string][]types.ResourceRecordSet // by canonical name, all types
	calls int
}

// scan is a walk over a zone that visits the wanted names only: it starts at the
// first of them, takes what else it wants from the page, and jumps to the first
// that is still missing. Names that lie close together share pages, names far
// apart cost one call each, whatever lies between.
type scan struct {
	wanted map[string]bool // names that must be looked for until they are found or known to be absent
	hints  map[string]bool // names that are taken along, and looked for only where the walk comes by
	found  listing
	from   types.ResourceRecordSet // where the next page begins: name, and type and identifier in the midst of a name
}

// list returns the record sets of all the names, canonical ones. Hints are names
// that are not worth a call each.
func (d *Driver) list(ctx context.Context, p awscall.Policy, zone string, names, hints []string) (listing, error) {
	s := scan{wanted: map[string]bool{}, hints: map[string]bool{}, found: listing{sets: map[string][]types.ResourceRecordSet{}}}
	for _, n := range names {
		s.wanted[n] = true
	}
	for _, n := range hints {
		s.hints[n] = !s.wanted[n]
	}
	for s.jump() {
		page, err := awscall.Read(ctx, p, func(ctx context.Context) (*sdk.ListResourceRecordSetsOutput, error) {
			return d.api.ListResourceRecordSets(ctx, s.request(zone))
		})
		if err != nil {
			return listing{}, err
		}
		s.found.calls++
		s.take(page)
	}
	return s.found, nil
}

// jump sets from to the first name that is still wanted, unless the walk is in
// the midst of one. It returns false when there is none.
func (s *scan) jump() bool {
	if s.from.Name != nil {
		return true
	}
	if len(s.wanted) == 0 {
		return false
	}
	names := slices.Collect(maps.Keys(s.wanted))
	for n, open := range s.hints {
		if open {
			names = append(names, n)
		}
	}
	s.from.Name = aws.String(slices.MinFunc(names, listed))
	return true
}

func (s *scan) request(zone string) *sdk.ListResourceRecordSetsInput {
	in := &sdk.ListResourceRecordSetsInput{
		HostedZoneId: &zone, StartRecordName: s.from.Name, StartRecordType: s.from.Type, StartRecordIdentifier: s.from.SetIdentifier,
		MaxItems: aws.Int32(pageSize),
	}
	if len(s.wanted) == 1 && len(s.hints) == 0 {
		in.MaxItems = aws.Int32(onlyOneName)
	}
	return in
}

// take collects what the page has of the names, and strikes off what is then
// complete: names that were seen, and the name that the page began with.
func (s *scan) take(page *sdk.ListResourceRecordSetsOutput) {
	open := "" // the name that goes on in the next page
	if next := aws.ToString(page.NextRecordName); page.IsTruncated && (s.wanted[canonical(next)] || s.hints[canonical(next)]) {
		open = canonical(next)
	}
	done, last := map[string]bool{canonical(*s.from.Name): true}, ""
	for _, set := range page.ResourceRecordSets {
		last = canonical(aws.ToString(set.Name))
		if s.wanted[last] || s.hints[last] {
			s.found.sets[last] = append(s.found.sets[last], set)
			done[last] = true
		}
	}
	for n := range s.hints {
		if last != "" && listed(n, last) < 0 || !page.IsTruncated {
			done[n] = true
		}
	}
	delete(done, open)
	for n := range done {
		delete(s.wanted, n)
		delete(s.hints, n)
	}
	s.from = types.ResourceRecordSet{}
	if open != "" {
		s.from = types.ResourceRecordSet{Name: page.NextRecordName, Type: page.NextRecordType, SetIdentifier: page.NextRecordIdentifier}
	}
}
