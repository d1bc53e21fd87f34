package aws

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	metrics "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/lab/fault"
)

const labToken = "token of the lab"

func withToken(c *Config) { c.Token = labToken }

// faults is the control of an emulator, as the lab reaches it.
func (h *harness) faults() fault.Client {
	return fault.Client{URL: h.url + "/_lab/faults", Token: labToken}
}

// inject injects a rule over the wire and returns its ID.
func (h *harness) inject(a fault.AWS) string {
	h.Helper()
	injected, err := h.faults().Inject(h.ctx, fault.Fault{AWS: &a})
	return must(h.T, injected, err).ID
}

// injectedAs returns what became of a fault.
func (h *harness) injectedAs(id string) fault.Injected {
	h.Helper()
	list, err := h.faults().List(h.ctx)
	list = must(h.T, list, err)
	i := slices.IndexFunc(list, func(i fault.Injected) bool { return i.ID == id })
	if i < 0 {
		h.Fatalf("%s is not listed in %+v", id, list)
	}
	return list[i]
}

func (h *harness) wantHits(id string, n int) {
	h.Helper()
	if got := h.injectedAs(id); got.Count() != n {
		h.Errorf("%s (%s) has bitten %d times: %+v; want %d", id, got.Fault, got.Count(), got.Hits, n)
	}
}

// wantRefused checks code and HTTP status of an API error.
func wantRefused(t *testing.T, err error, code string, status int) {
	t.Helper()
	wantCode(t, err, code)
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.HTTPStatusCode() != status {
		t.Errorf("got %v, want HTTP %d", err, status)
	}
}

// wantLost checks that there was no answer at all.
func wantLost(t *testing.T, err error) {
	t.Helper()
	var api smithy.APIError
	var unanswered *smithyhttp.RequestSendError
	if !errors.As(err, &unanswered) || errors.As(err, &api) {
		t.Errorf("got %v, want a broken connection", err)
	}
}

// weights writes the weights of a listener and reads what it has.
type weights struct {
	*harness
	listener, source, target string
}

func (h *harness) weights() *weights {
	h.Helper()
	source, target := h.targetGroup("source"), h.targetGroup("target")
	l := h.listener(*h.loadBalancer("web").LoadBalancerArn, 80, forward(source, 100, target, 0))
	return &weights{h, *l.ListenerArn, source, target}
}

func (w *weights) set(ctx context.Context, target int) error {
	_, err := w.elb.ModifyListener(ctx, &elb.ModifyListenerInput{ListenerArn: &w.listener, DefaultActions: []elbtypes.Action{forward(w.source, 100-target, w.target, target)}})
	return err
}

func (w *weights) now() int {
	w.Helper()
	out, err := w.elb.DescribeListeners(w.ctx, &elb.DescribeListenersInput{ListenerArns: []string{w.listener}})
	return int(*must(w.T, out, err).Listeners[0].DefaultActions[0].ForwardConfig.TargetGroups[1].Weight)
}

func (w *weights) want(n int) {
	w.Helper()
	if got := w.now(); got != n {
		w.Errorf("the target's weight is %d, want %d", got, n)
	}
}

// What the SDK sees of each kind, and whether the write was done.
func TestWhatTheSDKSees(t *testing.T) {
	h := start(t, withToken)
	w := h.weights()
	modify := func(k fault.Kind) fault.AWS {
		return fault.AWS{Kind: k, Service: "elbv2", Action: "ModifyListener", Times: 1}
	}
	n := 0
	for _, c := range []struct {
		kind  fault.Kind
		check func(error)
		done  bool
	}{
		{fault.Throttle, func(err error) { wantRefused(t, err, "Throttling", http.StatusBadRequest) }, false},
		{fault.Error, func(err error) { wantRefused(t, err, "InternalFailure", http.StatusInternalServerError) }, false},
		{fault.ErrorAfter, func(err error) { wantRefused(t, err, "InternalFailure", http.StatusInternalServerError) }, true},
		{fault.LostRequest, func(err error) { wantLost(t, err) }, false},
		{fault.LostReply, func(err error) { wantLost(t, err) }, true},
		{fault.ExpiredToken, func(err error) { wantRefused(t, err, "ExpiredToken", http.StatusForbidden) }, false},
		{fault.AccessDenied, func(err error) {
			wantRefused(t, err, "AccessDenied", http.StatusForbidden)
			if want := "user/lab is not authorized to perform: elasticloadbalancing:ModifyListener because no identity-based policy"; !strings.Contains(err.Error(), want) {
				t.Errorf("%v does not say %q", err, want)
			}
		}, false},
	} {
		t.Run(string(c.kind), func(t *testing.T) {
			before := w.now()
			id := h.inject(modify(c.kind))
			n++
			c.check(w.set(h.ctx, n))
			h.wantHits(id, 1)
			if c.done {
				w.want(n)
			} else {
				w.want(before)
			}
			if err := w.set(h.ctx, n); err != nil {
				t.Errorf("used up: %v", err)
			}
			w.want(n)
		})
	}
}

