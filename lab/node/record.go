//go:build linux

package node

import (
	"fmt"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// record is what is known of one container. It holds everything that its status needs.
type record struct {
	state    v1.ContainerState
	last     v1.ContainerState // the termination before the present state
	restarts int32
	started  bool // the startup probe, if any, has succeeded
	ready    bool
}

// waiting is the state of a container that does not run yet, or not at this moment.
func waiting(reason, message string) v1.ContainerState {
	return v1.ContainerState{Waiting: &v1.ContainerStateWaiting{Reason: reason, Message: message}}
}

// The exit code that the kubelet gives to a container whose end it has not seen
// (128 + SIGKILL).
const lostExitCode = 137

// adoptedRecord is the record of a container that an earlier agent has left
// behind. What ran then has died with that agent. The status is nil if there is none.
func adoptedRecord(seen *v1.ContainerStatus, now metav1.Time) record {
	if seen == nil {
		return record{state: waiting("ContainerCreating", "")}
	}
	r := record{state: *seen.State.DeepCopy(), last: *seen.LastTerminationState.DeepCopy(), restarts: seen.RestartCount}
	switch {
	case seen.State.Terminated != nil:
		r.ready = seen.Ready
	case seen.State.Running != nil:
		r.state = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
			ExitCode: lostExitCode, Reason: "Error", StartedAt: seen.State.Running.StartedAt, FinishedAt: now,
			Message: "the node agent ended, and the process with it", ContainerID: seen.ContainerID,
		}}
	case r.state.Waiting == nil:
		r.state = waiting("ContainerCreating", "")
	}
	return r
}

// endedRecord is the record of a container in a pod that will never run again.
// What has no termination of its own gets one.
func endedRecord(r record, now metav1.Time) record {
	if r.state.Terminated != nil {
		return r
	}
	r.ready, r.started = false, false
	if r.last.Terminated != nil { // it waited for a restart that does not come
		r.state, r.last = r.last, v1.ContainerState{}
		return r
	}
	r.state = v1.ContainerState{Terminated: &v1.ContainerStateTerminated{
		ExitCode: lostExitCode, Reason: "ContainerStatusUnknown", FinishedAt: now,
		Message: "the pod ended before the container was started",
	}}
	return r
}

// isSidecar says whether an init container keeps running beside the others.
func isSidecar(c *v1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == v1.ContainerRestartPolicyAlways
}

// restartPolicy is the policy of one container. An init container of a pod that always restarts
// its containers is only repeated until it succeeds.
func restartPolicy(spec *v1.PodSpec, c *v1.Container, init bool) v1.RestartPolicy {
	if c.RestartPolicy != nil {
		return v1.RestartPolicy(*c.RestartPolicy)
	}
	if init && spec.RestartPolicy != v1.RestartPolicyNever {
		return v1.RestartPolicyOnFailure
	}
	return spec.RestartPolicy
}

// shouldRestart says whether a container that exited with this code runs again.
func shouldRestart(policy v1.RestartPolicy, exitCode int32) bool {
	switch policy {
	case v1.RestartPolicyNever:
		return false
	case v1.RestartPolicyOnFailure:
		return exitCode != 0
	}
	return true
}

// containerStatus writes a record as the API has it.
func containerStatus(pod *v1.Pod, c *v1.Container, r record) v1.ContainerStatus {
	started := r.started
	s := v1.ContainerStatus{
		Name: c.Name, State: r.state, LastTerminationState: r.last, Ready: r.ready, Started: &started,
		RestartCount: r.restarts, Image: c.Image,
	}
	if r.state.Running != nil || r.state.Terminated != nil || r.last.Terminated != nil {
		s.ImageID = "process://" + c.Image
		s.ContainerID = containerID(pod.UID, c.Name, r.restarts)
	}
	return s
}

// containerID names one attempt at running a container.
func containerID(pod types.UID, container string, attempt int32) string {
	return fmt.Sprintf("process://%s/%s/%d", pod, container, attempt)
}
