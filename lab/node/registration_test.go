//go:build linux

package node

import (
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

func TestMustReport(t *testing.T) {
	r := registration{name: "n", port: 1, version: "v1.36.3"}
	now := time.Unix(10000, 0)
	node := func(change func(*v1.Node)) *v1.Node {
		n := &v1.Node{Status: r.nodeStatus(nil, metav1.NewTime(now.Add(-time.Minute)))}
		change(n)
		return n
	}
	condition := func(n *v1.Node) *v1.NodeCondition { return &n.Status.Conditions[3] }
	for _, c := range []struct {
		name string
		node *v1.Node
		want bool
	}{
		{"up to date", node(func(*v1.Node) {}), false},
		{"new", &v1.Node{}, true},
		{"no condition yet", node(func(n *v1.Node) { n.Status.Conditions = nil }), true},
		{"old", node(func(n *v1.Node) { condition(n).LastHeartbeatTime = metav1.NewTime(now.Add(-statusPeriod)) }), true},
		{"declared dead", node(func(n *v1.Node) { condition(n).Status = v1.ConditionUnknown }), true},
		{"an earlier agent's port", node(func(n *v1.Node) { n.Status.DaemonEndpoints.KubeletEndpoint.Port = 2 }), true},
		{"an earlier version", node(func(n *v1.Node) { n.Status.NodeInfo.KubeletVersion = "v1.33.13" }), true},
	} {
		if got := r.mustReport(c.node, now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestBeat(t *testing.T) {
	client := fake.NewClientset()
	r := registration{client: client, name: "n", podCIDR: "10.231.36.0/24", port: 1, version: "v1.36.3"}
	began := time.Unix(10000, 0)
	if err := r.beat(t.Context(), began); err != nil {
		t.Fatal(err)
	}
	node, err := client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range node.Status.Addresses {
		if a.Type != v1.NodeInternalIP { // an API server would look a name up
			t.Errorf("address %+v", a)
		}
	}
	node.Spec.Unschedulable = true
	node.Status.Conditions[3].Status = v1.ConditionUnknown
	if _, err := client.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	later := began.Add(leasePeriod)
	if err := r.beat(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	node, err = client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !node.Spec.Unschedulable || node.Spec.PodCIDR != "10.231.36.0/24" {
		t.Errorf("the cordon was lifted, or the range lost: %+v", node.Spec)
	}
	ready := node.Status.Conditions[3]
	if ready.Status != v1.ConditionTrue || !ready.LastTransitionTime.Time.Equal(later) {
		t.Errorf("Ready is %+v, want true since the second beat", ready)
	}
	if pressure := node.Status.Conditions[0]; !pressure.LastTransitionTime.Time.Equal(began) {
		t.Errorf("a condition that has not changed: %+v", pressure)
	}
	lease, err := client.CoordinationV1().Leases(leaseNamespace).Get(t.Context(), "n", metav1.GetOptions{})
	if err != nil || !lease.Spec.RenewTime.Time.Equal(later) || *lease.Spec.LeaseDurationSeconds != leaseSeconds {
		t.Errorf("lease %+v, %v", lease.Spec, err)
	}
	if err := client.CoreV1().Nodes().Delete(t.Context(), "n", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := r.beat(t.Context(), later); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Nodes().Get(t.Context(), "n", metav1.GetOptions{}); err != nil {
		t.Errorf("a deleted node does not come back: %v", err)
	}
}
