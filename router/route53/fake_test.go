package route53

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/smithy-go"

	"watari.dev/router/routertest"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fakeRoute53 is one hosted zone in memory that behaves as AWS documents it, as
// far as the driver can tell.
type fakeRoute53 struct {
	clock *clock

	mu      sync.Mutex
	sets    map[string]types.ResourceRecordSet
	changes map[string]time.Time // when accepted
	faults  []routertest.Fault
	order   func(a, b string) int
	lists   int
	writes  int
	asked   int
	sizes   []size
	meddle  func(write int) // what somebody else does right before that write is looked at

	checks  map[string]bool // health checks that exist; nil is none
	refused string          // a name that is refused without a word about it
	guilty  map[string]bool // more of them
	refusal error           // what is said then; nil is InvalidInput
	denied  func()          // told of each call; all of them are denied
	silent  bool            // a health check that does not exist is not named
}

const zoneID = "Z1"

func newFake(at *clock, sets ...types.ResourceRecordSet) *fakeRoute53 {
	f := &fakeRoute53{clock: at, sets: map[string]types.ResourceRecordSet{}, changes: map[string]time.Time{}, order: listed}
	for _, s := range sets {
		f.put(s)
	}
	return f
}

func key(s types.ResourceRecordSet) string {
	return canonical(aws.ToString(s.Name)) + "|" + string(s.Type) + "|" + aws.ToString(s.SetIdentifier)
}

func (f *fakeRoute53) put(s types.ResourceRecordSet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets[key(s)] = s
}

func (f *fakeRoute53) setWeight(name, identifier string, weight int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := types.ResourceRecordSet{Name: aws.String(canonical(name)), Type: "A", SetIdentifier: aws.String(identifier)}
	if have, ok := f.sets[key(s)]; ok {
		s = have
	} else {
		s.TTL, s.ResourceRecords = aws.Int64(60), []types.ResourceRecord{{Value: aws.String("192.0.2.99")}}
	}
	s.Weight = aws.Int64(weight)
	f.sets[key(s)] = s
}

// latency gives the records of a name another routing policy.
func (f *fakeRoute53) latency(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.sets {
		if canonical(*s.Name) == canonical(name) {
			s.Weight, s.Region = nil, types.ResourceRecordSetRegionEuCentral1
			f.sets[k] = s
		}
	}
}

// withCheck gives the records of a name a health check.
func (f *fakeRoute53) withCheck(name, id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, s := range f.sets {
		if canonical(*s.Name) == canonical(name) {
			s.HealthCheckId = &id
			f.sets[k] = s
		}
	}
}

// refuse makes every batch with a name fail that does not say why.
func (f *fakeRoute53) refuse(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused = name
}

func (f *fakeRoute53) sorted() []types.ResourceRecordSet {
	all := slices.Collect(maps.Values(f.sets))
	slices.SortFunc(all, func(a, b types.ResourceRecordSet) int {
		return cmp.Or(f.order(*a.Name, *b.Name), cmp.Compare(a.Type, b.Type), cmp.Compare(aws.ToString(a.SetIdentifier), aws.ToString(b.SetIdentifier)))
	})
	return all
}

var (
	errThrottled = &smithy.GenericAPIError{Code: "Throttling", Message: "Rate exceeded"}
	errDenied    = &smithy.GenericAPIError{Code: "AccessDenied", Message: "User is not authorized"}
	errBroken    = errors.New("connection reset by peer")
)

// fault takes the next fault that fits; before says that the call must not
// happen, otherwise only its answer is lost.
func (f *fakeRoute53) fault(ctx context.Context, writes bool) (before bool, err error) {
	if ctx.Err() != nil {
		return true, ctx.Err()
	}
	f.mu.Lock()
	i := slices.IndexFunc(f.faults, func(x routertest.Fault) bool { return x.Writes == writes })
	if i < 0 {
		f.mu.Unlock()
		return false, nil
	}
	fault := f.faults[i]
	if fault.Times > 0 {
		if f.faults[i].Times--; f.faults[i].Times == 0 {
			f.faults = slices.Delete(f.faults, i, i+1)
		}
	}
	f.mu.Unlock()
	switch fault.Kind {
	case routertest.Throttled:
		return true, errThrottled
	case routertest.Denied:
		return true, errDenied
	case routertest.RequestLost:
		return true, errBroken
	case routertest.ReplyLost:
		return false, errBroken
	case routertest.Slow:
		f.clock.Advance(fault.Takes)
		return false, nil
	default:
		<-ctx.Done()
		return true, &aws.RequestCanceledError{Err: ctx.Err()}
	}
}

