package binder

import (
	"context"
	"fmt"
	"time"

	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// gatePrefix and the name of the binding make the type of the pods' condition.
const gatePrefix = "target-health.elbv2.k8s.aws/"

func gateOf(binding string) corev1.PodConditionType {
	return corev1.PodConditionType(gatePrefix + binding)
}

// health is what the load balancer says of a target.
type health struct {
	state       elbtypes.TargetHealthStateEnum
	reason      string
	description string
}

// registering is the health of a target that was registered just now, as the
// load balancer will say it.
var registering = health{
	state: elbtypes.TargetHealthStateEnumInitial, reason: string(elbtypes.TargetHealthReasonEnumRegistrationInProgress),
	description: "Target registration is in progress",
}

// released is what pods are told when their binding is gone: nobody will ever
// look at their health again, and they must not wait for it.
var released = health{state: elbtypes.TargetHealthStateEnumHealthy, description: "Target Group Binding is deleted"}

// decideCondition returns the condition that a pod should have, and whether it
// differs from the one it has.
func decideCondition(have *corev1.PodCondition, gate corev1.PodConditionType, seen health, now time.Time) (want corev1.PodCondition, differs bool) {
	want = corev1.PodCondition{
		Type: gate, Status: corev1.ConditionFalse, Reason: seen.reason, Message: seen.description, LastTransitionTime: metav1.NewTime(now),
	}
	if seen.state == elbtypes.TargetHealthStateEnumHealthy {
		want.Status = corev1.ConditionTrue
	}
	if have == nil {
		return want, true
	}
	if have.Status == want.Status {
		want.LastTransitionTime = have.LastTransitionTime
	}
	return want, have.Status != want.Status || have.Reason != want.Reason || have.Message != want.Message
}

// writeGate tells a pod its health, if it has the gate. It reports whether the
// pod still waits.
func (r *reconciler) writeGate(ctx context.Context, pod *corev1.Pod, gate corev1.PodConditionType, seen health) (waits bool, err error) {
	if !hasGate(pod, gate) {
		return false, nil
	}
	have := condition(pod, gate)
	want, differs := decideCondition(have, gate, seen, r.now())
	waits = want.Status != corev1.ConditionTrue
	if !differs {
		return waits, nil
	}
	// Only this condition is in the patch: the kubelet owns the others. The
	// UID keeps it from a new pod of the same name.
	before := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	if have != nil {
		before.Status.Conditions = []corev1.PodCondition{*have}
	}
	after := before.DeepCopy()
	after.UID = pod.UID
	after.Status.Conditions = []corev1.PodCondition{want}
	err = r.client.Status().Patch(ctx, after, client.StrategicMergeFrom(before))
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err):
		return false, nil // the pod is gone
	case err != nil:
		return false, fmt.Errorf("tell pod %s/%s that its target is %s: %w", pod.Namespace, pod.Name, seen.state, err)
	}
	r.log.Info("told pod", "pod", pod.Namespace+"/"+pod.Name, "gate", gate, "status", want.Status, "reason", want.Reason)
	return waits, nil
}

// writeGates tells every pod its health. It reports whether any still waits.
func (r *reconciler) writeGates(ctx context.Context, gate corev1.PodConditionType, endpoints []endpoint, registered map[target]health) (waits bool, err error) {
	for _, e := range endpoints {
		seen, known := registered[e.target]
		if !known {
			seen = registering
		}
		w, err := r.writeGate(ctx, e.pod, gate, seen)
		if err != nil {
			return false, err
		}
		waits = waits || w
	}
	return waits, nil
}
