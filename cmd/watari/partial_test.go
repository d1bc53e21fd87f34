package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/store"
)

// manyNames has one route of many names.
const manyNames = `apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: eks-1-33}
spec: {kubernetes: {context: eks-1-33}}
---
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: eks-1-36}
spec: {kubernetes: {context: eks-1-36}}
---
apiVersion: watari.dev/v1alpha1
kind: Migration
metadata: {name: shop}
spec:
  source: eks-1-33
  target: eks-1-36
  aws: {endpointURL: "%s"}
  routes:
  - name: names
    route53:
      hostedZoneID: %s
      names: [%s]
      source: {setIdentifier: eks-1-33}
      target: {setIdentifier: eks-1-36}
  steps:
  - {share: 50%%, hold: 1m, approval: required}
  - {share: 100%%, hold: 1m, approval: required}
`

// wide is a remembered migration of many names that stands at 50 %.
type wide struct {
	*hostedZone
	names []string
}

func newWide(t *testing.T, names int) *wide {
	t.Helper()
	w := &wide{hostedZone: newHostedZone(t)}
	for i := range names {
		w.names = append(w.names, fmt.Sprintf("svc-%03d.example.com", i))
	}
	for part := range slices.Chunk(w.names, 100) {
		batch := &types.ChangeBatch{}
		for _, n := range part {
			for id, value := range map[string]string{"eks-1-33": "192.0.2.1", "eks-1-36": "192.0.2.2"} {
				batch.Changes = append(batch.Changes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: weightedRecord(n, id, value, 50)})
			}
		}
		w.batch(batch.Changes...)
	}
	lever, _ := w.plan.Lever("partners")
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, manyNames, lever.AWS.EndpointURL, w.id, strings.Join(w.names, ", ")), 0o600); err != nil {
		t.Fatal(err)
	}
	bundle, err := v1alpha1.Load(strings.NewReader(""), file)
	if err != nil {
		t.Fatal(err)
	}
	w.plan = plan.Resolve(bundle, &bundle.Migrations[0])
	w.holds()
	return w
}

func weightedRecord(name, identifier, value string, weight int64) *types.ResourceRecordSet {
	return &types.ResourceRecordSet{Name: &name, Type: types.RRTypeA, TTL: aws.Int64(1), SetIdentifier: &identifier, Weight: &weight, ResourceRecords: []types.ResourceRecord{{Value: &value}}}
}

func (w *wide) batch(changes ...types.Change) {
	w.t.Helper()
	if _, err := w.api.ChangeResourceRecordSets(context.Background(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &w.id, ChangeBatch: &types.ChangeBatch{Changes: changes}}); err != nil {
		w.t.Fatal(err)
	}
}

// holds saves the migration as one that holds 50 %.
func (w *wide) holds() {
	w.t.Helper()
	record, err := w.plan.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	ago := time.Now().Add(-time.Hour)
	written := &engine.Written{ID: "shop/names/1", Wanted: 5000, Share: 5000, At: ago, Settled: true, SettledAt: ago}
	status, err := json.Marshal(engine.Status{Phase: engine.Holding, Attempt: 1, Started: ago, Reached: ago, Since: ago, Holds: 1, Sequence: 1,
		Routes: []engine.RouteStatus{{Name: "names", Written: written}}})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.store.Save(w.t.Context(), store.Key{Name: "shop"}, 0, store.Record{Spec: record, Status: status}); err != nil {
		w.t.Fatal(err)
	}
}

