//go:build linux

package proc

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStartMarksAndLogs(t *testing.T) {
	lab := newLab(t)
	p := start(t, lab, "etcd", "waits")

	found, err := Find(lab)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Fatalf("found %+v, want the one process", found)
	}
	got := found[0]
	if got.Identity != p.Found().Identity || got.Component != "etcd" || got.Parent != os.Getpid() {
		t.Errorf("found %+v, want %+v", got, p.Found())
	}
	if age := time.Since(got.Since); age < -2*time.Second || age > time.Minute {
		t.Errorf("Since is %s ago, want about now", age)
	}
	if p.Exit() != "" {
		t.Errorf("Exit() of a living process = %q", p.Exit())
	}
}

func TestExitSaysHow(t *testing.T) {
	lab := newLab(t)
	failing, err := Start(roleSpec(lab, "fails", "fails", filepath.Join(t.TempDir(), "log")))
	if err != nil {
		t.Fatal(err)
	}
	<-failing.Done()
	if got, want := failing.Exit(), "exited with code 3"; got != want {
		t.Errorf("Exit() = %q, want %q", got, want)
	}

	killed := start(t, lab, "killed", "waits")
	if err := syscall.Kill(killed.Found().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-killed.Done()
	if got, want := killed.Exit(), "was ended by signal 9 (killed)"; got != want {
		t.Errorf("Exit() = %q, want %q", got, want)
	}
}

func TestStartRefusesWhatItCannotFindAgain(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for name, spec := range map[string]Spec{
		"relative lab":     {Lab: "lab", Name: "x", Path: "/bin/true", Log: log},
		"unclean lab":      {Lab: "/a/../b", Name: "x", Path: "/bin/true", Log: log},
		"no name":          {Lab: "/a", Path: "/bin/true", Log: log},
		"relative program": {Lab: "/a", Name: "x", Path: "true", Log: log},
		"no such program":  {Lab: "/a", Name: "x", Path: "/does/not/exist", Log: log},
		"no such log dir":  {Lab: "/a", Name: "x", Path: "/bin/true", Log: "/does/not/exist/log"},
	} {
		if _, err := Start(spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// The parent-death signal follows the thread that started the child.
func TestChildOutlivesTheThreadOfTheCaller(t *testing.T) {
	lab := newLab(t)
	spec := roleSpec(lab, "child", "waits", filepath.Join(t.TempDir(), "log"))
	type result struct {
		p   *Process
		err error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		p, err := Start(spec)
		results <- result{p, err}
	}()
	r := <-results
	if r.err != nil {
		t.Fatal(r.err)
	}
	eventually(t, "the child is up", func() bool {
		content, err := os.ReadFile(spec.Log)
		return err == nil && strings.Contains(string(content), "up\n")
	})
	stopped, err := r.p.Stop(t.Context(), 10*time.Second)
	if err != nil || stopped.Outcome != Ended {
		t.Errorf("Stop = %+v, %v; want a child that lived until TERM", stopped, err)
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	lab := newLab(t)
	parent := start(t, lab, "parent", "parent")
	child := findOne(t, lab, "child")
	if err := syscall.Kill(parent.Found().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child is gone", func() bool { return !Alive(lab, child.Identity) })
}

func TestDetachedOutlivesItsStarter(t *testing.T) {
	lab := newLab(t)
	p, err := StartDetached(roleSpec(lab, "supervisor", "waits", filepath.Join(t.TempDir(), "log")))
	if err != nil {
		t.Fatal(err)
	}
	session, err := getsid(p.Found().PID)
	if err != nil || session != p.Found().PID {
		t.Errorf("session is %d (%v), want its own, %d", session, err, p.Found().PID)
	}
	if stopped, err := p.Stop(t.Context(), 10*time.Second); err != nil || stopped.Outcome == AlreadyGone {
		t.Errorf("Stop = %+v, %v", stopped, err)
	}
}

func findOne(t *testing.T, lab, component string) Found {
	t.Helper()
	var one Found
	eventually(t, "one "+component, func() bool {
		found, err := Find(lab)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range found {
			if f.Component == component {
				one, n = f, n+1
			}
		}
		return n == 1
	})
	return one
}

func getsid(pid int) (int, error) {
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(pid), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(sid), nil
}
