//go:build linux

package node

import (
	"fmt"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// hostIP is the address that the node reports: everything is on loopback.
const hostIP = "127.0.0.1"

// statusInput is everything that a pod's status depends on.
type statusInput struct {
	pod       *v1.Pod           // as last seen; conditions of others are in its status
	records   map[string]record // by container name; init containers too
	podIP     string            // empty before an address was found
	startTime metav1.Time
	prepared  bool              // address and volumes are there
	ended     bool              // nothing runs and nothing will run again
	reason    string            // why the agent ended the pod, "" if it did not
	message   string            // the same in words
	previous  []v1.PodCondition // what this agent said last
	now       metav1.Time
}

// podStatus computes the status of a pod. Only the fields and conditions that belong to
// the agent are set.
func podStatus(in statusInput) v1.PodStatus {
	st := v1.PodStatus{
		ObservedGeneration: in.pod.Generation,
		HostIP:             hostIP, HostIPs: []v1.HostIP{{IP: hostIP}},
		StartTime: &in.startTime, Reason: in.reason, Message: in.message,
	}
	if in.podIP != "" {
		st.PodIP, st.PodIPs = in.podIP, []v1.PodIP{{IP: in.podIP}}
	}
	for i := range in.pod.Spec.InitContainers {
		c := &in.pod.Spec.InitContainers[i]
		st.InitContainerStatuses = append(st.InitContainerStatuses, containerStatus(in.pod, c, in.records[c.Name]))
	}
	for i := range in.pod.Spec.Containers {
		c := &in.pod.Spec.Containers[i]
		st.ContainerStatuses = append(st.ContainerStatuses, containerStatus(in.pod, c, in.records[c.Name]))
	}
	st.Phase = podPhase(&in.pod.Spec, in.records, in.ended, in.reason != "")
	st.Conditions = podConditions(in, st.Phase)
	return st
}

// podPhase follows the rules of the Kubernetes documentation, "Pod Lifecycle: Pod phase", as
// the kubelet has them: Pending until every container has run once, Running
// while any can run (again), Succeeded or Failed when nothing will.
func podPhase(spec *v1.PodSpec, records map[string]record, ended, condemned bool) v1.PodPhase {
	if ended {
		if condemned || anyFailed(spec, records) {
			return v1.PodFailed
		}
		return v1.PodSucceeded
	}
	if !initialized(spec, records) {
		return v1.PodPending
	}
	for i := range spec.Containers {
		r := records[spec.Containers[i].Name]
		if r.state.Waiting != nil && r.last.Terminated == nil {
			return v1.PodPending
		}
	}
	return v1.PodRunning
}

// anyFailed says whether a container counts against the success of an ended pod. Sidecars do not.
func anyFailed(spec *v1.PodSpec, records map[string]record) bool {
	failed := func(name string) bool {
		t := records[name].state.Terminated
		return t == nil || t.ExitCode != 0
	}
	for i := range spec.InitContainers {
		if !isSidecar(&spec.InitContainers[i]) && failed(spec.InitContainers[i].Name) {
			return true
		}
	}
	for i := range spec.Containers {
		if failed(spec.Containers[i].Name) {
			return true
		}
	}
	return false
}

// initialized says whether every init container is done, or started if it is a sidecar.
func initialized(spec *v1.PodSpec, records map[string]record) bool {
	return len(uninitialized(spec, records)) == 0
}

func uninitialized(spec *v1.PodSpec, records map[string]record) []string {
	var names []string
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		r := records[c.Name]
		done := r.state.Terminated != nil && r.state.Terminated.ExitCode == 0
		if isSidecar(c) {
			// One that has run before does not take the pod back to Pending.
			done = r.started || r.last.Terminated != nil || r.state.Terminated != nil
		}
		if !done {
			names = append(names, c.Name)
		}
	}
	return names
}

// unready returns the containers that hold the pod back: sidecars and containers
// that are not ready.
func unready(spec *v1.PodSpec, records map[string]record) []string {
	var names []string
	for i := range spec.InitContainers {
		if c := &spec.InitContainers[i]; isSidecar(c) && !records[c.Name].ready {
			names = append(names, c.Name)
		}
	}
	for i := range spec.Containers {
		if c := &spec.Containers[i]; !records[c.Name].ready {
			names = append(names, c.Name)
		}
	}
	return names
}

// podConditions returns the agent's own conditions. The time of a transition is kept while
// the status stays the same.
func podConditions(in statusInput, phase v1.PodPhase) []v1.PodCondition {
	ready := containersReady(in, phase)
	conditions := []v1.PodCondition{
		{Type: v1.PodReadyToStartContainers, Status: conditionStatus(in.prepared && !in.ended)},
		initializedCondition(in, phase),
		ready,
		podReady(in, ready),
	}
	for i := range conditions {
		c := &conditions[i]
		c.ObservedGeneration = in.pod.Generation
		c.LastTransitionTime = in.now
		for _, p := range in.previous {
			if p.Type == c.Type && p.Status == c.Status {
				c.LastTransitionTime = p.LastTransitionTime
			}
		}
	}
	return conditions
}

func initializedCondition(in statusInput, phase v1.PodPhase) v1.PodCondition {
	c := v1.PodCondition{Type: v1.PodInitialized, Status: v1.ConditionTrue}
	if phase == v1.PodSucceeded {
		c.Reason = "PodCompleted"
		return c
	}
	if names := uninitialized(&in.pod.Spec, in.records); len(names) > 0 {
		c.Status, c.Reason = v1.ConditionFalse, "ContainersNotInitialized"
		c.Message = fmt.Sprintf("containers with incomplete status: %v", names)
	}
	return c
}

func containersReady(in statusInput, phase v1.PodPhase) v1.PodCondition {
	c := v1.PodCondition{Type: v1.ContainersReady, Status: v1.ConditionFalse}
	names := unready(&in.pod.Spec, in.records)
	switch {
	case phase == v1.PodSucceeded:
		c.Reason = "PodCompleted"
	case phase == v1.PodFailed:
		c.Reason = "PodFailed"
	case len(names) > 0:
		c.Reason, c.Message = "ContainersNotReady", fmt.Sprintf("containers with unready status: %v", names)
	default:
		c.Status = v1.ConditionTrue
	}
	return c
}

// podReady is ContainersReady and every readiness gate, whoever writes the gates' conditions.
func podReady(in statusInput, containers v1.PodCondition) v1.PodCondition {
	c := containers
	c.Type = v1.PodReady
	if c.Status != v1.ConditionTrue {
		return c
	}
	var missing []string
	for _, gate := range in.pod.Spec.ReadinessGates {
		status := v1.ConditionStatus("")
		for _, have := range in.pod.Status.Conditions {
			if have.Type == gate.ConditionType {
				status = have.Status
			}
		}
		switch status {
		case v1.ConditionTrue:
		case "":
			missing = append(missing, fmt.Sprintf("corresponding condition of pod readiness gate %q does not exist.", gate.ConditionType))
		default:
			missing = append(missing, fmt.Sprintf("the status of pod readiness gate %q is not \"True\", but %s", gate.ConditionType, status))
		}
	}
	if len(missing) > 0 {
		c.Status, c.Reason, c.Message = v1.ConditionFalse, "ReadinessGatesNotReady", strings.Join(missing, ", ")
	}
	return c
}

func conditionStatus(b bool) v1.ConditionStatus {
	if b {
		return v1.ConditionTrue
	}
	return v1.ConditionFalse
}
