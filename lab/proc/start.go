//go:build linux

package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Spec says what to start.
type Spec struct {
	Lab  string                     // absolute directory of the lab: the mark
	Name string                     // name of the component
	Path string                     // the program, an absolute path
	Args []string                   // its arguments, without the program
	Env  []string                   // added to the environment of the caller
	Keep func(variable string) bool // says what to keep of the caller's environment; nil keeps all
	Dir  string                     // working directory; empty is the caller's
	Log  string                     // file to which stdout and stderr are appended, created with mode 0600
}

// A Process is a child of the calling process.
type Process struct {
	found Found
	done  chan struct{}
	err   error // set before done is closed
}

// Start starts a process that dies with the calling process. It leads a process
// group of its own, so that a Ctrl-C on the terminal does not reach it.
func Start(spec Spec) (*Process, error) {
	cmd, log, err := command(spec)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}

	p := &Process{done: make(chan struct{})}
	started := make(chan error)
	go p.run(cmd, spec.Name, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	return p, nil
}

// run starts cmd and stays until it ends. The kernel sends the parent-death
// signal when the *thread* that started the child ends (prctl(2),
// PR_SET_PDEATHSIG), so the thread is locked and kept until then.
func (p *Process) run(cmd *exec.Cmd, name string, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		started <- err
		return
	}
	p.found = awaitStarted(cmd, name)
	started <- nil
	p.err = cmd.Wait()
	close(p.done)
}

// StartDetached starts a process in a session of its own that outlives the
// calling process. The caller hears of its end through the Process as long as
// it lives itself.
func StartDetached(spec Spec) (*Process, error) {
	cmd, log, err := command(spec)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", spec.Name, err)
	}
	p := &Process{done: make(chan struct{}), found: awaitStarted(cmd, spec.Name)}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func command(spec Spec) (*exec.Cmd, *os.File, error) {
	switch {
	case !filepath.IsAbs(spec.Lab) || filepath.Clean(spec.Lab) != spec.Lab:
		return nil, nil, fmt.Errorf("start %s: the lab %q is not a clean absolute path", spec.Name, spec.Lab)
	case spec.Name == "":
		return nil, nil, fmt.Errorf("start %s: the component has no name", spec.Path)
	case !filepath.IsAbs(spec.Path):
		return nil, nil, fmt.Errorf("start %s: the program %q is not an absolute path", spec.Name, spec.Path)
	}
	log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("start %s: open its log: %w", spec.Name, err)
	}
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env = markedEnv(append(keptEnv(os.Environ(), spec.Keep), spec.Env...), spec.Lab, spec.Name)
	cmd.Dir = spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, log, nil
}

// startedBound is how long a process may take to leave exec and show its
// environment.
const startedBound = 5 * time.Second

// awaitStarted waits until a process that was just started can be found (see
// readEnviron), or has ended, and returns its identity. It has not been waited
// for, so that its number is still its own.
func awaitStarted(cmd *exec.Cmd, name string) Found {
	pid := cmd.Process.Pid
	f := Found{Identity: Identity{PID: pid}, Component: name, Parent: os.Getpid(), Since: time.Now()}
	_, _ = readEnviron(filepath.Join("/proc", strconv.Itoa(pid)), pid, startedBound) // only waits
	if s, err := readStat(pid); err == nil {
		f.Start, f.Command = s.start, s.comm
	}
	return f
}

// Found returns what Find says of the process.
func (p *Process) Found() Found { return p.found }

// Done is closed after the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how the process ended, in words; it is empty while it lives.
func (p *Process) Exit() string {
	select {
	case <-p.done:
	default:
		return ""
	}
	var exit *exec.ExitError
	switch {
	case p.err == nil:
		return "exited with code 0"
	case errors.As(p.err, &exit):
		return describeStatus(exit.Sys().(syscall.WaitStatus))
	default:
		return p.err.Error()
	}
}

func describeStatus(status syscall.WaitStatus) string {
	if status.Signaled() {
		return fmt.Sprintf("was ended by signal %d (%s)", status.Signal(), status.Signal())
	}
	return fmt.Sprintf("exited with code %d", status.ExitStatus())
}

// Stop ends the process: TERM, and KILL if it still lives after grace or when
// ctx is done. It returns after the process has ended. Being our child, it is
// known by its number and start time even if it has overwritten its mark.
func (p *Process) Stop(ctx context.Context, grace time.Duration) (Stopped, error) {
	stopped, err := stop(ctx, p.found, grace, func() bool { return sameProcess(p.found.Identity) })
	if err == nil {
		<-p.done
	}
	return stopped, err
}

// Kill ends the process as kill -9 does, without a chance to clean up. It returns
// after the process has ended.
func (p *Process) Kill(ctx context.Context) (Stopped, error) {
	killed, err := kill(ctx, p.found, func() bool { return sameProcess(p.found.Identity) })
	if err == nil {
		<-p.done
	}
	return killed, err
}
