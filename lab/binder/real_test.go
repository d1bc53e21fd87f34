//go:build linux

package binder

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	labaws "watari.dev/lab/aws"
	"watari.dev/lab/binder/v1beta1"
	"watari.dev/lab/kube"
)

// The binder between a real API server and the lab's AWS with its real load
// balancer. Only the pod is played: a server at its address, and its status by
// hand.
func TestRealCluster(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: no real control plane")
	}
	version := kube.Versions()[len(kube.Versions())-1]
	binary, ok, err := kube.Built(t.Context(), "", version)
	if err != nil {
		t.Fatal(err)
	} else if !ok {
		t.Skipf("Kubernetes %s is not built yet; watari lab build", version)
	}
	s := &realStage{t: t, ip: "10.231.36.77"}
	s.startCluster(binary, version)
	cfg := s.startAWS()
	s.startPod()
	s.startBinder(cfg)

	s.eventually("the pod is registered and told that it is healthy", func() bool {
		var pod corev1.Pod
		s.get("web-1", &pod)
		return hasCondition(&pod, gate) && s.healthy(s.ip)
	})
	s.registerForeign("10.231.33.9")
	s.eventually("the foreign target is evicted", func() bool { return !s.registered("10.231.33.9") })
	if !s.registered(s.ip) {
		t.Error("the own target is gone too")
	}

	s.endpoint(false, true)
	s.eventually("the leaving pod is deregistered", func() bool { return !s.registered(s.ip) })
	s.endpoint(true, false)
	s.eventually("the pod that is back is registered", func() bool { return s.registered(s.ip) })

	var tgb v1beta1.TargetGroupBinding
	s.get("web", &tgb)
	if tgb.Spec.Networking == nil || len(tgb.Spec.Networking.Raw) < len(`{"ingress":[]}`) {
		t.Errorf("the API server dropped spec.networking: %+v", tgb.Spec.Networking)
	}
	if err := s.c.Delete(t.Context(), &tgb); err != nil {
		t.Fatal(err)
	}
	s.eventually("the binding is deleted", func() bool {
		err := s.c.Get(t.Context(), client.ObjectKeyFromObject(&tgb), &tgb)
		return err != nil && client.IgnoreNotFound(err) == nil
	})
	if s.registered(s.ip) {
		t.Error("the binding is gone and its target is not")
	}
}

type realStage struct {
	t          *testing.T
	c          client.Client
	elb        *elb.Client
	kubeconfig string
	group      string
	ip         string
	port       int32
}

func (s *realStage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *realStage) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("%s: not within 30 s", what)
}

func (s *realStage) get(name string, o client.Object) {
	s.t.Helper()
	s.must(s.c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, o))
}

// inBackground runs a component until the test ends.
func (s *realStage) inBackground(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
	})
}

func (s *realStage) startCluster(binary string, version kube.Version) {
	s.t.Helper()
	dir := s.t.TempDir()
	plane, err := kube.Prepare(kube.Config{Name: "eks-test", Version: version, Binary: binary, Dir: filepath.Join(dir, "plane")})
	s.must(err)
	running, err := kube.Start(s.t.Context(), plane, dir, filepath.Join(dir, "logs"))
	s.must(err)
	s.t.Cleanup(func() { s.must(running.Stop(context.Background())) })
	s.kubeconfig = plane.Kubeconfig()
	restConfig, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	s.must(err)
	scheme, err := newScheme()
	s.must(err)
	s.c, err = client.New(restConfig, client.Options{Scheme: scheme})
	s.must(err)
}

// startAWS runs the lab's AWS with a load balancer before one target group.
func (s *realStage) startAWS() Config {
	s.t.Helper()
	dir := s.t.TempDir()
	conf := labaws.Config{Dir: dir, Account: "123456789012", Region: "eu-central-1", AccessKey: "AKIALABEXAMPLE", SecretKey: "secret", Seed: 1}
	s.inBackground(func(ctx context.Context) error { return labaws.Run(ctx, conf) })
	var started labaws.Started
	s.eventually("the lab's AWS is up", func() bool {
		var err error
		if started, err = labaws.ReadStarted(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
		return err == nil
	})
	cfg := Config{
		Kubeconfig: s.kubeconfig, ClusterName: "eks-test", Endpoint: started.Endpoint, Region: conf.Region,
		AccessKey: conf.AccessKey, SecretKey: conf.SecretKey, HealthInterval: 300 * time.Millisecond, ResyncInterval: time.Second,
	}
	s.elb = newLoadBalancing(cfg).(*elb.Client)
	ctx := s.t.Context()
	lb, err := s.elb.CreateLoadBalancer(ctx, &elb.CreateLoadBalancerInput{Name: aws.String("shop"), Subnets: []string{"subnet-a", "subnet-b"}})
	s.must(err)
	group, err := s.elb.CreateTargetGroup(ctx, &elb.CreateTargetGroupInput{
		Name: aws.String("web"), Protocol: elbtypes.ProtocolEnumHttp, Port: aws.Int32(80), VpcId: aws.String("vpc-1"),
		TargetType: elbtypes.TargetTypeEnumIp, HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2),
	})
	s.must(err)
	s.group = *group.TargetGroups[0].TargetGroupArn
	_, err = s.elb.CreateListener(ctx, &elb.CreateListenerInput{
		LoadBalancerArn: lb.LoadBalancers[0].LoadBalancerArn, Port: aws.Int32(80), Protocol: elbtypes.ProtocolEnumHttp,
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &s.group}},
	})
	s.must(err)
	return cfg
}

