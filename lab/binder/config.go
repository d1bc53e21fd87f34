package binder

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"time"
)

// Defaults of Config.
const (
	defaultHealthInterval = time.Second // AWS's controller: 15 s
	defaultResyncInterval = 30 * time.Second
)

// Config says which cluster is bound to which AWS. Durations are nanoseconds in JSON.
type Config struct {
	// Kubeconfig is the path of a file that reaches the cluster as a user
	// who may install definitions and write pods' status.
	Kubeconfig string `json:"kubeconfig"`
	// ClusterName is for logs.
	ClusterName string `json:"clusterName"`
	// Endpoint is the URL of the Elastic Load Balancing API, on loopback.
	Endpoint  string `json:"endpoint"`
	Region    string `json:"region"`
	AccessKey string `json:"accessKey"`
	SecretKey string `json:"secretKey"`
	// HealthInterval is how often target health is asked for while a gated pod
	// waits for it; 0 means 1 s.
	HealthInterval time.Duration `json:"healthInterval,omitempty"`
	// ResyncInterval is how often a group is compared with its pods when
	// nothing happens; 0 means 30 s.
	ResyncInterval time.Duration `json:"resyncInterval,omitempty"`
}

func (c Config) withDefaults() Config {
	if c.HealthInterval == 0 {
		c.HealthInterval = defaultHealthInterval
	}
	if c.ResyncInterval == 0 {
		c.ResyncInterval = defaultResyncInterval
	}
	return c
}

// check reports every mistake in c.
func (c Config) check() error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"kubeconfig", c.Kubeconfig}, {"region", c.Region}, {"accessKey", c.AccessKey}, {"secretKey", c.SecretKey},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("binder: %s is empty", f.name))
		}
	}
	if !onLoopback(c.Endpoint) {
		errs = append(errs, fmt.Errorf("binder: endpoint %q is not a URL on loopback; the lab never reaches the real AWS", c.Endpoint))
	}
	if c.HealthInterval < 0 || c.ResyncInterval < 0 {
		errs = append(errs, fmt.Errorf("binder: intervals (%s, %s) cannot be negative", c.HealthInterval, c.ResyncInterval))
	}
	return errors.Join(errs...)
}

func onLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" {
		return false
	}
	addr, err := netip.ParseAddr(u.Hostname())
	return err == nil && addr.IsLoopback()
}
