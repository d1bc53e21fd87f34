package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	balancer "watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/dnsserver"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/store/storetest"
	"watari.dev/traffic"
)

// restorableFile has a route of each kind: one that is converted, one that may not
// be, and one whose driver converts nothing. Only the first is ever called.
const restorableFile = `apiVersion: watari.dev/v1alpha1
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
  - name: partners
    route53:
      hostedZoneID: %s
      names: [api.example.com, shop.example.com]
      source: {setIdentifier: eks-1-33}
      target: {setIdentifier: eks-1-36, value: 192.0.2.2}
      convert: true
  - name: weighted
    route53:
      hostedZoneID: %[2]s
      names: [weighted.example.com]
      source: {setIdentifier: eks-1-33}
      target: {setIdentifier: eks-1-36, value: 192.0.2.2}
  - name: public
    alb:
      listenerARN: arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2
      source: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-33/73e2d6bc24d8a067"}
      target: {targetGroupARN: "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/shop-1-36/943f017f100becff"}
  steps:
  - {share: 10%%, hold: 1m, approval: required}
  - {share: 100%%, hold: 1m, approval: required}
`

// hostedZone is the lab's AWS with one zone, and a remembered migration of it.
type hostedZone struct {
	t     *testing.T
	api   *sdk.Client
	id    string
	state string
	store *filestore.Store
	plan  plan.Plan
	file  string // that the plan is of
}

type noBalancer struct{}

func (noBalancer) Apply(balancer.Config) error     { return nil }
func (noBalancer) Health(string) []balancer.Health { return nil }

type noDNS struct{}

func (noDNS) Apply([]dnsserver.Zone) {}

func newHostedZone(t *testing.T) *hostedZone {
	t.Helper()
	server, err := lab.New(lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: accessKey, SecretKey: secretKey, Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}, lab.Planes{Balancer: noBalancer{}, DNS: noDNS{}, DNSAddr: "127.0.0.1:53"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening := httptest.NewServer(server)
	t.Cleanup(func() {
		listening.Close()
		cancel()
		running.Wait()
	})
	z := &hostedZone{t: t, state: t.TempDir(), api: sdk.NewFromConfig(aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(listening.URL), Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})}
	zone, err := z.api.CreateHostedZone(t.Context(), &sdk.CreateHostedZoneInput{Name: aws.String("example.com"), CallerReference: aws.String("1")})
	if err != nil {
		t.Fatal(err)
	}
	z.id, z.store = strings.TrimPrefix(*zone.HostedZone.Id, "/hostedzone/"), filestore.New(z.state)
	z.simple("api.example.com", "192.0.2.1")
	z.simple("shop.example.com", "192.0.2.1")
	z.resolve(listening.URL)
	return z
}

// resolve makes the plan as `watari run` would.
func (z *hostedZone) resolve(endpoint string) {
	z.t.Helper()
	file := filepath.Join(z.t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, restorableFile, endpoint, z.id), 0o600); err != nil {
		z.t.Fatal(err)
	}
	bundle, err := v1alpha1.Load(strings.NewReader(""), file)
	if err != nil {
		z.t.Fatal(err)
	}
	z.file = file
	z.plan = plan.Resolve(bundle, &bundle.Migrations[0])
}

func (z *hostedZone) simple(name, value string) {
	z.t.Helper()
	_, err := z.api.ChangeResourceRecordSets(z.t.Context(), &sdk.ChangeResourceRecordSetsInput{HostedZoneId: &z.id, ChangeBatch: &types.ChangeBatch{
		Changes: []types.Change{{Action: types.ChangeActionCreate, ResourceRecordSet: &types.ResourceRecordSet{
			Name: &name, Type: types.RRTypeA, TTL: aws.Int64(1), ResourceRecords: []types.ResourceRecord{{Value: &value}},
		}}},
	}})
	if err != nil {
		z.t.Fatal(err)
	}
}

