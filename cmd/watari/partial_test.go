package main

import (
	"context"
	"encoding/json"
	"errors"
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

// rollback runs the command line until it ends, or until the store says phase.
func (w *wide) rollback(until engine.Phase, args ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var out strings.Builder
	root := newRoot()
	root.SetOut(&out)
	root.SetArgs(append([]string{"rollback", "shop", "--state", w.state}, args...))
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- root.ExecuteContext(ctx) }()
	for deadline := time.Now().Add(50 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return out.String(), err
		default:
		}
		_, status, err := recall(ctx, w.store, store.Key{Name: "shop"})
		there := err == nil && until != "" && status.Phase == until && status.LastTurn.After(began) && !open(status)
		if there || time.Now().After(deadline) {
			cancel()
			err := <-ended
			if time.Now().After(deadline) {
				w.t.Fatalf("it is %s: %s\n%s", status.Phase, status.Reason, out.String())
			}
			return out.String(), err
		}
	}
}

// open reports whether a write is under way.
func open(s engine.Status) bool {
	return slices.ContainsFunc(s.Routes, func(r engine.RouteStatus) bool { return r.Want != nil })
}

func codeOfEnd(err error) int {
	var end *ended
	if errors.As(err, &end) {
		return end.code
	}
	return -1
}

// TestOneBadNameLeavesAllOthersTakenBack: 200 names at 50 %, one of which is no lever
// any more. The others are at 0, this one is named, and that is never called rolled
// back.
func TestOneBadNameLeavesAllOthersTakenBack(t *testing.T) {
	const bad = "svc-123.example.com"
	old, target := weightedRecord(bad, "eks-1-33", "192.0.2.1", 50), weightedRecord(bad, "eks-1-36", "192.0.2.2", 50)
	drop := func(r *types.ResourceRecordSet) types.Change {
		return types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: r}
	}
	for name, c := range map[string]struct {
		happens []types.Change
		left    string // in the status
		exposed []string
		gone    bool // may be left out
	}{
		"deleted":         {[]types.Change{drop(old), drop(target)}, "the zone has no A record of that name; it sends nobody to the target", nil, true},
		"lost its source": {[]types.Change{drop(old)}, "create the source's record first; its set identifiers are eks-1-36; it still sends 100 % to the target", []string{bad}, false},
		"became simple": {[]types.Change{drop(old), drop(target), {Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{
			Name: aws.String(bad), Type: types.RRTypeA, TTL: aws.Int64(1), ResourceRecords: []types.ResourceRecord{{Value: aws.String("192.0.2.1")}},
		}}}, "it has a simple record", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWide(t, 200)
			w.batch(c.happens...)
			said, err := w.rollback(engine.Partial)
			if got := w.exposed(); !slices.Equal(got, c.exposed) {
				t.Fatalf("%d names still send users to the target: %.5v\n%s", len(got), got, said)
			}
			if code := codeOfEnd(err); code != exitPartial {
				t.Errorf("it ends with %d, want %d: %v", code, exitPartial, err)
			}
			if want := "partial: not everything is taken back, and somebody must mend the rest: names: 199 of 200 names at 0 %, and not " + bad; !strings.Contains(said, want) || strings.Contains(said, "rolled back:") {
				t.Errorf("it says, without %q:\n%s", want, said)
			}
			var shown strings.Builder
			root := newRoot()
			root.SetOut(&shown)
			root.SetArgs([]string{"status", "shop", "--state", w.state})
			if err := root.ExecuteContext(t.Context()); err != nil || !strings.Contains(shown.String(), "not moved: "+bad+": ") || !strings.Contains(shown.String(), c.left) {
				t.Errorf("%v; the status does not say %q:\n%s", err, c.left, shown.String())
			}
			if !c.gone {
				return
			}
			said, err = w.rollback("", "--without", bad)
			if err != nil || !strings.Contains(said, "rolled back: 0 % on every route, settled and read back; without "+bad+", left out by ") {
				t.Errorf("%v\n%s", err, said)
			}
		})
	}
}

// TestANameThatIsMendedEndsTheRollback: what is left is tried again, and once it is
// done everything is rolled back.
func TestANameThatIsMendedEndsTheRollback(t *testing.T) {
	w := newWide(t, 3)
	bad := w.names[1]
	w.batch(types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: weightedRecord(bad, "eks-1-33", "192.0.2.1", 50)})
	if _, err := w.rollback(engine.Partial); codeOfEnd(err) != exitPartial {
		t.Fatal(err)
	}
	// Known to send users to the target, it cannot be left out.
	said, err := w.rollback(engine.Partial, "--without", bad)
	if codeOfEnd(err) != exitPartial || slices.Equal(w.exposed(), nil) {
		t.Fatalf("%v\n%s", err, said)
	}
	w.batch(types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: weightedRecord(bad, "eks-1-33", "192.0.2.1", 50)})
	said, err = w.rollback("")
	if err != nil || len(w.exposed()) > 0 || !strings.Contains(said, "rolled back: 0 % on every route, settled and read back; asked for by") {
		t.Errorf("%v; %v still send users to the target\n%s", err, w.exposed(), said)
	}
}

// TestOneDeletedHealthCheckLeaves699Of700: AWS refuses the whole batch of a name
// whose health check was deleted.
func TestOneDeletedHealthCheckLeaves699Of700(t *testing.T) {
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
	said, err := w.rollback(engine.Partial)
	if got := w.exposed(); !slices.Equal(got, []string{bad}) {
		t.Fatalf("%d names still send users to the target: %.5v\n%s", len(got), got, said)
	}
	if want := "names: 699 of 700 names at 0 %, and not " + bad + " (AWS refuses to change it: "; codeOfEnd(err) != exitPartial || !strings.Contains(said, want) {
		t.Errorf("%v; without %q:\n%s", err, want, said)
	}
}
