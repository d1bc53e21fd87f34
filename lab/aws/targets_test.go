package aws

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"watari.dev/lab/alb"
)

func TestTargets(t *testing.T) {
	h := start(t)
	group := h.targetGroup("blue")
	id := func(ip string, port int32) elbtypes.TargetDescription {
		d := elbtypes.TargetDescription{Id: &ip}
		if port > 0 {
			d.Port = &port
		}
		return d
	}
	register := func(targets ...elbtypes.TargetDescription) error {
		_, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: targets})
		return err
	}
	for _, ip := range []string{"10.231.33.1", "172.31.0.1", "192.168.0.1", "100.64.0.1"} {
		if err := register(id(ip, 0)); err != nil {
			t.Errorf("%s: %v", ip, err)
		}
	}
	for _, ip := range []string{"127.0.0.1", "8.8.8.8", "172.32.0.1", "169.254.0.1"} {
		wantCode(t, register(id(ip, 0)), "InvalidTarget")
	}
	wantCode(t, register(id("i-0123", 0)), "ValidationError")
	wantCode(t, register(id("10.0.0.1", 70000)), "ValidationError")
	wantCode(t, register([]elbtypes.TargetDescription{}...), "ValidationError")
	_, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: sdk.String("x"), Targets: []elbtypes.TargetDescription{id("10.0.0.1", 1)}})
	wantCode(t, err, "TargetGroupNotFound")

	for _, ip := range []string{"172.31.0.1", "192.168.0.1", "100.64.0.1", "10.9.9.9"} { // the last one was never there
		if _, err = h.elb.DeregisterTargets(h.ctx, &elb.DeregisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{id(ip, 0)}}); err != nil {
			t.Fatal(err)
		}
	}
	health := func(asked ...elbtypes.TargetDescription) map[string]string {
		out, err := h.elb.DescribeTargetHealth(h.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group, Targets: asked})
		states := make(map[string]string)
		for _, d := range must(t, out, err).TargetHealthDescriptions {
			states[fmt.Sprintf("%s:%d", *d.Target.Id, *d.Target.Port)] = string(d.TargetHealth.State) + " " + string(d.TargetHealth.Reason)
		}
		return states
	}
	expect := func(want map[string]string, asked ...elbtypes.TargetDescription) {
		t.Helper()
		if diff := cmp.Diff(want, health(asked...)); diff != "" {
			t.Errorf("health (-want +got):\n%s", diff)
		}
	}
	expect(map[string]string{"10.231.33.1:8080": "unused Target.NotInUse"})
	h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, forward(group, 1))
	expect(map[string]string{"10.231.33.1:8080": "initial Elb.RegistrationInProgress"})

	at := func(text string) alb.Target { return alb.Target{Addr: netip.MustParseAddrPort(text)} }
	h.plane.setHealth(group,
		alb.Health{Target: at("10.231.33.1:8080"), State: alb.Unhealthy, Reason: "Target.Timeout"},
		alb.Health{Target: at("10.231.33.2:8080"), State: alb.Healthy}, // deregistered, but the data plane does not know yet
		alb.Health{Target: at("10.231.33.3:8080"), State: alb.Draining, Reason: "Target.DeregistrationInProgress"},
	)
	expect(map[string]string{
		"10.231.33.1:8080": "unhealthy Target.Timeout",
		"10.231.33.2:8080": "draining Target.DeregistrationInProgress",
		"10.231.33.3:8080": "draining Target.DeregistrationInProgress",
	})
	expect(map[string]string{"10.231.33.1:8080": "unhealthy Target.Timeout", "10.5.5.5:1": "unused Target.NotRegistered"}, id("10.231.33.1", 0), id("10.5.5.5", 1))
	h.plane.setHealth(group, alb.Health{Target: at("10.231.33.1:8080"), State: alb.Healthy})
	expect(map[string]string{"10.231.33.1:8080": "healthy "})
	_, err = h.elb.DescribeTargetHealth(h.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: sdk.String("x")})
	wantCode(t, err, "TargetGroupNotFound")

	many := make([]elbtypes.TargetDescription, 1001)
	for i := range many {
		many[i] = id(fmt.Sprintf("10.1.%d.%d", i/256, i%256), 0)
	}
	wantCode(t, register(many...), "TooManyTargets")
}

