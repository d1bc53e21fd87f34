package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	ktesting "k8s.io/client-go/testing"

	"watari.dev/environment"
	"watari.dev/environment/environmenttest"
	"watari.dev/environment/kubernetes/plugin"
	"watari.dev/traffic"
)

func pod(namespace, name string, phase corev1.PodPhase, ready bool) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Status: corev1.PodStatus{Phase: phase}}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func node(name string, ready corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{
		Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}},
	}}
}

func contents() []runtime.Object {
	going := pod("shop", "web-3", corev1.PodRunning, true)
	going.DeletionTimestamp, going.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"x"}
	return []runtime.Object{
		namespace("shop"), namespace("pay"), namespace("kube-system"),
		pod("shop", "web-1", corev1.PodRunning, true), pod("shop", "web-2", corev1.PodPending, false), going,
		pod("shop", "job", corev1.PodSucceeded, false), pod("pay", "api", corev1.PodRunning, true), pod("kube-system", "dns", corev1.PodRunning, true),
		node("n1", corev1.ConditionTrue), node("n2", corev1.ConditionUnknown),
	}
}

func over(client *fake.Clientset, s Settings) *Cluster {
	asks := session{client: client, version: func(context.Context) (string, error) { return "1.33.13", nil }}
	return &Cluster{
		name: "context test", settings: s, now: time.Now, patience: Patience,
		connect: func(*plugin.Credentials) (session, error) { return asks, nil },
	}
}

func TestInventory(t *testing.T) {
	for _, c := range []struct {
		settings   Settings
		pods       environment.Count
		namespaces []string
	}{
		{Settings{}, environment.Count{Total: 4, Ready: 3}, []string{"kube-system", "pay", "shop"}},
		{Settings{Exclude: []string{"kube-system"}}, environment.Count{Total: 3, Ready: 2}, []string{"pay", "shop"}},
		{Settings{Include: []string{"shop"}}, environment.Count{Total: 2, Ready: 1}, []string{"shop"}},
		{Settings{Include: []string{"shop", "pay"}, Exclude: []string{"shop"}}, environment.Count{Total: 1, Ready: 1}, []string{"pay"}},
	} {
		got, err := over(fake.NewClientset(contents()...), c.settings).Inventory(t.Context())
		if err != nil || got.Pods != c.pods || !slices.Equal(got.Namespaces, c.namespaces) {
			t.Errorf("%+v: %+v, %v", c.settings, got, err)
		}
		if nodes, ok := got.Nodes.Get(); !ok || nodes != (environment.Count{Total: 2, Ready: 1}) {
			t.Errorf("nodes %+v", got.Nodes)
		}
	}
}

// forbid makes the client refuse one resource.
func forbid(client *fake.Clientset, resource string) {
	client.PrependReactor("*", resource, func(ktesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", errors.New("no"))
	})
}

func TestWhatIsNotPermitted(t *testing.T) {
	client := fake.NewClientset(contents()...)
	forbid(client, "nodes")
	got, err := over(client, Settings{}).Inventory(t.Context())
	if err != nil || got.Nodes.State != traffic.Failed || got.Nodes.Err == "" {
		t.Errorf("without nodes: %+v, %v", got, err)
	}
	forbid(client, "namespaces")
	if _, err := over(client, Settings{}).Inventory(t.Context()); !errors.Is(err, environment.ErrDenied) || !strings.Contains(err.Error(), "role view") {
		t.Errorf("without namespaces: %v", err)
	}
	if got, err := over(client, Settings{Include: []string{"shop"}}).Inventory(t.Context()); err != nil || got.Pods.Total != 2 {
		t.Errorf("with a namespace that is named: %+v, %v", got, err)
	}
	forbid(client, "pods")
	if _, err := over(client, Settings{Include: []string{"shop"}}).Inventory(t.Context()); !errors.Is(err, environment.ErrDenied) {
		t.Errorf("without pods: %v", err)
	}
}

