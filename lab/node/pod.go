//go:build linux

package node

import (
	"context"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// refreshPeriod is how often volumes are compared with what they show (the kubelet's
// syncFrequency is one minute).
const refreshPeriod = time.Minute

// podWorker runs one pod from its first sight until the API has forgotten it.
type podWorker struct {
	agent     *agent
	uid       types.UID
	namespace string
	name      string
	dir       string
	log       *slog.Logger
	volumes   volumes
	ip        netip.Addr // set before the first container starts
	started   metav1.Time
	ending    *ending

	deleted context.Context // ends when the API wants the pod to be gone
	gone    context.Context // ends when the API has forgotten it
	delete  context.CancelFunc
	forget  context.CancelFunc
	kicked  chan struct{} // there may be a status to write

	mu       sync.Mutex
	pod      *v1.Pod // as last seen; never changed
	records  map[string]record
	prepared bool
	ended    bool
	reason   string // why the agent ends the pod
	message  string
	written  writtenStatus
}

// newPodWorker takes over a pod, with what its status says of an earlier agent.
func newPodWorker(a *agent, pod *v1.Pod, now time.Time) *podWorker {
	w := &podWorker{
		agent: a, uid: pod.UID, namespace: pod.Namespace, name: pod.Name, pod: pod,
		dir: a.podDir(pod.UID), log: a.log.With("pod", pod.Namespace+"/"+pod.Name),
		started: metav1.NewTime(now), ending: newEnding(),
		kicked: make(chan struct{}, 1), records: map[string]record{},
	}
	w.volumes = volumes{root: filepath.Join(w.dir, "root"), home: filepath.Join(w.dir, "volumes")}
	w.deleted, w.delete = context.WithCancel(context.Background())
	w.gone, w.forget = context.WithCancel(context.Background())
	if pod.Status.StartTime != nil {
		w.started = *pod.Status.StartTime
	}
	w.written.conditions = pod.Status.Conditions
	seen := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for _, c := range allContainers(&pod.Spec) {
		i := slices.IndexFunc(seen, func(s v1.ContainerStatus) bool { return s.Name == c.Name })
		var status *v1.ContainerStatus
		if i >= 0 {
			status = &seen[i]
		}
		w.records[c.Name] = adoptedRecord(status, metav1.NewTime(now))
	}
	return w
}

// observe takes a newer version of the pod.
func (w *podWorker) observe(pod *v1.Pod) {
	w.mu.Lock()
	w.pod = pod
	w.mu.Unlock()
	if pod.DeletionTimestamp != nil {
		w.delete()
		w.ending.begin(podGrace(pod.DeletionGracePeriodSeconds))
	}
	w.kick()
}

// vanish is called when the API has forgotten the pod: nothing of it may remain.
func (w *podWorker) vanish() {
	w.forget()
	w.delete()
	w.ending.begin(0)
}

// condemn ends the pod for a reason of the agent's.
func (w *podWorker) condemn(reason, message string) {
	w.mu.Lock()
	w.reason, w.message = reason, message
	grace := podGrace(w.pod.Spec.TerminationGracePeriodSeconds)
	w.mu.Unlock()
	w.ending.begin(grace)
}

// run returns when the API has forgotten the pod or ctx has ended.
func (w *podWorker) run(ctx context.Context) {
	defer w.ending.close()
	api, cancel := context.WithCancel(ctx) // ends with the pod as well: there is nothing to write to then
	defer cancel()
	defer context.AfterFunc(w.gone, cancel)()
	if deadline := w.activeDeadline(); deadline != nil {
		defer deadline.Stop()
	}
	writing, stopWriting := context.WithCancel(api)
	var writer sync.WaitGroup
	writer.Go(func() { w.writeStatuses(api, writing) })
	w.live(ctx)
	stopWriting()
	writer.Wait()
	if ctx.Err() != nil {
		return // the next agent takes the pod over
	}
	w.finish(api)
	select {
	case <-w.gone.Done():
	case <-ctx.Done():
	}
}

// activeDeadline ends the pod when it has run for as long as it may.
func (w *podWorker) activeDeadline() *time.Timer {
	limit := w.latest().Spec.ActiveDeadlineSeconds
	if limit == nil {
		return nil
	}
	at := w.started.Add(time.Duration(*limit) * time.Second)
	return time.AfterFunc(time.Until(at), func() {
		w.condemn("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
	})
}

// live runs the containers. It returns when none runs and none will run again, or when the agent leaves.
func (w *podWorker) live(ctx context.Context) {
	w.kick()
	if !w.setUp(ctx) {
		return
	}
	refreshing, stop := context.WithCancel(ctx)
	var refresher sync.WaitGroup
	refresher.Go(func() { w.refreshVolumes(refreshing) })
	defer refresher.Wait()
	defer stop()

	var cars sidecars
	if w.initialize(ctx, &cars) {
		w.runContainers(ctx)
	}
	if len(cars) > 0 { // they have the pod's grace period, whether or not somebody has deleted it
		w.ending.begin(podGrace(w.latest().Spec.TerminationGracePeriodSeconds))
	}
	cars.stopAll()
}

// setUp finds an address and writes the volumes, however often it takes; false if the
// pod is to end first.
func (w *podWorker) setUp(ctx context.Context) bool {
	for tries := 1; w.ending.stopping.Err() == nil; tries++ {
		err := w.findAddress()
		if err == nil {
			err = w.volumes.mount(ctx, w.agent.client, w.facts())
		}
		if err == nil {
			w.mu.Lock()
			w.prepared = true
			w.mu.Unlock()
			w.kick()
			return true
		}
		w.log.Warn("pod cannot start yet", "err", err)
		w.event(v1.EventTypeWarning, "FailedMount", "%v", err)
		sleep(w.ending.stopping, retryDelay(tries))
	}
	return false
}

// findAddress takes the address that the pod had under an earlier agent, or a new one.
func (w *podWorker) findAddress() error {
	if w.ip.IsValid() {
		return nil
	}
	ip, err := w.agent.addressFor(w.latest())
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ip = ip
	return nil
}

// refreshVolumes keeps files up to date with what they show.
func (w *podWorker) refreshVolumes(ctx context.Context) {
	if !changes(&w.latest().Spec) {
		return
	}
	for sleep(ctx, refreshPeriod) {
		if err := w.volumes.mount(ctx, w.agent.client, w.facts()); err != nil && ctx.Err() == nil {
			w.log.Warn("volumes could not be refreshed", "err", err)
		}
	}
}

// initialize runs the init containers in order; false if the others are not to start.
func (w *podWorker) initialize(ctx context.Context, cars *sidecars) bool {
	spec := &w.latest().Spec
	for i := range spec.InitContainers {
		name := spec.InitContainers[i].Name
		if isSidecar(&spec.InitContainers[i]) {
			if !cars.start(ctx, w, name) {
				return false
			}
			continue
		}
		newContainer(w, name, true, w.ending.stopping).run(ctx)
		if t := w.record(name).state.Terminated; t == nil || t.ExitCode != 0 {
			return false
		}
	}
	return w.ending.stopping.Err() == nil
}

// runContainers runs the containers of the pod side by side until all have ended for good.
func (w *podWorker) runContainers(ctx context.Context) {
	var running sync.WaitGroup
	for _, c := range w.latest().Spec.Containers {
		running.Go(func() { newContainer(w, c.Name, false, w.ending.stopping).run(ctx) })
	}
	running.Wait()
}

// hostNetwork says whether the pod has the node's address. The field cannot change.
func (w *podWorker) hostNetwork() bool { return w.latest().Spec.HostNetwork }

func (w *podWorker) facts() podFacts {
	w.mu.Lock()
	defer w.mu.Unlock()
	return podFacts{pod: w.pod, podIP: w.ip.String(), hostIP: hostIP, allocatable: capacity()}
}

func (w *podWorker) latest() *v1.Pod {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pod
}

func (w *podWorker) record(container string) record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.records[container]
}

// update changes the record of one container.
func (w *podWorker) update(container string, change func(*record)) {
	w.mu.Lock()
	r := w.records[container]
	change(&r)
	w.records[container] = r
	w.mu.Unlock()
	w.kick()
}

// kick asks for the status to be written if it has changed.
func (w *podWorker) kick() {
	select {
	case w.kicked <- struct{}{}:
	default: // asked already
	}
}

// event tells about the pod in the API, unless the agent is ending and nobody takes events any more.
func (w *podWorker) event(kind, reason, format string, args ...any) {
	if w.agent.leaving() {
		return
	}
	w.agent.recorder.Eventf(w.latest(), kind, reason, format, args...)
}
