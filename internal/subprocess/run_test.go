//go:build unix

package subprocess

import (
	"bufio"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestAtTheEndNothingGoesOn: neither what a program has started, nor what would begin.
func TestAtTheEndNothingGoesOn(t *testing.T) {
	defer func() { running.over = false }()
	said, saying := io.Pipe()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "trap '' TERM HUP; sleep 36 & echo begun; wait")
	cmd.Stdout = saying
	began, ended := time.Now(), make(chan error, 1)
	go func() { ended <- Run(cmd) }()
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "begun\n" {
		t.Fatal(line, err)
	}
	EndAll()
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "killed") || time.Since(began) > 20*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if err := Run(exec.CommandContext(t.Context(), "true")); !errors.Is(err, errOver) {
		t.Errorf("one that begins afterwards: %v", err)
	}
}
