package binder

import (
	"fmt"
	"strings"
	"testing"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"pgregory.net/rapid"
)

// set makes targets of names such as "1 2": 10.231.33.1:8080 and 10.231.33.2:8080.
func set(names string) targets {
	if names == "unknown" {
		return nil
	}
	out := targets{}
	for name := range strings.FieldsSeq(names) {
		out[target{ip: "10.231.33." + name, port: 8080}] = true
	}
	return out
}

func names(ts []target) string {
	var out []string
	for _, t := range ts {
		out = append(out, strings.TrimPrefix(t.ip, "10.231.33."))
	}
	return strings.Join(out, " ")
}

func TestDecideTargets(t *testing.T) {
	for _, c := range []struct {
		name                     string
		desired, registered, own string
		shared                   bool
		register, deregister     string
	}{
		{name: "nothing to do", desired: "1 2", registered: "1 2"},
		{name: "new pods", desired: "1 2 3", registered: "2", register: "1 3"},
		{name: "gone pods", desired: "2", registered: "1 2 3", deregister: "1 3"},
		{name: "foreign targets are evicted", desired: "1", registered: "1 77 88", deregister: "77 88"},
		{name: "shared: foreign targets stay", desired: "1", registered: "1 77", own: "1", shared: true},
		{name: "shared: own targets go", desired: "1", registered: "1 2 77", own: "1 2", shared: true, deregister: "2"},
		{name: "shared: nothing is known of the past", desired: "1", registered: "2 77", own: "unknown", shared: true, register: "1"},
		{name: "shared: own but not registered any more", desired: "", registered: "77", own: "1", shared: true},
		{name: "not shared: the past does not matter", desired: "", registered: "1", own: "unknown", deregister: "1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			register, deregister := decideTargets(set(c.desired), set(c.registered), set(c.own), c.shared)
			if names(register) != c.register || names(deregister) != c.deregister {
				t.Errorf("register %q, deregister %q; want %q, %q", names(register), names(deregister), c.register, c.deregister)
			}
		})
	}
}

func TestDecideTargetsReachesWhatIsDesired(t *testing.T) {
	draw := rapid.SliceOfDistinct(rapid.IntRange(1, 9), rapid.ID[int])
	rapid.Check(t, func(t *rapid.T) {
		some := func(label string) targets { return set(strings.Trim(fmt.Sprint(draw.Draw(t, label)), "[]")) }
		desired, registered, own := some("desired"), some("registered"), some("own")
		shared := rapid.Bool().Draw(t, "shared")
		after := union(registered, nil)
		register, deregister := decideTargets(desired, registered, own, shared)
		for _, r := range register {
			after[r] = true
		}
		for _, d := range deregister {
			if desired[d] {
				t.Fatalf("%v is desired and deregistered", d)
			}
			delete(after, d)
		}
		for d := range desired {
			if !after[d] {
				t.Fatalf("%v is desired and missing", d)
			}
		}
		for a := range after {
			if !desired[a] && (!shared || own[a]) {
				t.Fatalf("%v stays", a)
			}
		}
		for r := range registered {
			if shared && !own[r] && !after[r] {
				t.Fatalf("%v is foreign and gone", r)
			}
		}
	})
}

func TestOwnTargetsSurviveTheConfigMap(t *testing.T) {
	if got := formatOwn(set("2 1")); got != "10.231.33.1:8080,10.231.33.2:8080" {
		t.Errorf("written as %q", got)
	}
	if got := parseOwn("10.231.33.1:8080,nonsense,10.231.33.2:8080"); formatOwn(got) != formatOwn(set("1 2")) {
		t.Errorf("read as %v", got)
	}
	if got := parseOwn(""); got == nil || len(got) != 0 {
		t.Errorf("an empty list is read as %v, want known and empty", got)
	}
}

const gate = corev1.PodConditionType("target-health.elbv2.k8s.aws/web")

// podSpec describes a pod and its endpoint in one line.
type podSpec struct {
	name                               string
	ready, terminating, containers     bool
	gated, unknownPod, notAPod, noAddr bool
	node                               string
}

func seenOf(pods []podSpec) backends {
	port, name, other, otherPort := int32(8080), "http", "metrics", int32(9090)
	slice := discoveryv1.EndpointSlice{
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}, {Name: &other, Port: &otherPort}},
	}
	seen := backends{pods: map[string]*corev1.Pod{}, nodes: map[string]corev1.ConditionStatus{
		"good": corev1.ConditionTrue, "lost": corev1.ConditionUnknown, "bad": corev1.ConditionFalse,
	}}
	for _, p := range pods {
		ep := discoveryv1.Endpoint{
			Addresses:  []string{"10.231.33." + p.name},
			Conditions: discoveryv1.EndpointConditions{Ready: &p.ready, Terminating: &p.terminating},
			TargetRef:  &corev1.ObjectReference{Kind: "Pod", Name: p.name},
		}
		if p.notAPod {
			ep.TargetRef = nil
		}
		if p.noAddr {
			ep.Addresses = nil
		}
		slice.Endpoints = append(slice.Endpoints, ep)
		if !p.unknownPod {
			seen.pods[p.name] = newPod(p)
		}
	}
	ipv6 := discoveryv1.EndpointSlice{AddressType: discoveryv1.AddressTypeIPv6, Ports: slice.Ports, Endpoints: slice.Endpoints}
	seen.slices = []discoveryv1.EndpointSlice{slice, slice, ipv6} // an endpoint may be in two slices for a moment
	return seen
}

