//go:build linux

package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"
	apps "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	labaws "watari.dev/lab/aws"
	"watari.dev/lab/fault"
	"watari.dev/lab/podnet"
)

// Every fault in a whole lab: what users, kubectl and the pods themselves notice.
func TestRealFaults(t *testing.T) {
	if os.Getenv("WATARI_LAB_TESTS") == "" {
		t.Skip("needs the lab's clusters: run with WATARI_LAB_TESTS=1, as make test does")
	}
	r := upReal(t)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"AWS", r.callsOfAWS},
		{"api-server held down", r.apiServerHeldDown},
		{"the other components", r.othersKilled},
		{"node", r.nodeKilled},
		{"partition", r.cutOff},
	} {
		began := time.Now()
		if !t.Run(step.name, step.run) {
			return
		}
		t.Logf("%s: %s", step.name, time.Since(began).Round(time.Millisecond))
	}
}

const (
	webPort    = 8080
	webPods    = 4
	realBound  = 90 * time.Second // for a cluster to become what it should on a busy machine
	impatience = 2 * time.Second  // of those who ask somebody who does not answer
)

// real is a whole lab with a service on its target, behind a load balancer.
type real struct {
	dir      string
	info     Info
	target   Cluster
	api      *kubernetes.Clientset // of the target
	elb      *elb.Client           // without retries
	group    string
	listener string // URL
}

func upReal(t *testing.T) *real {
	t.Helper()
	watari := filepath.Join(t.TempDir(), "watari")
	if out, err := exec.Command("go", "build", "-o", watari, "watari.dev/cmd/watari").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r := &real{dir: filepath.Join(t.TempDir(), "lab")}
	cfg := Config{Dir: r.dir, Executable: watari, Progress: func(e Event) { t.Log(e) }}
	var err error
	if r.info, err = Up(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := Down(context.Background(), cfg); err != nil {
			t.Error(err)
		}
	})
	r.target = r.info.Clusters[1]
	r.connect(t)
	r.deploy(t)
	r.balance(t)
	return r
}

func (r *real) connect(t *testing.T) {
	t.Helper()
	cfg, err := clientcmd.BuildConfigFromFlags("", r.target.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if r.api, err = kubernetes.NewForConfig(cfg); err != nil {
		t.Fatal(err)
	}
	a := r.info.AWS
	r.elb = elb.NewFromConfig(aws.Config{
		Region: a.Region, BaseEndpoint: aws.String(a.Endpoint), Credentials: credentials.NewStaticCredentialsProvider(a.AccessKey, a.SecretKey, ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	})
}

// deploy runs the application on both nodes of the target.
func (r *real) deploy(t *testing.T) {
	t.Helper()
	labels := map[string]string{"app": "web"}
	replicas := int32(webPods)
	web := &apps.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: apps.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: v1.PodSpec{
			Containers: []v1.Container{{
				Name: "web", Image: AppImage + ":v1", Env: []v1.EnvVar{{Name: "SIDE", Value: r.target.Side}, {Name: "LAME_DUCK", Value: "100ms"}},
				ReadinessProbe: &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(webPort)}}},
			}},
			TopologySpreadConstraints: []v1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: v1.LabelHostname, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
			}},
		}},
	}}
	if _, err := r.api.AppsV1().Deployments("default").Create(t.Context(), web, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.awaitAvailable(t, webPods)
}

func (r *real) awaitAvailable(t *testing.T, n int32) {
	t.Helper()
	within(t, fmt.Sprintf("%d pods are available", n), func() bool {
		d, err := r.api.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration == d.Generation && d.Status.AvailableReplicas == n && d.Status.Replicas == n
	})
}

// pods are the addresses of the pods of one node.
func (r *real) pods(t *testing.T, node string) (addresses []string) {
	t.Helper()
	list, err := r.api.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + node})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list.Items {
		addresses = append(addresses, p.Status.PodIP)
	}
	if len(addresses) == 0 {
		t.Fatalf("no pod runs on %s", node)
	}
	return addresses
}

