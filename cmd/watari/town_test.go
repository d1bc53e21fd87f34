package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	balancer "watari.dev/lab/alb"
	lab "watari.dev/lab/aws"
	"watari.dev/lab/dnsserver"
	"watari.dev/lab/fault"
)

const (
	accessKey = "AKIALABEXAMPLE"
	secretKey = "secret"
)

// town is the world of one script: the lab's AWS with a listener rule, and users
// who follow its weights. It plays the balancer's data plane itself and counts
// as an application's metrics endpoint would.
type town struct {
	server  *lab.Server
	aws     *httptest.Server
	metrics *httptest.Server
	elb     *elb.Client
	stop    func()

	rule, source, target               string // ARNs
	second, secondSource, secondTarget string // of the second route

	mu       sync.Mutex
	at       time.Time
	rate     float64 // users per second
	failing  float64 // part of the target's requests, 0..1
	share    float64 // what the data plane was told last, 0..1
	served   [2]float64
	failed   float64 // of the target's
	modified int     // calls that change something and were carried out
	refuse   int     // how many of them are still to be throttled
	expired  bool    // the credentials have
}

const usersPerSecond = 200

// newTown opens a town whose rule sends everything to the source.
func newTown() (*town, error) {
	w := &town{rate: usersPerSecond, at: time.Now()}
	server, err := lab.New(lab.Config{
		Account: "123456789012", Region: "eu-central-1", AccessKey: accessKey, SecretKey: secretKey, Seed: 1,
		PropagationDelay: -1, InsyncDelay: -1, ProcessingTime: -1, Unthrottled: true,
	}, lab.Planes{Balancer: w, DNS: names{}, DNSAddr: "127.0.0.1:53"}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	w.server = server
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { server.Run(ctx) })
	w.aws, w.metrics = httptest.NewServer(server), httptest.NewServer(http.HandlerFunc(w.count))
	transport := &http.Transport{}
	w.elb = elb.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(w.aws.URL), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
	w.stop = func() {
		transport.CloseIdleConnections()
		w.aws.Close()
		w.metrics.Close()
		cancel()
		running.Wait()
	}
	if err := w.build(ctx); err != nil {
		w.stop()
		return nil, err
	}
	server.SetFault(w.watch)
	return w, nil
}

