package binder

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// endpoint is a pod that should be in the group.
type endpoint struct {
	target target
	pod    *corev1.Pod
}

// backends is what the cluster says of one Service.
type backends struct {
	slices []discoveryv1.EndpointSlice
	pods   map[string]*corev1.Pod            // by name
	nodes  map[string]corev1.ConditionStatus // Ready, by name; absent if there is no such node
}

// decideServicePort finds the port that a binding names, by number or by name.
func decideServicePort(svc *corev1.Service, port intstr.IntOrString) (corev1.ServicePort, error) {
	i := slices.IndexFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		if port.Type == intstr.Int {
			return p.Port == port.IntVal
		}
		return p.Name == port.StrVal
	})
	if i < 0 {
		return corev1.ServicePort{}, fmt.Errorf("service %s/%s has no port %s: %w", svc.Namespace, svc.Name, port.String(), errNoBackend)
	}
	return svc.Spec.Ports[i], nil
}

// decideEndpoints says which pods belong into the group. The rules are those of
// AWS's controller: a pod that is ready; and one that only waits for its
// readiness gates, unless it is terminating, because it would wait for ever. If
// no pod is left, those on nodes that are not heard of any more are taken
// ("fail open"). pending says that more may come without any event that would
// tell.
func decideEndpoints(port corev1.ServicePort, seen backends, gate corev1.PodConditionType) (chosen []endpoint, pending bool) {
	var doubtful []endpoint
	known, doubted := targets{}, targets{} // a pod may be in two slices while it moves between them
	for _, slice := range seen.slices {
		if slice.AddressType != discoveryv1.AddressTypeIPv4 {
			continue
		}
		for _, number := range portsOf(slice, port.Name) {
			for _, ep := range slice.Endpoints {
				if ep.TargetRef == nil || ep.TargetRef.Kind != "Pod" || len(ep.Addresses) == 0 {
					continue
				}
				pod := seen.pods[ep.TargetRef.Name]
				if pod == nil {
					pending = true // its event is still to come
					continue
				}
				e := endpoint{target: target{ip: ep.Addresses[0], port: number}, pod: pod}
				switch decidePlace(ep, pod, seen.nodes, gate) {
				case in:
					chosen = appendNew(chosen, e, known)
				case inDoubt:
					doubtful = appendNew(doubtful, e, doubted)
				case notYet:
					pending = true
				}
			}
		}
	}
	if len(chosen) == 0 {
		chosen = doubtful
	}
	return chosen, pending
}

func appendNew(to []endpoint, e endpoint, known targets) []endpoint {
	if known[e.target] {
		return to
	}
	known[e.target] = true
	return append(to, e)
}

// place is where an endpoint belongs.
type place int

const (
	out place = iota
	in
	inDoubt // nobody hears of its node
	notYet  // it will have to be in
)

func decidePlace(ep discoveryv1.Endpoint, pod *corev1.Pod, nodes map[string]corev1.ConditionStatus, gate corev1.PodConditionType) place {
	switch {
	case isTrue(ep.Conditions.Ready):
		return in
	case !hasCondition(pod, corev1.ContainersReady):
		if hasGate(pod, gate) && !isTrue(ep.Conditions.Terminating) {
			return notYet
		}
		return out
	}
	switch nodes[pod.Spec.NodeName] {
	case corev1.ConditionTrue:
		if !isTrue(ep.Conditions.Terminating) {
			return in
		}
	case corev1.ConditionUnknown:
		return inDoubt
	}
	return out
}

// portsOf returns the numbers under which a slice has the Service's port.
func portsOf(slice discoveryv1.EndpointSlice, name string) (numbers []int32) {
	for _, p := range slice.Ports {
		if p.Port != nil && (name == "" || (p.Name != nil && *p.Name == name)) {
			numbers = append(numbers, *p.Port)
		}
	}
	return numbers
}

func isTrue(b *bool) bool { return b != nil && *b }

func hasCondition(pod *corev1.Pod, kind corev1.PodConditionType) bool {
	c := condition(pod, kind)
	return c != nil && c.Status == corev1.ConditionTrue
}

func condition(pod *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		if pod.Status.Conditions[i].Type == kind {
			return &pod.Status.Conditions[i]
		}
	}
	return nil
}

func hasGate(pod *corev1.Pod, gate corev1.PodConditionType) bool {
	return slices.ContainsFunc(pod.Spec.ReadinessGates, func(g corev1.PodReadinessGate) bool { return g.ConditionType == gate })
}

func desiredOf(endpoints []endpoint) targets {
	desired := make(targets, len(endpoints))
	for _, e := range endpoints {
		desired[e.target] = true
	}
	return desired
}
