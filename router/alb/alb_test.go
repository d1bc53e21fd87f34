package alb

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/internal/ownership"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

const (
	prefix      = "arn:aws:elasticloadbalancing:eu-central-1:111122223333:"
	ruleARN     = prefix + "listener-rule/app/shop/1/2/3"
	listenerARN = prefix + "listener/app/shop/1/2"
	oldGroup    = prefix + "targetgroup/old/1"
	newGroup    = prefix + "targetgroup/new/2"
	otherGroup  = prefix + "targetgroup/other/3"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

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

func newClock() *clock { return &clock{now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

var quick = awscall.Policy{First: time.Microsecond}

func forwardTo(groups ...types.TargetGroupTuple) types.Action {
	return types.Action{Type: types.ActionTypeEnumForward, Order: aws.Int32(1), ForwardConfig: &types.ForwardActionConfig{
		TargetGroups: groups, TargetGroupStickinessConfig: &types.TargetGroupStickinessConfig{Enabled: aws.Bool(false)},
	}}
}

func group(arn string, weight int32) types.TargetGroupTuple {
	return types.TargetGroupTuple{TargetGroupArn: aws.String(arn), Weight: aws.Int32(weight)}
}

func fakeWith(actions ...types.Action) *fakeELB {
	return &fakeELB{
		rules:    map[string][]types.Action{ruleARN: slices.Clone(actions)},
		defaults: map[string][]types.Action{listenerARN: slices.Clone(actions)},
	}
}

func driverOver(f *fakeELB, at *clock) *Driver {
	return newDriver(f, Options{Now: at.Now}, quick)
}

func route(id string) router.Ref {
	return router.Ref{Name: "public", Driver: "alb", ID: id, Source: oldGroup, Target: newGroup}
}

func TestContract(t *testing.T) {
	for name, id := range map[string]string{"rule": ruleARN, "default action": listenerARN} {
		for sticky, seconds := range map[string]int32{"": 0, ", sticky": 600} {
			t.Run(name+sticky, func(t *testing.T) {
				routertest.Run(t, func(t *testing.T) routertest.Harness { return harness(id, seconds) })
			})
		}
	}
}

func harness(id string, sticky int32) routertest.Harness {
	action := forwardTo(group(oldGroup, 100), group(newGroup, 0))
	if sticky > 0 {
		action.ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: &sticky}
	}
	f, at := fakeWith(action), newClock()
	all, absent := f.rules, prefix+"listener-rule/app/shop/1/2/9"
	if id == listenerARN {
		all, absent = f.defaults, prefix+"listener/app/shop/9/9"
	}
	return routertest.Harness{
		Driver: driverOver(f, at), Route: route(id), Absent: route(absent),
		Truth: func() []router.Part {
			f.mu.Lock()
			defer f.mu.Unlock()
			fwd, err := findForward(all[id])
			if err != nil {
				panic(err)
			}
			return []router.Part{fwd.part(route(id))}
		},
		Intrude: func(source, target int64) {
			f.set(all, id, oldGroup, source)
			f.set(all, id, newGroup, target)
		},
		Foreign: func(weight int64) { f.set(all, id, otherGroup, weight) },
		Inject: func(fault routertest.Fault) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.pass = at.Advance
			f.faults = append(f.faults, fault)
		},
		Heal: func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.faults = nil
		},
		Advance: at.Advance, Now: at.Now,
	}
}

