// Package kubernetes is an environment.Environment for a Kubernetes cluster,
// reached as kubectl reaches it: by a kubeconfig and one of its contexts. It
// lists pods, namespaces and nodes and reads the version; it never changes
// anything, never watches, never asks anybody, and waits five seconds for an answer at
// most, nine where a plugin of the kubeconfig signs in.
package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"watari.dev/environment"
	"watari.dev/environment/kubernetes/plugin"
	"watari.dev/internal/bounded"
)

const (
	// Patience is how long an inventory waits for the cluster.
	Patience = 5 * time.Second
	// PatienceWithPlugin is how long it waits for the kubeconfig's plugin and the
	// cluster together: an environment answers within ten seconds, and plugins that ask
	// a cloud take some of them.
	PatienceWithPlugin = 9 * time.Second
)

// Settings name a cluster and the part of it that is meant.
type Settings struct {
	Kubeconfig string   // path; empty takes what kubectl takes: KUBECONFIG, then ~/.kube/config
	Context    string   // empty takes the current context
	Include    []string // namespaces; empty means all
	Exclude    []string // namespaces out of those included
}

// Cluster is one Kubernetes cluster. It keeps no state but its plugin's credentials, and
// may be used concurrently.
type Cluster struct {
	name     string // what messages call it
	settings Settings
	user     user
	connect  func(*plugin.Credentials) (session, error) // without credentials those of the kubeconfig
	plugin   *plugin.Plugin                             // nil if none signs in
	now      func() time.Time
	patience time.Duration
}

// session asks the cluster with the credentials of one moment.
type session struct {
	client  kubernetes.Interface
	version func(context.Context) (string, error)
}

var _ environment.Environment = (*Cluster)(nil)

// answers is the bound of one answer of an API server: far more than a page of 500
// pods needs.
var answers = bounded.Answer{Bytes: 64 * bounded.MiB}

// mostKubeconfig bounds a kubeconfig: far more than those of 1,000 clusters.
const mostKubeconfig = 16 * bounded.MiB

// load reads the kubeconfig as kubectl does, once every file of it is known to have
// an end.
func load(rules *clientcmd.ClientConfigLoadingRules) (*api.Config, error) {
	for _, path := range rules.GetLoadingPrecedence() {
		err := bounded.Regular(path, bounded.Limit{What: "the kubeconfig " + path, Bytes: mostKubeconfig, Do: "name the one of this cluster"})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return rules.Load()
}

// New reads the kubeconfig; it makes no call. It returns ErrNotFound for a file
// or a context that does not exist, and says which contexts there are.
func New(settings Settings) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = settings.Kubeconfig
	raw, err := load(rules)
	if err != nil {
		return nil, &environment.Error{Op: "kubernetes: read the kubeconfig", On: or(settings.Kubeconfig, "this machine"), Kind: environment.ErrNotFound, Cause: err}
	}
	name := or(settings.Context, raw.CurrentContext)
	if err := checkContext(raw, name, settings); err != nil {
		return nil, err
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		return nil, unusable(name, err)
	}
	config.Timeout = Patience
	config.UserAgent = "watari"
	config.QPS, config.Burst = 50, 100 // one call per included namespace must fit into Patience
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return bounded.Transport(next, answers) })
	config.WarningHandlerWithContext = rest.NoWarnings{}
	c := &Cluster{name: "context " + name, settings: settings, user: userOf(raw, name, settings, config), now: time.Now, patience: Patience}
	if c.plugin, err = plugin.Of(config); err != nil {
		return nil, c.notSignedIn(err)
	}
	if c.plugin != nil {
		c.patience = PatienceWithPlugin
	}
	config.ExecProvider = nil // it is run here, or not at all
	c.connect = func(credentials *plugin.Credentials) (session, error) { return connect(config, credentials) }
	if _, err := c.connect(nil); err != nil {
		return nil, unusable(name, err)
	}
	return c, nil
}

// unusable is a context that nothing can be asked with.
func unusable(name string, err error) error {
	return &environment.Error{Op: "kubernetes: use the context", On: name, Kind: environment.ErrNotFound, Cause: err}
}

// connect makes the client of a config and of a plugin's credentials. It makes no call.
func connect(config *rest.Config, credentials *plugin.Credentials) (session, error) {
	if credentials != nil {
		config = rest.CopyConfig(config)
		config.BearerToken = credentials.Token
		if len(credentials.Certificate) > 0 {
			config.CertData, config.KeyData = credentials.Certificate, credentials.Key
		}
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return session{}, err
	}
	return session{client: client, version: func(ctx context.Context) (string, error) {
		body, err := client.Discovery().RESTClient().Get().AbsPath("/version").Do(ctx).Raw()
		if err != nil {
			return "", err
		}
		return parseVersion(body)
	}}, nil
}

func checkContext(raw *api.Config, name string, settings Settings) error {
	if _, ok := raw.Contexts[name]; ok && name != "" {
		return nil
	}
	names := slices.Sorted(maps.Keys(raw.Contexts))
	advice := "it has no context at all"
	if len(names) > 0 {
		advice = "there are: " + strings.Join(names, ", ")
	}
	if name == "" {
		name, advice = "(no current context)", "name a context; "+advice
	}
	return &environment.Error{Op: "kubernetes: find the context", On: fmt.Sprintf("%s in %s", name, or(settings.Kubeconfig, "the kubeconfig")), Kind: environment.ErrNotFound, Advice: advice}
}

// parseVersion reads the answer of /version: v1.33.13 without the v.
func parseVersion(body []byte) (string, error) {
	var v version.Info
	if err := json.Unmarshal(body, &v); err != nil || v.GitVersion == "" {
		return "", fmt.Errorf("%s does not answer as a Kubernetes API server does", http.MethodGet+" /version")
	}
	return strings.TrimPrefix(v.GitVersion, "v"), nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
