package binder

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"watari.dev/lab/binder/v1beta1"
)

const group = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/web/1"

// fakeELB is one target group in memory. It checks what the API checks.
type fakeELB struct {
	mu      sync.Mutex
	targets map[target]health
	calls   []string // of writes: "+3" registered three, "-1" deregistered one
	reads   int
	fail    error // of writes
	missing bool
}

func (f *fakeELB) DescribeTargetHealth(_ context.Context, in *elb.DescribeTargetHealthInput, _ ...func(*elb.Options)) (*elb.DescribeTargetHealthOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads++
	if err := f.find(in.TargetGroupArn); err != nil {
		return nil, err
	}
	out := &elb.DescribeTargetHealthOutput{}
	for t, h := range f.targets {
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, elbtypes.TargetHealthDescription{
			Target: &elbtypes.TargetDescription{Id: aws.String(t.ip), Port: aws.Int32(t.port)},
			TargetHealth: &elbtypes.TargetHealth{
				State: h.state, Reason: elbtypes.TargetHealthReasonEnum(h.reason), Description: aws.String(h.description),
			},
		})
	}
	return out, nil
}

func (f *fakeELB) RegisterTargets(_ context.Context, in *elb.RegisterTargetsInput, _ ...func(*elb.Options)) (*elb.RegisterTargetsOutput, error) {
	return &elb.RegisterTargetsOutput{}, f.write("+", in.TargetGroupArn, in.Targets, func(t target) {
		f.targets[t] = health{state: elbtypes.TargetHealthStateEnumInitial, reason: "Elb.InitialHealthChecking"}
	})
}

func (f *fakeELB) DeregisterTargets(_ context.Context, in *elb.DeregisterTargetsInput, _ ...func(*elb.Options)) (*elb.DeregisterTargetsOutput, error) {
	return &elb.DeregisterTargetsOutput{}, f.write("-", in.TargetGroupArn, in.Targets, func(t target) {
		f.targets[t] = health{state: elbtypes.TargetHealthStateEnumDraining, reason: "Target.DeregistrationInProgress"}
	})
}

func (f *fakeELB) write(sign string, arn *string, ts []elbtypes.TargetDescription, change func(target)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.find(arn); err != nil {
		return err
	}
	if f.fail != nil {
		return f.fail
	}
	if len(ts) == 0 {
		return fmt.Errorf("ValidationError: a target must be specified")
	}
	f.calls = append(f.calls, fmt.Sprintf("%s%d", sign, len(ts)))
	for _, t := range ts {
		change(target{ip: *t.Id, port: *t.Port})
	}
	return nil
}

func (f *fakeELB) find(arn *string) error {
	if f.missing || aws.ToString(arn) != group {
		return &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
	}
	return nil
}

// put registers targets for somebody else.
func (f *fakeELB) put(names string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for t := range set(names) {
		f.targets[t] = health{state: elbtypes.TargetHealthStateEnumHealthy}
	}
}

func (f *fakeELB) setHealth(name string, h health) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets[target{ip: "10.231.33." + name, port: 8080}] = h
}

// serving returns the targets that are not draining.
func (f *fakeELB) serving() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := targets{}
	for t, h := range f.targets {
		if h.state != elbtypes.TargetHealthStateEnumDraining {
			out[t] = true
		}
	}
	return names(out.sorted())
}

// stage is a reconciler between a cluster and a load balancer, both in memory.
type stage struct {
	t      *testing.T
	c      client.Client
	elb    *fakeELB
	events *events.FakeRecorder
	r      *reconciler
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	scheme, err := newScheme()
	if err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&corev1.Pod{}, &v1beta1.TargetGroupBinding{}).Build()
	api := &fakeELB{targets: map[target]health{}}
	recorder := events.NewFakeRecorder(100)
	return &stage{t: t, c: c, elb: api, events: recorder, r: &reconciler{
		client: c, reader: c, events: recorder, log: slog.New(slog.NewTextHandler(io.Discard, nil)), now: time.Now,
		groups:         &groups{api: api, describe: rate.NewLimiter(rate.Inf, 1), register: rate.NewLimiter(rate.Inf, 1)},
		healthInterval: time.Second, resyncInterval: time.Minute,
	}}
}

