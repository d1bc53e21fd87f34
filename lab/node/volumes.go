//go:build linux

package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
)

// volumes writes the volumes of one pod. It is used by one goroutine at a time.
type volumes struct {
	root string // where mounts are found
	home string // where linked volumes live
	// written holds the files of the last turn, so that keys that are gone can be removed.
	written map[string]bool
}

// mount brings the pod's volumes up to date: directories, files, links.
func (v *volumes) mount(ctx context.Context, client kubernetes.Interface, facts podFacts) error {
	spec := &facts.pod.Spec
	places, err := decidePlacements(spec)
	if err != nil {
		return err
	}
	seen, err := readObjects(ctx, client, facts.pod.Namespace, volumeNames(spec))
	if err != nil {
		return err
	}
	contents := map[string]map[string]file{}
	for i := range spec.Volumes {
		if isTokenVolume(spec.Volumes[i].Name) {
			continue
		}
		if contents[spec.Volumes[i].Name], err = volumeFiles(&spec.Volumes[i], facts, seen); err != nil {
			return fmt.Errorf("volume %q: %w", spec.Volumes[i].Name, err)
		}
	}
	return v.write(spec, places, contents)
}

// write puts every mount in its place and removes files that no longer belong to a volume.
func (v *volumes) write(spec *v1.PodSpec, places []placement, contents map[string]map[string]file) error {
	if err := os.MkdirAll(v.root, 0o755); err != nil {
		return err
	}
	written := map[string]bool{}
	for _, p := range places {
		at := filepath.Join(v.root, p.at)
		var err error
		switch {
		case p.linked:
			err = linkDir(filepath.Join(v.home, p.volume, path.Clean("/"+p.subPath)), at)
		case volumeNamed(spec, p.volume).EmptyDir != nil:
			err = os.MkdirAll(at, 0o777)
		default:
			err = writeContents(at, p.subPath, contents[p.volume], written)
		}
		if err != nil {
			return fmt.Errorf("volume %q at /%s: %w", p.volume, p.at, err)
		}
	}
	for name := range v.written {
		if !written[name] {
			if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
	}
	v.written = written
	return nil
}

// writeContents writes the files of a volume under at, or the one file or directory that
// subPath names.
func writeContents(at, subPath string, files map[string]file, written map[string]bool) error {
	part := strings.TrimPrefix(path.Clean("/"+subPath), "/")
	if f, ok := files[part]; ok {
		return writeFile(at, f, written)
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	found := part == ""
	for name, f := range files {
		rest := name
		if part != "" {
			var ok bool
			if rest, ok = strings.CutPrefix(name, part+"/"); !ok {
				continue
			}
		}
		found = true
		if err := writeFile(filepath.Join(at, rest), f, written); err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("subPath %q is not in the volume", subPath)
	}
	return nil
}

// writeFile replaces a file in one step, so that a reader never sees half of it. A file that is as it
// should be is not touched.
func writeFile(name string, f file, written map[string]bool) error {
	written[name] = true
	if have, err := os.ReadFile(name); err == nil && bytes.Equal(have, f.data) {
		if info, err := os.Stat(name); err == nil && info.Mode().Perm() == f.mode {
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(name), ".watari-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(f.data)
	if err == nil {
		err = tmp.Chmod(f.mode)
	}
	if closed := tmp.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// linkDir makes at a relative link to the directory dir.
func linkDir(dir, at string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	to, err := filepath.Rel(filepath.Dir(at), dir)
	if err != nil {
		return err
	}
	if have, err := os.Readlink(at); err == nil && have == to {
		return nil
	}
	if err := os.Symlink(to, at); err != nil {
		return fmt.Errorf("something is in the way: %w", err)
	}
	return nil
}

// changes says whether the volumes of a pod can change while it runs.
func changes(spec *v1.PodSpec) bool {
	for _, v := range spec.Volumes {
		if !isTokenVolume(v.Name) && (v.ConfigMap != nil || v.Secret != nil || v.DownwardAPI != nil || v.Projected != nil) {
			return true
		}
	}
	return false
}

// insideRoot returns the real path of a path within the pod's root; it never leads outside.
func insideRoot(root, name string) string {
	return filepath.Join(root, path.Clean("/"+name))
}