// balance puts the pods behind a load balancer.
func (r *real) balance(t *testing.T) {
	t.Helper()
	group, err := r.elb.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: aws.String("web"), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(webPort), VpcId: aws.String("vpc-1"), TargetType: elbtypes.TargetTypeEnumIp,
		HealthCheckPath: aws.String("/readyz"), HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.group = aws.ToString(group.TargetGroups[0].TargetGroupArn)
	lb, err := r.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: []string{"subnet-a", "subnet-b"}})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := r.elb.CreateListener(t.Context(), &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &r.group}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.register(t.Context(), append(r.pods(t, r.target.Nodes[0]), r.pods(t, r.target.Nodes[1])...)); err != nil {
		t.Fatal(err)
	}
	within(t, "the service answers users", func() bool {
		r.listener = r.urlOf(aws.ToString(listener.Listeners[0].ListenerArn))
		return r.listener != "" && get(r.listener, directly) == nil
	})
}

func (r *real) register(ctx context.Context, pods []string) error {
	var targets []elbtypes.TargetDescription
	for _, p := range pods {
		targets = append(targets, elbtypes.TargetDescription{Id: &p, Port: aws.Int32(webPort)})
	}
	_, err := r.elb.RegisterTargets(ctx, &elb.RegisterTargetsInput{TargetGroupArn: &r.group, Targets: targets})
	return err
}

// urlOf is where a listener really is; empty until it is there.
func (r *real) urlOf(listener string) string {
	resp, err := http.Get(r.info.AWS.Endpoint + "/_lab/endpoints")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	var e labaws.Endpoints
	if err := json.NewDecoder(resp.Body).Decode(&e); err != nil || len(e.Listeners[listener].Addresses) == 0 {
		return ""
	}
	return "http://" + e.Listeners[listener].Addresses[0] + "/"
}

// get asks once, on a new connection.
func get(url string, dial func(context.Context, string, string) (net.Conn, error)) error {
	client := http.Client{Timeout: impatience, Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("it answered %s", resp.Status)
	}
	return err
}

func directly(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

// getPod asks a pod as its neighbours do.
func getPod(address string) error {
	return get(fmt.Sprintf("http://%s/", net.JoinHostPort(address, fmt.Sprint(webPort))), podnet.DialContext)
}

// version asks the API server of a cluster as kubectl does.
func version(c Cluster) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return err
	}
	cfg.Timeout = impatience
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	_, err = client.Discovery().ServerVersion()
	return err
}

// within polls until ok, with realBound as the deadline.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(realBound); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so after %s: %s", realBound, what)
		}
	}
}

