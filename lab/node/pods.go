//go:build linux

package node

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// leaving says whether the agent itself is ending.
func (a *agent) leaving() bool { return a.leave.Err() != nil }

// podDir is where everything of one pod lies.
func (a *agent) podDir(uid types.UID) string {
	return filepath.Join(a.cfg.Dir, "pods", string(uid))
}

// isOurs says whether a pod is bound to this node.
func (a *agent) isOurs(pod *v1.Pod) bool { return pod.Spec.NodeName == a.cfg.Name }

// isTerminal says whether nothing of the pod will run again.
func isTerminal(pod *v1.Pod) bool {
	return pod.Status.Phase == v1.PodSucceeded || pod.Status.Phase == v1.PodFailed
}

// adopt reserves the addresses of the pods that an earlier agent has left, before any new pod can
// take them, and removes the directories of pods that are gone.
func (a *agent) adopt() {
	known := map[string]bool{}
	for _, o := range a.pods.GetStore().List() {
		pod := o.(*v1.Pod)
		known[string(pod.UID)] = true
		if ip, err := netip.ParseAddr(pod.Status.PodIP); err == nil && a.isOurs(pod) && !isTerminal(pod) {
			a.addresses.reserve(ip)
		}
	}
	dirs, err := os.ReadDir(filepath.Join(a.cfg.Dir, "pods"))
	if err != nil {
		a.log.Warn("cannot look for pods that are gone", "err", err)
	}
	for _, d := range dirs {
		if !known[d.Name()] {
			a.removeDir(types.UID(d.Name()))
		}
	}
}

func (a *agent) removeDir(uid types.UID) {
	if err := os.RemoveAll(a.podDir(uid)); err != nil {
		a.log.Warn("cannot remove the directory of a pod that is gone", "uid", uid, "err", err)
	}
}

// addressFor returns the address of a pod: the one it has in the API, which adopt has reserved,
// or a new one.
func (a *agent) addressFor(pod *v1.Pod) (netip.Addr, error) {
	if pod.Spec.HostNetwork {
		return netip.MustParseAddr(hostIP), nil
	}
	if ip, err := netip.ParseAddr(pod.Status.PodIP); err == nil && a.addresses.inUse(ip) {
		return ip, nil
	}
	return a.addresses.take()
}

// observe hands a pod to its worker, and starts one for a pod that needs it. A terminal
// pod needs one only to be let go.
func (a *agent) observe(ctx context.Context, pod *v1.Pod) {
	if !a.isOurs(pod) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	w := a.workers[pod.UID]
	if w == nil {
		if ctx.Err() != nil || (isTerminal(pod) && pod.DeletionTimestamp == nil) {
			return
		}
		w = newPodWorker(a, pod, time.Now())
		a.workers[pod.UID] = w
		a.working.Go(func() {
			w.run(ctx)
			a.mu.Lock()
			delete(a.workers, w.uid)
			a.mu.Unlock()
			if w.gone.Err() != nil {
				a.removeDir(w.uid)
			}
		})
	}
	w.observe(pod)
}

// vanish ends what is left of a pod that the API has forgotten.
func (a *agent) vanish(o any) {
	if t, ok := o.(cache.DeletedFinalStateUnknown); ok {
		o = t.Obj
	}
	pod, ok := o.(*v1.Pod)
	if !ok || !a.isOurs(pod) {
		return
	}
	a.mu.Lock()
	w := a.workers[pod.UID]
	a.mu.Unlock()
	if w == nil {
		a.removeDir(pod.UID)
		return
	}
	w.vanish()
}
