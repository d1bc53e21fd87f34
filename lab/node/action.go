//go:build linux

package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"watari.dev/lab/podnet"
)

// maxActionOutput bounds what a message repeats of a command's output or a
// response's body, in bytes (the kubelet's own bound is 10 KiB).
const maxActionOutput = 1024

// target is what probes and hooks of one container act upon.
type target struct {
	spawner *spawner
	podIP   string
	ports   []v1.ContainerPort
	env     []string
	dir     string
	lookup  func(command, args []string) ([]string, error)
}

// exec runs a command beside the container's process, in its environment.
func (t target) exec(ctx context.Context, a *v1.ExecAction) error {
	argv, err := t.lookup(a.Command, nil)
	if err != nil {
		return err
	}
	out, err := os.CreateTemp("", "watari-exec-*")
	if err != nil {
		return err
	}
	defer out.Close()
	os.Remove(out.Name())
	p, err := t.spawner.start(launch{argv: argv, env: t.env, dir: t.dir, log: out})
	if err != nil {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill()
		<-p.done
		return fmt.Errorf("command %q: %w", a.Command, ctx.Err())
	}
	if p.exit.code == 0 {
		return nil
	}
	said := make([]byte, maxActionOutput)
	n, _ := out.ReadAt(said, 0)
	return fmt.Errorf("command %q ended with %d: %s", a.Command, p.exit.code, bytes.TrimSpace(said[:n]))
}

// tcp connects and hangs up.
func (t target) tcp(ctx context.Context, a *v1.TCPSocketAction) error {
	addr, err := t.address(a.Host, a.Port)
	if err != nil {
		return err
	}
	conn, err := podnet.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// http asks and wants an answer from 200 to 399. Redirections to another host are taken as
// an answer, as the kubelet does.
func (t target) http(ctx context.Context, a *v1.HTTPGetAction) error {
	addr, err := t.address(a.Host, a.Port)
	if err != nil {
		return err
	}
	scheme := "http"
	if a.Scheme == v1.URISchemeHTTPS {
		scheme = "https"
	}
	path := a.Path
	if path == "" || path[0] != '/' {
		path = "/" + path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+addr+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/watari-lab")
	req.Header.Set("Accept", "*/*")
	for _, h := range a.HTTPHeaders {
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			req.Host = h.Value
			continue
		}
		req.Header.Set(h.Name, h.Value)
	}
	client := http.Client{
		Transport: &http.Transport{
			DialContext:       podnet.DialContext,
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the kubelet does not verify either
		},
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if next.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= 10 {
				return errors.New("stopped after 10 redirects")
			}
			return nil
		},
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxActionOutput))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 400 {
		return nil
	}
	return fmt.Errorf("%s answered %d: %s", req.URL, resp.StatusCode, bytes.TrimSpace(body))
}

// address returns host and port to dial; the host is the pod's unless given.
func (t target) address(host string, port intstr.IntOrString) (string, error) {
	if host == "" {
		host = t.podIP
	}
	number, err := portNumber(port, t.ports)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(number)), nil
}

// portNumber resolves the name of a container's port.
func portNumber(port intstr.IntOrString, ports []v1.ContainerPort) (int, error) {
	if port.Type == intstr.Int {
		return port.IntValue(), nil
	}
	for _, p := range ports {
		if p.Name == port.StrVal {
			return int(p.ContainerPort), nil
		}
	}
	if n, err := strconv.Atoi(port.StrVal); err == nil {
		return n, nil
	}
	return 0, fmt.Errorf("the container has no port named %q", port.StrVal)
}
