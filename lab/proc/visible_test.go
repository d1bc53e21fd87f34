//go:build linux

package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// exec closes the descriptors by which a parent learns that it went well before
// it publishes the new environment, so a process that has just been started
// shows no mark for a moment.
func TestStartedProcessIsFoundAtOnce(t *testing.T) {
	lab, log := newLab(t), filepath.Join(t.TempDir(), "log")
	const starters, starts = 8, 40
	var all sync.WaitGroup
	for range starters {
		all.Go(func() {
			for range starts {
				p, err := Start(Spec{Lab: lab, Name: "sleeper", Path: "/bin/sleep", Args: []string{"60"}, Log: log})
				if err != nil {
					t.Error(err)
					return
				}
				if !Alive(lab, p.Found().Identity) {
					t.Errorf("%s lives but is not found", p.Found())
					StopAll(t.Context(), lab, 0)
					return
				}
				if stopped, err := p.Stop(t.Context(), 0); err != nil || stopped.Outcome == AlreadyGone {
					t.Errorf("Stop = %+v, %v", stopped, err)
				}
			}
		})
	}
	all.Wait()
}

// The same for a process that something else starts, such as the parent that was
// killed while it did.
func TestProcessWithinExecIsFound(t *testing.T) {
	lab := newLab(t)
	for range 200 {
		cmd := exec.Command("/bin/sleep", "60")
		cmd.Env = markedEnv(os.Environ(), lab, "sleeper")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		found, ok := readMarked(cmd.Process.Pid, lab)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // says that it was killed
		if !ok || found.Component != "sleeper" {
			t.Fatalf("process %d lives but is not found", cmd.Process.Pid)
		}
	}
}

// A program may overwrite its environment, or replace itself by one without:
// Find loses it, but its parent does not.
func TestStopOfAChildThatLostItsMark(t *testing.T) {
	lab := newLab(t)
	env, err := exec.LookPath("env")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(Spec{Lab: lab, Name: "x", Path: env, Args: []string{"-i", "/bin/sleep", "60"}, Log: filepath.Join(t.TempDir(), "log")})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mark is gone", func() bool { return !Alive(lab, p.Found().Identity) })
	stopped, err := p.Stop(t.Context(), 0)
	if err != nil || stopped.Outcome == AlreadyGone || p.Exit() == "" {
		t.Errorf("Stop = %+v, %v; want the process ended", stopped, err)
	}
}
