//go:build linux

package flock

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const holdEnv = "WATARI_FLOCK_TEST_HOLD"

func TestMain(m *testing.M) {
	if path := os.Getenv(holdEnv); path != "" {
		if _, err := Try(path); err != nil {
			os.Exit(1)
		}
		os.Stdout.WriteString("held\n")
		<-time.After(time.Minute)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestTry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("second Try = %v, want ErrHeld", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := Try(path)
	if err != nil {
		t.Fatalf("Try after Unlock = %v", err)
	}
	if err := again.Unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := Try(filepath.Join(path, "below a file")); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("Try of an impossible path = %v, want another error", err)
	}
}

func TestWaitStopsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	holder := -1
	_, err = Wait(ctx, path, func(pid int) { holder = pid; cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want it cancelled", err)
	}
	if holder != os.Getpid() {
		t.Errorf("holder = %d, want %d", holder, os.Getpid())
	}
}

// A killed holder leaves nothing to clean up.
func TestWaitGetsTheLockOfAKilledHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), holdEnv+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	if n, err := out.Read(make([]byte, 5)); n == 0 {
		t.Fatal("the holder does not hold:", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	lock, err := Wait(ctx, path, func(pid int) {
		if pid != cmd.Process.Pid {
			t.Errorf("holder = %d, want %d", pid, cmd.Process.Pid)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
}