// The same error has another name in each protocol.
func TestRefusalsByProtocol(t *testing.T) {
	h := start(t, withToken)
	cw := metrics.NewFromConfig(sdk.Config{
		Region: "eu-central-1", BaseEndpoint: sdk.String(h.url), Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
		Retryer: func() sdk.Retryer { return sdk.NopRetryer{} },
	})
	for name, call := range map[string]func() error{
		"elbv2": func() error {
			_, err := h.elb.DescribeLoadBalancers(h.ctx, &elb.DescribeLoadBalancersInput{})
			return err
		},
		"route53":    func() error { _, err := h.r53.ListHostedZones(h.ctx, &route53.ListHostedZonesInput{}); return err },
		"eks":        func() error { _, err := h.eks.ListClusters(h.ctx, &eks.ListClustersInput{}); return err },
		"sts":        func() error { _, err := h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{}); return err },
		"cloudwatch": func() error { _, err := cw.ListMetrics(h.ctx, &metrics.ListMetricsInput{}); return err },
	} {
		json := name == "eks"
		suffixed := map[bool]string{true: "Exception"}[json]
		for _, c := range []struct {
			kind   fault.Kind
			code   string
			status int
		}{
			{fault.Throttle, "Throttling" + suffixed, http.StatusBadRequest},
			{fault.Error, map[bool]string{true: "ServerException", false: "InternalFailure"}[json], http.StatusInternalServerError},
			{fault.ExpiredToken, "ExpiredToken" + suffixed, http.StatusForbidden},
			{fault.AccessDenied, "AccessDenied" + suffixed, http.StatusForbidden},
		} {
			if name == "sts" && c.kind == fault.AccessDenied {
				continue // needs no permission
			}
			id := h.inject(fault.AWS{Kind: c.kind, Service: name, Times: 1})
			wantRefused(t, call(), c.code, c.status)
			h.wantHits(id, 1)
			if err := call(); err != nil {
				t.Errorf("%s after its %s: %v", name, c.kind, err)
			}
		}
	}
	h.inject(fault.AWS{Kind: fault.AccessDenied, Times: 1})
	if _, err := h.sts.GetCallerIdentity(h.ctx, &sts.GetCallerIdentityInput{}); err != nil {
		t.Errorf("who I am, while everything is denied: %v", err)
	}
}