// turn reconciles the binding once and returns when it wants its next turn.
func (s *stage) turn() time.Duration {
	s.t.Helper()
	again, err := s.try()
	if err != nil {
		s.t.Fatal(err)
	}
	return again
}

func (s *stage) try() (time.Duration, error) {
	result, err := s.r.Reconcile(s.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "shop", Name: "web"}})
	return result.RequeueAfter, err
}

func (s *stage) serves(want string) {
	s.t.Helper()
	if got := s.elb.serving(); got != want {
		s.t.Errorf("the group serves %q, want %q", got, want)
	}
}

func (s *stage) wrote(want ...string) {
	s.t.Helper()
	if !slices.Equal(s.elb.calls, want) {
		s.t.Errorf("writes %q, want %q", s.elb.calls, want)
	}
	s.elb.calls = nil
}

// conditionOf returns the status of a pod's gate, "none" if it has none.
func (s *stage) conditionOf(pod string) corev1.ConditionStatus {
	s.t.Helper()
	var p corev1.Pod
	if err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: pod}, &p); err != nil {
		s.t.Fatal(err)
	}
	if c := condition(&p, gate); c != nil {
		return c.Status
	}
	return "none"
}

// binding reads the binding; nil if there is none.
func (s *stage) binding() *v1beta1.TargetGroupBinding {
	s.t.Helper()
	var tgb v1beta1.TargetGroupBinding
	err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, &tgb)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	} else if err != nil {
		return nil
	}
	return &tgb
}

func (s *stage) ownMap() (text string, exists bool) {
	s.t.Helper()
	var cm corev1.ConfigMap
	err := s.c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: "aws-lbc-targets-web"}, &cm)
	if client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	return cm.Data["targets"], err == nil
}

func newBinding(change func(*v1beta1.TargetGroupBinding)) *v1beta1.TargetGroupBinding {
	tgb := &v1beta1.TargetGroupBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 4}}
	tgb.Spec.TargetGroupARN = group
	tgb.Spec.ServiceRef = v1beta1.ServiceReference{Name: "web", Port: intstr.FromString("http")}
	change(tgb)
	return tgb
}

func plain(*v1beta1.TargetGroupBinding) {}

func shared(tgb *v1beta1.TargetGroupBinding) { tgb.Spec.MultiClusterTargetGroup = true }

// shop is a Service with its pods and node; the pods are as podSpec says.
func shop(pods ...podSpec) []client.Object {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromInt32(8080)}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "good"}}
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	objects := []client.Object{svc, node, sliceOf(pods...)}
	for _, p := range pods {
		objects = append(objects, newPod(p))
	}
	return objects
}

func sliceOf(pods ...podSpec) *discoveryv1.EndpointSlice {
	slice := seenOf(pods).slices[0].DeepCopy()
	slice.ObjectMeta = metav1.ObjectMeta{Namespace: "shop", Name: "web-x", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}
	return slice
}

// change replaces the endpoints of the Service; new pods are created.
func (s *stage) change(pods ...podSpec) {
	s.t.Helper()
	for _, p := range pods {
		if err := s.c.Create(s.t.Context(), newPod(p)); client.IgnoreAlreadyExists(err) != nil {
			s.t.Fatal(err)
		}
	}
	slice := sliceOf(pods...)
	var have discoveryv1.EndpointSlice
	if err := s.c.Get(s.t.Context(), client.ObjectKeyFromObject(slice), &have); err != nil {
		s.t.Fatal(err)
	}
	slice.ResourceVersion = have.ResourceVersion
	if err := s.c.Update(s.t.Context(), slice); err != nil {
		s.t.Fatal(err)
	}
}
