package alb

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	balancer "watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/aws/wire"
	"watari.dev/lab/dnsserver"
	"watari.dev/router"
	"watari.dev/router/internal/awscall"
	"watari.dev/router/routertest"
	"watari.dev/traffic"
)

// TestContractOverTheEmulator runs the contract with the real SDK over HTTP.
func TestContractOverTheEmulator(t *testing.T) {
	for _, what := range []string{"rule", "listener"} {
		t.Run(what, func(t *testing.T) {
			routertest.Run(t, func(t *testing.T) routertest.Harness { return emulated(t, what) })
		})
	}
}

// TestOwnersOverTheEmulator reads what tags say of a rule and of a listener with
// the real SDK.
func TestOwnersOverTheEmulator(t *testing.T) {
	for what, want := range map[string]traffic.Owner{
		"rule": {
			Name: "the AWS Load Balancer Controller of cluster eks-1-33 (Ingress shop/web)", Sure: traffic.Probably,
			Proof:  "the rule has its tags elbv2.k8s.aws/cluster and ingress.k8s.aws/stack",
			Remedy: "set the weights in the annotation alb.ingress.kubernetes.io/actions.NAME as well, or use a rule that it does not make",
		},
		"listener": {
			Name: "Terraform", Sure: traffic.Perhaps, Proof: "the listener has the tag ManagedBy=terraform",
			Remedy: "do not apply it while the migration runs, or let it ignore the weights (lifecycle, ignore_changes)",
		},
	} {
		t.Run(what, func(t *testing.T) {
			e := emulate(t)
			config := awscall.Config(e.config)
			p := plain{t: t, api: elb.NewFromConfig(config)}
			old, next := p.group("old"), p.group("new")
			action := forwardTo(group(old, 100), group(next, 0))
			action.Order = nil
			id := p.lever(what, action)
			ref := router.Ref{Name: "public", Driver: "alb", ID: id, Source: old, Target: next}
			tags := map[string][]types.Tag{
				"rule":     {tag("elbv2.k8s.aws/cluster", "eks-1-33"), tag("ingress.k8s.aws/stack", "shop/web"), tag("ingress.k8s.aws/resource", "80:1")},
				"listener": {tag("ManagedBy", "terraform"), tag("Name", "shop")},
			}[what]
			if _, err := p.api.AddTags(t.Context(), &elb.AddTagsInput{ResourceArns: []string{id}, Tags: tags}); err != nil {
				t.Fatal(err)
			}
			s, err := newDriver(elb.NewFromConfig(config), Options{}, quick).Read(t.Context(), ref)
			if diff := cmp.Diff([]traffic.Owner{want}, s.Owners); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

func tag(key, value string) types.Tag { return types.Tag{Key: &key, Value: &value} }

// plain is a client of the emulator that stands for somebody else.
type plain struct {
	t   *testing.T
	api *elb.Client
}

func emulated(t *testing.T, what string) routertest.Harness {
	e, at := emulate(t), newClock()
	config := awscall.Config(e.config)
	p := plain{t: t, api: elb.NewFromConfig(config)}
	old, next, other := p.group("old"), p.group("new"), p.group("other")
	action := forwardTo(group(old, 100), group(next, 0))
	action.Order = nil
	id := p.lever(what, action)
	ref := router.Ref{Name: "public", Driver: "alb", ID: id, Source: old, Target: next}
	absent := ref
	absent.ID = id[:len(id)-4] + "0000"
	set := func(arn string, weight int64) {
		f := p.forward(id)
		groups := slices.DeleteFunc(f.groups, func(g types.TargetGroupTuple) bool { return *g.TargetGroupArn == arn })
		p.modify(id, forwardTo(append(groups, group(arn, int32(weight)))...))
	}
	return routertest.Harness{
		Driver: newDriver(elb.NewFromConfig(config), Options{Now: at.Now}, quick), Route: ref, Absent: absent,
		Truth: func() []router.Part { return []router.Part{p.forward(id).part(ref)} },
		Intrude: func(source, target int64) {
			set(old, source)
			set(next, target)
		},
		Foreign: func(weight int64) { set(other, weight) },
		Inject:  func(f routertest.Fault) { e.inject(f, at, "Modify") },
		Heal:    func() { e.server.SetFault(nil) },
		Advance: at.Advance, Now: at.Now, Checks: 15,
	}
}

func (p plain) group(name string) string {
	out, err := p.api.CreateTargetGroup(p.t.Context(), &elb.CreateTargetGroupInput{
		Name: &name, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String("vpc-1"), TargetType: types.TargetTypeEnumIp,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return *out.TargetGroups[0].TargetGroupArn
}

// lever creates a listener or a rule with that action and returns its ARN.
func (p plain) lever(what string, action types.Action) string {
	lb, err := p.api.CreateLoadBalancer(p.t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: []string{"subnet-a", "subnet-b"}})
	if err != nil {
		p.t.Fatal(err)
	}
	listener, err := p.api.CreateListener(p.t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, DefaultActions: []types.Action{action},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	arn := listener.Listeners[0].ListenerArn
	if what == "listener" {
		return *arn
	}
	rule, err := p.api.CreateRule(p.t.Context(), &elb.CreateRuleInput{
		ListenerArn: arn, Priority: aws.Int32(1), Actions: []types.Action{action},
		Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/shop/*"}}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return *rule.Rules[0].RuleArn
}

func (p plain) forward(id string) forward {
	d := newDriver(p.api, Options{}, awscall.Policy{})
	actions, err := d.readActions(context.Background(), "look", id)
	if err != nil {
		p.t.Fatal(err)
	}
	f, err := findForward(actions)
	if err != nil {
		p.t.Fatal(err)
	}
	return f
}

func (p plain) modify(id string, action types.Action) {
	var err error
	if kindOf(id) == rule {
		_, err = p.api.ModifyRule(context.Background(), &elb.ModifyRuleInput{RuleArn: &id, Actions: []types.Action{action}})
	} else {
		_, err = p.api.ModifyListener(context.Background(), &elb.ModifyListenerInput{ListenerArn: &id, DefaultActions: []types.Action{action}})
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// emulator is the lab's AWS with nothing behind it, and how to reach it.
type emulator struct {
	server *lab.Server
	config aws.Config
}

// nothing stands for the data planes.
type nothing struct{}

func (nothing) Apply(balancer.Config) error     { return nil }
func (nothing) Health(string) []balancer.Health { return nil }

type noNames struct{}

func (noNames) Apply([]dnsserver.Zone) {}

func emulate(t *testing.T) emulator {
	t.Helper()
	server, err := lab.New(lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}, lab.Planes{Balancer: nothing{}, DNS: noNames{}, DNSAddr: "127.0.0.1:53"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	listening, transport := httptest.NewServer(server), &http.Transport{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		listening.Close()
		cancel()
		running.Wait()
	})
	return emulator{server: server, config: aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(listening.URL), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
	}}
}

// inject makes calls fail: those whose action begins with one of writes, or all
// the others.
func (e emulator) inject(fault routertest.Fault, at *clock, writes ...string) {
	var mu sync.Mutex
	left := fault.Times
	e.server.SetFault(func(_, action string, _ []byte) *lab.Injected {
		modifies := slices.ContainsFunc(writes, func(w string) bool { return strings.HasPrefix(action, w) })
		mu.Lock()
		defer mu.Unlock()
		if modifies != fault.Writes || fault.Times > 0 && left == 0 {
			return nil
		}
		left--
		if fault.Kind == routertest.Slow {
			at.Advance(fault.Takes)
			return nil
		}
		return injected(fault.Kind)
	})
}

func injected(kind routertest.Kind) *lab.Injected {
	switch kind {
	case routertest.Throttled:
		return lab.FaultThrottle()
	case routertest.Denied:
		return &lab.Injected{Err: &wire.Error{Status: http.StatusForbidden, Code: "AccessDenied", Message: "not authorized"}}
	case routertest.RequestLost:
		return &lab.Injected{DropBefore: true}
	case routertest.ReplyLost:
		return &lab.Injected{DropReply: true}
	default:
		return &lab.Injected{Delay: time.Hour}
	}
}