func TestNamespaceThatDoesNotExist(t *testing.T) {
	_, err := over(fake.NewClientset(contents()...), Settings{Include: []string{"shpo"}}).Inventory(t.Context())
	if !errors.Is(err, environment.ErrNotFound) || !strings.Contains(err.Error(), "shpo") {
		t.Error(err)
	}
}

// server answers as an API server does, as far as an inventory asks.
type server struct {
	*httptest.Server
	denied  atomic.Bool
	silent  atomic.Bool
	changes atomic.Int64
}

func serve(t *testing.T) *server {
	s := &server{}
	closing := make(chan struct{})
	lists := map[string]any{
		"/version":           map[string]string{"gitVersion": "v1.33.13"},
		"/api/v1/namespaces": corev1.NamespaceList{Items: []corev1.Namespace{*namespace("shop")}},
		"/api/v1/nodes":      corev1.NodeList{Items: []corev1.Node{*node("n1", corev1.ConditionTrue)}},
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			s.changes.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		switch body, ok := lists[r.URL.Path]; {
		case s.silent.Load():
			select {
			case <-r.Context().Done():
			case <-closing:
			}
		case s.denied.Load():
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}`)
		case ok:
			_ = json.NewEncoder(w).Encode(body)
		case r.URL.Path == "/api/v1/pods" && r.URL.Query().Get("continue") == "":
			_ = json.NewEncoder(w).Encode(corev1.PodList{ListMeta: metav1.ListMeta{Continue: "2"}, Items: []corev1.Pod{*pod("shop", "a", corev1.PodRunning, true)}})
		case r.URL.Path == "/api/v1/pods":
			_ = json.NewEncoder(w).Encode(corev1.PodList{Items: []corev1.Pod{*pod("shop", "b", corev1.PodPending, false)}})
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(func() {
		close(closing)
		s.Close()
	})
	return s
}

func kubeconfig(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q}}]
users: [{name: u, user: {token: t}}]
contexts:
- {name: eks-1-36, context: {cluster: c, user: u}}
- {name: eks-1-33, context: {cluster: c, user: u}}
current-context: eks-1-33
`, url)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestContract(t *testing.T) {
	environmenttest.Run(t, func(t *testing.T) environmenttest.Harness {
		s := serve(t)
		c, err := New(Settings{Kubeconfig: kubeconfig(t, s.URL)})
		if err != nil {
			t.Fatal(err)
		}
		c.patience = time.Second
		return environmenttest.Harness{
			Environment: c,
			Want: environment.Inventory{
				Kind: "Kubernetes", Version: "1.33.13", Pods: environment.Count{Total: 2, Ready: 1},
				Nodes: traffic.KnownAt(environment.Count{Total: 1, Ready: 1}, time.Time{}), Namespaces: []string{"shop"},
			},
			Deny:    func() { s.denied.Store(true) },
			Silence: func() { s.silent.Store(true) },
			Changes: func() int { return int(s.changes.Load()) },
		}
	})
}

func TestMistakesInSettings(t *testing.T) {
	path := kubeconfig(t, "https://127.0.0.1:1")
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		settings Settings
		says     string
	}{
		{Settings{Kubeconfig: path, Context: "eks-1-63"}, "eks-1-63 in " + path + ": not found; there are: eks-1-33, eks-1-36"},
		{Settings{Kubeconfig: filepath.Join(t.TempDir(), "gone")}, "gone"},
		{Settings{Kubeconfig: empty}, "no context at all"},
	} {
		if _, err := New(c.settings); !errors.Is(err, environment.ErrNotFound) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v; want %q", c.settings, err, c.says)
		}
	}
}

func TestClusterThatIsGone(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	url := s.URL
	s.Close()
	c, err := New(Settings{Kubeconfig: kubeconfig(t, url), Context: "eks-1-36"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = c.Inventory(t.Context()); !errors.Is(err, environment.ErrUnreachable) || !strings.Contains(err.Error(), "context eks-1-36") {
		t.Error(err)
	}
}

func TestVersionOfSomethingElse(t *testing.T) {
	if _, err := parseVersion([]byte("<html>")); err == nil {
		t.Error("a page is no version")
	}
}
