//go:build linux

package kube

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Below a work directory.
const (
	sourceDir = "src"
	tmpDir    = "tmp" // Go's, so that a killed build leaves nothing in /tmp
)

// reportInterval is the time between two reports while nothing else happens.
const reportInterval = time.Second

// compilation is one run of the go command over one program.
type compilation struct {
	settings goSettings
	program  program
	work     string
	report   func(stage Stage, done, total int)
}

func (c *compilation) binary() string { return filepath.Join(c.work, binaryName) }

// run downloads what is missing, counts what has to be compiled and compiles it.
func (c *compilation) run(ctx context.Context) error {
	total, err := c.count(ctx)
	if err != nil {
		return err
	}
	c.report(StageCompiling, 0, total)
	args := append([]string{"build", "-v", "-o", c.binary()}, c.flags()...)
	return c.golang(ctx, append(args, "."), io.Discard, func(o output) {
		c.report(StageCompiling, min(o.packages, total), total)
	})
}

// count loads the packages, which downloads the modules, and returns how many
// of them have to be compiled.
func (c *compilation) count(ctx context.Context) (int, error) {
	c.report(StageDownloading, 0, 0)
	var stale strings.Builder
	args := append([]string{"list", "-deps", "-f", "{{if .Stale}}{{.ImportPath}}{{end}}"}, c.flags()...)
	err := c.golang(ctx, append(args, "."), &stale, func(o output) {
		c.report(StageDownloading, o.downloads, 0)
	})
	return len(strings.Fields(stale.String())), err
}

func (c *compilation) flags() []string {
	return append(append([]string{}, buildFlags...), "-ldflags="+c.program.ldflags)
}

// golang runs the go command and reports while it runs. The command and its
// compilers die with ctx; the command itself also dies with this process, which
// is why the thread that starts it is kept (prctl(2), PR_SET_PDEATHSIG).
func (c *compilation) golang(ctx context.Context, args []string, stdout io.Writer, report func(output)) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	cmd := exec.CommandContext(ctx, c.settings.Path, args...)
	cmd.Dir = filepath.Join(c.work, sourceDir)
	cmd.Env = decideEnv(os.Environ(), c.settings, filepath.Join(c.work, tmpDir))
	cmd.Stdout = stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.settings.Path, err)
	}
	said := watch(readLines(stderr), report)
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return errors.Join(fmt.Errorf("go %s: %w", args[0], err), errors.New(said.explain()))
	}
	return nil
}

// readLines sends the lines of r until it ends.
func readLines(r io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(r)
		scanner.Buffer(nil, 1<<20)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
		_, _ = io.Copy(io.Discard, r) // an overlong line must not block the writer
	}()
	return lines
}

// watch collects lines until they end, and reports about once per second.
func watch(lines <-chan string, report func(output)) output {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	var said output
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return said
			}
			said.add(line)
		case <-ticker.C:
			report(said)
		}
	}
}
