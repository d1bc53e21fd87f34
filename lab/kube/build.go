//go:build linux

package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"watari.dev/lab/proc/flock"
)

// Options say what to build and where to keep it.
type Options struct {
	CacheDir string         // empty is DefaultCacheDir
	Versions []Version      // empty is all
	Progress func(Progress) // may be nil; called from the goroutine of Build
}

// binaryName is the name of the finished program in the cache.
const binaryName = "controlplane"

// DefaultCacheDir returns the place of finished control planes in the user's
// cache directory.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache directory: %w; set XDG_CACHE_HOME or HOME", err)
	}
	return filepath.Join(dir, "watari", "kube"), nil
}

// Build compiles the control planes that are not in the cache yet, one after
// the other, and returns their programs by version. The first build of a version
// takes minutes; one that is in the cache takes none. It may be killed at any
// moment: a program is in the cache whole or not at all. Errors are ErrNoGo, the
// context's, or say what the go command said.
func Build(ctx context.Context, opts Options) (map[Version]string, error) {
	b, versions, err := newBuilder(ctx, opts)
	if err != nil {
		return nil, err
	}
	built := map[Version]string{}
	for _, v := range versions {
		p, err := controlPlane(v)
		if err != nil {
			return nil, err
		}
		if built[v], err = b.build(ctx, p); err != nil {
			return nil, err
		}
	}
	return built, nil
}

// Built returns the program of a version if it is in the cache. An empty
// cacheDir is DefaultCacheDir.
func Built(ctx context.Context, cacheDir string, v Version) (path string, ok bool, err error) {
	b, _, err := newBuilder(ctx, Options{CacheDir: cacheDir})
	if err != nil {
		return "", false, err
	}
	p, err := controlPlane(v)
	if err != nil {
		return "", false, err
	}
	path, ok = b.cached(p)
	return path, ok, nil
}

type builder struct {
	cacheDir string
	settings goSettings // zero if there is no go command
	report   func(Progress)
}

func newBuilder(ctx context.Context, opts Options) (*builder, []Version, error) {
	b := &builder{cacheDir: opts.CacheDir, report: opts.Progress}
	if b.report == nil {
		b.report = func(Progress) {}
	}
	if b.cacheDir == "" {
		dir, err := DefaultCacheDir()
		if err != nil {
			return nil, nil, err
		}
		b.cacheDir = dir
	}
	settings, err := readGo(ctx)
	if err != nil && !errors.Is(err, ErrNoGo) {
		return nil, nil, err
	}
	b.settings = settings
	versions := opts.Versions
	if len(versions) == 0 {
		versions = Versions()
	}
	return b, versions, nil
}

// cached returns the finished program if there is one. Without a go command any
// Go release will have done.
func (b *builder) cached(p program) (string, bool) {
	pattern := filepath.Join(b.cacheDir, p.key(b.settings.GOVERSION), binaryName)
	if b.settings.Path == "" {
		pattern = filepath.Join(b.cacheDir, p.keyPrefix()+"*", binaryName)
	}
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return "", false
	}
	return found[len(found)-1], true
}

// build returns the finished program, which it compiles if there is none.
func (b *builder) build(ctx context.Context, p program) (string, error) {
	if path, ok := b.cached(p); ok {
		return path, nil
	}
	if b.settings.Path == "" {
		return "", fmt.Errorf("compile Kubernetes %s: %w", p.version, ErrNoGo)
	}
	if err := os.MkdirAll(b.cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("compile Kubernetes %s: %w", p.version, err)
	}
	key := p.key(b.settings.GOVERSION)
	lock, err := flock.Wait(ctx, filepath.Join(b.cacheDir, key+".lock"), func(holder int) {
		b.report(Progress{Version: p.version, Stage: StageWaiting, Holder: holder})
	})
	if err != nil {
		return "", fmt.Errorf("compile Kubernetes %s: %w", p.version, err)
	}
	defer lock.Unlock()
	if path, ok := b.cached(p); ok {
		return path, nil // the one we waited for has built it
	}
	path, err := b.compile(ctx, p, key)
	if err != nil {
		return "", fmt.Errorf("compile Kubernetes %s: %w", p.version, err)
	}
	return path, nil
}

// compile builds in a directory of its own and moves the finished program into
// place in one step. It is called with the lock of key held.
func (b *builder) compile(ctx context.Context, p program, key string) (string, error) {
	began := time.Now()
	progress := Progress{Version: p.version, CacheDir: b.cacheDir, GoCache: b.settings.GOCACHE}
	progress.Stage = StageAnnounced
	b.report(progress)

	if err := b.removeLeftovers(key); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(b.cacheDir, key+workInfix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	if err := writeSources(work, p); err != nil {
		return "", err
	}
	c := compilation{
		settings: b.settings, program: p, work: work,
		report: func(stage Stage, done, total int) {
			progress.Stage, progress.Done, progress.Total, progress.Elapsed = stage, done, total, time.Since(began)
			b.report(progress)
		},
	}
	if err := c.run(ctx); err != nil {
		return "", err
	}
	path := filepath.Join(b.cacheDir, key, binaryName)
	if err := publish(c.binary(), path); err != nil {
		return "", err
	}
	c.report(StageDone, 0, 0)
	return path, nil
}

// workInfix stands in the names of work directories, between key and number.
const workInfix = ".building-"

// removeLeftovers removes the work directories of builds that were killed. Who
// holds the lock of key knows that nobody works in them.
func (b *builder) removeLeftovers(key string) error {
	left, err := filepath.Glob(filepath.Join(b.cacheDir, key+workInfix+"*"))
	if err != nil {
		return err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove what a killed build left: %w", err)
		}
	}
	return nil
}

func writeSources(work string, p program) error {
	for _, dir := range []string{sourceDir, tmpDir} {
		if err := os.Mkdir(filepath.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(work, sourceDir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// publish moves a finished program to its place. Its content is on the disk
// before its name is.
func publish(from, to string) error {
	file, err := os.Open(from)
	if err != nil {
		return err
	}
	err = errors.Join(file.Sync(), file.Close())
	if err != nil {
		return fmt.Errorf("write %s to disk: %w", from, err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.Rename(from, to)
}
