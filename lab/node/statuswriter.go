//go:build linux

package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// writtenStatus is what the agent has told the API last.
type writtenStatus struct {
	status     *v1.PodStatus
	conditions []v1.PodCondition // with the times of their transitions
}

// writeStatuses writes the status whenever it has changed, one write at a time, until asked to stop. Changes
// that come while one is being written go together into the next.
func (w *podWorker) writeStatuses(ctx, stop context.Context) {
	for {
		select {
		case <-stop.Done():
			return
		case <-w.kicked:
			w.writeStatus(ctx, stop)
		}
	}
}

// writeStatus writes the present status and tries again until it is written or it is asked to stop; a
// write that has begun is cut off by ctx alone. Each try writes what is true at its time.
func (w *podWorker) writeStatus(ctx, stop context.Context) {
	for tries := 1; stop.Err() == nil; tries++ {
		err := w.patchStatus(ctx)
		if err == nil || apierrors.IsNotFound(err) {
			return
		}
		if ctx.Err() == nil && !apierrors.IsConflict(err) {
			w.log.Warn("cannot write the pod's status", "err", err)
		}
		sleep(stop, retryDelay(tries))
	}
}

// patchStatus writes the present status if it differs from the one written last. Only one
// goroutine at a time calls it.
func (w *podWorker) patchStatus(ctx context.Context) error {
	w.mu.Lock()
	in := statusInput{
		pod: w.pod, records: w.records, startTime: w.started, prepared: w.prepared, ended: w.ended,
		previous: w.written.conditions, now: metav1.NewTime(time.Now()),
	}
	if w.ip.IsValid() {
		in.podIP = w.ip.String()
	}
	if w.ended {
		in.reason, in.message = w.reason, w.message
	}
	status := podStatus(in)
	last := w.written.status
	w.mu.Unlock()
	if last != nil && equality.Semantic.DeepEqual(*last, status) {
		return nil
	}
	patch, err := statusPatch(w.uid, status)
	if err != nil {
		return err
	}
	pods := w.agent.client.CoreV1().Pods(w.namespace)
	if _, err := pods.Patch(ctx, w.name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		return err
	}
	w.mu.Lock()
	w.written = writtenStatus{status: &status, conditions: status.Conditions}
	w.mu.Unlock()
	return nil
}

// statusPatch is a strategic merge patch: conditions of others stay, and a pod of the same name
// but another UID is refused. Reason and message of a condition are always said, since
// merging would keep old ones.
func statusPatch(uid types.UID, status v1.PodStatus) ([]byte, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, fmt.Errorf("encode status: %w", err)
	}
	conditions, _ := fields["conditions"].([]any)
	for _, c := range conditions {
		condition := c.(map[string]any)
		for _, key := range []string{"reason", "message"} {
			if _, ok := condition[key]; !ok {
				condition[key] = nil
			}
		}
	}
	return json.Marshal(map[string]any{"metadata": map[string]any{"uid": uid}, "status": fields})
}

// finish writes the last status of a pod that has ended, gives its address back, and
// lets the API forget the pod once it has been deleted.
func (w *podWorker) finish(ctx context.Context) {
	w.mu.Lock()
	now := metav1.NewTime(time.Now())
	for name, r := range w.records {
		w.records[name] = endedRecord(r, now)
	}
	w.ended = true
	ended, ip := isTerminal(w.pod), w.ip
	if !ip.IsValid() { // adopted and never started: adopt has reserved it all the same
		ip, _ = netip.ParseAddr(w.pod.Status.PodIP)
	}
	w.mu.Unlock()
	if !ended {
		w.writeStatus(ctx, ctx)
	}
	w.agent.addresses.release(ip)
	select {
	case <-w.deleted.Done():
	case <-ctx.Done():
		return
	}
	zero := int64(0)
	for tries := 1; ctx.Err() == nil; tries++ {
		err := w.agent.client.CoreV1().Pods(w.namespace).Delete(ctx, w.name, metav1.DeleteOptions{
			GracePeriodSeconds: &zero, Preconditions: &metav1.Preconditions{UID: &w.uid},
		})
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return // a conflict is another pod of that name; ours is gone
		}
		if ctx.Err() == nil {
			w.log.Warn("cannot delete the ended pod", "err", err)
		}
		sleep(ctx, retryDelay(tries))
	}
}
