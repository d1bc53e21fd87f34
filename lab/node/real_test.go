//go:build linux

package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"watari.dev/lab/kube"
)

// With real control planes of both releases: what controllers and kubectl make of the node.
func TestRealControlPlane(t *testing.T) {
	if os.Getenv("WATARI_LAB_TESTS") == "" {
		t.Skip("WATARI_LAB_TESTS=1 runs this against real control planes")
	}
	for i, version := range kube.Versions() {
		t.Run(string(version), func(t *testing.T) {
			c := startPlane(t, version, fmt.Sprintf("10.231.%d.0/24", 90+i))
			c.deploymentBecomesAvailable(t)
			c.rollingUpdate(t)
			c.jobWithInitContainer(t)
			c.logsAreFollowed(t)
			c.graceIsKept(t)
			c.drain(t)
		})
	}
}

// realCluster is a plane with one node.
type realCluster struct {
	client kubernetes.Interface
	port   int32
}

func startPlane(t *testing.T, version kube.Version, cidr string) realCluster {
	t.Helper()
	built, err := kube.Build(t.Context(), kube.Options{Versions: []kube.Version{version}, Progress: func(p kube.Progress) { t.Log(p) }})
	if err != nil {
		t.Fatal(err)
	}
	lab := t.TempDir()
	t.Setenv("WATARI_LAB", lab)
	plane, err := kube.Prepare(kube.Config{Name: "node-test", Version: version, Binary: built[version], Dir: filepath.Join(lab, "plane")})
	if err != nil {
		t.Fatal(err)
	}
	running, err := kube.Start(t.Context(), plane, lab, filepath.Join(lab, "logs"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := running.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	cfg := Config{
		Kubeconfig: plane.Kubeconfig(), Name: "node-a", PodCIDR: cidr, Dir: filepath.Join(lab, "node"),
		Images: map[string][]string{"test/server": {"/usr/bin/env", programEnv + "=http", exe}},
	}
	go func() { done <- Run(ctx, cfg) }()
	t.Cleanup(func() { // before the plane stops: last in, first out
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	rest, err := clientcmd.BuildConfigFromFlags("", plane.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	rest.QPS, rest.Burst = 200, 400
	client, err := kubernetes.NewForConfig(rest)
	if err != nil {
		t.Fatal(err)
	}
	c := realCluster{client: client, port: 8080}
	eventually(t, "the node is ready", func() bool {
		node, err := client.CoreV1().Nodes().Get(t.Context(), "node-a", metav1.GetOptions{})
		return err == nil && len(node.Spec.Taints) == 0 && len(node.Status.Conditions) > 0 && node.Status.NodeInfo.KubeletVersion == "v"+string(version)
	})
	eventually(t, "service accounts are there", func() bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(t.Context(), "default", metav1.GetOptions{})
		return err == nil
	})
	return c
}

func (c realCluster) deploymentBecomesAvailable(t *testing.T) {
	t.Helper()
	replicas := int32(3)
	labels := map[string]string{"app": "web"}
	web := &apps.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: apps.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: v1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: v1.PodSpec{Containers: []v1.Container{{
			Name: "main", Image: "test/server:v1", Env: []v1.EnvVar{{Name: "PORT", Value: fmt.Sprint(c.port)}},
			ReadinessProbe: &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{HTTPGet: &v1.HTTPGetAction{Path: "/ready", Port: intstr.FromInt32(c.port)}}},
		}}}},
	}}
	began := time.Now()
	if _, err := c.client.AppsV1().Deployments("default").Create(t.Context(), web, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.awaitRollout(t, 1)
	t.Logf("3 replicas available after %s", time.Since(began).Round(time.Millisecond))
}

func (c realCluster) awaitRollout(t *testing.T, generation int64) {
	t.Helper()
	eventually(t, "all replicas are updated and available", func() bool {
		d, err := c.client.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && d.Status.ObservedGeneration >= generation && d.Status.UpdatedReplicas == 3 && d.Status.Replicas == 3 && d.Status.AvailableReplicas == 3
	})
}

func (c realCluster) rollingUpdate(t *testing.T) {
	t.Helper()
	d, err := c.client.AppsV1().Deployments("default").Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d.Spec.Template.Spec.Containers[0].Image = "test/server:v2"
	began := time.Now()
	if d, err = c.client.AppsV1().Deployments("default").Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.awaitRollout(t, d.Generation)
	t.Logf("rolling update of 3 replicas took %s", time.Since(began).Round(time.Millisecond))
}

func (c realCluster) jobWithInitContainer(t *testing.T) {
	t.Helper()
	conf := &v1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "conf"}, Data: map[string]string{"word": "hello"}}
	if _, err := c.client.CoreV1().ConfigMaps("default").Create(t.Context(), conf, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	run := func(name, script string) v1.Container {
		return v1.Container{Name: name, Image: "busybox", Command: []string{"/bin/sh", "-c", script}, VolumeMounts: mounts("conf", "/etc/conf", "work", "/work")}
	}
	retries := int32(0)
	job := &batch.Job{ObjectMeta: metav1.ObjectMeta{Name: "job"}, Spec: batch.JobSpec{BackoffLimit: &retries, Template: v1.PodTemplateSpec{Spec: v1.PodSpec{
		RestartPolicy:  v1.RestartPolicyNever,
		InitContainers: []v1.Container{run("init", `cp "$WATARI_POD_ROOT/etc/conf/word" "$WATARI_POD_ROOT/work/word"`)},
		Containers:     []v1.Container{run("main", `test "$(cat "$WATARI_POD_ROOT/work/word")" = hello`)},
		Volumes: []v1.Volume{
			{Name: "conf", VolumeSource: v1.VolumeSource{ConfigMap: &v1.ConfigMapVolumeSource{LocalObjectReference: v1.LocalObjectReference{Name: "conf"}}}},
			{Name: "work", VolumeSource: v1.VolumeSource{EmptyDir: &v1.EmptyDirVolumeSource{}}},
		},
	}}}}
	if _, err := c.client.BatchV1().Jobs("default").Create(t.Context(), job, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job succeeds", func() bool {
		j, err := c.client.BatchV1().Jobs("default").Get(t.Context(), "job", metav1.GetOptions{})
		return err == nil && j.Status.Succeeded == 1 && j.Status.CompletionTime != nil
	})
}

