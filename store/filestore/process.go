package filestore

import (
	"errors"
	"os"
	"syscall"

	"watari.dev/store"
)

// process tells a process from a later one of the same number. Empty fields are
// not known.
type process struct {
	Boot      string `json:"boot,omitempty"`      // changes when the host starts again
	Namespace string `json:"namespace,omitempty"` // where the process number means something
	Start     string `json:"start,omitempty"`     // when it was started, in the boot's own measure
}

// alive reports false only if the holder's process is known to be gone.
func alive(h store.Holder, p process) bool {
	if host, err := os.Hostname(); err != nil || h.Host != host || h.PID <= 0 {
		return true
	}
	if own := ownProcess(); p.Boot != own.Boot && p.Boot != "" || p.Namespace != own.Namespace && p.Namespace != "" {
		return true // the same name, but another host or container: its processes cannot be seen
	}
	// Signal 0 sees processes of other users too (kill(2)), /proc may hide them.
	if err := syscall.Kill(h.PID, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	start, gone := startOf(h.PID)
	return !gone && (start == "" || p.Start == "" || start == p.Start)
}

// ownProcess describes this process.
func ownProcess() process {
	p := process{Boot: bootID(), Namespace: pidNamespace()}
	p.Start, _ = startOf(os.Getpid())
	return p
}
