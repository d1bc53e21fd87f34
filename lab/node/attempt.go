//go:build linux

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"

	"watari.dev/lab/podnet"
)

// attemptPlan is everything about one attempt at running a container, taken from the pod as it
// is when the attempt begins.
type attemptPlan struct {
	number     int32 // counts from 0; the restart count while it runs
	launch     launch
	target     target
	grace      time.Duration // when the attempt is ended for its health, unless the probe says
	stopSignal syscall.Signal

	startup, liveness, readiness *v1.Probe
	postStart, preStop           *v1.LifecycleHandler

	logFile        string
	terminationLog string
	fallbackToLogs bool
}

// prepare reads what the container needs and plans the next attempt.
func (c *container) prepare(ctx context.Context) (attemptPlan, error) {
	pod := c.pod.latest()
	spec := findContainer(&pod.Spec, c.name)
	seen, err := readObjects(ctx, c.pod.agent.client, c.pod.namespace, envNames(spec))
	if err != nil {
		return attemptPlan{}, err
	}
	given, err := c.pod.givenEnv(spec)
	if err != nil {
		return attemptPlan{}, err
	}
	env, err := decideEnv(spec, given, c.pod.facts(), seen)
	if err != nil {
		return attemptPlan{}, err
	}
	env["WATARI_LAB"] = given["WATARI_LAB"] // clean-up finds the lab's processes by it
	lookup := func(command, args []string) ([]string, error) {
		return decideArgv(spec.Image, expandAll(command, env), expandAll(args, env), c.pod.agent.cfg.Images, searchIn(env["PATH"]))
	}
	argv, err := lookup(spec.Command, spec.Args)
	if err != nil {
		return attemptPlan{}, err
	}
	plan := attemptPlan{
		number:    nextAttempt(c.pod.record(c.name)),
		launch:    launch{argv: argv, env: environ(env), dir: insideRoot(c.pod.volumes.root, spec.WorkingDir)},
		grace:     podGrace(pod.Spec.TerminationGracePeriodSeconds),
		startup:   spec.StartupProbe,
		liveness:  spec.LivenessProbe,
		readiness: spec.ReadinessProbe, stopSignal: stopSignal(spec.Lifecycle),
		terminationLog: given["WATARI_TERMINATION_LOG"],
		fallbackToLogs: spec.TerminationMessagePolicy == v1.TerminationMessageFallbackToLogsOnError,
	}
	plan.target = target{
		spawner: c.pod.agent.spawner, podIP: c.pod.ip.String(), ports: spec.Ports, env: plan.launch.env, dir: plan.launch.dir,
		lookup: func(command, _ []string) ([]string, error) {
			return decideArgv(spec.Image, command, nil, nil, searchIn(env["PATH"]))
		},
	}
	plan.logFile = logPath(c.pod.dir, c.name, plan.number)
	if spec.Lifecycle != nil {
		plan.postStart, plan.preStop = spec.Lifecycle.PostStart, spec.Lifecycle.PreStop
	}
	if err := os.MkdirAll(plan.launch.dir, 0o755); err != nil {
		return attemptPlan{}, fmt.Errorf("working directory: %w", err)
	}
	return plan, prepareTerminationLog(plan.terminationLog)
}

// nextAttempt is the number of the attempt that follows.
func nextAttempt(r record) int32 {
	if r.state.Terminated != nil || r.last.Terminated != nil {
		return r.restarts + 1
	}
	return r.restarts
}

// probeGrace is how long a container may take to stop when this probe has failed; a grace period of
// its own goes before the pod's.
func probeGrace(p *v1.Probe, pods time.Duration) time.Duration {
	if p.TerminationGracePeriodSeconds != nil {
		return podGrace(p.TerminationGracePeriodSeconds)
	}
	return pods
}

// podGrace is a grace period; 30 seconds if there is none (Kubernetes API reference,
// terminationGracePeriodSeconds).
func podGrace(s *int64) time.Duration {
	if s == nil {
		return 30 * time.Second
	}
	return time.Duration(*s) * time.Second
}

// givenEnv is what every container finds in its environment.
func (w *podWorker) givenEnv(c *v1.Container) (map[string]string, error) {
	bind := w.ip
	if !w.hostNetwork() {
		var err error
		if bind, err = podnet.Local(w.ip); err != nil {
			return nil, err
		}
	}
	_, tag := splitImage(c.Image)
	env := map[string]string{
		"HOSTNAME":               w.name,
		"WATARI_POD_BIND":        bind.String(),
		"WATARI_POD_ROOT":        w.volumes.root,
		"WATARI_IMAGE_TAG":       tag,
		"WATARI_TERMINATION_LOG": filepath.Join(w.dir, "termination", c.Name),
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "WATARI_LAB"} {
		if value, ok := os.LookupEnv(name); ok {
			env[name] = value
		}
	}
	return env, nil
}

// searchIn returns a look-up of programs in the directories of path.
func searchIn(path string) func(string) (string, error) {
	return func(name string) (string, error) {
		if filepath.Base(name) != name {
			return "", exec.ErrNotFound // relative to nothing that a container knows
		}
		for _, dir := range filepath.SplitList(path) {
			full := filepath.Join(dir, name)
			if info, err := os.Stat(full); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return full, nil
			}
		}
		return "", exec.ErrNotFound
	}
}

// openLog opens the log of an attempt and forgets all but the one before it.
func (w *podWorker) openLog(container string, attempt int32) (*os.File, error) {
	name := logPath(w.dir, container, attempt)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return nil, err
	}
	if attempt >= 2 {
		if err := os.Remove(logPath(w.dir, container, attempt-2)); err != nil && !errors.Is(err, os.ErrNotExist) {
			w.log.Warn("cannot remove an old log", "err", err)
		}
	}
	return os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
}

// logPath is the file of one attempt's output.
func logPath(podDir, container string, attempt int32) string {
	return filepath.Join(podDir, "logs", container, strconv.Itoa(int(attempt))+".log")
}

func prepareTerminationLog(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, nil, 0o666)
}

// The bounds of termination messages, in bytes (Kubernetes documentation, "Determine the
// reason for pod failure"): 4096 from the file, 2048 from the log.
const (
	maxTerminationMessage  = 4096
	maxTerminationFallback = 2048
)

// terminationMessage is what an ended container wanted to be remembered for: what it wrote to its file, or
// the end of its log if it failed and asked for that.
func terminationMessage(l attemptPlan, code int32) string {
	said, err := os.ReadFile(l.terminationLog)
	if err == nil && len(said) > 0 {
		return string(said[:min(len(said), maxTerminationMessage)])
	}
	if l.fallbackToLogs && code != 0 {
		return logTail(l.logFile, maxTerminationFallback)
	}
	return ""
}

// logTail is the end of a log, for containers that leave no message.
func logTail(name string, size int64) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	if _, err := f.Seek(max(0, info.Size()-size), io.SeekStart); err != nil {
		return ""
	}
	said, err := io.ReadAll(io.LimitReader(f, size))
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(said))
}