// startPod plays a gated pod whose containers are ready, its node and Service.
func (s *realStage) startPod() {
	s.t.Helper()
	ln, err := net.Listen("tcp", "127.231.36.77:0")
	s.must(err)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	s.t.Cleanup(srv.Close)
	s.port = int32(ln.Addr().(*net.TCPAddr).Port)

	ctx := s.t.Context()
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "good"}}
	s.must(s.c.Create(ctx, node))
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}}
	s.must(s.c.Status().Update(ctx, node))
	s.must(s.c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}))
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}} // no selector: its endpoints are written by hand
	s.must(s.c.Create(ctx, svc))
	pod := newPod(podSpec{name: "web-1", gated: true, containers: true, node: "good"})
	pod.UID = ""
	pod.Spec.Containers = []corev1.Container{{Name: "web", Image: "web"}}
	status := pod.Status
	s.eventually("a pod can be created", func() bool { // once the namespace has its service account
		return s.c.Create(ctx, pod) == nil
	})
	pod.Status = status
	s.must(s.c.Status().Update(ctx, pod))
	s.endpoint(false, false)
}

// endpoint writes what the EndpointSlice says of the pod.
func (s *realStage) endpoint(ready, terminating bool) {
	s.t.Helper()
	name := "http"
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &s.port}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{s.ip}, Conditions: discoveryv1.EndpointConditions{Ready: &ready, Terminating: &terminating},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Namespace: "shop", Name: "web-1"},
		}},
	}
	var have discoveryv1.EndpointSlice
	err := s.c.Get(s.t.Context(), client.ObjectKeyFromObject(slice), &have)
	if err == nil {
		slice.ResourceVersion = have.ResourceVersion
		s.must(s.c.Update(s.t.Context(), slice))
		return
	}
	s.must(client.IgnoreNotFound(err))
	s.must(s.c.Create(s.t.Context(), slice))
}

func (s *realStage) startBinder(cfg Config) {
	s.t.Helper()
	s.inBackground(func(ctx context.Context) error { return Run(ctx, cfg) })
	tgb := newBinding(func(tgb *v1beta1.TargetGroupBinding) {
		tgb.Spec.TargetGroupARN, tgb.Generation = s.group, 0
		tgb.Spec.ServiceRef.Port = intstr.FromInt32(80)
		tgb.Spec.Networking = &apiextensionsv1.JSON{Raw: []byte(`{"ingress":[{"from":[{"securityGroup":{"groupID":"sg-1"}}],"ports":[{"protocol":"TCP"}]}]}`)}
	})
	s.eventually("the API server takes bindings", func() bool {
		return s.c.Create(s.t.Context(), tgb) == nil
	})
}

func (s *realStage) healths() map[string]elbtypes.TargetHealthStateEnum {
	s.t.Helper()
	out, err := s.elb.DescribeTargetHealth(s.t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &s.group})
	s.must(err)
	states := map[string]elbtypes.TargetHealthStateEnum{}
	for _, d := range out.TargetHealthDescriptions {
		states[*d.Target.Id] = d.TargetHealth.State
	}
	return states
}

func (s *realStage) healthy(ip string) bool {
	return s.healths()[ip] == elbtypes.TargetHealthStateEnumHealthy
}

func (s *realStage) registered(ip string) bool {
	state, there := s.healths()[ip]
	return there && state != elbtypes.TargetHealthStateEnumDraining
}

func (s *realStage) registerForeign(ip string) {
	s.t.Helper()
	_, err := s.elb.RegisterTargets(s.t.Context(), &elb.RegisterTargetsInput{
		TargetGroupArn: &s.group, Targets: []elbtypes.TargetDescription{{Id: &ip, Port: aws.Int32(80)}},
	})
	s.must(err)
}
