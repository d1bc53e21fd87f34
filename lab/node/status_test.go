//go:build linux

package node

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
)

var (
	always    = v1.ContainerRestartPolicyAlways
	testStart = metav1.NewTime(time.Unix(1000, 0))
	testNow   = metav1.NewTime(time.Unix(2000, 0))
)

// rec writes a record from a word: what the container does, and for ends the exit code.
func rec(word string) record {
	ended := func(code int32) v1.ContainerState {
		return v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: code}}
	}
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{}}
	switch word {
	case "creating":
		return record{state: waiting("ContainerCreating", "")}
	case "starting":
		return record{state: running}
	case "started":
		return record{state: running, started: true}
	case "ready":
		return record{state: running, started: true, ready: true}
	case "ok":
		return record{state: ended(0)}
	case "done": // an init container
		return record{state: ended(0), ready: true}
	case "failed":
		return record{state: ended(1)}
	case "crashing":
		return record{state: waiting("CrashLoopBackOff", ""), last: ended(1), restarts: 3}
	}
	panic("no such word: " + word)
}

// testPod is a pod of containers a, b (and init containers), with their records.
func testPod(init, main []string, sidecar bool) (*v1.Pod, map[string]record) {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", UID: "u", Generation: 7}, Spec: v1.PodSpec{RestartPolicy: v1.RestartPolicyAlways}}
	records := map[string]record{}
	for i, word := range init {
		c := v1.Container{Name: "init" + string(rune('0'+i)), Image: "img:1"}
		if sidecar {
			c.RestartPolicy = &always
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
		records[c.Name] = rec(word)
	}
	for i, word := range main {
		c := v1.Container{Name: "main" + string(rune('0'+i)), Image: "img:1"}
		pod.Spec.Containers = append(pod.Spec.Containers, c)
		records[c.Name] = rec(word)
	}
	return pod, records
}

func TestPhaseAndConditions(t *testing.T) {
	for _, c := range []struct {
		name       string
		init, main string // words, see rec
		sidecar    bool
		ended      bool
		reason     string
		phase      v1.PodPhase
		// initialized, containers ready, pod ready
		conditions string
		why        string // reason of Ready
	}{
		{name: "nothing yet", main: "creating", phase: v1.PodPending, conditions: "y n n", why: "ContainersNotReady"},
		{name: "one of two runs", main: "ready creating", phase: v1.PodPending, conditions: "y n n", why: "ContainersNotReady"},
		{name: "not ready", main: "ready started", phase: v1.PodRunning, conditions: "y n n", why: "ContainersNotReady"},
		{name: "ready", main: "ready ready", phase: v1.PodRunning, conditions: "y y y"},
		{name: "crash loop is running", main: "crashing", phase: v1.PodRunning, conditions: "y n n", why: "ContainersNotReady"},
		{name: "between two attempts", main: "failed", phase: v1.PodRunning, conditions: "y n n", why: "ContainersNotReady"},
		{name: "init runs", init: "started", main: "creating", phase: v1.PodPending, conditions: "n n n", why: "ContainersNotReady"},
		{name: "init fails again and again", init: "crashing", main: "creating", phase: v1.PodPending, conditions: "n n n", why: "ContainersNotReady"},
		{name: "init is done", init: "done done", main: "ready", phase: v1.PodRunning, conditions: "y y y"},
		{name: "sidecar starts", init: "starting", sidecar: true, main: "creating", phase: v1.PodPending, conditions: "n n n", why: "ContainersNotReady"},
		{name: "sidecar is not ready", init: "started", sidecar: true, main: "ready", phase: v1.PodRunning, conditions: "y n n", why: "ContainersNotReady"},
		{name: "sidecar is ready", init: "ready", sidecar: true, main: "ready", phase: v1.PodRunning, conditions: "y y y"},
		{name: "sidecar crashes", init: "crashing", sidecar: true, main: "ready", phase: v1.PodRunning, conditions: "y n n", why: "ContainersNotReady"},
		{name: "all ended well", init: "done", main: "ok ok", ended: true, phase: v1.PodSucceeded, conditions: "y n n", why: "PodCompleted"},
		{name: "a failed sidecar does not count", init: "failed", sidecar: true, main: "ok", ended: true, phase: v1.PodSucceeded, conditions: "y n n", why: "PodCompleted"},
		{name: "one failed", main: "ok failed", ended: true, phase: v1.PodFailed, conditions: "y n n", why: "PodFailed"},
		{name: "init failed", init: "failed", main: "failed", ended: true, phase: v1.PodFailed, conditions: "n n n", why: "PodFailed"},
		{name: "condemned", main: "ok", ended: true, reason: "DeadlineExceeded", phase: v1.PodFailed, conditions: "y n n", why: "PodFailed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, records := testPod(strings.Fields(c.init), strings.Fields(c.main), c.sidecar)
			st := podStatus(statusInput{pod: pod, records: records, podIP: "10.231.9.1", startTime: testStart, prepared: true, ended: c.ended, reason: c.reason, now: testNow})
			if st.Phase != c.phase || st.Reason != c.reason {
				t.Errorf("phase %s (%s), want %s (%s)", st.Phase, st.Reason, c.phase, c.reason)
			}
			var got []string
			for _, condition := range st.Conditions[1:] {
				got = append(got, map[v1.ConditionStatus]string{v1.ConditionTrue: "y", v1.ConditionFalse: "n"}[condition.Status])
			}
			if strings.Join(got, " ") != c.conditions {
				t.Errorf("initialized, containers ready, ready: %v, want %s", got, c.conditions)
			}
			if ready := st.Conditions[3]; ready.Type != v1.PodReady || ready.Reason != c.why || ready.ObservedGeneration != 7 {
				t.Errorf("Ready is %+v, want reason %q of generation 7", ready, c.why)
			}
		})
	}
}

