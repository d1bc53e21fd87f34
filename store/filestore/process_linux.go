package filestore

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id") // empty: not known
	return strings.TrimSpace(string(b))
}

func pidNamespace() string {
	name, _ := os.Readlink("/proc/self/ns/pid") // empty: not known
	return name
}

// startOf returns when the process pid was started, in clock ticks since boot,
// and whether it has ended and only waits for its parent to notice. Empty: not
// known.
func startOf(pid int) (start string, gone bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", false
	}
	// The name in parentheses may hold anything; proc_pid_stat(5) has the state as
	// field 3 and the start as field 22.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X"
}