// build makes the balancer, two target groups and the rule.
func (w *town) build(ctx context.Context) error {
	lb, err := w.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("shop"), Subnets: []string{"subnet-a", "subnet-b"}})
	if err != nil {
		return err
	}
	for name, arn := range map[string]*string{"shop-1-33": &w.source, "shop-1-36": &w.target, "partners-1-33": &w.secondSource, "partners-1-36": &w.secondTarget} {
		out, err := w.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
			Name: &name, Protocol: types.ProtocolEnumHttp, Port: aws.Int32(8080), VpcId: aws.String("vpc-1"), TargetType: types.TargetTypeEnumIp,
		})
		if err != nil {
			return err
		}
		w.change(func() { *arn = *out.TargetGroups[0].TargetGroupArn })
	}
	listener, err := w.elb.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: types.ProtocolEnumHttp, DefaultActions: w.weights(100, 0),
	})
	if err != nil {
		return err
	}
	rule, err := w.elb.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: listener.Listeners[0].ListenerArn, Priority: aws.Int32(1), Actions: w.weights(100, 0),
		Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/shop/*"}}},
	})
	if err != nil {
		return err
	}
	second, err := w.elb.CreateRule(ctx, &elb.CreateRuleInput{
		ListenerArn: listener.Listeners[0].ListenerArn, Priority: aws.Int32(2), Actions: []types.Action{{Type: types.ActionTypeEnumForward, TargetGroupArn: &w.secondSource}},
		Conditions: []types.RuleCondition{{Field: aws.String("path-pattern"), Values: []string{"/partners/*"}}},
	})
	if err != nil {
		return err
	}
	w.change(func() { w.rule, w.second = *rule.Rules[0].RuleArn, *second.Rules[0].RuleArn })
	return nil
}

// lose deletes the second rule, which no user of the town follows.
func (w *town) lose() error {
	_, err := w.elb.DeleteRule(context.Background(), &elb.DeleteRuleInput{RuleArn: &w.second})
	return err
}

// setClock sets AWS's clock off, for whoever signs by his own.
func (w *town) setClock(off time.Duration) error {
	if _, err := w.server.Rules().HealAll(context.Background()); err != nil || off == 0 {
		return err
	}
	_, err := w.server.Rules().Inject(context.Background(), fault.Fault{AWS: &fault.AWS{Kind: fault.Clock, Off: off, For: fault.MaxFor}})
	return err
}

func (w *town) weights(source, target int32) []types.Action {
	return []types.Action{{Type: types.ActionTypeEnumForward, ForwardConfig: &types.ForwardActionConfig{TargetGroups: []types.TargetGroupTuple{
		{TargetGroupArn: &w.source, Weight: &source}, {TargetGroupArn: &w.target, Weight: &target},
	}}}}
}

// intrude sets the target's percentage as somebody else would.
func (w *town) intrude(percent int32) error {
	_, err := w.elb.ModifyRule(context.Background(), &elb.ModifyRuleInput{RuleArn: &w.rule, Actions: w.weights(100-percent, percent)})
	return err
}

// tag tags the rule, as whoever made it would.
func (w *town) tag(key, value string) error {
	_, err := w.elb.AddTags(context.Background(), &elb.AddTagsInput{ResourceArns: []string{w.rule}, Tags: []types.Tag{{Key: &key, Value: &value}}})
	return err
}

// Apply implements the data plane: from now on users follow these weights.
func (w *town) Apply(c balancer.Config) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	for _, l := range c.Listeners {
		for _, r := range l.Rules {
			if r.ARN == w.rule {
				w.share = targetShare(r.Action.Forward, w.target)
			}
		}
	}
	return nil
}

func targetShare(groups []balancer.WeightedGroup, target string) float64 {
	var sum, part float64
	for _, g := range groups {
		sum += float64(g.Weight)
		if g.TargetGroupARN == target {
			part += float64(g.Weight)
		}
	}
	if sum == 0 {
		return 0
	}
	return part / sum
}

// Health implements the data plane.
func (w *town) Health(string) []balancer.Health { return nil }

// names stands for the DNS server.
type names struct{}

func (names) Apply([]dnsserver.Zone) {}

// pass lets the users of the time since the last call come.
func (w *town) pass() {
	now := time.Now()
	n := w.rate * now.Sub(w.at).Seconds()
	w.at = now
	w.served[0] += n * (1 - w.share)
	w.served[1] += n * w.share
	w.failed += n * w.share * w.failing
}

// change alters the town, after the users so far.
func (w *town) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	f()
}

// count is the metrics endpoint.
func (w *town) count(out http.ResponseWriter, _ *http.Request) {
	w.mu.Lock()
	w.pass()
	source, target, failed := int64(w.served[0]), int64(w.served[1]), int64(w.failed)
	w.mu.Unlock()
	out.Header().Set("Content-Type", "text/plain; version=0.0.4")
	fmt.Fprintf(out, "# TYPE requests_total counter\nrequests_total{cluster=\"eks-1-33\"} %d\nrequests_total{cluster=\"eks-1-36\"} %d\n", source, target)
	fmt.Fprintf(out, "# TYPE errors_total counter\nerrors_total{cluster=\"eks-1-33\"} 0\nerrors_total{cluster=\"eks-1-36\"} %d\n", failed)
}

// watch counts the calls that change something and throttles as many of them as
// it was told.
func (w *town) watch(_, action string, _ []byte) *lab.Injected {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.expired {
		return lab.FaultExpired()
	}
	if !changes(action) {
		return nil
	}
	if w.refuse > 0 {
		w.refuse--
		return lab.FaultThrottle()
	}
	w.modified++
	return nil
}

func changes(action string) bool {
	return !strings.HasPrefix(action, "Describe") && !strings.HasPrefix(action, "Get") && !strings.HasPrefix(action, "List")
}

// migration is the file of every script; $NAMES are filled in.
const migration = `apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: eks-1-33}
spec:
  kubernetes: {kubeconfig: silent.yaml, context: eks-1-33}
---
apiVersion: watari.dev/v1alpha1
kind: Environment
metadata: {name: eks-1-36}
spec:
  kubernetes: {kubeconfig: silent.yaml, context: eks-1-36}
---
apiVersion: watari.dev/v1alpha1
kind: Migration
metadata: {name: $NAME}
spec:
  source: eks-1-33
  target: eks-1-36
  aws: {endpointURL: "$AWS"}
  routes:
  - name: public
    alb:
      listenerRuleARN: $RULE
      source: {targetGroupARN: "$SOURCE"}
      target: {targetGroupARN: "$TARGET"}
$MORE
  signals:
  - scrape:
      endpoints: ["$METRICS"]
      interval: 250ms
      requests: 'requests_total{cluster="${environment}"}'
      errors: 'errors_total{cluster="${environment}"}'
  steps: [$STEPS]
  gate:
    thresholds: {maxErrorRatio: 1%, minRequests: 20, window: 2s}
  rollback: $ROLLBACK
  onDrift: $DRIFT
`

// another is a second route of a migration.
const another = `  - name: partners
    alb:
      listenerRuleARN: %s
      source: {targetGroupARN: %q}
      target: {targetGroupARN: %q}`

// silent is a kubeconfig of clusters that do not answer: nobody listens on port 1.
const silent = `apiVersion: v1
kind: Config
clusters:
- {name: none, cluster: {server: "http://127.0.0.1:1"}}
contexts:
- {name: eks-1-33, context: {cluster: none, user: none}}
- {name: eks-1-36, context: {cluster: none, user: none}}
users:
- {name: none, user: {}}
`

// write writes a migration file with what a script says of it.
func (w *town) write(path string, settings map[string]string) error {
	fill := map[string]string{
		"NAME": "shop", "STEPS": "{share: 50%, hold: 2s}, {share: 100%, hold: 2s}", "ROLLBACK": "automatic", "DRIFT": "hold", "METRICS": w.metrics.URL,
		"AWS": w.aws.URL, "RULE": w.rule, "SOURCE": w.source, "TARGET": w.target, "environment": "${environment}", "MORE": "", "ROUTES": "1",
	}
	if settings["ROUTES"] == "2" {
		fill["MORE"] = fmt.Sprintf(another, w.second, w.secondSource, w.secondTarget)
	}
	for name, value := range settings {
		if _, known := fill[name]; !known {
			return fmt.Errorf("the migration file has no $%s", name)
		}
		fill[name] = value
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "silent.yaml"), []byte(silent), 0o600); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(os.Expand(migration, func(name string) string { return fill[name] })), 0o600)
}
