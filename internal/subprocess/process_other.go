//go:build !unix

package subprocess

import "os/exec"

// apart leaves the command as it is: only the command itself is ended.
func apart(*exec.Cmd) {}

func kill(cmd *exec.Cmd) error { return cmd.Process.Kill() }