func TestTags(t *testing.T) {
	h := start(t)
	lb := *h.loadBalancer("web").LoadBalancerArn
	group := h.targetGroup("blue")
	l := *h.listener(lb, 80, fixed("404")).ListenerArn
	r := *h.rule(l, 1, "/", fixed("404")).RuleArn
	all := []string{lb, group, l, r}
	add := func(arn string, tags ...elbtypes.Tag) error {
		_, err := h.elb.AddTags(h.ctx, &elb.AddTagsInput{ResourceArns: []string{arn}, Tags: tags})
		return err
	}
	tag := func(k, v string) elbtypes.Tag { return elbtypes.Tag{Key: &k, Value: &v} }
	for _, arn := range all {
		if err := add(arn, tag("a", "1"), tag("b", "2")); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(lb, tag("a", "3")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.elb.RemoveTags(h.ctx, &elb.RemoveTagsInput{ResourceArns: []string{lb, group}, TagKeys: []string{"b"}}); err != nil {
		t.Fatal(err)
	}
	out, err := h.elb.DescribeTags(h.ctx, &elb.DescribeTagsInput{ResourceArns: all})
	got := make(map[string]string)
	for _, d := range must(t, out, err).TagDescriptions {
		for _, tag := range d.Tags {
			got[*d.ResourceArn] += *tag.Key + "=" + *tag.Value + " "
		}
	}
	if diff := cmp.Diff(map[string]string{lb: "a=3 ", group: "a=1 ", l: "a=1 b=2 ", r: "a=1 b=2 "}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	wantCode(t, add(lb+"x", tag("a", "1")), "LoadBalancerNotFound")
	wantCode(t, add(group+"x", tag("a", "1")), "TargetGroupNotFound")
	wantCode(t, add(l+"x", tag("a", "1")), "ListenerNotFound")
	wantCode(t, add(r+"x", tag("a", "1")), "RuleNotFound")
	wantCode(t, add("x", tag("a", "1")), "ValidationError")
	wantCode(t, add(lb, tag("a", "1"), tag("a", "2")), "DuplicateTagKeys")
	wantCode(t, add(lb, tag("aws:a", "1")), "ValidationError")
	var many []elbtypes.Tag
	for i := range 51 {
		many = append(many, tag(fmt.Sprintf("k%d", i), ""))
	}
	wantCode(t, add(lb, many...), "TooManyTags")
}

// TestHandOver checks what the data plane is given, and that it comes late.
func TestHandOver(t *testing.T) {
	const lag = 200 * time.Millisecond
	h := start(t, func(c *Config) { c.PropagationDelay = lag })
	lb := h.loadBalancer("web")
	if lb.State.Code != elbtypes.LoadBalancerStateEnumProvisioning {
		t.Errorf("a new load balancer is %s, want provisioning", lb.State.Code)
	}
	blue, green := h.targetGroup("blue"), h.targetGroup("green")
	l := *h.listener(*lb.LoadBalancerArn, 80, fixed("404")).ListenerArn
	h.attribute(*lb.LoadBalancerArn, "idle_timeout.timeout_seconds", "30")
	sticky := forward(blue, 9, green, 1)
	sticky.ForwardConfig.TargetGroupStickinessConfig = &elbtypes.TargetGroupStickinessConfig{Enabled: sdk.Bool(true), DurationSeconds: sdk.Int32(60)}
	r := h.rule(l, 1, "/api/*", sticky)
	port := int32(9090)
	asked := time.Now()
	if _, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &blue, Targets: []elbtypes.TargetDescription{{Id: sdk.String("10.231.33.7"), Port: &port, AvailabilityZone: sdk.String("eu-central-1a")}}}); err != nil {
		t.Fatal(err)
	}
	h.until("the target is in the data plane", func() bool {
		groups := h.plane.config().TargetGroups
		return len(groups) == 2 && len(groups[0].Targets) == 1
	})
	if took := time.Since(asked); took < lag {
		t.Errorf("the change was in the data plane after %v, want at least %v", took, lag)
	}
	conf := h.plane.config()
	if len(conf.Listeners) != 2 || conf.Listeners[0].Bind == conf.Listeners[1].Bind {
		t.Fatalf("want one listener entry per zone, got %+v", conf.Listeners)
	}
	want := alb.Listener{
		ARN: l, LoadBalancer: "web", Port: 80, IdleTimeout: 30 * time.Second, Bind: conf.Listeners[0].Bind,
		Default: alb.Action{Fixed: &alb.FixedResponse{Status: 404, ContentType: "text/plain", Body: "no"}},
		Rules: []alb.Rule{{ARN: *r.RuleArn, Priority: 1, Paths: []string{"/api/*"}, Action: alb.Action{
			Forward:    []alb.WeightedGroup{{TargetGroupARN: blue, Weight: 9}, {TargetGroupARN: green, Weight: 1}},
			Stickiness: alb.Stickiness{Enabled: true, Duration: time.Minute},
		}}},
	}
	if diff := cmp.Diff(want, conf.Listeners[0]); diff != "" {
		t.Errorf("listener (-want +got):\n%s", diff)
	}
	wantGroup := alb.TargetGroup{
		ARN: blue, Name: "blue", DeregistrationDelay: 300 * time.Second,
		HealthCheck: alb.HealthCheck{Path: "/", Interval: 30 * time.Second, Timeout: 5 * time.Second, HealthyThreshold: 5, UnhealthyThreshold: 2, MatcherLow: 200, MatcherHigh: 200},
		Targets:     []alb.Target{{Addr: netip.MustParseAddrPort("10.231.33.7:9090"), Zone: "eu-central-1a"}},
	}
	if diff := cmp.Diff(wantGroup, conf.TargetGroups[0], cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("target group (-want +got):\n%s", diff)
	}
	name, _ := h.names.record(*lb.DNSName+".", "A", "")
	if len(name.Values) != 2 || !strings.HasPrefix(name.Values[0], "127.230.") {
		t.Errorf("the load balancer's name stands for %v", name.Values)
	}
}
