package aws

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"watari.dev/lab/alb"
	"watari.dev/lab/dnsserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePlane stands for the balancer: it remembers what was applied and reports
// the health it was told.
type fakePlane struct {
	mu      sync.Mutex
	applied alb.Config
	health  map[string][]alb.Health
}

func (p *fakePlane) Apply(c alb.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.applied = c
	return nil
}

func (p *fakePlane) Health(arn string) []alb.Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.health[arn])
}

func (p *fakePlane) setHealth(arn string, h ...alb.Health) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.health == nil {
		p.health = make(map[string][]alb.Health)
	}
	p.health[arn] = h
}

func (p *fakePlane) config() alb.Config {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.applied
}

// fakeNames stands for the DNS server.
type fakeNames struct {
	mu    sync.Mutex
	zones []dnsserver.Zone
}

func (n *fakeNames) Apply(zones []dnsserver.Zone) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.zones = zones
}

// record finds one record set.
func (n *fakeNames) record(name, recordType, set string) (dnsserver.Record, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, z := range n.zones {
		for _, r := range z.Records {
			if r.Name == name && r.Type == recordType && r.SetIdentifier == set {
				return r, true
			}
		}
	}
	return dnsserver.Record{}, false
}

type harness struct {
	*testing.T
	ctx    context.Context
	server *Server
	plane  *fakePlane
	names  *fakeNames
	url    string
	elb    *elb.Client
	r53    *route53.Client
	sts    *sts.Client
	eks    *eks.Client
}

func testConfig() Config {
	return Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}
}

// start runs an emulator with fake data planes and clients of the real SDK
// that never retry.
func start(t *testing.T, change ...func(*Config)) *harness {
	t.Helper()
	conf := testConfig()
	for _, f := range change {
		f(&conf)
	}
	h := &harness{T: t, ctx: t.Context(), plane: &fakePlane{}, names: &fakeNames{}}
	server, err := New(conf, Planes{Balancer: h.plane, DNS: h.names, DNSAddr: "127.0.0.1:53"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h.server = server
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening := httptest.NewServer(server)
	t.Cleanup(func() {
		listening.Close()
		cancel()
		running.Wait()
	})
	h.url = listening.URL
	h.connect(conf.AccessKey, conf.SecretKey)
	return h
}

func (h *harness) connect(key, secret string) {
	h.connectAs(credentials.NewStaticCredentialsProvider(key, secret, ""))
}

func (h *harness) connectAs(creds sdk.CredentialsProvider) {
	conf := sdk.Config{
		Region: "eu-central-1", BaseEndpoint: sdk.String(h.url), Credentials: creds,
		Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
	}
	h.elb, h.r53, h.sts, h.eks = elb.NewFromConfig(conf), route53.NewFromConfig(conf), sts.NewFromConfig(conf), eks.NewFromConfig(conf)
}

// until polls, with a deadline.
func (h *harness) until(what string, ok func() bool) {
	h.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			h.Fatalf("after 5 s still not: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// wantCode checks the code of an API error.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var api smithy.APIError
	if !errors.As(err, &api) {
		t.Fatalf("got error %v, want an API error with code %s", err, code)
	}
	if api.ErrorCode() != code {
		t.Fatalf("got code %s (%s), want %s", api.ErrorCode(), api.ErrorMessage(), code)
	}
}

// must fails the test on an error.
func must[T any](t *testing.T, value T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (h *harness) loadBalancer(name string) elbtypes.LoadBalancer {
	h.Helper()
	out, err := h.elb.CreateLoadBalancer(h.ctx, &elb.CreateLoadBalancerInput{Name: &name, Subnets: []string{"subnet-a", "subnet-b"}})
	return must(h.T, out, err).LoadBalancers[0]
}

func (h *harness) targetGroup(name string) string {
	h.Helper()
	out, err := h.elb.CreateTargetGroup(h.ctx, &elb.CreateTargetGroupInput{
		Name: &name, Protocol: elbtypes.ProtocolEnumHttp, Port: sdk.Int32(8080), VpcId: sdk.String("vpc-1"), TargetType: elbtypes.TargetTypeEnumIp,
	})
	return *must(h.T, out, err).TargetGroups[0].TargetGroupArn
}

func (h *harness) listener(lb string, port int32, actions ...elbtypes.Action) elbtypes.Listener {
	h.Helper()
	out, err := h.elb.CreateListener(h.ctx, &elb.CreateListenerInput{
		LoadBalancerArn: &lb, Port: &port, Protocol: elbtypes.ProtocolEnumHttp, DefaultActions: actions,
	})
	return must(h.T, out, err).Listeners[0]
}

func (h *harness) rule(listener string, priority int32, path string, actions ...elbtypes.Action) elbtypes.Rule {
	h.Helper()
	out, err := h.elb.CreateRule(h.ctx, &elb.CreateRuleInput{
		ListenerArn: &listener, Priority: &priority, Conditions: pathIs(path), Actions: actions,
	})
	return must(h.T, out, err).Rules[0]
}

func pathIs(path string) []elbtypes.RuleCondition {
	return []elbtypes.RuleCondition{{Field: sdk.String("path-pattern"), Values: []string{path}}}
}

// forward builds a forward action: group, weight, group, weight, ...
func forward(pairs ...any) elbtypes.Action {
	var groups []elbtypes.TargetGroupTuple
	for i := 0; i < len(pairs); i += 2 {
		groups = append(groups, elbtypes.TargetGroupTuple{TargetGroupArn: sdk.String(pairs[i].(string)), Weight: sdk.Int32(int32(pairs[i+1].(int)))})
	}
	return elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, ForwardConfig: &elbtypes.ForwardActionConfig{TargetGroups: groups}}
}

func fixed(status string) elbtypes.Action {
	return elbtypes.Action{Type: elbtypes.ActionTypeEnumFixedResponse, FixedResponseConfig: &elbtypes.FixedResponseActionConfig{
		StatusCode: &status, ContentType: sdk.String("text/plain"), MessageBody: sdk.String("no"),
	}}
}
