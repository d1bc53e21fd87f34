package aws

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/smithy-go"

	"watari.dev/lab/aws/wire"
)

func TestFaults(t *testing.T) {
	h := start(t)
	z := h.zone("example.com")
	inject := func(i *Injected) {
		h.server.SetFault(func(service, action string, body []byte) *Injected {
			if service != "route53" || action != "ChangeResourceRecordSets" || !strings.Contains(string(body), "UPSERT") {
				return nil
			}
			return i
		})
	}
	change := func(name string) error {
		_, err := h.change(z, simple("UPSERT", name+".example.com", "A", 60, "1.2.3.4"))
		return err
	}
	inject(FaultThrottle())
	wantCode(t, change("a"), "Throttling")
	inject(FaultInternal())
	wantCode(t, change("a"), "InternalFailure")
	inject(&Injected{DropBefore: true})
	var api smithy.APIError
	if err := change("a"); err == nil || errors.As(err, &api) {
		t.Errorf("a dropped request: got %v, want a broken connection", err)
	}
	h.wantRecords(z)
	inject(&Injected{DropReply: true})
	if err := change("b"); err == nil || errors.As(err, &api) {
		t.Errorf("a dropped reply: got %v, want a broken connection", err)
	}
	h.wantRecords(z, "b.example.com. A  60s 1.2.3.4")
	inject(&Injected{Delay: 50 * time.Millisecond})
	started := time.Now()
	if err := change("c"); err != nil || time.Since(started) < 50*time.Millisecond {
		t.Errorf("a delayed call: %v after %v", err, time.Since(started))
	}
	h.server.SetFault(nil)
	if err := change("d"); err != nil {
		t.Errorf("without a fault: %v", err)
	}
	var calls Calls
	h.lab("calls", &calls)
	got := calls["route53"]["ChangeResourceRecordSets"]
	if got["ok"] != 3 || got["Throttling"] != 1 || got["InternalFailure"] != 1 {
		t.Errorf("counted %v", got)
	}
}

// lab reads one of the documents below /_lab/.
func (h *harness) lab(path string, into any) {
	h.Helper()
	answer, err := http.Get(h.url + labPrefix + path)
	if err != nil {
		h.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		h.Fatalf("%s: HTTP %d", path, answer.StatusCode)
	}
	if into == nil {
		return
	}
	if err := json.NewDecoder(answer.Body).Decode(into); err != nil {
		h.Fatal(err)
	}
}

// TestThrottling empties the buckets with the clock standing still, then lets
// a second pass.
func TestThrottling(t *testing.T) {
	h := start(t, func(c *Config) {
		c.Unthrottled = false
		c.Throttle = map[string]wire.Rate{"elasticloadbalancing/modify": {Burst: 2, PerSecond: 1}}
	})
	var mu sync.Mutex
	now := time.Now()
	h.server.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }

	accepted := func(call func() error) int {
		n := 0
		for range 60 {
			err := call()
			if err != nil {
				wantCode(t, err, "Throttling")
				return n
			}
			n++
		}
		return n
	}
	zones := func() error { _, err := h.r53.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{}); return err }
	describe := func() error {
		_, err := h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{})
		return err
	}
	remove := func() error {
		_, err := h.elb.DeleteLoadBalancer(h.ctx, &elb.DeleteLoadBalancerInput{LoadBalancerArn: sdk.String("x")})
		return err
	}
	want := func(step string, zonesWant, describeWant, removeWant int) {
		t.Helper()
		if a, b, c := accepted(zones), accepted(describe), accepted(remove); a != zonesWant || b != describeWant || c != removeWant {
			t.Errorf("%s: accepted %d, %d, %d calls; want %d, %d, %d", step, a, b, c, zonesWant, describeWant, removeWant)
		}
	}
	want("full", 5, 40, 2)
	want("empty", 0, 0, 0)
	pass(time.Second)
	want("after 1 s", 5, 10, 1)
	pass(time.Minute)
	want("full again", 5, 40, 2)
}

// TestRestart keeps resources over a restart, with their identifiers.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	keep := func(c *Config) { c.Dir = dir }
	var lbARN, zone string
	t.Run("first", func(t *testing.T) {
		h := start(t, keep)
		lb := h.loadBalancer("web")
		lbARN, zone = *lb.LoadBalancerArn, h.zone("example.com")
		h.listener(lbARN, 80, forward(h.targetGroup("blue"), 7))
		h.mustChange(zone, simple("CREATE", "*.example.com", "A", 60, "1.2.3.4"))
	})
	t.Run("second", func(t *testing.T) {
		h := start(t, keep)
		h.wantRecords(zone, `\052.example.com. A  60s 1.2.3.4`)
		out, err := h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{LoadBalancerArn: &lbARN})
		if l := must(t, out, err).Listeners[0]; *l.DefaultActions[0].ForwardConfig.TargetGroups[0].Weight != 7 {
			t.Errorf("got %+v", l)
		}
		h.until("both data planes have the kept state", func() bool {
			_, served := h.names.record("*.example.com.", "A", "")
			return served && len(h.plane.config().Listeners) == 2
		})
		if lb := h.loadBalancer("api"); *lb.LoadBalancerArn == lbARN {
			t.Error("a new load balancer got a kept ARN")
		}
	})
}

func TestLabPaths(t *testing.T) {
	h := start(t)
	lb := h.loadBalancer("web")
	l := h.listener(*lb.LoadBalancerArn, 80, fixed("404"))
	h.lab("healthz", nil)
	h.lab("metrics", nil)
	h.until("the endpoint is listed", func() bool {
		var e Endpoints
		h.lab("endpoints", &e)
		listed, ok := e.Listeners[*l.ListenerArn]
		return ok && listed.DNSName == *lb.DNSName && listed.Port == 80 && len(listed.Addresses) == 2 && e.DNS != "" && e.Metrics != ""
	})
}

func TestConfigValidation(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"account":  func(c *Config) { c.Account = "12" },
		"region":   func(c *Config) { c.Region = "moon" },
		"secret":   func(c *Config) { c.SecretKey = "" },
		"listen":   func(c *Config) { c.Listen = "0.0.0.0:80" },
		"dns":      func(c *Config) { c.DNSListen = "8.8.8.8:53" },
		"group":    func(c *Config) { c.Throttle = map[string]wire.Rate{"s3/get": {Burst: 1, PerSecond: 1}} },
		"bad rate": func(c *Config) { c.Throttle = map[string]wire.Rate{"route53/requests": {Burst: 0, PerSecond: 1}} },
	} {
		t.Run(name, func(t *testing.T) {
			conf := testConfig()
			change(&conf)
			if _, err := New(conf, Planes{Balancer: &fakePlane{}, DNS: &fakeNames{}}, slog.New(slog.DiscardHandler)); err == nil {
				t.Error("the configuration was accepted")
			}
		})
	}
}

// TestStopsWithItsContext makes sure that no goroutine outlives Run.
func TestStopsWithItsContext(t *testing.T) {
	server, err := New(testConfig(), Planes{Balancer: &fakePlane{}, DNS: &fakeNames{}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); server.Run(ctx) }()
	cancel()
	select {
	case <-stopped:
	case <-time.After(5 * time.Second):
		t.Fatal("Run still runs 5 s after its context ended")
	}
}