func newPod(p podSpec) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: p.name, UID: "uid-1"}}
	pod.Spec.NodeName = p.node
	if p.gated {
		pod.Spec.ReadinessGates = []corev1.PodReadinessGate{{ConditionType: gate}}
	}
	status := corev1.ConditionFalse
	if p.containers {
		status = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: status}}
	return pod
}

func TestDecideEndpoints(t *testing.T) {
	for _, c := range []struct {
		name    string
		pods    []podSpec
		chosen  string
		pending bool
	}{
		{"ready", []podSpec{{name: "1", ready: true, containers: true, node: "good"}}, "1", false},
		{"containers are starting, no gate", []podSpec{{name: "1", node: "good"}}, "", false},
		{"containers are starting, gated", []podSpec{{name: "1", gated: true, node: "good"}}, "", true},
		{"waits for the gate only", []podSpec{{name: "1", containers: true, gated: true, node: "good"}}, "1", false},
		{"terminating", []podSpec{{name: "1", containers: true, gated: true, terminating: true, node: "good"}}, "", false},
		{"terminating and its containers ended", []podSpec{{name: "1", gated: true, terminating: true, node: "good"}}, "", false},
		{"node is not ready", []podSpec{{name: "1", containers: true, node: "bad"}}, "", false},
		{"node is gone", []podSpec{{name: "1", containers: true, node: "gone"}}, "", false},
		{"node is not heard of and all others are gone", []podSpec{{name: "1", containers: true, node: "lost"}}, "1", false},
		{"node is not heard of but another pod is ready", []podSpec{{name: "1", containers: true, node: "lost"}, {name: "2", ready: true, node: "good"}}, "2", false},
		{"pod is not known yet", []podSpec{{name: "1", ready: true, unknownPod: true}}, "", true},
		{"not a pod", []podSpec{{name: "1", ready: true, notAPod: true}}, "", false},
		{"no address", []podSpec{{name: "1", ready: true, noAddr: true}}, "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			chosen, pending := decideEndpoints(corev1.ServicePort{Name: "http"}, seenOf(c.pods), gate)
			if got := names(desiredOf(chosen).sorted()); got != c.chosen || pending != c.pending || len(chosen) != len(desiredOf(chosen)) {
				t.Errorf("chosen %q (%d), pending %v; want %q once, %v", got, len(chosen), pending, c.chosen, c.pending)
			}
			for _, e := range chosen {
				if e.target.port != 8080 || e.pod == nil {
					t.Errorf("endpoint %+v has another port than http, or no pod", e)
				}
			}
		})
	}
}

func TestDecideServicePort(t *testing.T) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	svc.Spec.Ports = []corev1.ServicePort{{Name: "http", Port: 80}, {Name: "metrics", Port: 9090}}
	for _, c := range []struct {
		port intstr.IntOrString
		want string
	}{{intstr.FromInt32(9090), "metrics"}, {intstr.FromString("http"), "http"}, {intstr.FromInt32(81), ""}, {intstr.FromString("80"), ""}} {
		got, err := decideServicePort(svc, c.port)
		if got.Name != c.want || (err == nil) != (c.want != "") {
			t.Errorf("port %s: %q, %v; want %q", c.port.String(), got.Name, err, c.want)
		}
	}
}

func TestDecideCondition(t *testing.T) {
	now := time.Now()
	long := metav1.NewTime(now.Add(-time.Hour))
	sick := health{state: elbtypes.TargetHealthStateEnumUnhealthy, reason: "Target.ResponseCodeMismatch", description: "503"}
	isFalse := corev1.PodCondition{Type: gate, Status: corev1.ConditionFalse, Reason: sick.reason, Message: sick.description, LastTransitionTime: long}
	for _, c := range []struct {
		name    string
		have    *corev1.PodCondition
		seen    health
		status  corev1.ConditionStatus
		differs bool
		since   metav1.Time
	}{
		{"first word", nil, registering, corev1.ConditionFalse, true, metav1.NewTime(now)},
		{"healthy", &isFalse, health{state: elbtypes.TargetHealthStateEnumHealthy}, corev1.ConditionTrue, true, metav1.NewTime(now)},
		{"still sick", &isFalse, sick, corev1.ConditionFalse, false, long},
		{"sick for another reason", &isFalse, registering, corev1.ConditionFalse, true, long},
		{"group without a load balancer", &isFalse, health{state: elbtypes.TargetHealthStateEnumUnused, reason: "Target.NotInUse"}, corev1.ConditionFalse, true, long},
	} {
		want, differs := decideCondition(c.have, gate, c.seen, now)
		if want.Status != c.status || differs != c.differs || !want.LastTransitionTime.Equal(&c.since) || want.Type != gate {
			t.Errorf("%s: %+v, differs %v; want %s since %s, %v", c.name, want, differs, c.status, c.since, c.differs)
		}
	}
}

func TestConfigNamesEveryMistake(t *testing.T) {
	err := Config{Endpoint: "https://elasticloadbalancing.eu-central-1.amazonaws.com", HealthInterval: -1}.check()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"kubeconfig", "region", "accessKey", "secretKey", "amazonaws.com", "intervals"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not speak of %s:\n%v", want, err)
		}
	}
	good := Config{Kubeconfig: "k", Endpoint: "http://127.0.0.1:4566", Region: "r", AccessKey: "a", SecretKey: "s"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	if d := good.withDefaults(); d.HealthInterval != time.Second || d.ResyncInterval != 30*time.Second {
		t.Errorf("defaults %+v", d)
	}
}
