// Package plugin runs the credential plugin of a kubeconfig (the exec section of a
// user) by client-go's own types and rules, with a bound: a plugin that nobody waits
// for any more is ended, and with it what it has started. client-go runs it without a
// context on purpose (kubernetes/kubernetes#108849), since kubectl lets people sign in
// meanwhile. Here nobody is asked: a plugin gets no terminal. All who need the same
// credentials at the same time wait for one run.
package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"

	"watari.dev/internal/subprocess"
)

// Credentials are what a plugin has printed: a token, a client certificate, or both.
type Credentials struct {
	Token            string
	Certificate, Key []byte    // PEM
	Expires          time.Time // zero if the plugin does not say
}

// Expired reports whether the plugin has said that they end by now.
func (c *Credentials) Expired(now time.Time) bool {
	return !c.Expires.IsZero() && !now.Before(c.Expires)
}

// Plugin is one command with what it is asked. It remembers its credentials until they
// expire or are refused, and may be used concurrently.
type Plugin struct {
	config  api.ExecConfig
	version schema.GroupVersion
	info    string // what the plugin is told in KUBERNETES_EXEC_INFO
	now     func() time.Time

	mu      sync.Mutex
	known   *Credentials
	failed  error     // of the last run, if that failed by itself
	until   time.Time // when failed is forgotten
	running *run
}

// remembered is how long a plugin that has failed is not asked again: what watari asks a
// cluster meanwhile fails for the same reason.
const remembered = 5 * time.Second

// run is the plugin while it runs.
type run struct {
	waiting int // for it; guarded by the plugin's mutex
	end     context.CancelFunc
	done    chan struct{} // closed when it has ended; what it gave may be read then
	gave    *Credentials
	err     error
}

// plugins are those of this process, by what they are asked, so that two environments
// with the same user sign in once. client-go shares them in the same way.
var plugins sync.Map

// Of returns the plugin that signs in to the cluster of config; nil if none does,
// because the kubeconfig has no exec section or has other credentials beside it, which
// are used then as client-go does. It runs nothing. What is wrong with the section it
// returns as an *Error.
func Of(config *rest.Config) (*Plugin, error) {
	exec := config.ExecProvider
	if exec == nil || hasOther(config) {
		return nil, nil
	}
	version, known := versions[exec.APIVersion]
	if !known {
		return nil, &Error{Command: exec.Command, Reason: Misconfigured, Text: fmt.Sprintf("its apiVersion is %q, and Kubernetes knows %s", exec.APIVersion, knownVersions())}
	}
	if exec.InteractiveMode == api.AlwaysExecInteractiveMode {
		return nil, &Error{Command: exec.Command, Reason: Terminal, Text: "it wants to ask in a terminal (interactiveMode: Always), which it does not get here"}
	}
	info, err := infoOf(config, version)
	if err != nil {
		return nil, &Error{Command: exec.Command, Reason: Misconfigured, Text: err.Error()}
	}
	key, err := json.Marshal([]any{exec.Command, exec.Args, exec.Env, info})
	if err != nil {
		return nil, &Error{Command: exec.Command, Reason: Misconfigured, Text: err.Error()}
	}
	p, _ := plugins.LoadOrStore(string(key), &Plugin{config: *exec, version: version, info: info, now: time.Now})
	return p.(*Plugin), nil
}

// hasOther reports whether the kubeconfig has credentials that go before a plugin's
// (client-go, exec.Authenticator.UpdateTransportConfig).
func hasOther(c *rest.Config) bool {
	token := c.BearerToken != "" || c.BearerTokenFile != ""
	certificate := (len(c.CertData) > 0 || c.CertFile != "") && (len(c.KeyData) > 0 || c.KeyFile != "")
	return token || c.Username != "" || certificate
}

// infoOf returns what the plugin is told: the version to answer in, that nobody can be
// asked, and the cluster if it wants to know it.
func infoOf(config *rest.Config, version schema.GroupVersion) (string, error) {
	question := newCredential()
	if config.ExecProvider.ProvideClusterInfo {
		cluster, err := rest.ConfigToExecCluster(config)
		if err != nil {
			return "", err
		}
		question.Spec.Cluster = cluster
	}
	text, err := runtime.Encode(codecs().LegacyCodec(version), question)
	if err != nil {
		return "", fmt.Errorf("it cannot be told about the cluster: %w", err)
	}
	return string(text), nil
}

// Command is the command, as messages name it. Its arguments may hold secrets.
func (p *Plugin) Command() string { return p.config.Command }

// Config is the exec section of the kubeconfig.
func (p *Plugin) Config() api.ExecConfig { return p.config }

// Credentials returns those that hold at present. It runs the plugin if there are none,
// waits for it until ctx is done, and then returns an *Error that wraps the context's.
// For some seconds after a failure it returns that.
func (p *Plugin) Credentials(ctx context.Context) (*Credentials, error) {
	if ctx.Err() != nil {
		return nil, p.silent(ctx)
	}
	p.mu.Lock()
	if c := p.known; c != nil && !c.Expired(p.now()) {
		p.mu.Unlock()
		return c, nil
	}
	if err := p.failed; err != nil && p.running == nil && p.now().Before(p.until) {
		p.mu.Unlock()
		return nil, err
	}
	r := p.join()
	p.mu.Unlock()
	defer p.leave(r)
	select {
	case <-r.done:
		return r.gave, r.err
	case <-ctx.Done():
		return nil, p.silent(ctx)
	}
}

// Refuse says that the cluster did not accept c, so that the next question runs the
// plugin again, unless somebody has done so already.
func (p *Plugin) Refuse(c *Credentials) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known == c {
		p.known = nil
	}
}

func (p *Plugin) silent(ctx context.Context) error {
	return &Error{Command: p.config.Command, Reason: Silent, Text: "it had not answered when the time was over, and was ended", Cause: context.Cause(ctx)}
}

// join returns the present run, which begins now if there is none. The mutex is held.
func (p *Plugin) join() *run {
	if p.running == nil {
		ctx, cancel := context.WithCancel(context.Background())
		r := &run{end: cancel, done: make(chan struct{})}
		p.running = r
		go p.finish(ctx, r)
	}
	p.running.waiting++
	return p.running
}

// finish runs the plugin to its end and keeps what it gave.
func (p *Plugin) finish(ctx context.Context, r *run) {
	r.gave, r.err = p.execute(ctx)
	ended := ctx.Err() != nil // because nobody waited for it
	r.end()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running == r {
		p.running = nil
	}
	switch {
	case r.err == nil:
		p.known, p.failed = r.gave, nil
	case !ended:
		p.failed, p.until = r.err, p.now().Add(remembered)
	}
	close(r.done)
}

// leave ends a run that nobody waits for any more, and waits until it has ended, so that
// no plugin is left behind by a process that ends right afterwards. What even a kill does
// not end, such as a command on a file system that hangs, is not waited for.
func (p *Plugin) leave(r *run) {
	p.mu.Lock()
	r.waiting--
	last := r.waiting == 0
	if last && p.running == r { // whoever comes now begins anew
		p.running = nil
	}
	p.mu.Unlock()
	if last {
		r.end()
		select {
		case <-r.done:
		case <-time.After(2 * subprocess.Lingers):
		}
	}
}
