//go:build linux

package node

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func TestServerPod(t *testing.T) {
	t.Setenv("WATARI_LAB", "/the/lab")
	c := newCluster(t).start()
	port := c.freePort()
	pod := c.pod("web", "")
	main := &pod.Spec.Containers[0]
	main.Image, main.Command = "test/server:v7", nil
	main.Ports = []v1.ContainerPort{{Name: "http", ContainerPort: port}}
	main.Env = []v1.EnvVar{
		{Name: "PORT", Value: strconv.Itoa(int(port))}, {Name: "WATARI_LAB", Value: "/another/lab"},
		{Name: "IP", ValueFrom: &v1.EnvVarSource{FieldRef: &v1.ObjectFieldSelector{FieldPath: "status.podIP"}}},
	}
	main.ReadinessProbe = &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/ready", Port: intstr.FromString("http")}}}
	pod.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "lb/in"}}
	c.create(pod)

	seen := c.await("web", "containers are ready", func(p *v1.Pod) bool { return condition(p, v1.ContainersReady) == v1.ConditionTrue })
	if seen.Status.Phase != v1.PodRunning || ready(seen) || mainStatus(seen).Image != "test/server:v7" {
		t.Errorf("status before the gate opens: %+v", seen.Status)
	}
	bind := "127" + strings.TrimPrefix(seen.Status.PodIP, "10")
	for name, want := range map[string]string{"IP": seen.Status.PodIP, "WATARI_POD_BIND": bind, "WATARI_IMAGE_TAG": "v7", "HOSTNAME": "web", "WATARI_LAB": "/the/lab"} {
		resp, err := http.Get("http://" + bind + ":" + strconv.Itoa(int(port)) + "/env?name=" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != want || err != nil {
			t.Errorf("%s = %q, %v; want %q", name, got, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()

	patch := []byte(`{"status":{"conditions":[{"type":"lb/in","status":"True","reason":"Registered"}]}}`)
	if _, err := c.client.CoreV1().Pods("default").Patch(t.Context(), "web", types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	if p := c.await("web", "the gate counts", ready); condition(p, "lb/in") != v1.ConditionTrue {
		t.Error("the gate's own condition was overwritten")
	}
	if err := os.WriteFile(c.root("web")+"/unready", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c.await("web", "a failed probe is seen", func(p *v1.Pod) bool { return !ready(p) && !mainStatus(p).Ready })
	c.delete("web", 5)
	c.await("web", "the pod is gone", gone)
	last := c.statuses("web")
	if end := mainStatus(last[len(last)-1]).State.Terminated; end == nil || end.Reason != "Completed" || last[len(last)-1].Status.Phase != v1.PodSucceeded {
		t.Errorf("last status %+v, want a completed container in a succeeded pod", last[len(last)-1].Status)
	}
}

func TestDeletionRunsTheHookThenTerm(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	out := filepath.Join(t.TempDir(), "out")
	pod := c.pod("p", `trap "echo term >> `+out+`; exit 0" TERM; echo up >> `+out+`; while :; do sleep 0.01; done`)
	pod.Spec.Containers[0].Lifecycle = &v1.Lifecycle{
		PostStart: &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"/bin/sh", "-c", "until test -s " + out + "; do sleep 0.01; done; echo post >> " + out}}},
		PreStop:   &v1.LifecycleHandler{Exec: &v1.ExecAction{Command: []string{"/bin/sh", "-c", "sleep 0.1; echo pre >> " + out}}},
	}
	c.create(pod)
	c.await("p", "ready", ready)
	c.delete("p", 5)
	c.await("p", "gone", gone)
	got, err := os.ReadFile(out)
	if want := "up\npost\npre\nterm\n"; string(got) != want || err != nil {
		t.Errorf("order of events %q, %v; want %q", got, err, want)
	}
	eventually(t, "the directory is removed", func() bool {
		left, err := os.ReadDir(filepath.Join(c.cfg.Dir, "pods"))
		return err == nil && len(left) == 0
	})
}

func TestKillComesExactlyWhenGraceIsOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	c.create(c.pod("p", `trap "" TERM; echo up > "$WATARI_POD_ROOT/up"; while :; do sleep 0.05; done`))
	c.await("p", "ready", ready)
	eventually(t, "the signal is ignored", func() bool { _, err := os.Stat(c.root("p") + "/up"); return err == nil })
	began := time.Now()
	c.delete("p", 1)
	c.await("p", "gone", gone)
	if took := time.Since(began); took < time.Second || took > 3*time.Second {
		t.Errorf("gone after %s, want just over 1s", took)
	}
	last := c.statuses("p")
	end := last[len(last)-1]
	if s := mainStatus(end).State.Terminated; s == nil || s.ExitCode != 137 || end.Status.Phase != v1.PodFailed {
		t.Errorf("last status %+v, want exit code 137 in a failed pod", end.Status)
	}
}

// A second deletion can shorten the grace period.
func TestGraceIsShortened(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	c.create(c.pod("p", `trap "" TERM; echo up > "$WATARI_POD_ROOT/up"; while :; do sleep 0.05; done`))
	c.await("p", "ready", ready)
	eventually(t, "the signal is ignored", func() bool { _, err := os.Stat(c.root("p") + "/up"); return err == nil })
	c.delete("p", 600)
	c.delete("p", 1)
	c.await("p", "gone", gone)
}

func TestForcedDeletionKillsAtOnce(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	file := filepath.Join(t.TempDir(), "pid")
	c.create(c.pod("p", `trap "" TERM; echo $$$$ > `+file+`; while :; do sleep 0.05; done`))
	pid := c.awaitPID(file)
	if err := c.client.CoreV1().Pods("default").Delete(t.Context(), "p", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is killed", func() bool { return !alive(pid) })
}

func TestInitContainersAndSidecar(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	out := filepath.Join(t.TempDir(), "out")
	pod := c.pod("job", "echo main >> "+out)
	pod.Spec.RestartPolicy = v1.RestartPolicyOnFailure
	init := func(name, script string) v1.Container {
		return v1.Container{Name: name, Image: "busybox", Command: []string{"/bin/sh", "-c", script}}
	}
	pod.Spec.InitContainers = []v1.Container{
		init("first", "test -e once || { touch once; exit 1; }; echo first >> "+out),
		init("car", `trap "echo car ends >> `+out+`; exit 0" TERM; echo car >> `+out+`; touch up; while :; do sleep 0.01; done`),
		init("second", "echo second >> "+out),
	}
	pod.Spec.InitContainers[1].RestartPolicy = &always
	pod.Spec.InitContainers[1].StartupProbe = &v1.Probe{ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"/usr/bin/test", "-e", "up"}}}, FailureThreshold: 10}
	c.create(pod)
	end := c.await("job", "succeeded", phase(v1.PodSucceeded))
	got, err := os.ReadFile(out)
	if want := "first\ncar\nsecond\nmain\ncar ends\n"; string(got) != want || err != nil {
		t.Errorf("order of events %q, %v; want %q", got, err, want)
	}
	inits := end.Status.InitContainerStatuses
	if len(inits) != 3 || inits[0].RestartCount != 1 || !inits[0].Ready || inits[1].State.Terminated == nil {
		t.Errorf("init containers ended as %+v", inits)
	}
}

