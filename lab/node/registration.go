//go:build linux

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	coordination "k8s.io/api/coordination/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// The kubelet's defaults: a lease of 40 seconds, renewed every quarter of it, and a full
// status every five minutes (Kubernetes documentation, "Node heartbeats").
const (
	leaseSeconds   = 40
	leasePeriod    = leaseSeconds * time.Second / 4
	statusPeriod   = 5 * time.Minute
	leaseNamespace = "kube-node-lease"
)

// capacity is what the node offers to the scheduler. Nothing enforces it; it is large enough for whatever
// a lab starts, and 110 pods are the kubelet's default.
func capacity() v1.ResourceList {
	return v1.ResourceList{
		v1.ResourceCPU: resource.MustParse("64"), v1.ResourceMemory: resource.MustParse("64Gi"),
		v1.ResourceEphemeralStorage: resource.MustParse("64Gi"), v1.ResourcePods: resource.MustParse("110"),
	}
}

// registration keeps one Node and its lease alive.
type registration struct {
	client  kubernetes.Interface
	name    string
	podCIDR string
	port    int32  // of the kubelet API
	version string // shown as the kubelet's
}

// desiredNode is the Node as it is created.
func (r registration) desiredNode() *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: r.name, Labels: map[string]string{
			v1.LabelHostname: r.name, v1.LabelOSStable: runtime.GOOS, v1.LabelArchStable: runtime.GOARCH,
		}},
		Spec: v1.NodeSpec{PodCIDR: r.podCIDR, PodCIDRs: []string{r.podCIDR}},
	}
}

// nodeStatus is what the node says of itself. The times of conditions that have not changed are kept.
func (r registration) nodeStatus(previous []v1.NodeCondition, now metav1.Time) v1.NodeStatus {
	status := v1.NodeStatus{
		Capacity: capacity(), Allocatable: capacity(),
		// No host name: API servers prefer it to reach the kubelet, and it would have to be looked up.
		Addresses:       []v1.NodeAddress{{Type: v1.NodeInternalIP, Address: hostIP}},
		DaemonEndpoints: v1.NodeDaemonEndpoints{KubeletEndpoint: v1.DaemonEndpoint{Port: r.port}},
		NodeInfo: v1.NodeSystemInfo{
			KubeletVersion: r.version, ContainerRuntimeVersion: "process://1", OSImage: "watari lab",
			OperatingSystem: runtime.GOOS, Architecture: runtime.GOARCH,
		},
		Conditions: []v1.NodeCondition{
			{Type: v1.NodeMemoryPressure, Status: v1.ConditionFalse, Reason: "NotMeasured"},
			{Type: v1.NodeDiskPressure, Status: v1.ConditionFalse, Reason: "NotMeasured"},
			{Type: v1.NodePIDPressure, Status: v1.ConditionFalse, Reason: "NotMeasured"},
			{Type: v1.NodeReady, Status: v1.ConditionTrue, Reason: "KubeletReady", Message: "pods run as local processes"},
		},
	}
	for i := range status.Conditions {
		c := &status.Conditions[i]
		c.LastHeartbeatTime, c.LastTransitionTime = now, now
		for _, p := range previous {
			if p.Type == c.Type && p.Status == c.Status {
				c.LastTransitionTime = p.LastTransitionTime
			}
		}
	}
	return status
}

// mustReport says whether the Node in the API needs a new status: it is old, or somebody
// has declared the node dead, or it points to an earlier agent.
func (r registration) mustReport(node *v1.Node, now time.Time) bool {
	if node.Status.DaemonEndpoints.KubeletEndpoint.Port != r.port || node.Status.NodeInfo.KubeletVersion != r.version {
		return true
	}
	for _, c := range node.Status.Conditions {
		if c.Type == v1.NodeReady {
			return c.Status != v1.ConditionTrue || now.Sub(c.LastHeartbeatTime.Time) >= statusPeriod
		}
	}
	return true
}

// beat makes sure that the Node exists and is up to date, and renews its lease. A cordon is kept.
func (r registration) beat(ctx context.Context, now time.Time) error {
	nodes := r.client.CoreV1().Nodes()
	node, err := nodes.Get(ctx, r.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		node, err = nodes.Create(ctx, r.desiredNode(), metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("register node %s: %w", r.name, err)
	}
	if r.mustReport(node, now) {
		patch, err := json.Marshal(map[string]any{"status": r.nodeStatus(node.Status.Conditions, metav1.NewTime(now))})
		if err != nil {
			return fmt.Errorf("encode status of node %s: %w", r.name, err)
		}
		if _, err := nodes.Patch(ctx, r.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
			return fmt.Errorf("write status of node %s: %w", r.name, err)
		}
	}
	return r.renewLease(ctx, node, now)
}

func (r registration) renewLease(ctx context.Context, node *v1.Node, now time.Time) error {
	leases := r.client.CoordinationV1().Leases(leaseNamespace)
	renewed := metav1.NewMicroTime(now)
	lease, err := leases.Get(ctx, r.name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		seconds := int32(leaseSeconds)
		lease = &coordination.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: r.name, OwnerReferences: []metav1.OwnerReference{
				{APIVersion: "v1", Kind: "Node", Name: r.name, UID: node.UID},
			}},
			Spec: coordination.LeaseSpec{HolderIdentity: &r.name, LeaseDurationSeconds: &seconds, RenewTime: &renewed},
		}
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{})
	case err == nil:
		lease.Spec.HolderIdentity, lease.Spec.RenewTime = &r.name, &renewed
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("renew lease of node %s: %w", r.name, err)
	}
	return nil
}
