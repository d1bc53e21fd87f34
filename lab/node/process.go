//go:build linux

package node

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// launch is everything needed to start a process.
type launch struct {
	argv []string
	env  []string
	dir  string
	log  *os.File // stdout and stderr
}

// exit tells how a process ended.
type exit struct {
	code int32 // 128 + signal if one ended it, as shells and container runtimes have it
	at   time.Time
}

// process is a running child with its process group.
type process struct {
	cmd     *exec.Cmd
	started time.Time
	done    chan struct{} // closed when the process is gone and its group was killed
	exit    exit          // valid after done

	mu     sync.Mutex
	reaped bool
}

// spawner starts processes from one thread that lives as long as it does. A
// child with a parent-death signal gets it when the thread that started it
// ends, not the process (prctl(2), PR_SET_PDEATHSIG), and Go ends threads at will.
type spawner struct {
	jobs chan func()
	quit chan struct{}
	done chan struct{}
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func()), quit: make(chan struct{}), done: make(chan struct{})}
	go s.loop()
	return s
}

func (s *spawner) loop() {
	defer close(s.done)
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	for {
		select {
		case job := <-s.jobs:
			job()
		case <-s.quit:
			return
		}
	}
}

// close ends the thread. Children that still run are killed by the kernel.
func (s *spawner) close() {
	close(s.quit)
	<-s.done
}

// start runs a process in a group of its own. The caller waits for done.
func (s *spawner) start(l launch) (*process, error) {
	cmd := exec.Command(l.argv[0], l.argv[1:]...)
	cmd.Env, cmd.Dir = l.env, l.dir
	if l.log != nil { // a nil *os.File in the interface would not be nil
		cmd.Stdout, cmd.Stderr = l.log, l.log
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	result := make(chan error, 1)
	select {
	case s.jobs <- func() { result <- cmd.Start() }:
	case <-s.quit:
		return nil, errors.New("the node agent is ending")
	}
	if err := <-result; err != nil {
		return nil, fmt.Errorf("start %s: %w", l.argv[0], err)
	}
	p := &process{cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go p.wait()
	return p, nil
}

// wait takes note of the end. What is left of the group goes with its leader, as a container
// ends with its first process; this happens before the leader is reaped, while the
// number of the group cannot belong to anybody else.
func (p *process) wait() {
	defer close(p.done)
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.reaped = true
	p.mu.Unlock()
	_ = p.cmd.Wait() // the state tells more than the error
	p.exit = exit{code: exitCode(p.cmd.ProcessState), at: time.Now()}
}

func exitCode(state *os.ProcessState) int32 {
	ws, ok := state.Sys().(syscall.WaitStatus)
	if ok && ws.Signaled() {
		return 128 + int32(ws.Signal())
	}
	return int32(state.ExitCode())
}

// signal asks the first process of the container, as a container runtime does.
func (p *process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(p.cmd.Process.Pid, sig)
	}
}

// kill ends the whole group.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
}