func TestCrashLoop(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	c.create(c.pod("p", "exit 9"))
	p := c.await("p", "a crash loop", func(p *v1.Pod) bool {
		w := mainStatus(p).State.Waiting
		return w != nil && w.Reason == "CrashLoopBackOff" && strings.Contains(w.Message, "back-off 1s")
	})
	s := mainStatus(p)
	if s.RestartCount != 1 || s.LastTerminationState.Terminated == nil || s.LastTerminationState.Terminated.ExitCode != 9 || p.Status.Phase != v1.PodRunning {
		t.Errorf("in a crash loop: %+v, phase %s", s, p.Status.Phase)
	}
}

func TestFailedJobTellsWhy(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	for name, script := range map[string]string{"file": `echo because > "$WATARI_TERMINATION_LOG"; exit 3`, "log": "echo because; exit 3"} {
		pod := c.pod(name, script)
		pod.Spec.RestartPolicy = v1.RestartPolicyNever
		pod.Spec.Containers[0].TerminationMessagePolicy = v1.TerminationMessageFallbackToLogsOnError
		c.create(pod)
		end := mainStatus(c.await(name, "failed", phase(v1.PodFailed)))
		if s := end.State.Terminated; s.ExitCode != 3 || s.Reason != "Error" || strings.TrimSpace(s.Message) != "because" || end.RestartCount != 0 {
			t.Errorf("%s: ended as %+v after %d restarts", name, s, end.RestartCount)
		}
	}
}

