//go:build linux

package node

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// programEnv makes the test binary a container's program instead of a test.
const programEnv = "WATARI_NODE_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(programEnv) {
	case "http":
		serveUntilTerm()
	case "parent":
		startAndWait()
	default:
		goleak.VerifyTestMain(m)
	}
}

// serveUntilTerm is a server that is ready once its file exists, and stops on TERM.
func serveUntilTerm() {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv(r.URL.Query().Get("name"))) })
	http.HandleFunc("/ready", func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat("unready"); err == nil {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
	})
	ln, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("WATARI_POD_BIND"), os.Getenv("PORT")))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go http.Serve(ln, nil)
	fmt.Println("serving")
	<-term
	fmt.Println("stopped")
}

// startAndWait is an agent that is killed: it starts a child, says its number and waits.
func startAndWait() {
	p, err := newSpawner().start(launch{argv: []string{"/bin/sleep", "1000"}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.cmd.Process.Pid)
	select {}
}

// nets gives each test a range of its own, so that tests can run side by side.
var nets atomic.Int32

// cluster is an API server in memory and the agent of one node.
type cluster struct {
	t       *testing.T
	client  *fake.Clientset
	cfg     Config
	ca      *tls.Certificate
	readers *x509.CertPool
	stop    func() // stops the agent and waits for it
	started chan struct{}
}

func newCluster(t *testing.T, objects ...runtime.Object) *cluster {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, client: fake.NewClientset(objects...), cfg: Config{
		Name: "n", PodCIDR: fmt.Sprintf("10.231.%d.0/25", 100+nets.Add(1)), Dir: t.TempDir(),
		Images: map[string][]string{"test/server": {"/usr/bin/env", programEnv + "=http", exe}},
	}}
	c.ca, c.readers = newAuthority(t)
	// The fake API server does not replay what happens between list and watch, so
	// tests wait for the watch.
	c.started = make(chan struct{}, 10)
	c.client.PrependWatchReactor("pods", func(action clienttesting.Action) (bool, watch.Interface, error) {
		opts := action.(clienttesting.WatchActionImpl).ListOptions
		w, err := c.client.Tracker().Watch(action.GetResource(), action.GetNamespace(), opts)
		select {
		case c.started <- struct{}{}:
		default:
		}
		return true, w, err
	})
	return c
}

// start runs the agent until the test ends or stop is called.
func (c *cluster) start() *cluster {
	c.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx, c.cfg, c.client, c.readers) }()
	stopped := false
	c.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			c.t.Errorf("run: %v", err)
		}
	}
	c.t.Cleanup(c.stop)
	select {
	case <-c.started:
	case err := <-done:
		done <- err
		c.t.Fatalf("the agent ended: %v", err)
	case <-time.After(10 * time.Second):
		c.t.Fatal("the agent does not watch pods after 10s")
	}
	return c
}

// freePort is a port that is free on the addresses of the test's pods.
func (c *cluster) freePort() int32 {
	c.t.Helper()
	host := "127" + strings.TrimSuffix(strings.TrimPrefix(c.cfg.PodCIDR, "10"), "0/25") + "1"
	ln, err := net.Listen("tcp", host+":0")
	if err != nil {
		c.t.Fatal(err)
	}
	defer ln.Close()
	return int32(ln.Addr().(*net.TCPAddr).Port)
}

// pod is a pod of one container that runs a shell script.
func (c *cluster) pod(name, script string) *v1.Pod {
	grace := int64(5)
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", UID: types.UID(c.t.Name() + "-" + name)},
		Spec: v1.PodSpec{
			NodeName: "n", RestartPolicy: v1.RestartPolicyAlways, TerminationGracePeriodSeconds: &grace,
			Containers: []v1.Container{{Name: "main", Image: "busybox:1", Command: []string{"/bin/sh", "-c", script}}},
		},
	}
}

