//go:build linux

package node

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"

	"watari.dev/lab/podnet"
)

// Config says which node to be and where.
type Config struct {
	// Kubeconfig is the path of the file that reaches the API server as a
	// user who may do what a kubelet does. Logs are given to whoever shows a client
	// certificate of the authority in it, as the API server does with
	// --kubelet-client-certificate.
	Kubeconfig string `json:"kubeconfig"`
	// Name is the name of the Node.
	Name string `json:"name"`
	// PodCIDR is the range of the addresses that pods report, within
	// 10.231.0.0/16, from /16 to /25.
	PodCIDR string `json:"podCIDR"`
	// Dir is an absolute directory for logs and volumes. Two agents never share one.
	Dir string `json:"dir"`
	// Images maps the name of an image, without tag and digest, to the words
	// that are put in front of a container's command and arguments.
	Images map[string][]string `json:"images,omitempty"`
}

// check reports every mistake in the configuration.
func (c Config) check() (netip.Prefix, error) {
	var errs []error
	if c.Name == "" {
		errs = append(errs, errors.New("node: name is empty; give the node a name"))
	}
	if !filepath.IsAbs(c.Dir) {
		errs = append(errs, fmt.Errorf("node: dir %q is not absolute; containers run elsewhere and need the whole path", c.Dir))
	}
	cidr, err := netip.ParsePrefix(c.PodCIDR)
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("node: podCIDR: %w", err))
	case !podnet.Reported.Contains(cidr.Addr()) || cidr.Bits() < podnet.Reported.Bits() || cidr.Bits() > 25:
		errs = append(errs, fmt.Errorf("node: podCIDR %s is not a range of /16 to /25 within %s; pods could not be reached", cidr, podnet.Reported))
	}
	for name, argv := range c.Images {
		if len(argv) == 0 {
			errs = append(errs, fmt.Errorf("node: image %q has no command; give the program to run", name))
		}
	}
	return cidr.Masked(), errors.Join(errs...)
}