// records lists the address records as "name identifier=weight value".
func (z *hostedZone) records() (out []string) {
	z.t.Helper()
	list, err := z.api.ListResourceRecordSets(z.t.Context(), &sdk.ListResourceRecordSetsInput{HostedZoneId: &z.id})
	if err != nil {
		z.t.Fatal(err)
	}
	for _, s := range list.ResourceRecordSets {
		if s.Type != types.RRTypeA {
			continue
		}
		text := *s.Name
		if s.SetIdentifier != nil {
			text += fmt.Sprintf(" %s=%d", *s.SetIdentifier, *s.Weight)
		}
		out = append(out, text+" "+*s.ResourceRecords[0].Value)
	}
	return out
}

// moved brings the converting route to the shares in turn, with the levers that
// the command uses.
func (z *hostedZone) moved(shares ...traffic.Share) {
	z.t.Helper()
	c, err := connectBlind(z.t.Context(), z.plan)
	if err != nil {
		z.t.Fatal(err)
	}
	r := c.routes["partners"]
	for _, share := range shares {
		if _, err := r.Driver.Write(z.t.Context(), router.Change{ID: share.String(), Route: r.Ref, Share: share}); err != nil {
			z.t.Fatal(err)
		}
	}
}

// remember saves the migration as one that is in phase.
func (z *hostedZone) remember(phase engine.Phase) {
	z.t.Helper()
	record, err := z.plan.Encode()
	if err != nil {
		z.t.Fatal(err)
	}
	status, err := json.Marshal(engine.Status{Phase: phase, Attempt: 1, Situation: 1})
	if err != nil {
		z.t.Fatal(err)
	}
	if _, err := z.store.Save(z.t.Context(), store.Key{Name: "shop"}, 0, store.Record{Spec: record, Status: status}); err != nil {
		z.t.Fatal(err)
	}
}

// restore runs the command line of somebody who need not be asked.
func (z *hostedZone) restore() (string, error) {
	z.t.Helper()
	return z.watari("restore", "shop", "--yes")
}

// watari runs a command line, without a terminal.
func (z *hostedZone) watari(args ...string) (string, error) {
	z.t.Helper()
	var out strings.Builder
	root := newRoot()
	root.SetOut(&out)
	root.SetIn(strings.NewReader("y\n"))
	root.SetArgs(append(args, "--state", z.state))
	err := root.ExecuteContext(z.t.Context())
	return out.String(), err
}

// effects returns what the journal has of the command and of its effects.
func (z *hostedZone) effects() (out []string) {
	z.t.Helper()
	entries, err := storetest.All(z.store.Journal(z.t.Context(), store.Key{Name: "shop"}))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		z.t.Fatal(err)
	}
	for _, e := range entries {
		text, _, _ := strings.Cut(e.Text, ", asked by ")
		out = append(out, e.Kind+" "+text)
	}
	return out
}

const leftAlone = `weighted: left as it is, the route does not have convert: true, so nothing of it was converted
public: left as it is, the driver alb converts nothing
`

func TestRestorePutsSimpleRecordsBack(t *testing.T) {
	for _, c := range []struct {
		phase  engine.Phase
		shares []traffic.Share
		value  string
		side   string
	}{
		{engine.RolledBack, []traffic.Share{1000, traffic.None}, "192.0.2.1", "source"},
		{engine.Complete, []traffic.Share{1000, traffic.All}, "192.0.2.2", "target"},
	} {
		t.Run(string(c.phase), func(t *testing.T) {
			z := newHostedZone(t)
			z.moved(c.shares...)
			if got := z.records(); len(got) != 4 {
				t.Fatalf("not converted: %q", got)
			}
			z.remember(c.phase)
			said, err := z.restore()
			done := "partners: simple again: api.example.com, shop.example.com, everything on the " + c.side
			if want := done + "\n" + leftAlone; err != nil || !strings.Contains(said, want) {
				t.Errorf("%v; said\n%s\nwant\n%s", err, said, want)
			}
			if final := strings.Contains(said, "watari cannot take shop back any more: partners has simple records since"); final != (c.phase == engine.Complete) {
				t.Errorf("said\n%s", said)
			}
			want := []string{"api.example.com. " + c.value, "shop.example.com. " + c.value}
			if got := z.records(); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			journal := []string{"command restore with everything on the " + c.side, "effect " + done}
			if got := z.effects(); !slices.Equal(got, journal) {
				t.Errorf("the journal has %q, want %q", got, journal)
			}
			if said, err = z.restore(); err != nil || !strings.HasPrefix(said, "partners: simple already, everything on the "+c.side+"\n") {
				t.Errorf("again: %v; said\n%s", err, said)
			}
			if got := z.records(); !slices.Equal(got, want) {
				t.Errorf("again: %q, want %q", got, want)
			}
			if _, _, held, err := z.store.Holder(t.Context(), store.Key{Name: "shop"}); held || err != nil {
				t.Errorf("the lease is held, %v", err)
			}
		})
	}
}

