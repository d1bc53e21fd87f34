//go:build linux

package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// DirEnv names the environment variable that chooses the directory of the lab.
const DirEnv = "WATARI_LAB_DIR"

// DefaultDir returns $WATARI_LAB_DIR or, without it, watari/lab in the user's
// cache directory.
func DefaultDir() (string, error) {
	if dir := os.Getenv(DirEnv); dir != "" {
		return filepath.Abs(dir)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the directory of the lab: %w; set %s", err, DirEnv)
	}
	return filepath.Join(cache, "watari", "lab"), nil
}

// layout says where things lie in the directory of a lab.
type layout struct{ dir string }

// newLayout returns the layout of dir, absolute and without symbolic links, so
// that one directory has one mark.
func newLayout(dir string) (layout, error) {
	if dir == "" {
		def, err := DefaultDir()
		if err != nil {
			return layout{}, err
		}
		dir = def
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return layout{}, fmt.Errorf("find the directory of the lab: %w", err)
	}
	return layout{resolve(dir)}, nil
}

// resolve follows the symbolic links of the part of an absolute path that exists.
func resolve(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	parent := filepath.Dir(path)
	if parent == path {
		return path
	}
	return filepath.Join(resolve(parent), filepath.Base(path))
}

func (l layout) info() string           { return filepath.Join(l.dir, "lab.json") }
func (l layout) kubeconfig() string     { return filepath.Join(l.dir, "kubeconfig") }
func (l layout) lock() string           { return filepath.Join(l.dir, "lock") }
func (l layout) supervisorLock() string { return filepath.Join(l.dir, "supervisor.lock") }
func (l layout) logs() string           { return filepath.Join(l.dir, "logs") }
func (l layout) log(name string) string { return filepath.Join(l.logs(), name+logSuffix) }
func (l layout) data() string           { return filepath.Join(l.dir, "data") }
func (l layout) settings() string       { return filepath.Join(l.data(), "settings.json") }

const logSuffix = ".log"

// componentDir is where a component may keep its files.
func (l layout) componentDir(name string) string { return filepath.Join(l.data(), name) }

// outsideKubeconfig reaches one cluster from outside of its side.
func (l layout) outsideKubeconfig(cluster string) string {
	return filepath.Join(l.data(), cluster+".kubeconfig")
}

// componentConfig is the file a component reads its configuration from.
func (l layout) componentConfig(name string) string {
	return filepath.Join(l.data(), name+".json")
}

// marker is a file that only labs have: nothing is ever removed from a directory
// without it.
func (l layout) marker() string { return filepath.Join(l.dir, ".watari-lab") }

// ErrNotALab says that a directory holds something else.
var ErrNotALab = errors.New("it is not empty and no lab; choose another directory with --dir or " + DirEnv)

// create makes the directory a lab's. It must be new, empty or a lab's already.
func (l layout) create() error {
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return fmt.Errorf("make the directory of the lab: %w", err)
	}
	owned, err := l.owned()
	if err != nil || owned {
		return err
	}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return fmt.Errorf("make the directory of the lab: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("use %s for the lab: %w", l.dir, ErrNotALab)
	}
	return os.WriteFile(l.marker(), []byte("This directory belongs to a lab of watari, which empties it.\n"), 0o600)
}

// owned reports whether the directory is a lab's.
func (l layout) owned() (bool, error) {
	_, err := os.Stat(l.marker())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// clear removes what an earlier lab left, except for what is named.
func (l layout) clear(keep ...string) error {
	owned, err := l.owned()
	if err != nil || !owned {
		return err
	}
	kept := map[string]bool{}
	for _, path := range keep {
		kept[path] = true
	}
	paths := []string{l.data(), l.logs(), l.kubeconfig(), l.info()}
	half, err := filepath.Glob(filepath.Join(l.dir, "*"+tempInfix+"*"))
	if err != nil {
		return err
	}
	for _, path := range append(paths, half...) {
		if kept[path] {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what an earlier lab left: %w", err)
		}
	}
	return nil
}
