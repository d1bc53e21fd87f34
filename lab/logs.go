//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	tailLines = 20
	tailBytes = 8 << 10
	// followInterval is how often a followed log is looked at again.
	followInterval = 100 * time.Millisecond
)

// Logs writes the log of a component of the lab in dir to w and, if follow is
// set, what is added to it until ctx is done. The supervisor's own log has the
// name "supervisor". Logs stay after Down, until the next Up.
func Logs(ctx context.Context, dir, name string, follow bool, w io.Writer) error {
	l, err := newLayout(dir)
	if err != nil {
		return err
	}
	names, err := readLogNames(l)
	if err != nil {
		return err
	}
	if !names[name] {
		return fmt.Errorf("show the log of %q: no such component; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(names)), ", "))
	}
	file, err := os.Open(l.log(name))
	if err != nil {
		return fmt.Errorf("show the log of %s: %w", name, err)
	}
	defer file.Close()
	for {
		if _, err := io.Copy(w, file); err != nil {
			return fmt.Errorf("show the log of %s: %w", name, err)
		}
		if !follow || !sleep(ctx, followInterval) {
			return nil
		}
	}
}

// LogNames returns the names of the components that have a log, sorted.
func LogNames(dir string) ([]string, error) {
	l, err := newLayout(dir)
	if err != nil {
		return nil, err
	}
	names, err := readLogNames(l)
	return slices.Sorted(maps.Keys(names)), err
}

func readLogNames(l layout) (map[string]bool, error) {
	entries, err := os.ReadDir(l.logs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", l.dir, ErrNoLab)
	}
	if err != nil {
		return nil, fmt.Errorf("look for the logs of the lab: %w", err)
	}
	names := map[string]bool{}
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), logSuffix); ok {
			names[name] = true
		}
	}
	return names, nil
}

// readTail returns the last lines of a log, or why there are none.
func readTail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err.Error()
	}
	content := make([]byte, min(size, tailBytes))
	if _, err := file.ReadAt(content, size-int64(len(content))); err != nil && !errors.Is(err, io.EOF) {
		return err.Error()
	}
	return decideTail(string(content), size > tailBytes)
}

// decideTail returns the last lines of content, whose first line is not whole if
// cut is set.
func decideTail(content string, cut bool) string {
	lines := strings.Split(strings.TrimRight(content, "\n"), "\n")
	if cut && len(lines) > 1 {
		lines = lines[1:]
	}
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}
