package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
)

// Config says what plane to run.
type Config struct {
	Name        string       // of the cluster; also of its kubeconfig context
	Version     Version      // for people; the binary decides
	Binary      string       // a program that Build returned
	Dir         string       // absolute; everything of the plane lives in it
	ServiceCIDR netip.Prefix // zero is 10.96.0.0/16
	Ports       *PortPicker  // nil is one of its own
}

// defaultServiceCIDR is that of most clusters (kubeadm has 10.96.0.0/12); 65,534
// services are enough.
var defaultServiceCIDR = netip.MustParsePrefix("10.96.0.0/16")

// A Plane is a prepared control plane: its secrets, ports and kubeconfig exist,
// its processes do not yet.
type Plane struct {
	cfg   Config
	ports ports
	pki   pki
	etcd  *probe // with the client certificate
	api   *probe // with the admin's token
	plain *probe // for health pages that want no token
}

type ports struct {
	client, peer, api, controller, scheduler int
}

// Prepare picks ports, makes certificates, tokens and keys and writes them and
// the kubeconfigs into cfg.Dir, readable by their owner only. Dir must not hold
// the data of another plane.
func Prepare(cfg Config) (*Plane, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if !cfg.ServiceCIDR.IsValid() {
		cfg.ServiceCIDR = defaultServiceCIDR
	}
	if _, err := os.Stat(filepath.Join(cfg.Dir, etcdDir)); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("prepare %s in %s: it holds a plane already; remove it or take another directory", cfg.Name, cfg.Dir)
	}
	if cfg.Ports == nil {
		cfg.Ports = new(PortPicker)
	}
	picked, err := cfg.Ports.Pick(5)
	if err != nil {
		return nil, fmt.Errorf("prepare %s: %w", cfg.Name, err)
	}
	p := &Plane{cfg: cfg, ports: ports{picked[0], picked[1], picked[2], picked[3], picked[4]}}
	// The API server's own service gets the first address of the range.
	if p.pki, err = newPKI(cfg.Name, []net.IP{net.IPv4(127, 0, 0, 1), cfg.ServiceCIDR.Masked().Addr().Next().AsSlice()}); err != nil {
		return nil, err
	}
	if err := p.connect(); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", cfg.Name, err)
	}
	if err := p.write(); err != nil {
		return nil, fmt.Errorf("prepare %s in %s: %w", cfg.Name, cfg.Dir, err)
	}
	return p, nil
}

func (c Config) validate() error {
	switch {
	case c.Name == "":
		return errors.New("prepare a control plane: it has no name")
	case !filepath.IsAbs(c.Dir):
		return fmt.Errorf("prepare %s: the directory %q is not absolute", c.Name, c.Dir)
	case !filepath.IsAbs(c.Binary):
		return fmt.Errorf("prepare %s: the program %q is not an absolute path", c.Name, c.Binary)
	case c.ServiceCIDR.IsValid() && !c.ServiceCIDR.Addr().Is4():
		return fmt.Errorf("prepare %s: the service range %s is not IPv4", c.Name, c.ServiceCIDR)
	}
	return nil
}

// connect makes the clients that ask the plane's processes for their health.
func (p *Plane) connect() error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.pki.ca)
	client, err := tls.X509KeyPair(p.pki.clientCert, p.pki.clientKey)
	if err != nil {
		return err
	}
	p.plain = newProbe(&tls.Config{RootCAs: roots}, "")
	p.etcd = newProbe(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}, "")
	p.api = newProbe(&tls.Config{RootCAs: roots}, p.pki.admin.token)
	return nil
}

// Below the directory of a plane.
const (
	etcdDir              = "etcd"
	pkiDir               = "pki"
	adminKubeconfig      = "kubeconfig"
	controllerKubeconfig = "controller-manager.kubeconfig"
	schedulerKubeconfig  = "scheduler.kubeconfig"
)

func (p *Plane) write() error {
	if err := os.MkdirAll(p.cfg.Dir, 0o700); err != nil {
		return err
	}
	if err := p.pki.write(filepath.Join(p.cfg.Dir, pkiDir)); err != nil {
		return err
	}
	for name, id := range map[string]identity{
		adminKubeconfig:      p.pki.admin,
		controllerKubeconfig: p.pki.controller,
		schedulerKubeconfig:  p.pki.scheduler,
	} {
		content, err := newKubeconfig(p.cfg.Name, p.Server(), p.pki.ca, id).render()
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(p.cfg.Dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Server returns the URL of the API server.
func (p *Plane) Server() string { return loopbackURL(p.ports.api) }

// Kubeconfig returns the path of the administrator's kubeconfig. It names one
// context, that of the cluster.
func (p *Plane) Kubeconfig() string { return filepath.Join(p.cfg.Dir, adminKubeconfig) }

// KubeconfigAt returns the administrator's kubeconfig for those who reach the API
// server by another URL, on 127.0.0.1 as well.
func (p *Plane) KubeconfigAt(server string) ([]byte, error) {
	return newKubeconfig(p.cfg.Name, server, p.pki.ca, p.pki.admin).render()
}

// CA returns the certificate of the cluster's authority as PEM.
func (p *Plane) CA() []byte { return p.pki.ca }

// Config returns what the plane was prepared with.
func (p *Plane) Config() Config { return p.cfg }

func loopbackURL(port int) string {
	return "https://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// A Command is one process of a plane.
type Command struct {
	Name     string   // etcd, kube-apiserver, kube-controller-manager or kube-scheduler
	After    []string // must be ready before it starts, and stop after it
	Args     []string // of Config.Binary
	Endpoint string   // where it answers
	// Ready asks once whether the process serves; nil is yes.
	Ready func(context.Context) error
}

// Commands returns the processes of the plane in an order in which they can be
// started; stopped in the opposite order each ends at once. (If etcd goes first,
// the API server waits for it for ever.)
func (p *Plane) Commands() []Command {
	api := []string{"kube-apiserver"}
	return []Command{
		{Name: "etcd", Args: p.etcdArgs(), Endpoint: loopbackURL(p.ports.client), Ready: p.etcdReady},
		{Name: "kube-apiserver", After: []string{"etcd"}, Args: p.apiArgs(), Endpoint: p.Server(), Ready: p.apiReady},
		{Name: "kube-controller-manager", After: api, Args: p.controllerArgs(), Endpoint: loopbackURL(p.ports.controller), Ready: p.controllerReady},
		{Name: "kube-scheduler", After: api, Args: p.schedulerArgs(), Endpoint: loopbackURL(p.ports.scheduler), Ready: p.schedulerReady},
	}
}
