package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// startReal runs the emulator with its real data planes.
func startReal(t *testing.T, dir string, change ...func(*Config)) (h *harness, stop func()) {
	t.Helper()
	conf := testConfig()
	for _, f := range change {
		f(&conf)
	}
	conf.Dir, conf.PropagationDelay, conf.InsyncDelay = dir, 10*time.Millisecond, 20*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, conf) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the emulator ended with: %v", err)
		}
	}
	t.Cleanup(stop)
	h = &harness{T: t, ctx: t.Context()}
	h.until("the emulator is ready", func() bool {
		started, err := ReadStarted(dir)
		if err != nil {
			return false
		}
		h.url = started.Endpoint
		answer, err := http.Get(h.url + "/_lab/healthz")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	h.connect(conf.AccessKey, conf.SecretKey)
	return h, stop
}

// pod serves on 127.231.x.y, as a pod that reports 10.231.x.y does.
func pod(t *testing.T, addr, answer string) (reported string, port int32) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.231."+addr+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answer)
	})}}
	server.Start()
	t.Cleanup(server.Close)
	return "10.231." + addr, int32(listener.Addr().(*net.TCPAddr).Port)
}

func (h *harness) resolve(name string) []string {
	var e Endpoints
	h.lab("endpoints", &e)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, e.DNS)
	}}
	addrs, err := resolver.LookupHost(h.ctx, name)
	if err != nil {
		return nil
	}
	slices.Sort(addrs)
	return addrs
}

// TestRun goes the whole way: a name in Route 53, its load balancer, weighted
// groups, a target; then the same again after a restart.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	h, stop := startReal(t, dir)
	lb := h.loadBalancer("web")
	blue, green := h.targetGroup("blue"), h.targetGroup("green")
	l := *h.listener(*lb.LoadBalancerArn, 80, forward(blue, 1, green, 0)).ListenerArn
	for group, addr := range map[string]string{blue: "240.1", green: "240.2"} {
		ip, port := pod(t, addr, map[string]string{blue: "source", green: "target"}[group])
		if _, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{{Id: &ip, Port: &port}}}); err != nil {
			t.Fatal(err)
		}
	}
	z := h.zone("example.com")
	h.mustChange(z, alias("CREATE", "api.example.com", "A", *lb.CanonicalHostedZoneId, *lb.DNSName))
	for _, group := range []string{blue, green} {
		h.until("the targets are healthy", func() bool {
			out, err := h.elb.DescribeTargetHealth(h.ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &group})
			health := must(t, out, err).TargetHealthDescriptions
			return len(health) == 1 && health[0].TargetHealth.State == elbtypes.TargetHealthStateEnumHealthy
		})
	}
	h.until("the name stands for the load balancer", func() bool {
		addrs := h.resolve("api.example.com")
		return len(addrs) == 2 && slices.Equal(addrs, h.resolve(*lb.DNSName))
	})
	h.wantAnswers(l, "source")
	if _, err := h.elb.ModifyListener(h.ctx, &elb.ModifyListenerInput{ListenerArn: &l, DefaultActions: []elbtypes.Action{forward(blue, 0, green, 1)}}); err != nil {
		t.Fatal(err)
	}
	h.wantAnswers(l, "target")
	endpoint := h.url
	stop()

	h, stop = startReal(t, dir)
	if h.url != endpoint {
		t.Errorf("after the restart the endpoint is %s, before it was %s", h.url, endpoint)
	}
	out, err := h.elb.DescribeListeners(h.ctx, &elb.DescribeListenersInput{ListenerArns: []string{l}})
	if groups := must(t, out, err).Listeners[0].DefaultActions[0].ForwardConfig.TargetGroups; sdk.ToInt32(groups[1].Weight) != 1 {
		t.Errorf("after the restart the groups are %+v", groups)
	}
	h.wantAnswers(l, "target")
	answer, err := http.Get(h.url + "/_lab/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if !strings.Contains(string(must(t, metrics, err)), `web`) {
		t.Errorf("the metrics do not name the load balancer:\n%s", metrics)
	}
	http.DefaultClient.CloseIdleConnections()
	stop()
	if log, err := os.ReadFile(filepath.Join(dir, "alb-access.log")); err != nil || len(log) == 0 {
		t.Errorf("the access log has %d bytes, %v", len(log), err)
	}
}

// wantAnswers polls every node address until it answers so.
func (h *harness) wantAnswers(listenerARN, want string) {
	h.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var e Endpoints
	h.until("the listener is there", func() bool { h.lab("endpoints", &e); return len(e.Listeners[listenerARN].Addresses) == 2 })
	for _, addr := range e.Listeners[listenerARN].Addresses {
		h.until(addr+" answers "+want, func() bool {
			answer, err := client.Get("http://" + addr + "/")
			if err != nil {
				return false
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			return err == nil && string(body) == want
		})
	}
}

func TestRunRefusesBadConfigurations(t *testing.T) {
	if err := Run(t.Context(), testConfig()); err == nil {
		t.Error("it ran without a directory")
	}
	conf := testConfig()
	conf.Dir, conf.Account = t.TempDir(), ""
	if err := Run(t.Context(), conf); err == nil {
		t.Error("it ran without an account")
	}
	conf = testConfig()
	conf.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(conf.Dir, "aws-elbv2.json"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(t.Context(), conf); err == nil {
		t.Error("it ran with a state that it cannot read")
	}
}

func TestConfigIsJSON(t *testing.T) {
	conf := testConfig()
	b, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	var got Config
	if err := json.Unmarshal(b, &got); err != nil || got.InsyncDelay != conf.InsyncDelay || got.SecretKey != conf.SecretKey {
		t.Errorf("got %+v, %v", got, err)
	}
}
