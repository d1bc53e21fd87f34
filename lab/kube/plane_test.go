//go:build linux

package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func prepare(t *testing.T, name string) *Plane {
	t.Helper()
	p, err := Prepare(Config{Name: name, Version: V1_36, Binary: "/bin/true", Dir: filepath.Join(t.TempDir(), name)})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPreparedFilesArePrivate(t *testing.T) {
	p := prepare(t, "eks-1-36")
	files := 0
	err := filepath.WalkDir(p.cfg.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s, want it private", path, info.Mode())
		}
		if !entry.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files != 11 {
		t.Errorf("%d files, %v; want 11", files, err)
	}
}

func TestPrepareKeepsAnotherPlane(t *testing.T) {
	p := prepare(t, "eks-1-36")
	if err := os.Mkdir(filepath.Join(p.cfg.Dir, etcdDir), 0o700); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(p.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Prepare(p.cfg); err == nil || !strings.Contains(err.Error(), "holds a plane already") {
		t.Errorf("Prepare = %v", err)
	}
	if after, err := os.ReadFile(p.Kubeconfig()); err != nil || string(after) != string(before) {
		t.Errorf("the other plane's kubeconfig was changed (%v)", err)
	}
}

func TestPrepareRefuses(t *testing.T) {
	good := Config{Name: "x", Binary: "/bin/true", Dir: filepath.Join(t.TempDir(), "x")}
	for name, change := range map[string]func(*Config){
		"no name":          func(c *Config) { c.Name = "" },
		"relative dir":     func(c *Config) { c.Dir = "x" },
		"relative program": func(c *Config) { c.Binary = "x" },
		"IPv6 services":    func(c *Config) { c.ServiceCIDR = netip.MustParsePrefix("fd00::/108") },
	} {
		bad := good
		change(&bad)
		if _, err := Prepare(bad); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// client-go, not we, says whether the kubeconfigs are right.
func TestKubeconfigs(t *testing.T) {
	one, other := prepare(t, "eks-1-33"), prepare(t, "eks-1-36")
	var contents [][]byte
	for _, p := range []*Plane{one, other} {
		content, err := os.ReadFile(p.Kubeconfig())
		if err != nil {
			t.Fatal(err)
		}
		contents = append(contents, content)
	}
	content, err := MergeKubeconfigs(contents...)
	if err != nil {
		t.Fatal(err)
	}
	merged, err := clientcmd.Load(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := clientcmd.Validate(*merged); err != nil {
		t.Error(err)
	}
	if merged.CurrentContext != "eks-1-33" {
		t.Errorf("current context %q, want the first", merged.CurrentContext)
	}
	for _, p := range []*Plane{one, other} {
		config, err := clientcmd.NewNonInteractiveClientConfig(*merged, p.cfg.Name, nil, nil).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		if config.Host != p.Server() || config.BearerToken != p.pki.admin.token || string(config.CAData) != string(p.CA()) {
			t.Errorf("context %s leads to %s", p.cfg.Name, config.Host)
		}
	}
	if _, err := MergeKubeconfigs([]byte("\t")); err == nil {
		t.Error("merge of nonsense: no error")
	}
}

func TestTokens(t *testing.T) {
	p := prepare(t, "eks-1-36")
	lines := strings.Split(strings.TrimSpace(string(p.pki.files[tokensFile])), "\n")
	want := []string{
		p.pki.admin.token + `,admin,admin,system:masters`,
		p.pki.controller.token + `,system:kube-controller-manager,system:kube-controller-manager`,
		p.pki.scheduler.token + `,system:kube-scheduler,system:kube-scheduler`,
	}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("tokens:\n%s\nwant:\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if len(p.pki.admin.token) != 64 || p.pki.admin.token == p.pki.scheduler.token {
		t.Error("tokens are not 256 bits each")
	}
}

func TestCertificates(t *testing.T) {
	p := prepare(t, "eks-1-36")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.CA())
	for name, usage := range map[string]x509.ExtKeyUsage{serverCertFile: x509.ExtKeyUsageServerAuth, clientCertFile: x509.ExtKeyUsageClientAuth} {
		block, _ := pem.Decode(p.pki.files[name])
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name == serverCertFile {
			for _, host := range []string{"127.0.0.1", "10.96.0.1", "kubernetes.default.svc"} {
				if err := cert.VerifyHostname(host); err != nil {
					t.Error(err)
				}
			}
		}
	}
	stranger := prepare(t, "eks-1-36").pki.files[serverCertFile]
	block, _ := pem.Decode(stranger)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
		t.Error("trusts the certificate of another plane")
	}
}

func TestCommands(t *testing.T) {
	p := prepare(t, "eks-1-36")
	commands := p.Commands()
	seen := map[string]bool{}
	for _, c := range commands {
		if len(c.Args) == 0 || c.Args[0] != c.Name {
			t.Errorf("%s runs %v", c.Name, c.Args)
		}
		for _, after := range c.After {
			if !seen[after] {
				t.Errorf("%s stands before %s, which it needs", c.Name, after)
			}
		}
		seen[c.Name] = true
		for _, arg := range c.Args {
			if strings.Contains(arg, p.pki.admin.token) || strings.Contains(arg, "0.0.0.0") || arg == "" {
				t.Errorf("%s: argument %q", c.Name, arg)
			}
			if _, path, ok := strings.Cut(arg, "="); ok && strings.HasPrefix(path, p.cfg.Dir) && filepath.Base(path) != etcdDir {
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: %s: %v", c.Name, arg, err)
				}
			}
		}
		if err := c.Ready(t.Context()); err == nil {
			t.Errorf("%s is ready before it was started", c.Name)
		}
	}
	if len(seen) != 4 {
		t.Errorf("commands %v, want four", seen)
	}
}

func TestProbe(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("[-]etcd failed\nmore"))
	}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	trusting := &tls.Config{RootCAs: roots}

	if _, err := newProbe(trusting, "secret").get(t.Context(), server.URL); err != nil {
		t.Error(err)
	}
	if _, err := newProbe(trusting, "").get(t.Context(), server.URL); err == nil {
		t.Error("401 is taken for ready")
	}
	if _, err := newProbe(&tls.Config{}, "secret").get(t.Context(), server.URL); err == nil {
		t.Error("an unknown certificate is taken for the plane's")
	}
	status = http.StatusInternalServerError
	if _, err := newProbe(trusting, "secret").get(t.Context(), server.URL); err == nil || !strings.HasSuffix(err.Error(), "500 Internal Server Error: [-]etcd failed") {
		t.Errorf("500: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newProbe(trusting, "secret").get(cancelled, server.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPickPorts(t *testing.T) {
	ports, err := PickPorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] || port < firstPort || port > lastPort {
			t.Errorf("ports %v: %d is twice or out of range", ports, port)
		}
		seen[port] = true
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
	if _, err := PickPorts(portTries + 1); err == nil {
		t.Error("more ports than tries: no error")
	}
}

// A component that ends at once is told apart from one that is slow.
func TestStartSaysWhatEnded(t *testing.T) {
	p, err := Prepare(Config{Name: "eks-x", Binary: "/bin/false", Dir: filepath.Join(t.TempDir(), "x")})
	if err != nil {
		t.Fatal(err)
	}
	lab := t.TempDir()
	_, err = Start(t.Context(), p, lab, filepath.Join(lab, "logs"))
	if err == nil || !strings.Contains(err.Error(), "etcd exited with code 1") || !strings.Contains(err.Error(), "eks-x-etcd.log") {
		t.Errorf("Start = %v", err)
	}
}
