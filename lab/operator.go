//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"watari.dev/lab/kube"
	"watari.dev/lab/proc"
	"watari.dev/lab/proc/flock"
)

// Config says which lab is meant and with what it is made.
type Config struct {
	Dir        string      // empty is DefaultDir
	CacheDir   string      // of built control planes; empty is kube.DefaultCacheDir
	Executable string      // the program with the lab's subcommands; empty is the running one
	Seed       uint64      // of the AWS's choices; a lab that runs already keeps its own
	Progress   func(Event) // may be nil; called from the goroutine of Up or Down
}

// operator does the work of Up and Down.
type operator struct {
	layout     layout
	executable string
	seed       uint64
	build      func(ctx context.Context, report func(kube.Progress)) (map[kube.Version]string, error)
	progress   func(Event)
	began      time.Time
	sweepGrace time.Duration // from TERM to KILL for what a killed supervisor left
}

func newOperator(cfg Config) (*operator, error) {
	l, err := newLayout(cfg.Dir)
	if err != nil {
		return nil, err
	}
	executable := cfg.Executable
	if executable == "" {
		if executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the running program: %w", err)
		}
	}
	if executable, err = filepath.Abs(executable); err != nil {
		return nil, fmt.Errorf("find the program %s: %w", cfg.Executable, err)
	}
	o := &operator{layout: l, executable: executable, seed: cfg.Seed, progress: cfg.Progress, began: time.Now(), sweepGrace: sweepGrace}
	if o.progress == nil {
		o.progress = func(Event) {}
	}
	o.build = func(ctx context.Context, report func(kube.Progress)) (map[kube.Version]string, error) {
		return kube.Build(ctx, kube.Options{CacheDir: cfg.CacheDir, Versions: clusterVersions(), Progress: report})
	}
	return o, nil
}

func (o *operator) report(e Event) {
	e.Elapsed = time.Since(o.began)
	o.progress(e)
}

func (o *operator) say(format string, args ...any) {
	o.report(Event{Text: fmt.Sprintf(format, args...)})
}

// lock keeps any other up or down away.
func (o *operator) lock(ctx context.Context) (*flock.Lock, error) {
	return flock.Wait(ctx, o.layout.lock(), func(holder int) {
		o.say("another up or down (process %d) is at work in %s; waiting for it", holder, o.layout.dir)
	})
}

// findSupervisor returns the living supervisor of the lab.
func (o *operator) findSupervisor() (proc.Found, bool, error) {
	found, err := proc.Find(o.layout.dir)
	if err != nil {
		return proc.Found{}, false, err
	}
	for _, f := range found {
		if f.Component == supervisorName {
			return f, true, nil
		}
	}
	return proc.Found{}, false, nil
}

const (
	// superviseBound is how long a supervisor may take to stop everything: the
	// longest chain of components, each with its grace.
	superviseBound = time.Minute
	// sweepGrace is short: nobody can still use what is swept.
	sweepGrace = 3 * time.Second
)