func (r *real) inject(t *testing.T, f fault.Fault) fault.Injected {
	t.Helper()
	i, err := Inject(t.Context(), r.dir, f)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// callsOfAWS: a rule bites calls over the wire, and the binders as well.
func (r *real) callsOfAWS(t *testing.T) {
	i := r.inject(t, fault.Fault{AWS: &fault.AWS{Kind: fault.ExpiredToken, Service: "elbv2", Action: "DescribeRules", Times: 1}})
	_, err := r.elb.DescribeRules(t.Context(), &elb.DescribeRulesInput{})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "ExpiredToken" {
		t.Errorf("got %v", err)
	}
	list, err := Faults(t.Context(), r.dir)
	if err != nil || len(list) != 1 || list[0].ID != i.ID || list[0].End != fault.UsedUp || list[0].Count() != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

// apiServerHeldDown: kubectl fails, users notice nothing.
func (r *real) apiServerHeldDown(t *testing.T) {
	pods := append(r.pods(t, r.target.Nodes[0]), r.pods(t, r.target.Nodes[1])...)
	i := r.inject(t, fault.Fault{Kill: &fault.Kill{Component: fault.APIServer, Side: fault.Target, For: fault.MaxFor}})
	if err := version(r.target); err == nil {
		t.Error("the API server answers")
	}
	if err := version(r.info.Clusters[0]); err != nil {
		t.Errorf("the source's API server: %v", err)
	}
	for _, p := range pods {
		if err := getPod(p); err != nil {
			t.Errorf("pod %s: %v", p, err)
		}
	}
	if err := get(r.listener, directly); err != nil {
		t.Errorf("users: %v", err)
	}
	if healed, err := Heal(t.Context(), r.dir, i.ID); err != nil || healed.End != fault.Healed {
		t.Errorf("%+v, %v", healed, err)
	}
	if err := version(r.target); err != nil {
		t.Errorf("healed: %v", err)
	}
}

// othersKilled: each is started again, and the cluster works on.
func (r *real) othersKilled(t *testing.T) {
	for _, c := range []fault.Component{fault.Etcd, fault.ControllerManager, fault.Scheduler, fault.Binder} {
		r.inject(t, fault.Fault{Kill: &fault.Kill{Component: c, Side: fault.Target}})
	}
	within(t, "everything is ready again", func() bool {
		info, err := Status(r.dir)
		return err == nil && !slices.ContainsFunc(info.Components, func(c ComponentInfo) bool { return c.State != Ready })
	})
	within(t, "the deployment grows", func() bool {
		scale, err := r.api.AppsV1().Deployments("default").GetScale(t.Context(), "web", metav1.GetOptions{})
		if err == nil {
			scale.Spec.Replicas = webPods + 1
			_, err = r.api.AppsV1().Deployments("default").UpdateScale(t.Context(), "web", scale, metav1.UpdateOptions{})
		}
		return err == nil
	})
	r.awaitAvailable(t, webPods+1)
}

// nodeKilled: its pods die with it, those of the other node do not notice.
func (r *real) nodeKilled(t *testing.T) {
	dead, alive := r.pods(t, r.target.Nodes[0]), r.pods(t, r.target.Nodes[1])
	i := r.inject(t, fault.Fault{Kill: &fault.Kill{Component: fault.Node, Side: fault.Target, Node: 1, For: fault.MaxFor}})
	within(t, "the pods of the dead node are gone", func() bool {
		return !slices.ContainsFunc(dead, func(p string) bool { return getPod(p) == nil })
	})
	for _, p := range alive {
		if err := getPod(p); err != nil {
			t.Errorf("pod %s of the other node: %v", p, err)
		}
	}
	if _, err := Heal(t.Context(), r.dir, i.ID); err != nil {
		t.Fatal(err)
	}
	within(t, "the pods run again, at their addresses", func() bool {
		return !slices.ContainsFunc(dead, func(p string) bool { return getPod(p) != nil })
	})
	r.awaitAvailable(t, webPods+1)
}

// cutOff: users and kubectl reach nothing, the pods are well; afterwards what hung
// goes on.
func (r *real) cutOff(t *testing.T) {
	pods := append(r.pods(t, r.target.Nodes[0]), r.pods(t, r.target.Nodes[1])...)
	within(t, "the service answers users", func() bool { return get(r.listener, directly) == nil })
	i := r.inject(t, fault.Fault{Partition: &fault.Partition{Side: fault.Target, For: fault.MaxFor}})
	if err := get(r.listener, directly); !isTimeout(err) {
		t.Errorf("users: %v", err)
	}
	if err := version(r.target); !isTimeout(err) {
		t.Errorf("kubectl: %v", err)
	}
	if err := version(r.info.Clusters[0]); err != nil {
		t.Errorf("kubectl at the source: %v", err)
	}
	for _, p := range pods {
		if err := getPod(p); err != nil {
			t.Errorf("pod %s, asked by its neighbours: %v", p, err)
		}
	}
	healed, err := Heal(t.Context(), r.dir, i.ID)
	if err != nil || !slices.ContainsFunc(healed.Hits, func(h fault.Hit) bool { return h.Action == "pods" && h.Count > 0 }) ||
		!slices.ContainsFunc(healed.Hits, func(h fault.Hit) bool { return h.Action == "api-server" && h.Count > 0 }) {
		t.Errorf("%+v, %v", healed, err)
	}
	if err := version(r.target); err != nil {
		t.Errorf("kubectl afterwards: %v", err)
	}
	within(t, "users are served again", func() bool { return get(r.listener, directly) == nil })
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}