func TestEverythingElseIsKept(t *testing.T) {
	before := []types.Action{
		{Type: types.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1), AuthenticateOidcConfig: &types.AuthenticateOidcActionConfig{
			ClientId: aws.String("shop"), Issuer: aws.String("https://id.example.com"), AuthenticationRequestExtraParams: map[string]string{"a": "1", "b": "2"},
		}},
		forwardTo(group(otherGroup, 0), group(oldGroup, 1)),
	}
	before[1].Order = aws.Int32(2)
	before[1].ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(3600)}
	f := fakeWith(before...)
	d := driverOver(f, newClock())
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: route(ruleARN), Share: 1000}); err != nil {
		t.Fatal(err)
	}
	want := slices.Clone(before)
	oidc := *before[0].AuthenticateOidcConfig
	oidc.UseExistingClientSecret = aws.Bool(true)
	want[0].AuthenticateOidcConfig = &oidc
	want[1].ForwardConfig = &types.ForwardActionConfig{
		TargetGroups:                []types.TargetGroupTuple{group(otherGroup, 0), group(oldGroup, 90), group(newGroup, 10)},
		TargetGroupStickinessConfig: before[1].ForwardConfig.TargetGroupStickinessConfig,
	}
	if diff := cmp.Diff(want, f.rules[ruleARN], cmpopts.IgnoreUnexported(
		types.Action{}, types.AuthenticateOidcActionConfig{}, types.ForwardActionConfig{}, types.TargetGroupStickinessConfig{}, types.TargetGroupTuple{})); diff != "" {
		t.Error(diff)
	}
}

func TestSingleGroupBecomesWeighted(t *testing.T) {
	f := fakeWith(types.Action{Type: types.ActionTypeEnumForward, TargetGroupArn: aws.String(oldGroup)})
	d := driverOver(f, newClock())
	s, err := d.Read(t.Context(), route(ruleARN))
	if err != nil || s.High() != traffic.None || !slices.ContainsFunc(s.Warnings, func(w string) bool { return strings.Contains(w, "first write adds it") }) {
		t.Fatalf("%+v, %v", s, err)
	}
	for _, share := range []traffic.Share{traffic.None, 100} { // no share adds the target too, so that its health is checked
		r, err := d.Write(t.Context(), router.Change{ID: share.String(), Route: route(ruleARN), Share: share, IfVersion: s.Version})
		if err != nil || r.Share != share {
			t.Fatalf("%+v, %v", r, err)
		}
		if s, err = d.Read(t.Context(), route(ruleARN)); err != nil || s.High() != share || len(s.Parts[0].Weights) != 2 {
			t.Fatalf("%+v, %v", s, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	five := []types.TargetGroupTuple{group(oldGroup, 100), group("a", 0), group("b", 0), group("c", 0), group("d", 0)}
	for _, c := range []struct {
		name   string
		action types.Action
		id     string
		share  traffic.Share
		kind   error
		says   string
	}{
		{"full", forwardTo(five...), ruleARN, 1000, router.ErrNotOwned, "remove a target group"},
		{"full, nothing to take back", forwardTo(five...), ruleARN, 0, nil, ""},
		{"source missing", forwardTo(group(newGroup, 1)), ruleARN, 1000, router.ErrNotOwned, "add the source's target group"},
		{"both missing", forwardTo(group(otherGroup, 1)), ruleARN, 1000, router.ErrNotOwned, otherGroup},
		{"redirect", types.Action{Type: types.ActionTypeEnumRedirect}, ruleARN, 1000, router.ErrNotOwned, "no forward action"},
		{"too coarse beside others", forwardTo(group(oldGroup, 1), group(otherGroup, 1)), ruleARN, 1000, router.ErrInexact, "multiply all weights"},
		{"not an ALB", forwardTo(), prefix + "listener/net/x/1/2", 1000, router.ErrNotFound, "Application Load Balancer"},
		{"not an ARN", forwardTo(), "shop", 1000, router.ErrNotFound, "Application Load Balancer"},
	} {
		_, err := driverOver(fakeWith(c.action), newClock()).Write(t.Context(), router.Change{ID: "1", Route: route(c.id), Share: c.share})
		if !errors.Is(err, c.kind) || c.kind != nil && (!strings.Contains(err.Error(), c.says) || router.EffectOf(err) != router.EffectNothing) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestOverwrittenAtOnceIsFound(t *testing.T) {
	f := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0)))
	f.meddle = func() { f.set(f.rules, ruleARN, newGroup, 77) }
	_, err := driverOver(f, newClock()).Write(t.Context(), router.Change{ID: "1", Route: route(ruleARN), Share: 1000})
	if !errors.Is(err, router.ErrConflict) || router.EffectOf(err) != router.EffectUnknown || !strings.Contains(err.Error(), "77") {
		t.Error(err)
	}
}

func TestNotReadBackIsToldNotFailed(t *testing.T) {
	f := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0)))
	f.meddle = func() {
		f.mu.Lock()
		f.faults = []routertest.Fault{{Kind: routertest.Denied}}
		f.mu.Unlock()
	}
	r, err := driverOver(f, newClock()).Write(t.Context(), router.Change{ID: "1", Route: route(ruleARN), Share: 1000})
	if err != nil || r.Token != "" || !strings.Contains(r.Note, "not read back") {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOwnersAndStickinessAreTold(t *testing.T) {
	f := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0)))
	f.rules[ruleARN][0].ForwardConfig.TargetGroupStickinessConfig = &types.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(60)}
	f.tags = map[string]string{"elbv2.k8s.aws/cluster": "eks-1-33", "Name": "shop"}
	s, err := driverOver(f, newClock()).Read(t.Context(), route(ruleARN))
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Owners) != 1 || s.Owners[0].Name != "the AWS Load Balancer Controller of cluster eks-1-33" || s.Owners[0].Proof != "the rule has its tag elbv2.k8s.aws/cluster" {
		t.Errorf("owners: %+v", s.Owners)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "up to 1m0s") {
		t.Errorf("warnings: %q", s.Warnings)
	}
}