// A delayed write is done even if its caller has left, and then maybe after a later
// one.
func TestDelayedWrite(t *testing.T) {
	h := start(t, withToken)
	w := h.weights()
	id := h.inject(fault.AWS{Kind: fault.Delay, Action: "ModifyListener", Times: 1, Delay: 30 * time.Millisecond})
	began := time.Now()
	if err := w.set(h.ctx, 1); err != nil || time.Since(began) < 30*time.Millisecond {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	w.want(1)
	h.wantHits(id, 1)

	id = h.inject(fault.AWS{Kind: fault.Delay, Action: "ModifyListener", Times: 1, Delay: 500 * time.Millisecond})
	impatient, leave := context.WithCancel(h.ctx)
	left := make(chan error)
	go func() { left <- w.set(impatient, 2) }()
	h.until("the write is held", func() bool { return h.injectedAs(id).Count() == 1 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the impatient one: %v", err)
	}
	if err := w.set(h.ctx, 3); err != nil {
		t.Fatal(err)
	}
	w.want(3)
	h.until("the delayed write undoes the later one", func() bool { return w.now() == 2 })
}

// A late write: the caller is told nothing, a later write is done, and then the
// late one arrives.
func TestLateWrite(t *testing.T) {
	h := start(t, withToken)
	w := h.weights()
	id := h.inject(fault.AWS{Kind: fault.Late, Action: "ModifyListener", Times: 1, Delay: 500 * time.Millisecond, UpTo: 600 * time.Millisecond, Seed: 3})
	wantLost(t, w.set(h.ctx, 1))
	if got := h.injectedAs(id); got.Pending != 1 || got.End != fault.UsedUp {
		t.Errorf("while it is on its way: %+v", got)
	}
	if err := w.set(h.ctx, 2); err != nil {
		t.Fatal(err)
	}
	w.want(2)
	h.until("the late write arrives", func() bool { return w.now() == 1 })
	h.until("it is not on its way any more", func() bool { return h.injectedAs(id).Pending == 0 })
	var calls Calls
	h.lab("calls", &calls)
	if got := calls["elasticloadbalancing"]["ModifyListener"]["ok"]; got != 2 {
		t.Errorf("%d writes are counted, want 2", got)
	}
}

// Of three batches of one change the first two are done: each batch is whole or not
// at all, the change is neither.
func TestPartialBatch(t *testing.T) {
	h := start(t, withToken)
	z := h.zone("example.com")
	id := h.inject(fault.AWS{Kind: fault.Partial, Service: "route53", Action: "ChangeResourceRecordSets", After: 2, For: time.Minute})
	var failed error
	for _, name := range []string{"a", "b", "c"} {
		if _, err := h.change(z, simple("CREATE", name+".example.com", "A", 60, "1.2.3.4"), simple("CREATE", name+name+".example.com", "A", 60, "1.2.3.4")); err != nil {
			failed = err
			break
		}
	}
	wantRefused(t, failed, "Throttling", http.StatusBadRequest)
	h.wantRecords(z, "a.example.com. A  60s 1.2.3.4", "aa.example.com. A  60s 1.2.3.4", "b.example.com. A  60s 1.2.3.4", "bb.example.com. A  60s 1.2.3.4")
	h.wantHits(id, 1)
	if _, err := h.faults().Heal(h.ctx, id); err != nil {
		t.Fatal(err)
	}
	if _, err := h.change(z, simple("CREATE", "c.example.com", "A", 60, "1.2.3.4")); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// The SDK's own retries go through a throttle that is shorter than they are, and
// not through expired credentials.
func TestRetriesOfTheSDK(t *testing.T) {
	h := start(t, withToken)
	patient := elb.NewFromConfig(sdk.Config{
		Region: "eu-central-1", BaseEndpoint: sdk.String(h.url), Credentials: credentials.NewStaticCredentialsProvider("AKIALABEXAMPLE", "secret", ""),
		Retryer: func() sdk.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Millisecond })
		},
	})
	describe := func() error {
		_, err := patient.DescribeRules(h.ctx, &elb.DescribeRulesInput{ListenerArn: sdk.String("x")})
		return err
	}
	for kind, want := range map[fault.Kind]int{fault.Throttle: 2, fault.Error: 2, fault.LostReply: 2, fault.LostRequest: 2, fault.ExpiredToken: 1, fault.AccessDenied: 1} {
		id := h.inject(fault.AWS{Kind: kind, Action: fault.Reads, Times: 2})
		_ = describe() // the listener is not there; only the tries are of interest
		h.wantHits(id, want)
		if _, err := h.faults().HealAll(h.ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// The names that rules know are those that the emulator serves.
func TestRulesKnowTheActions(t *testing.T) {
	h := start(t)
	var served []string
	for _, service := range h.server.services {
		served = append(served, fault.ServiceOf(service.Name()))
	}
	slices.Sort(served)
	if !slices.Equal(served, fault.Services()) {
		t.Errorf("served: %v, known to rules: %v", served, fault.Services())
	}
	for _, service := range h.server.services {
		if got, want := fault.Actions(fault.ServiceOf(service.Name())), service.Actions(); !slices.Equal(got, want) {
			t.Errorf("%s serves %v, rules know %v", service.Name(), want, got)
		}
	}
}

// Nobody injects faults without the token, and an emulator without one is closed.
func TestFaultsNeedTheToken(t *testing.T) {
	for name, c := range map[string]struct{ token, shown string }{"wrong": {labToken, "guess"}, "closed": {"", ""}} {
		h := start(t, func(conf *Config) { conf.Token = c.token })
		client := fault.Client{URL: h.url + "/_lab/faults", Token: c.shown}
		if _, err := client.Inject(h.ctx, fault.Fault{AWS: &fault.AWS{Kind: fault.Error, Times: 1}}); err == nil {
			t.Errorf("%s: it was injected", name)
		}
		if err := h.callAll()["elb"]; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What is late when the emulator ends never happens.
func TestLateWriteAndTheEnd(t *testing.T) {
	s := newSlow()
	acted, dropped := make(chan struct{}, 1), make(chan struct{}, 2)
	s.do(time.Hour, func() { acted <- struct{}{} }, func() { dropped <- struct{}{} })
	s.end()
	s.do(0, func() { acted <- struct{}{} }, func() { dropped <- struct{}{} })
	s.end()
	if len(acted) != 0 || len(dropped) != 2 {
		t.Errorf("%d acted, %d dropped", len(acted), len(dropped))
	}
}

// A side whose way is broken gives users 502, the other side nothing; after the end,
// or after its time, it serves again.
func TestCutLink(t *testing.T) {
	dir := t.TempDir()
	h, _ := startReal(t, dir, func(c *Config) {
		c.Token, c.Networks = labToken, map[string]string{"target": "10.231.241.0/24", "source": "10.231.242.0/24"}
	})
	ip, port := pod(t, "241.7", "target")
	group := h.targetGroup("target")
	lb := h.loadBalancer("web")
	l := *h.listener(*lb.LoadBalancerArn, 80, forward(group, 1)).ListenerArn
	if _, err := h.elb.RegisterTargets(h.ctx, &elb.RegisterTargetsInput{TargetGroupArn: &group, Targets: []elbtypes.TargetDescription{{Id: &ip, Port: &port}}}); err != nil {
		t.Fatal(err)
	}
	h.wantAnswers(l, "target")
	links := fault.Client{URL: h.url + "/_lab/links/", Token: labToken}
	put := func(name, body string) (LinkState, error) {
		var s LinkState
		err := links.Do(h.ctx, http.MethodPut, name, []byte(body), &s)
		return s, err
	}
	for name, body := range map[string]string{"north": `{"state": "hanging", "for": 1}`, "target": `{"state": "hanging"}`, "source": `{"state": "melting"}`} {
		if _, err := put(name, body); err == nil {
			t.Errorf("%s: %s was accepted", name, body)
		}
	}
	if s, err := put("source", `{"state": "broken", "for": 60000000000}`); err != nil || s.Met != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	h.wantAnswers(l, "target") // the other side's way is whole
	if s, err := put("target", `{"state": "broken", "for": 60000000000}`); err != nil || s.State != "broken" {
		t.Errorf("%+v, %v", s, err)
	}
	h.wantStatus(l, http.StatusBadGateway)
	if s, err := put("target", `{"state": "whole"}`); err != nil || s.Met == 0 {
		t.Errorf("%+v, %v; want what met it", s, err)
	}
	h.wantAnswers(l, "target")
	if _, err := put("target", `{"state": "broken", "for": 50000000}`); err != nil { // 50 ms, and nobody heals it
		t.Error(err)
	}
	h.wantAnswers(l, "target")
}

// wantStatus polls the first node address until it answers with a status.
func (h *harness) wantStatus(listenerARN string, want int) {
	h.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var e Endpoints
	h.lab("endpoints", &e)
	h.until("the listener answers "+http.StatusText(want), func() bool {
		answer, err := client.Get("http://" + e.Listeners[listenerARN].Addresses[0] + "/")
		if err != nil {
			return false
		}
		answer.Body.Close()
		return answer.StatusCode == want
	})
}

// Addresses decide over the way, and addresses of nobody go their own.
func TestLinksByAddress(t *testing.T) {
	links, err := newLinks(map[string]string{"a": "10.231.1.0/24", "b": "10.231.2.0/24"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := links.set("a", LinkState{State: "broken", For: time.Minute}); err != nil {
		t.Fatal(err)
	}
	defer links.close()
	errDialled := errors.New("dialled")
	dial := links.through(func(context.Context, string, string) (net.Conn, error) { return nil, errDialled })
	for address, want := range map[string]bool{"10.231.1.9:80": false, "10.231.2.9:80": true, "127.0.0.1:80": true, "nonsense": true} {
		_, err := dial(t.Context(), "tcp", address)
		if got := errors.Is(err, errDialled); got != want {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := newLinks(map[string]string{"a": "10.231.1.0"}); err == nil {
		t.Error("an address is no network")
	}
	if got := netip.MustParsePrefix("10.231.1.0/24"); links.ways["a"].pods != got {
		t.Errorf("%s", links.ways["a"].pods)
	}
}
