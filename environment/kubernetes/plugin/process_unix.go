//go:build unix

package plugin

import (
	"os/exec"
	"syscall"
)

// apart gives the command a session of its own: without a terminal, so that it cannot
// ask anybody, and as a group that ends as a whole.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