// exposed lists the names whose target's record has a weight.
func (w *wide) exposed() (names []string) {
	w.t.Helper()
	in := &sdk.ListResourceRecordSetsInput{HostedZoneId: &w.id}
	for {
		out, err := w.api.ListResourceRecordSets(context.Background(), in)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, s := range out.ResourceRecordSets {
			if aws.ToString(s.SetIdentifier) == "eks-1-36" && aws.ToInt64(s.Weight) > 0 {
				names = append(names, strings.TrimSuffix(*s.Name, "."))
			}
		}
		if !out.IsTruncated {
			return names
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier
	}
}

// rollback runs the command until it ends, or until the store says phase and it is
// interrupted.
func (w *wide) rollback(until engine.Phase, args ...string) said {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	ended := make(chan said, 1)
	began := time.Now()
	go func() { ended <- ran(w.t, ctx, append([]string{"rollback", "shop", "--state", w.state}, args...)...) }()
	for ; ; time.Sleep(20 * time.Millisecond) {
		_, status, err := recall(ctx, w.store, store.Key{Name: "shop"})
		if err == nil && until != "" && status.Phase == until && status.LastTurn.After(began) && !open(status) {
			cancel()
			return <-ended
		}
		select {
		case s := <-ended:
			if ctx.Err() != nil {
				w.t.Fatalf("it is %s after %s: %s\n%s%s", status.Phase, patience, status.Reason, s.out, s.errs)
			}
			return s
		default:
		}
	}
}

// open reports whether a write is under way.
func open(s engine.Status) bool {
	return slices.ContainsFunc(s.Routes, func(r engine.RouteStatus) bool { return r.Want != nil })
}

// TestOneBadNameLeavesAllOthersTakenBack: of many names at 50 % one is no lever any
// more. The others are at 0, this one is named, and that is never called rolled back.
func TestOneBadNameLeavesAllOthersTakenBack(t *testing.T) {
	t.Parallel()
	const bad = "svc-012.example.com"
	old, target := weightedRecord(bad, "eks-1-33", "192.0.2.1", 50), weightedRecord(bad, "eks-1-36", "192.0.2.2", 50)
	drop := func(r *types.ResourceRecordSet) types.Change {
		return types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: r}
	}
	for name, c := range map[string]struct {
		names   int
		happens []types.Change
		left    string // in the status
		exposed []string
		gone    bool // may be left out
	}{
		"deleted":         {200, []types.Change{drop(old), drop(target)}, "the zone has no A record of that name; it sends nobody to the target", nil, true},
		"lost its source": {20, []types.Change{drop(old)}, "create the source's record first; its set identifiers are eks-1-36; it still sends 100 % to the target", []string{bad}, false},
		"became simple": {20, []types.Change{drop(old), drop(target), {Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{
			Name: aws.String(bad), Type: types.RRTypeA, TTL: aws.Int64(1), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
		}}}, "it has a simple record", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWide(t, c.names)
			w.batch(c.happens...)
			s := w.rollback(engine.Partial)
			if got := w.exposed(); !slices.Equal(got, c.exposed) {
				t.Fatalf("%d names still send users to the target: %.5v\n%s%s", len(got), got, s.out, s.errs)
			}
			if s.code != exitPartial {
				t.Errorf("it ends with %d, want %d: %s", s.code, exitPartial, s.errs)
			}
			want := fmt.Sprintf("partial: not everything is taken back, and somebody must mend the rest: names: %d of %d names at 0 %%, and not %s", c.names-1, c.names, bad)
			if !strings.Contains(s.out, want) || strings.Contains(s.out, "rolled back:") {
				t.Errorf("it says, without %q:\n%s", want, s.out)
			}
			if s := ran(t, t.Context(), "status", "shop", "--state", w.state); s.code != exitOK || !strings.Contains(s.out, "not moved: "+bad+": ") || !strings.Contains(s.out, c.left) {
				t.Errorf("%s; the status does not say %q:\n%s", s.errs, c.left, s.out)
			}
			if !c.gone {
				return
			}
			s = w.rollback("", "--without", bad)
			if s.code != exitOK || !strings.Contains(s.out, "rolled back: 0 % on every route, settled and read back; without "+bad+", left out by ") {
				t.Errorf("it ends with %d: %s\n%s", s.code, s.errs, s.out)
			}
		})
	}
}

// TestANameThatIsMendedEndsTheRollback: what is left is tried again, and once it is
// done everything is rolled back.
func TestANameThatIsMendedEndsTheRollback(t *testing.T) {
	t.Parallel()
	w := newWide(t, 3)
	bad := w.names[1]
	w.batch(types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: weightedRecord(bad, "eks-1-33", "192.0.2.1", 50)})
	if s := w.rollback(engine.Partial); s.code != exitPartial {
		t.Fatalf("it ends with %d: %s", s.code, s.errs)
	}
	// Known to send users to the target, it cannot be left out.
	if s := w.rollback(engine.Partial, "--without", bad); s.code != exitPartial || slices.Equal(w.exposed(), nil) {
		t.Fatalf("it ends with %d: %s\n%s", s.code, s.errs, s.out)
	}
	w.batch(types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: weightedRecord(bad, "eks-1-33", "192.0.2.1", 50)})
	s := w.rollback("")
	if s.code != exitOK || len(w.exposed()) > 0 || !strings.Contains(s.out, "rolled back: 0 % on every route, settled and read back; asked for by") {
		t.Errorf("it ends with %d: %s; %v still send users to the target\n%s", s.code, s.errs, w.exposed(), s.out)
	}
}

// TestOneDeletedHealthCheckLeaves699Of700: AWS refuses the whole batch of a name
// whose health check was deleted.
func TestOneDeletedHealthCheckLeaves699Of700(t *testing.T) {
	t.Parallel()
	w := newWide(t, 700)
	const bad = "svc-321.example.com"
	config := &types.HealthCheckConfig{Type: types.HealthCheckTypeTcp, IPAddress: aws.String("192.0.2.1"), Port: aws.Int32(80)}
	check, err := w.api.CreateHealthCheck(t.Context(), &sdk.CreateHealthCheckInput{CallerReference: aws.String("1"), HealthCheckConfig: config})
	if err != nil {
		t.Fatal(err)
	}
	for id, value := range map[string]string{"eks-1-33": "192.0.2.1", "eks-1-36": "192.0.2.2"} {
		r := weightedRecord(bad, id, value, 50)
		r.HealthCheckId = check.HealthCheck.Id
		w.batch(types.Change{Action: types.ChangeActionUpsert, ResourceRecordSet: r})
	}
	if _, err := w.api.DeleteHealthCheck(t.Context(), &sdk.DeleteHealthCheckInput{HealthCheckId: check.HealthCheck.Id}); err != nil {
		t.Fatal(err)
	}
	s := w.rollback(engine.Partial)
	if got := w.exposed(); !slices.Equal(got, []string{bad}) {
		t.Fatalf("%d names still send users to the target: %.5v\n%s%s", len(got), got, s.out, s.errs)
	}
	if want := "names: 699 of 700 names at 0 %, and not " + bad + " (AWS refuses to change it: "; s.code != exitPartial || !strings.Contains(s.out, want) {
		t.Errorf("it ends with %d: %s; without %q:\n%s", s.code, s.errs, want, s.out)
	}
}