// TestTagsAreAskedForOnceInAWhile: they cost a call, and nobody who takes traffic
// back waits for them.
func TestTagsAreAskedForOnceInAWhile(t *testing.T) {
	f, at := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0))), newClock()
	f.tags = map[string]string{"aws:cloudformation:stack-name": "shop"}
	d := driverOver(f, at)
	read := func(when, owner string, asked int) {
		t.Helper()
		s, err := d.Read(t.Context(), route(ruleARN))
		name := ""
		if len(s.Owners) > 0 {
			name = s.Owners[0].Name
		}
		if err != nil || name != owner || f.tagCalls != asked {
			t.Errorf("%s: owner %q after %d calls for tags, %v; want %q after %d", when, name, f.tagCalls, err, owner, asked)
		}
	}
	read("at first", "the CloudFormation stack shop", 1)
	at.Advance(ownership.Believed - time.Second)
	read("while it is believed", "the CloudFormation stack shop", 1)
	f.tags = map[string]string{}
	at.Advance(time.Second)
	if _, err := d.Write(t.Context(), router.Change{ID: "1", Route: route(ruleARN)}); err != nil {
		t.Fatal(err)
	}
	read("while traffic is taken back", "the CloudFormation stack shop", 1)
	at.Advance(ownership.Believed)
	read("later", "", 2)
	f.tags = nil
	at.Advance(ownership.Believed)
	read("without the permission", "", 3)
	read("the refusal is remembered as well", "", 3)
}

func TestVersionIgnoresTheOrderOfGroups(t *testing.T) {
	a, err := versionOf([]types.Action{forwardTo(group(oldGroup, 1), group(newGroup, 2))})
	b, err2 := versionOf([]types.Action{forwardTo(group(newGroup, 2), group(oldGroup, 1))})
	if a != b || err != nil || err2 != nil {
		t.Errorf("%s and %s, %v, %v", a, b, err, err2)
	}
}

func TestCallsOfOneStep(t *testing.T) {
	f := fakeWith(forwardTo(group(oldGroup, 100), group(newGroup, 0)))
	d := driverOver(f, newClock())
	r, err := d.Write(context.Background(), router.Change{ID: "1", Route: route(ruleARN), Share: 1000})
	if err != nil || f.calls != 3 {
		t.Errorf("%d calls of a write, %v; want read, modify, read back", f.calls, err)
	}
	f.calls = 0
	if _, err := d.Settled(context.Background(), r); err != nil || f.calls != 1 {
		t.Errorf("%d calls of Settled, %v", f.calls, err)
	}
}
