//go:build linux

package node

import (
	"fmt"
	"path"
	"strings"

	v1 "k8s.io/api/core/v1"
)

// placement says where one mount of a volume is found in the pod's root.
type placement struct {
	volume  string
	at      string // relative to the root, clean, never empty
	subPath string // part of the volume that is mounted, "" for all of it
	linked  bool   // a relative link to the volume's own directory, which is elsewhere
}

// decidePlacements plans the root directory of a pod: one entry per distinct mount. An emptyDir
// that is mounted whole at one path lives there; mounted several times or in part, it lives beside the root
// and is linked. Volumes with contents are written to each of their places.
func decidePlacements(spec *v1.PodSpec) ([]placement, error) {
	var places []placement
	owner := map[string]placement{}
	for _, c := range allContainers(spec) {
		for _, m := range c.VolumeMounts {
			if volumeNamed(spec, m.Name) == nil || isTokenVolume(m.Name) {
				continue
			}
			p := placement{volume: m.Name, at: strings.TrimPrefix(path.Clean("/"+m.MountPath), "/"), subPath: m.SubPath}
			if p.at == "" {
				return nil, fmt.Errorf("volume %q is mounted at the root of container %q, which is the pod's own; mount it below", m.Name, c.Name)
			}
			if m.SubPathExpr != "" {
				return nil, fmt.Errorf("volume %q is mounted with subPathExpr, which this node does not have; use subPath", m.Name)
			}
			if first, ok := owner[p.at]; ok {
				if first != p {
					return nil, fmt.Errorf("volumes %q and %q are both mounted at /%s; containers of a pod share one root on this node, mount them at different paths", first.volume, p.volume, p.at)
				}
				continue
			}
			owner[p.at] = p
			places = append(places, p)
		}
	}
	return linkSharedDirs(spec, places), nil
}

// linkSharedDirs marks the mounts of every emptyDir that cannot live at one place.
func linkSharedDirs(spec *v1.PodSpec, places []placement) []placement {
	mounts, parts := map[string]int{}, map[string]bool{}
	for _, p := range places {
		mounts[p.volume]++
		parts[p.volume] = parts[p.volume] || p.subPath != ""
	}
	for i, p := range places {
		places[i].linked = volumeNamed(spec, p.volume).EmptyDir != nil && (mounts[p.volume] > 1 || parts[p.volume])
	}
	return places
}

// allContainers returns init containers first, as they run.
func allContainers(spec *v1.PodSpec) []*v1.Container {
	var all []*v1.Container
	for i := range spec.InitContainers {
		all = append(all, &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		all = append(all, &spec.Containers[i])
	}
	return all
}

func volumeNamed(spec *v1.PodSpec, name string) *v1.Volume {
	for i := range spec.Volumes {
		if spec.Volumes[i].Name == name {
			return &spec.Volumes[i]
		}
	}
	return nil
}

// isTokenVolume recognises the volume that the ServiceAccount admission plugin adds to
// every pod. It is left out: its token would lead to a cluster address, which does not exist here.
func isTokenVolume(name string) bool { return strings.HasPrefix(name, "kube-api-access-") }
