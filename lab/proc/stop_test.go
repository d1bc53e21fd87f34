//go:build linux

package proc

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStop(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		name, role string
		ctx        context.Context
		grace      time.Duration
		want       Outcome
	}{
		{"ends at TERM", "waits", t.Context(), 10 * time.Second, Ended},
		{"outlives the grace", "stubborn", t.Context(), 100 * time.Millisecond, Killed},
		{"caller cannot wait", "stubborn", cancelled, time.Hour, Killed},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, newLab(t), "x", c.role)
			stopped, err := p.Stop(c.ctx, c.grace)
			if err != nil || stopped.Outcome != c.want {
				t.Fatalf("Stop = %+v, %v; want %s", stopped, err, c.want)
			}
			if p.Exit() == "" {
				t.Error("Stop returned before the process ended")
			}
			again, err := p.Stop(t.Context(), time.Second)
			if err != nil || again.Outcome != AlreadyGone {
				t.Errorf("second Stop = %+v, %v; want %s", again, err, AlreadyGone)
			}
		})
	}
}

// A number that now belongs to another process is never signalled.
func TestStopSparesAReusedNumber(t *testing.T) {
	lab := newLab(t)
	p := start(t, lab, "bystander", "waits")

	earlier := p.Found()
	earlier.Start--
	otherLab := newLab(t)
	for name, stop := range map[string]func() (Stopped, error){
		"other start time": func() (Stopped, error) { return Stop(t.Context(), lab, earlier, 0) },
		"other lab":        func() (Stopped, error) { return Stop(t.Context(), otherLab, p.Found(), 0) },
		"no lab":           func() (Stopped, error) { return Stop(t.Context(), "", p.Found(), 0) },
	} {
		stopped, err := stop()
		if err != nil || stopped.Outcome != AlreadyGone {
			t.Errorf("%s: Stop = %+v, %v; want %s", name, stopped, err, AlreadyGone)
		}
	}
	if !Alive(lab, p.Found().Identity) || p.Exit() != "" {
		t.Error("the bystander was hit")
	}
}

// The check is repeated before each signal, not only when the handle is opened.
func TestSignalChecksAgain(t *testing.T) {
	lab := newLab(t)
	p := start(t, lab, "bystander", "waits")
	same := true
	h, err := openHandle(p.Found().PID, func() bool { return same })
	if err != nil {
		t.Fatal(err)
	}
	defer h.close()
	same = false
	if err := h.signal(syscall.SIGKILL); err != errGone {
		t.Errorf("signal = %v, want %v", err, errGone)
	}
	if !Alive(lab, p.Found().Identity) {
		t.Error("the bystander was hit")
	}
}

func TestStopAllFindsOrphansAndSparesOtherLabs(t *testing.T) {
	lab, otherLab := newLab(t), newLab(t)
	other := start(t, otherLab, "other", "waits")
	parent := start(t, lab, "node", "strayParent")
	eventually(t, "parent and stray live", func() bool {
		found, err := Find(lab)
		return err == nil && len(found) == 2
	})
	if err := syscall.Kill(parent.Found().PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-parent.Done()
	orphan := findOne(t, lab, "node")
	if orphan.PID == parent.Found().PID {
		t.Fatal("found the dead parent, want its child")
	}

	stopped, err := StopAll(t.Context(), lab, 50*time.Millisecond)
	if err != nil || len(stopped) != 1 || stopped[0].PID != orphan.PID || stopped[0].Outcome != Killed {
		t.Errorf("StopAll = %+v, %v; want the orphan, killed", stopped, err)
	}
	if found, err := Find(lab); err != nil || len(found) != 0 {
		t.Errorf("left over: %+v, %v", found, err)
	}
	if !Alive(otherLab, other.Found().Identity) {
		t.Error("a process of another lab was stopped")
	}
	if stopped, err := StopAll(t.Context(), lab, time.Second); err != nil || len(stopped) != 0 {
		t.Errorf("second StopAll = %+v, %v; want nothing", stopped, err)
	}
}

func TestFindSparesTheCallerAndItsAncestors(t *testing.T) {
	lab := newLab(t)
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(roleSpec(lab, "finder", "finder", log))
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(content)), "found 0 <nil>"; got != want {
		t.Errorf("from inside of the lab: %q, want %q", got, want)
	}
	if ancestors := readAncestors(os.Getpid()); !ancestors[os.Getpid()] || !ancestors[os.Getppid()] {
		t.Errorf("ancestors = %v, want ourselves and our parent among them", ancestors)
	}
}

// Kill gives a process no chance, and one that is gone is no error.
func TestKillAtOnce(t *testing.T) {
	p := start(t, newLab(t), "etcd", "stubborn")
	for _, want := range []Outcome{Killed, AlreadyGone} {
		killed, err := p.Kill(t.Context())
		if err != nil || killed.Outcome != want {
			t.Errorf("%+v, %v; want it %s", killed, err, want)
		}
	}
	if !strings.Contains(p.Exit(), "signal 9") {
		t.Errorf("it %s", p.Exit())
	}
}