func (c *cluster) create(pod *v1.Pod) {
	c.t.Helper()
	pod.UID = types.UID(strings.NewReplacer("/", "-").Replace(string(pod.UID)))
	if _, err := c.client.CoreV1().Pods(pod.Namespace).Create(c.t.Context(), pod, metav1.CreateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// get returns a pod, nil if it is gone.
func (c *cluster) get(name string) *v1.Pod {
	c.t.Helper()
	pod, err := c.client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return pod
}

// await polls until the pod is as wanted; it gets nil when the pod is gone.
func (c *cluster) await(name, what string, want func(*v1.Pod) bool) *v1.Pod {
	c.t.Helper()
	var pod *v1.Pod
	eventually(c.t, what, func() bool {
		pod = c.get(name)
		return want(pod)
	})
	return pod
}

// delete begins the graceful deletion of a pod, as the API server does.
func (c *cluster) delete(name string, grace int64) {
	c.t.Helper()
	pod, now := c.get(name), metav1.Now()
	pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
	if _, err := c.client.CoreV1().Pods("default").Update(c.t.Context(), pod, metav1.UpdateOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// statuses returns every status that was written for a pod, in order.
func (c *cluster) statuses(name string) []*v1.Pod {
	c.t.Helper()
	var out []*v1.Pod
	for _, a := range c.client.Actions() {
		p, ok := a.(clienttesting.PatchAction)
		if !ok || p.GetResource().Resource != "pods" || p.GetName() != name {
			continue
		}
		var pod v1.Pod
		if err := json.Unmarshal(p.GetPatch(), &pod); err != nil {
			c.t.Fatal(err)
		}
		out = append(out, &pod)
	}
	return out
}

// root is where a pod's volumes are found.
func (c *cluster) root(name string) string {
	return c.cfg.Dir + "/pods/" + string(c.get(name).UID) + "/root"
}

// eventually polls for at most ten seconds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10s: %s", what)
		}
		time.Sleep(5 * time.Millisecond) // the interval of polling
	}
}

func phase(want v1.PodPhase) func(*v1.Pod) bool {
	return func(p *v1.Pod) bool { return p != nil && p.Status.Phase == want }
}

func condition(p *v1.Pod, kind v1.PodConditionType) v1.ConditionStatus {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

func ready(p *v1.Pod) bool { return p != nil && condition(p, v1.PodReady) == v1.ConditionTrue }

func gone(p *v1.Pod) bool { return p == nil }

// main is the status of the container named so.
func mainStatus(p *v1.Pod) v1.ContainerStatus {
	if p == nil || len(p.Status.ContainerStatuses) == 0 {
		return v1.ContainerStatus{}
	}
	return p.Status.ContainerStatuses[0]
}

// alive says whether a process exists and is no zombie.
func alive(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(data), ") ")
	return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
}

// awaitPID reads a process number that a container writes into its root.
func (c *cluster) awaitPID(file string) int {
	c.t.Helper()
	pid := 0
	eventually(c.t, "a process number in "+file, func() bool {
		data, err := os.ReadFile(file)
		if err != nil || !strings.HasSuffix(string(data), "\n") {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(data)))
		return err == nil
	})
	return pid
}

// newAuthority makes a certificate that vouches for itself, as that of the API server.
func newAuthority(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// logs asks the node for a container's log as the API server does.
func (c *cluster) logs(cert *tls.Certificate, pod, query string) (int, *http.Response, error) {
	c.t.Helper()
	node, err := c.client.CoreV1().Nodes().Get(c.t.Context(), "n", metav1.GetOptions{})
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := &tls.Config{InsecureSkipVerify: true}
	if cert != nil {
		cfg.Certificates = []tls.Certificate{*cert}
	}
	transport := &http.Transport{TLSClientConfig: cfg, DisableKeepAlives: true}
	url := fmt.Sprintf("https://127.0.0.1:%d/containerLogs/default/%s/main?%s", node.Status.DaemonEndpoints.KubeletEndpoint.Port, pod, query)
	resp, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		return 0, nil, err
	}
	c.t.Cleanup(func() { resp.Body.Close() })
	return resp.StatusCode, resp, nil
}