func TestReadinessGates(t *testing.T) {
	pod, records := testPod(nil, []string{"ready"}, false)
	pod.Spec.ReadinessGates = []v1.PodReadinessGate{{ConditionType: "lb/a"}, {ConditionType: "lb/b"}}
	ready := func() v1.PodCondition {
		return podStatus(statusInput{pod: pod, records: records, now: testNow, prepared: true}).Conditions[3]
	}
	pod.Status.Conditions = []v1.PodCondition{{Type: "lb/a", Status: v1.ConditionFalse}}
	got := ready()
	if got.Status != v1.ConditionFalse || got.Reason != "ReadinessGatesNotReady" || !strings.Contains(got.Message, "lb/a") || !strings.Contains(got.Message, `"lb/b" does not exist`) {
		t.Errorf("with one gate false and one missing: %+v", got)
	}
	pod.Status.Conditions = []v1.PodCondition{{Type: "lb/a", Status: v1.ConditionTrue}, {Type: "lb/b", Status: v1.ConditionTrue}}
	if got := ready(); got.Status != v1.ConditionTrue {
		t.Errorf("with both gates true: %+v", got)
	}
	records["main0"] = rec("started")
	if got := ready(); got.Status != v1.ConditionFalse || got.Reason != "ContainersNotReady" {
		t.Errorf("with both gates true and a container not ready: %+v", got)
	}
}

func TestTransitionTimesAreKept(t *testing.T) {
	pod, records := testPod(nil, []string{"ready"}, false)
	in := statusInput{pod: pod, records: records, prepared: true, now: testStart}
	in.previous = podStatus(in).Conditions
	in.now = testNow
	records["main0"] = rec("started")
	for _, c := range podStatus(in).Conditions {
		want := testStart // nothing has changed
		if c.Type == v1.ContainersReady || c.Type == v1.PodReady {
			want = testNow
		}
		if !c.LastTransitionTime.Equal(&want) {
			t.Errorf("%s changed at %v, want %v", c.Type, c.LastTransitionTime, want)
		}
	}
}

// The patch must leave what others have written, and must not leave what the agent said before.
func TestStatusPatch(t *testing.T) {
	pod, records := testPod(nil, []string{"creating"}, false)
	pod.Status = podStatus(statusInput{pod: pod, records: records, now: testStart})
	pod.Status.Conditions = append(pod.Status.Conditions, v1.PodCondition{Type: "lb/a", Status: v1.ConditionTrue, Reason: "Theirs"})
	pod.Status.QOSClass = v1.PodQOSBurstable

	records["main0"] = rec("ready")
	patch, err := statusPatch(pod.UID, podStatus(statusInput{pod: pod, records: records, podIP: "10.231.9.1", prepared: true, now: testNow}))
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	after, err := strategicpatch.StrategicMergePatch(before, patch, v1.Pod{})
	if err != nil {
		t.Fatal(err)
	}
	var got v1.Pod
	if err := json.Unmarshal(after, &got); err != nil {
		t.Fatal(err)
	}
	if got.UID != "u" || got.Status.QOSClass != v1.PodQOSBurstable || len(got.Status.Conditions) != 5 {
		t.Errorf("the patch touched what is not the agent's: %+v", got.Status)
	}
	for _, c := range got.Status.Conditions {
		if c.Type == "lb/a" {
			if c.Reason != "Theirs" {
				t.Errorf("the condition of another became %+v", c)
			}
			continue
		}
		if c.Status != v1.ConditionTrue || c.Reason != "" || c.Message != "" {
			t.Errorf("a reason of the past remains: %+v", c)
		}
	}
}