// run creates a pod of one script and waits until it is ready.
func (c realCluster) run(t *testing.T, name, script string, grace int64) {
	t.Helper()
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers: []v1.Container{{
			Name: "main", Image: "busybox", Command: []string{"/bin/sh", "-c", script},
			ReadinessProbe: &v1.Probe{PeriodSeconds: 1, ProbeHandler: v1.ProbeHandler{Exec: &v1.ExecAction{Command: []string{"/usr/bin/test", "-e", "up"}}}},
		}},
	}}
	if _, err := c.client.CoreV1().Pods("default").Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, name+" is ready", func() bool {
		p, err := c.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		return err == nil && ready(p)
	})
}

func (c realCluster) awaitGone(t *testing.T, name string) {
	t.Helper()
	eventually(t, name+" is gone", func() bool {
		_, err := c.client.CoreV1().Pods("default").Get(t.Context(), name, metav1.GetOptions{})
		return apierrors.IsNotFound(err)
	})
}

func (c realCluster) logsAreFollowed(t *testing.T) {
	t.Helper()
	c.run(t, "talk", `trap "echo bye; exit 0" TERM; echo hello; touch up; while :; do sleep 0.05; done`, 30)
	stream, err := c.client.CoreV1().Pods("default").GetLogs("talk", &v1.PodLogOptions{Follow: true}).Stream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := c.client.CoreV1().Pods("default").Delete(t.Context(), "talk", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(stream); string(said) != "hello\nbye\n" || err != nil {
		t.Errorf("followed logs: %q, %v", said, err)
	}
	c.awaitGone(t, "talk")
}

func (c realCluster) graceIsKept(t *testing.T) {
	t.Helper()
	c.run(t, "stubborn", `trap "" TERM; touch up; while :; do sleep 0.05; done`, 2)
	began := time.Now()
	if err := c.client.CoreV1().Pods("default").Delete(t.Context(), "stubborn", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	c.awaitGone(t, "stubborn")
	took := time.Since(began)
	if took < 2*time.Second || took > 4*time.Second {
		t.Errorf("gone after %s, want just over 2s", took)
	}
	t.Logf("killed and gone after %s of 2s grace", took.Round(time.Millisecond))
}

// drain does what kubectl drain does: cordon and evict; the pods come back after the cordon is lifted.
func (c realCluster) drain(t *testing.T) {
	t.Helper()
	c.cordon(t, true)
	pods, err := c.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil || len(pods.Items) != 3 {
		t.Fatalf("%d pods to drain, %v; want 3", len(pods.Items), err)
	}
	for _, p := range pods.Items {
		eviction := &policy.Eviction{ObjectMeta: metav1.ObjectMeta{Name: p.Name}}
		if err := c.client.CoreV1().Pods("default").EvictV1(t.Context(), eviction); err != nil {
			t.Fatal(err)
		}
	}
	var errs error
	for _, p := range pods.Items {
		c.awaitGone(t, p.Name)
	}
	eventually(t, "the new pods are pending on no node", func() bool {
		pods, err := c.client.CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
		errs = errors.Join(errs, err)
		for _, p := range pods.Items {
			if p.Spec.NodeName != "" {
				t.Errorf("%s was put on a cordoned node", p.Name)
			}
		}
		return len(pods.Items) == 3
	})
	if errs != nil {
		t.Fatal(errs)
	}
	c.cordon(t, false)
	c.awaitRollout(t, 0)
}

func (c realCluster) cordon(t *testing.T, on bool) {
	t.Helper()
	eventually(t, "the cordon is written", func() bool {
		node, err := c.client.CoreV1().Nodes().Get(t.Context(), "node-a", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		node.Spec.Unschedulable = on
		_, err = c.client.CoreV1().Nodes().Update(t.Context(), node, metav1.UpdateOptions{})
		return err == nil // a heartbeat may have come between
	})
}
