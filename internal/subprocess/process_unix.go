//go:build unix

package subprocess

import (
	"os/exec"
	"syscall"
)

// apart gives the command a session of its own.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return kill(cmd) }
}

// kill ends the command's group.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
