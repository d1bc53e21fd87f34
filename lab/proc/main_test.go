//go:build linux

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleEnv makes the test binary play one of the programs below instead of
// running the tests.
const roleEnv = "WATARI_PROC_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
		// The race detector's programs wait a second at their end by default.
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
		os.Exit(m.Run())
	case "waits":
		playWaits()
	case "stubborn":
		playStubborn()
	case "parent":
		playParent()
	case "strayParent":
		playStrayParent()
	case "finder":
		playFinder()
	case "fails":
		os.Exit(3)
	default:
		fmt.Fprintln(os.Stderr, "no such role:", role)
		os.Exit(2)
	}
}

// playWaits waits for TERM.
func playWaits() {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	fmt.Println("up")
	<-terminated
}

// playStubborn ignores TERM.
func playStubborn() {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("up")
	select {
	case <-time.After(time.Minute): // bounds a stray if the test binary is killed
	}
}

// playParent starts a child as the lab does and waits.
func playParent() {
	_, err := Start(roleSpec(os.Getenv(MarkEnv), "child", "waits", filepath.Join(os.Getenv(MarkEnv), "child.log")))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	playWaits()
}

// playStrayParent starts a child that is not tied to it, as any program may.
func playStrayParent() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleEnv+"=stubborn")
	if err := cmd.Start(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	playWaits()
}

// playFinder prints what Find sees from inside of the lab.
func playFinder() {
	found, err := Find(os.Getenv(MarkEnv))
	fmt.Println("found", len(found), err)
}

func roleSpec(lab, name, role, log string) Spec {
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		panic(err)
	}
	return Spec{Lab: lab, Name: name, Path: self, Log: log, Env: []string{roleEnv + "=" + role}}
}

// start starts a role in lab and waits until it says that it is up.
func start(t *testing.T, lab, name, role string) *Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), name+".log")
	p, err := Start(roleSpec(lab, name, role, log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := p.Stop(t.Context(), 0); err != nil {
			t.Error(err)
		}
	})
	eventually(t, name+" is up", func() bool {
		content, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(content), "up\n")
	})
	return p
}

// eventually polls until ok or a deadline that only a broken program reaches.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("still not so after 10 s: %s", what)
}

// newLab returns the directory of a lab and stops whatever the test leaves.
func newLab(t *testing.T) string {
	t.Helper()
	lab := t.TempDir()
	t.Cleanup(func() {
		if _, err := StopAll(t.Context(), lab, 0); err != nil {
			t.Error(err)
		}
	})
	return lab
}