func TestStartErrorIsAnEnd(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	pod := c.pod("p", "")
	pod.Spec.RestartPolicy = v1.RestartPolicyNever
	pod.Spec.Containers[0].Command = []string{"/nonexistent/program"}
	c.create(pod)
	s := mainStatus(c.await("p", "failed", phase(v1.PodFailed))).State.Terminated
	if s.ExitCode != startErrorCode || s.Reason != "StartError" || !strings.Contains(s.Message, "/nonexistent/program") {
		t.Errorf("ended as %+v", s)
	}
}

func TestLivenessRestarts(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	pod := c.pod("p", "touch alive; exec sleep 1000")
	pod.Spec.Containers[0].LivenessProbe = &v1.Probe{PeriodSeconds: 1, FailureThreshold: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"/usr/bin/test", "-e", "alive"}}}}
	c.create(pod)
	c.await("p", "ready", ready)
	eventually(t, "the container has begun", func() bool { return os.Remove(c.root("p")+"/alive") == nil })
	p := c.await("p", "restarted", func(p *v1.Pod) bool { return mainStatus(p).RestartCount == 1 && ready(p) })
	if s := mainStatus(p).LastTerminationState.Terminated; s == nil || s.ExitCode != 143 {
		t.Errorf("ended as %+v, want by TERM", s)
	}
}

func TestWhatIsMissingIsWaitedFor(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	image := c.pod("image", "")
	image.Spec.Containers[0].Image, image.Spec.Containers[0].Command = "nothing:1", nil
	env := c.pod("env", "exec sleep 1000")
	env.Spec.Containers[0].EnvFrom = []v1.EnvFromSource{{ConfigMapRef: &v1.ConfigMapEnvSource{LocalObjectReference: v1.LocalObjectReference{Name: "later"}}}}
	volume := c.pod("volume", `exec sleep 1000`)
	volume.Spec.Volumes = []v1.Volume{{Name: "v", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "later"}}}}}
	volume.Spec.Containers[0].VolumeMounts = mounts("v", "/etc/app")
	for _, pod := range []*v1.Pod{image, env, volume} {
		c.create(pod)
	}
	waits := func(reason, message string) func(p *v1.Pod) bool {
		return func(p *v1.Pod) bool {
			w := mainStatus(p).State.Waiting
			return w != nil && w.Reason == reason && strings.Contains(w.Message, message)
		}
	}
	c.await("image", "no image", waits("ImagePullBackOff", "known images: test/server"))
	c.await("env", "no ConfigMap", waits("CreateContainerConfigError", `configmap "later" not found`))
	c.await("volume", "no volume", func(p *v1.Pod) bool {
		return waits("ContainerCreating", "")(p) && condition(p, v1.PodReadyToStartContainers) == v1.ConditionFalse
	})
	later := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "later", Namespace: "default"}, Data: map[string]string{"k": "v"}}
	if _, err := c.client.CoreV1().ConfigMaps("default").Create(t.Context(), later, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.await("env", "ready", ready)
	c.await("volume", "ready", ready)
	if got, err := os.ReadFile(c.root("volume") + "/etc/app/k"); string(got) != "v" || err != nil {
		t.Errorf("the file holds %q, %v", got, err)
	}
	c.delete("image", 600)
	c.await("image", "a pod that never ran goes at once", gone)
}

func TestActiveDeadline(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	pod, limit := c.pod("p", "exec sleep 1000"), int64(1)
	pod.Spec.ActiveDeadlineSeconds = &limit
	c.create(pod)
	if p := c.await("p", "failed", phase(v1.PodFailed)); p.Status.Reason != "DeadlineExceeded" {
		t.Errorf("reason %q", p.Status.Reason)
	}
}

func TestHookThatUsesUpGraceLeavesAWindow(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	pod := c.pod("p", `trap "exit 0" TERM; touch up; while :; do sleep 0.01; done`)
	pod.Spec.Containers[0].Lifecycle = &v1.Lifecycle{PreStop: &v1.LifecycleHandler{Sleep: &v1.SleepAction{Seconds: 600}}}
	c.create(pod)
	eventually(t, "the trap is set", func() bool { _, err := os.Stat(c.root("p") + "/up"); return err == nil })
	began := time.Now()
	c.delete("p", 1)
	c.await("p", "gone", gone)
	last := c.statuses("p")
	if s := mainStatus(last[len(last)-1]).State.Terminated; time.Since(began) < time.Second || s == nil || s.ExitCode != 0 {
		t.Errorf("ended as %+v after %s, want a clean end after the hook's second", s, time.Since(began))
	}
}

func TestNextAgentTakesOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	file := filepath.Join(t.TempDir(), "pid")
	c.create(c.pod("p", "echo $$$$ > "+file+"; exec sleep 1000"))
	once := c.pod("once", "exec sleep 1000")
	once.Spec.RestartPolicy = v1.RestartPolicyNever
	c.create(once)
	first := c.await("p", "ready", ready)
	c.await("once", "ready", ready)
	pid := c.awaitPID(file)
	c.stop()
	if alive(pid) {
		t.Error("the process outlives its agent")
	}
	if p := c.get("p"); !ready(p) {
		t.Errorf("a leaving agent has touched the pod: %+v", p.Status)
	}
	if err := os.MkdirAll(filepath.Join(c.cfg.Dir, "pods", "long-gone"), 0o755); err != nil {
		t.Fatal(err)
	}

	c.start()
	c.create(c.pod("new", "exec sleep 1000"))
	p := c.await("p", "restarted", func(p *v1.Pod) bool { return mainStatus(p).RestartCount == 1 && ready(p) })
	if s := mainStatus(p).LastTerminationState.Terminated; s == nil || s.ExitCode != lostExitCode || p.Status.PodIP != first.Status.PodIP {
		t.Errorf("taken over with address %s (was %s), last end %+v", p.Status.PodIP, first.Status.PodIP, s)
	}
	if fresh := c.await("new", "ready", ready); fresh.Status.PodIP == p.Status.PodIP {
		t.Error("two pods have one address")
	}
	if s := mainStatus(c.await("once", "failed", phase(v1.PodFailed))); s.RestartCount != 0 || s.State.Terminated.ExitCode != lostExitCode {
		t.Errorf("a pod that is never restarted: %+v", s)
	}
	if _, err := os.Stat(filepath.Join(c.cfg.Dir, "pods", "long-gone")); !os.IsNotExist(err) {
		t.Errorf("the directory of a pod that is gone: %v", err)
	}
}

// A pod that was being deleted when its agent died is let go by the next one.
func TestNextAgentLetsGo(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	pod := c.pod("p", "exec sleep 1000")
	now, grace := metav1.Now(), int64(600)
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds, pod.Finalizers = &now, &grace, []string{"test/hold"}
	pod.Status = v1.PodStatus{Phase: v1.PodRunning, PodIP: "10.231.1.1", ContainerStatuses: []v1.ContainerStatus{
		{Name: "main", State: v1.ContainerState{Running: &v1.ContainerStateRunning{}}},
	}}
	c.create(pod)
	c.start()
	c.await("p", "gone", gone)
}

func TestForeignPodsAreLeftAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	foreign := c.pod("foreign", "exec sleep 1000")
	foreign.Spec.NodeName = "another"
	c.create(foreign)
	c.create(c.pod("ours", "exec sleep 1000"))
	c.await("ours", "ready", ready)
	if p := c.get("foreign"); p.Status.Phase != "" {
		t.Errorf("a pod of another node became %s", p.Status.Phase)
	}
}

// Statuses are written one after the other, and none without a reason.
func TestNoStatusIsWrittenTwice(t *testing.T) {
	t.Parallel()
	c := newCluster(t).start()
	c.create(c.pod("p", "exec sleep 1000"))
	c.await("p", "ready", ready)
	for i := range 20 { // others change the pod
		pod := c.get("p")
		pod.Labels = map[string]string{"turn": strconv.Itoa(i)}
		if _, err := c.client.CoreV1().Pods("default").Update(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	c.delete("p", 5)
	c.await("p", "gone", gone)
	written := c.statuses("p")
	for i := 1; i < len(written); i++ {
		if diff := cmp.Diff(written[i-1].Status, written[i].Status); diff == "" {
			t.Errorf("status %d of %d was written twice: %+v", i, len(written), written[i].Status)
		}
	}
	if len(written) > 6 {
		t.Errorf("%d statuses for one start and one end", len(written))
	}
}
