//go:build linux

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"watari.dev/lab/proc"
)

// SIGKILL to up after each of its lines of progress; then down, or the next up,
// finds everything.
func TestKilledUp(t *testing.T) {
	useFakes(t, three()...)
	for point := 0; ; point++ {
		o := newLab(t)
		killedAt, finished := runUpAndKill(t, o.layout.dir, point)
		t.Logf("killed after: %s", killedAt)
		if point%2 == 0 {
			if info := mustUp(t, operatorFor(t, o.layout.dir)); info.State != Ready {
				t.Errorf("killed after %q: the next up is %s", killedAt, info.State)
			}
		}
		if _, err := operatorFor(t, o.layout.dir).down(t.Context()); err != nil {
			t.Errorf("killed after %q: down: %v", killedAt, err)
		}
		checkNothingLeft(t, o)
		if finished {
			if point < 5 {
				t.Errorf("up has only %d points, want one per step", point)
			}
			return
		}
	}
}

// runUpAndKill kills an up after a number of lines. finished is set if it had no
// more to say.
func runUpAndKill(t *testing.T, dir string, lines int) (last string, finished bool) {
	t.Helper()
	cmd, out := startUp(t, dir)
	last = "start"
	for range lines {
		line, ok := <-out
		if !ok {
			finished = true
			break
		}
		last = line
	}
	if err := cmd.Process.Kill(); err != nil && !finished {
		t.Fatal(err)
	}
	for range out { // lets the reader end
	}
	_ = cmd.Wait() // says that it was killed
	return last, finished
}

// SIGKILL to the supervisor takes its children along; a stray that one of them
// left is found by its mark.
func TestKilledSupervisor(t *testing.T) {
	useFakes(t, append(three(), fake{Name: "pods", After: []string{"node"}, Mode: "stray"})...)
	for _, next := range []string{"down", "up"} {
		t.Run("then "+next, func(t *testing.T) {
			o := newLab(t)
			bystander := startBystander(t)
			info := mustUp(t, o)
			kill(t, info.Supervisor)
			var stray []proc.Found
			eventually(t, "only the stray is left", func() bool {
				var err error
				stray, err = proc.Find(o.layout.dir)
				return err == nil && len(stray) == 1
			})
			status := mustStatus(t, o)
			if status.State != Gone || find(t, status, "api").State != Gone {
				t.Errorf("status %+v, want it gone", status)
			}

			if next == "up" {
				if again := mustUp(t, operatorFor(t, o.layout.dir)); again.Supervisor == info.Supervisor {
					t.Error("up returned the dead supervisor")
				}
				if proc.Alive(o.layout.dir, stray[0].Identity) {
					t.Error("up left the stray")
				}
			}
			report, err := operatorFor(t, o.layout.dir).down(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if next == "down" && (len(report.Stopped) != 1 || report.Stopped[0].Identity != stray[0].Identity || report.Stopped[0].Outcome != proc.Killed) {
				t.Errorf("stopped %+v, want the stray, killed", report.Stopped)
			}
			checkNothingLeft(t, o)
			if bystander.ProcessState != nil || bystander.Process.Signal(syscall.Signal(0)) != nil {
				t.Error("a process outside of the lab was hit")
			}
		})
	}
}

// A damaged or missing lab.json keeps nobody from cleaning up.
func TestDownWithoutState(t *testing.T) {
	useFakes(t, three()...)
	for name, spoil := range map[string]func(l layout) error{
		"damaged": func(l layout) error { return os.WriteFile(l.info(), []byte(`{"state": "rea`), 0o600) },
		"missing": func(l layout) error { return os.Remove(l.info()) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newLab(t)
			mustUp(t, o)
			if err := spoil(o.layout); err != nil {
				t.Fatal(err)
			}
			if _, err := Status(o.layout.dir); err == nil || !strings.Contains(err.Error(), "watari lab") {
				t.Errorf("Status = %v, want a way out", err)
			}
			report, err := operatorFor(t, o.layout.dir).down(t.Context())
			if err != nil || len(report.Stopped) != 4 {
				t.Errorf("down = %+v, %v; want four stopped", report.Stopped, err)
			}
			checkNothingLeft(t, o)
		})
	}
}

// startBystander starts the same program without the mark.
func startBystander(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "lab", "stray", filepath.Join(t.TempDir(), "ready"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // says that it was killed
	})
	return cmd
}