func TestRestoreChangesNothing(t *testing.T) {
	z := newHostedZone(t)
	z.moved(1000, traffic.None)
	before := z.records()
	key := store.Key{Name: "shop"}
	for _, c := range []struct {
		name   string
		phase  engine.Phase // empty: not remembered
		before func(*hostedZone)
		code   int
		says   string
	}{
		{"not remembered", "", nil, exitUnknown, "no such migration"},
		{"nothing written", engine.Pending, nil, exitError, "it is Pending"},
		{"held", engine.Holding, nil, exitError, "it is Holding"},
		{"on its way back", engine.RollingBack, nil, exitError, "it is RollingBack"},
		{"soaking", engine.Soaking, nil, exitError, "it is Soaking"},
		{"failed", engine.Failed, nil, exitError, "watari rollback shop"},
		{"run by somebody", engine.RolledBack, func(z *hostedZone) {
			ana := store.Holder{ID: "other", User: "ana", Host: "ops1", PID: 1, Since: time.Now()}
			if _, err := z.store.Acquire(t.Context(), key, ana, time.Hour, false); err != nil {
				t.Fatal(err)
			}
		}, exitLocked, "ana@ops1"},
		{"to be taken back", engine.Complete, func(z *hostedZone) {
			c := store.Command{ID: "1", Kind: string(engine.TakeBack), By: "ana@ops1", At: time.Now()}
			if err := z.store.Submit(t.Context(), key, c); err != nil {
				t.Fatal(err)
			}
		}, exitError, "ana@ops1 asked to take it back"},
	} {
		z.state = t.TempDir()
		z.store = filestore.New(z.state)
		if c.phase != "" {
			z.remember(c.phase)
		}
		if c.before != nil {
			c.before(z)
		}
		said, err := z.restore()
		if err == nil || codeOf(err) != c.code || !strings.Contains(err.Error(), c.says) || strings.Contains(said, "partners: ") {
			t.Errorf("%s: %v, said %q", c.name, err, said)
		}
		if got := z.records(); !slices.Equal(got, before) {
			t.Errorf("%s: %q became %q", c.name, before, got)
		}
		if got := z.effects(); len(got) > 0 {
			t.Errorf("%s: the journal has %q", c.name, got)
		}
	}
}

// TestRestoreSaysWhatItCouldNotDo: a share that somebody gave the target after
// the rollback is not taken from it.
func TestRestoreSaysWhatItCouldNotDo(t *testing.T) {
	z := newHostedZone(t)
	z.moved(1000)
	z.remember(engine.RolledBack)
	before := z.records()
	said, err := z.restore()
	if err == nil || codeOf(err) != exitError || !strings.Contains(err.Error(), "not done for 1 of 3 routes") {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(said, "partners: not restored: ") || !strings.Contains(said, "bring all of it to the source first") || !strings.HasSuffix(said, leftAlone) {
		t.Errorf("said\n%s", said)
	}
	if got := z.records(); !slices.Equal(got, before) {
		t.Errorf("%q became %q", before, got)
	}
	if got := z.effects(); len(got) != 2 || !strings.HasPrefix(got[1], "effect partners: not restored: ") {
		t.Errorf("the journal has %q", got)
	}
}
