package kube

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// probeTimeout bounds one question about health.
const probeTimeout = 2 * time.Second

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 64 << 10

// A probe asks health pages. It keeps no connection, so that it never speaks to
// a process that has been replaced.
type probe struct {
	client *http.Client
	token  string
}

func newProbe(config *tls.Config, token string) *probe {
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	return &probe{client: &http.Client{Transport: transport, Timeout: probeTimeout}, token: token}
}

// get returns the body of an answer with status 200; any other is an error.
func (p *probe) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s: %s", url, resp.Status, firstLine(body))
	}
	return body, nil
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return line
}

func (p *Plane) etcdReady(ctx context.Context) error {
	_, err := p.etcd.get(ctx, loopbackURL(p.ports.client)+"/health")
	return err
}

func (p *Plane) apiReady(ctx context.Context) error {
	_, err := p.Get(ctx, "/readyz")
	return err
}

// controllerReady asks for the controllers' first visible work, too: without the
// default service account no pod can be created.
func (p *Plane) controllerReady(ctx context.Context) error {
	if _, err := p.plain.get(ctx, loopbackURL(p.ports.controller)+"/healthz"); err != nil {
		return err
	}
	_, err := p.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
	return err
}

func (p *Plane) schedulerReady(ctx context.Context) error {
	_, err := p.plain.get(ctx, loopbackURL(p.ports.scheduler)+"/readyz")
	return err
}

// Get returns the answer of the API server to a GET of path by the administrator.
// Any status but 200 is an error.
func (p *Plane) Get(ctx context.Context, path string) ([]byte, error) {
	return p.api.get(ctx, p.Server()+path)
}

// ServerVersion asks the API server for its release, such as "v1.36.3".
func (p *Plane) ServerVersion(ctx context.Context) (string, error) {
	body, err := p.Get(ctx, "/version")
	if err != nil {
		return "", err
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal(body, &version); err != nil {
		return "", fmt.Errorf("read the version of %s: %w", p.Server(), err)
	}
	return version.GitVersion, nil
}