func (f *fakeRoute53) ListResourceRecordSets(ctx context.Context, in *sdk.ListResourceRecordSetsInput, _ ...func(*sdk.Options)) (*sdk.ListResourceRecordSetsOutput, error) {
	if _, err := f.fault(ctx, false); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if *in.HostedZoneId != zoneID {
		return nil, &types.NoSuchHostedZone{Message: aws.String("No hosted zone found with ID: " + *in.HostedZoneId)}
	}
	all := f.sorted()
	from := slices.IndexFunc(all, func(s types.ResourceRecordSet) bool {
		return cmp.Or(f.order(*s.Name, canonical(*in.StartRecordName)), cmp.Compare(s.Type, in.StartRecordType),
			cmp.Compare(aws.ToString(s.SetIdentifier), aws.ToString(in.StartRecordIdentifier))) >= 0
	})
	if from < 0 {
		return &sdk.ListResourceRecordSetsOutput{}, nil
	}
	all = all[from:]
	n := int(*in.MaxItems)
	if n >= len(all) {
		return &sdk.ListResourceRecordSetsOutput{ResourceRecordSets: all}, nil
	}
	next := all[n]
	return &sdk.ListResourceRecordSetsOutput{ResourceRecordSets: all[:n], IsTruncated: true,
		NextRecordName: next.Name, NextRecordType: next.Type, NextRecordIdentifier: next.SetIdentifier}, nil
}

func (f *fakeRoute53) ChangeResourceRecordSets(ctx context.Context, in *sdk.ChangeResourceRecordSetsInput, _ ...func(*sdk.Options)) (*sdk.ChangeResourceRecordSetsOutput, error) {
	before, lost := f.fault(ctx, true)
	if before {
		return nil, lost
	}
	f.mu.Lock()
	f.writes++
	meddle, n := f.meddle, f.writes
	f.mu.Unlock()
	if meddle != nil {
		meddle(n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sizes = append(f.sizes, sizeOf(in.ChangeBatch.Changes))
	if f.denied != nil {
		f.denied()
		return nil, errDenied
	}
	next := maps.Clone(f.sets)
	for _, c := range in.ChangeBatch.Changes {
		if id := aws.ToString(c.ResourceRecordSet.HealthCheckId); id != "" && c.Action != types.ChangeActionDelete && !f.checks[id] {
			text := "No health check exists with the specified ID"
			if !f.silent {
				text += ": " + id
			}
			return nil, &types.NoSuchHealthCheck{Message: &text}
		}
		name := canonical(*c.ResourceRecordSet.Name)
		refused := f.refused != "" && name == canonical(f.refused) || f.guilty[shown(name)]
		if refused && f.refusal != nil {
			return nil, f.refusal
		}
		if refused {
			return nil, &types.InvalidInput{Message: aws.String("Invalid request")}
		}
	}
	if problems := applyBatch(next, in.ChangeBatch.Changes); len(problems) > 0 {
		return nil, &types.InvalidChangeBatch{Messages: problems}
	}
	f.sets = next
	id := fmt.Sprintf("C%d", len(f.changes)+1)
	f.changes[id] = f.clock.Now()
	if lost != nil {
		return nil, lost
	}
	return &sdk.ChangeResourceRecordSetsOutput{ChangeInfo: &types.ChangeInfo{Id: aws.String("/change/" + id), Status: types.ChangeStatusPending}}, nil
}

// applyBatch changes sets, or says what AWS would say.
func applyBatch(sets map[string]types.ResourceRecordSet, changes []types.Change) (problems []string) {
	if s := sizeOf(changes); s.records > 1000 || s.characters > 32000 {
		return []string{"Number of records limit of 1000 exceeded."}
	}
	for _, c := range changes {
		set := *c.ResourceRecordSet
		have, exists := sets[key(set)]
		switch {
		case c.Action == types.ChangeActionDelete && !exists:
			problems = append(problems, "Tried to delete "+key(set)+" but it was not found")
		case c.Action == types.ChangeActionDelete && !reflect.DeepEqual(have, set):
			problems = append(problems, "Tried to delete "+key(set)+" but the values provided do not match the current values")
		case c.Action == types.ChangeActionDelete:
			delete(sets, key(set))
		case c.Action == types.ChangeActionCreate && exists:
			problems = append(problems, "Tried to create "+key(set)+" but it already exists")
		case set.SetIdentifier != nil && len(set.ResourceRecords) > 1:
			problems = append(problems, "RRSet can have only one resource record")
		default:
			simple := set
			simple.SetIdentifier = nil
			if _, beside := sets[key(simple)]; beside && set.SetIdentifier != nil {
				problems = append(problems, key(set)+" cannot be created as a non-weighted set exists with the same name and type")
			}
			sets[key(set)] = set
		}
	}
	return problems
}

func (f *fakeRoute53) GetChange(ctx context.Context, in *sdk.GetChangeInput, _ ...func(*sdk.Options)) (*sdk.GetChangeOutput, error) {
	if _, err := f.fault(ctx, false); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	at, ok := f.changes[*in.Id]
	if !ok {
		return nil, &types.NoSuchChange{Message: aws.String("Could not find resource with ID: " + *in.Id)}
	}
	status := types.ChangeStatusPending
	if f.clock.Now().Sub(at) >= 30*time.Second {
		status = types.ChangeStatusInsync
	}
	return &sdk.GetChangeOutput{ChangeInfo: &types.ChangeInfo{Id: in.Id, Status: status}}, nil
}
