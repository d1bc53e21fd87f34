//go:build linux

package node

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProcessTellsHowItEnded(t *testing.T) {
	s := newSpawner()
	defer s.close()
	for script, want := range map[string]int32{"exit 0": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		p, err := s.start(launch{argv: []string{"/bin/sh", "-c", script}})
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		if p.exit.code != want || p.exit.at.Before(p.started) {
			t.Errorf("%s: exit code %d at %v, want %d after the start", script, p.exit.code, p.exit.at, want)
		}
		p.signal(syscall.SIGKILL) // nothing is there to be hit
		p.kill()
	}
	if _, err := s.start(launch{argv: []string{"/nonexistent"}}); err == nil || !strings.Contains(err.Error(), "/nonexistent") {
		t.Errorf("start of nothing: %v, want an error that names it", err)
	}
}

// What a container has started ends with its first process.
func TestGroupEndsWithItsLeader(t *testing.T) {
	s := newSpawner()
	defer s.close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p, err := s.start(launch{argv: []string{"/bin/sh", "-c", "sleep 1000 & echo $!"}, log: w})
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	eventually(t, "the background process is gone", func() bool { return !alive(pid) })
}

// Nothing may be left when the agent is killed.
func TestChildrenDieWithTheAgent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	agent := exec.Command(exe)
	agent.Env = append(os.Environ(), programEnv+"=parent")
	agent.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := agent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	if !alive(pid) {
		t.Fatal("the child does not run")
	}
	if err := agent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = agent.Wait() // it was killed
	eventually(t, "the child is gone", func() bool { return !alive(pid) })
}

func TestEnding(t *testing.T) {
	e := newEnding()
	if e.stopping.Err() != nil || e.grace.Err() != nil {
		t.Fatal("it ends before it began")
	}
	began := time.Now()
	e.begin(time.Hour)
	if e.stopping.Err() == nil || e.grace.Err() != nil {
		t.Fatal("stopping has not begun, or grace is over at once")
	}
	e.begin(50 * time.Millisecond)
	e.begin(time.Hour) // longer again: does not count
	<-e.grace.Done()
	if took := time.Since(began); took < 50*time.Millisecond || took > 10*time.Second {
		t.Errorf("grace ended after %s, want 50ms", took)
	}
	if e.mercy.Err() != nil {
		t.Error("mercy ended with grace")
	}
	e.begin(0)
	if e.mercy.Err() == nil {
		t.Error("mercy has not ended")
	}
	e.close()
}