func TestAdoptedRecord(t *testing.T) {
	seen := func(state, last v1.ContainerState) *v1.ContainerStatus {
		return &v1.ContainerStatus{State: state, LastTerminationState: last, RestartCount: 2, ContainerID: "id"}
	}
	running := v1.ContainerState{Running: &v1.ContainerStateRunning{StartedAt: testStart}}
	ended := v1.ContainerState{Terminated: &v1.ContainerStateTerminated{ExitCode: 4}}
	for _, c := range []struct {
		name     string
		seen     *v1.ContainerStatus
		exitCode int32 // of the state; -1 if it waits
		next     int32 // number of the attempt that would follow
	}{
		{"never seen", nil, -1, 0},
		{"was running", seen(running, v1.ContainerState{}), lostExitCode, 3},
		{"had ended", seen(ended, v1.ContainerState{}), 4, 3},
		{"was waiting to restart", seen(waiting("CrashLoopBackOff", ""), ended), -1, 3},
		{"was waiting to start", &v1.ContainerStatus{State: waiting("ContainerCreating", "")}, -1, 0},
		{"nothing was said", &v1.ContainerStatus{}, -1, 0},
	} {
		r := adoptedRecord(c.seen, testNow)
		code := int32(-1)
		if r.state.Terminated != nil {
			code = r.state.Terminated.ExitCode
		} else if r.state.Waiting == nil {
			t.Errorf("%s: neither waiting nor terminated: %+v", c.name, r.state)
		}
		if code != c.exitCode || nextAttempt(r) != c.next || r.state.Running != nil {
			t.Errorf("%s: exit code %d, next attempt %d; want %d and %d", c.name, code, nextAttempt(r), c.exitCode, c.next)
		}
	}
}

func TestEndedRecord(t *testing.T) {
	for word, code := range map[string]int32{"creating": lostExitCode, "crashing": 1, "ok": 0, "failed": 1} {
		got := endedRecord(rec(word), testNow)
		if got.state.Terminated == nil || got.state.Terminated.ExitCode != code || got.ready || got.started {
			t.Errorf("%s ends as %+v, want exit code %d", word, got.state, code)
		}
	}
}

func TestShouldRestart(t *testing.T) {
	spec := func(p v1.RestartPolicy) *v1.PodSpec { return &v1.PodSpec{RestartPolicy: p} }
	never := v1.ContainerRestartPolicyNever
	plain, car, once := &v1.Container{}, &v1.Container{RestartPolicy: &always}, &v1.Container{RestartPolicy: &never}
	for _, c := range []struct {
		name string
		spec *v1.PodSpec
		c    *v1.Container
		init bool
		want [2]bool // after exit 0, after exit 1
	}{
		{"always", spec(v1.RestartPolicyAlways), plain, false, [2]bool{true, true}},
		{"on failure", spec(v1.RestartPolicyOnFailure), plain, false, [2]bool{false, true}},
		{"never", spec(v1.RestartPolicyNever), plain, false, [2]bool{false, false}},
		{"init of always", spec(v1.RestartPolicyAlways), plain, true, [2]bool{false, true}},
		{"init of never", spec(v1.RestartPolicyNever), plain, true, [2]bool{false, false}},
		{"sidecar of never", spec(v1.RestartPolicyNever), car, false, [2]bool{true, true}},
		{"its own", spec(v1.RestartPolicyAlways), once, false, [2]bool{false, false}},
	} {
		p := restartPolicy(c.spec, c.c, c.init)
		if got := [2]bool{shouldRestart(p, 0), shouldRestart(p, 1)}; got != c.want {
			t.Errorf("%s: restarts after 0 and 1: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestContainerStatusShowsTheImageWithItsTag(t *testing.T) {
	pod, records := testPod(nil, []string{"crashing"}, false)
	got := containerStatus(pod, &pod.Spec.Containers[0], records["main0"])
	no := false
	want := v1.ContainerStatus{
		Name: "main0", State: waiting("CrashLoopBackOff", ""), LastTerminationState: rec("crashing").last, RestartCount: 3,
		Image: "img:1", ImageID: "process://img:1", ContainerID: "process://u/main0/3", Started: &no,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
