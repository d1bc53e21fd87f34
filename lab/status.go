//go:build linux

package lab

import (
	"fmt"
	"os"

	"watari.dev/lab/proc"
)

// Status returns what the lab in dir says of itself, checked against the living
// processes: what says that it runs but does not is Gone. An empty dir is
// DefaultDir. The error is ErrNoLab if there is none.
func Status(dir string) (Info, error) {
	l, err := newLayout(dir)
	if err != nil {
		return Info{}, err
	}
	info, err := readInfo(l)
	if err != nil {
		return Info{}, err
	}
	alive := map[proc.Identity]bool{}
	found, err := proc.Find(l.dir)
	if err != nil {
		return Info{}, err
	}
	for _, f := range found {
		alive[f.Identity] = true
	}
	return decideStatus(info, alive), nil
}

// decideStatus corrects the states of what is not alive. While the supervisor
// lives it notices a death itself, within milliseconds.
func decideStatus(info Info, alive map[proc.Identity]bool) Info {
	if alive[info.Supervisor] || info.State == Stopped || info.State == Failed {
		return info
	}
	info.State = Gone
	components := make([]ComponentInfo, 0, len(info.Components))
	for _, c := range info.Components {
		if !alive[c.Process] {
			c.State, c.Process = Gone, proc.Identity{}
		}
		components = append(components, c)
	}
	info.Components = components
	return info
}

// Kubeconfig returns the path of the kubeconfig of the lab in dir. It has one
// context for each cluster, with the name of the cluster; the source's is the
// current one.
func Kubeconfig(dir string) (string, error) {
	l, err := newLayout(dir)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(l.kubeconfig()); err != nil {
		return "", fmt.Errorf("%s: %w", l.dir, ErrNoLab)
	}
	return l.kubeconfig(), nil
}
