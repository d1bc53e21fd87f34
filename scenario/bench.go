package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/lab"
	"watari.dev/lab/kube"
	"watari.dev/view"
)

// BenchOptions say what to measure.
type BenchOptions struct {
	LabDir   string
	Out      io.Writer
	Attempts int  // bad attempts, at most 200
	Starts   int  // starts of the lab
	Cold     bool // compile Kubernetes with empty caches
}

// Bench measures in the lab what a user would wait for: its start, and the time
// from the first bad answer to the accepted write that takes the share back.
func Bench(ctx context.Context, o BenchOptions) error {
	if o.Attempts < 1 || o.Attempts > 200 {
		return fmt.Errorf("measure %d bad attempts: give 1 to 200", o.Attempts)
	}
	if o.Cold {
		if err := benchCold(ctx, o.Out); err != nil {
			return err
		}
	}
	if err := benchStarts(ctx, o); err != nil {
		return err
	}
	return benchRollback(ctx, o)
}

// benchCold compiles Kubernetes as on a machine that never did.
func benchCold(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "watari-cold-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	restore, err := setenv(map[string]string{
		"GOCACHE": filepath.Join(dir, "build"), "GOMODCACHE": filepath.Join(dir, "modules"),
		"GOFLAGS": os.Getenv("GOFLAGS") + " -modcacherw", // so that it can be removed again
	})
	defer restore()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "compiling Kubernetes with empty caches, about ten minutes on two cores ...")
	began := time.Now()
	if _, err := kube.Build(ctx, kube.Options{CacheDir: filepath.Join(dir, "kube")}); err != nil {
		return err
	}
	fmt.Fprintf(out, "lab cold start: compiling Kubernetes 1.33 and 1.36 with empty caches took %s; the caches hold %s\n", view.Span(time.Since(began)), size(dir))
	return nil
}

// setenv changes this process's environment until restore is called.
func setenv(values map[string]string) (restore func(), err error) {
	var undo []func() error
	for name, value := range values {
		before, had := os.LookupEnv(name)
		undo = append(undo, func() error {
			if had {
				return os.Setenv(name, before)
			}
			return os.Unsetenv(name)
		})
		err = errors.Join(err, os.Setenv(name, value))
	}
	return func() {
		for _, u := range undo {
			_ = u() // what could be set can be set back
		}
	}, err
}

// size says how much the files below dir take.
func size(dir string) string {
	var bytes int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return "an unknown amount: " + err.Error()
	}
	return fmt.Sprintf("%.1f GB", float64(bytes)/1e9)
}

// benchStarts starts and stops the lab.
func benchStarts(ctx context.Context, o BenchOptions) error {
	cfg := lab.Config{Dir: o.LabDir}
	var ups, downs []time.Duration
	for range o.Starts {
		if _, err := lab.Down(ctx, cfg); err != nil {
			return err
		}
		began := time.Now()
		if _, err := lab.Up(ctx, cfg); err != nil {
			return err
		}
		ups = append(ups, time.Since(began))
		began = time.Now()
		if _, err := lab.Down(ctx, cfg); err != nil {
			return err
		}
		downs = append(downs, time.Since(began))
	}
	fmt.Fprintf(o.Out, "lab warm start: p50 %s of %d; stop: p50 %s\n", view.Span(quantile(ups, 0.5)), len(ups), view.Span(quantile(downs, 0.5)))
	return nil
}

// benchRollback lets one bad attempt after the other take itself back.
func benchRollback(ctx context.Context, o BenchOptions) error {
	s, err := prepare(ctx, Options{Rate: 200, Seed: 1, LabDir: o.LabDir, Out: io.Discard, Gate: defaultGate})
	if err != nil {
		return err
	}
	defer s.close(ctx)
	if err := s.open(ctx, badFaults); err != nil {
		return err
	}
	users, err := s.startUsers(ctx)
	if err != nil {
		return err
	}
	defer func() { _, _ = users.leave() }()
	sum := Summary{}
	var found, accepted []time.Duration
	for n := 1; n <= o.Attempts; n++ {
		if sum.Bad, err = s.badAttempt(ctx, users, n); err != nil {
			return fmt.Errorf("bad attempt %d: %w", n, err)
		}
		sum.Users = users.generator.Snapshot()
		f, a, known := sum.detection(n)
		if !known {
			return fmt.Errorf("bad attempt %d was not taken back, or nobody was hit", n)
		}
		found, accepted = append(found, f), append(accepted, a)
	}
	fmt.Fprintf(o.Out, "bad target (5 %% errors, 5 %% share, 200 requests/s): first bad answer to degraded: p50 %s, p99 %s\n", view.Span(quantile(found, 0.5)), view.Span(quantile(found, 0.99)))
	fmt.Fprintf(o.Out, "bad target: first bad answer to accepted rollback write: p50 %s, p99 %s (%d attempts)\n", view.Span(quantile(accepted, 0.5)), view.Span(quantile(accepted, 0.99)), len(accepted))
	return nil
}

// badAttempt runs one attempt in a segment of its own and asks for the next.
func (s *stage) badAttempt(ctx context.Context, users *users, n int) (attempt, error) {
	if err := users.mark(n, "bad"); err != nil {
		return attempt{}, err
	}
	a, err := s.watari.run(ctx, s.Out, nil, func(view.JSONEvent) {})
	if err != nil {
		return a, err
	}
	if a.Phase != engine.RolledBack {
		return a, fmt.Errorf("it ended as %s", a.Phase)
	}
	return a, s.watari.command(ctx, "retry", "shop").Run()
}

// quantile returns the q-quantile of some durations: the smallest that is not
// below a part q of them.
func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	i := int(q * float64(len(d)))
	return d[min(i, len(d)-1)]
}
