package disk

import (
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
)

// TestALeaseOnAFileIsWaitedFor: a file server has one for its clients, and whoever
// opens without waiting is refused until it is given back.
func TestALeaseOnAFileIsWaitedFor(t *testing.T) {
	d, root := below(t, 0o755)
	path := filepath.Join(root, "f")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGIO)
	defer signal.Stop(signals)
	const setLease = 1024 // F_SETLEASE
	if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setLease, syscall.F_WRLCK); errno != 0 {
		t.Skipf("this file system gives no leases: %v", errno)
	}
	go func() {
		<-signals // the kernel asks for it back
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setLease, syscall.F_UNLCK)
	}()
	if _, err := d.ReadFile(path); err != nil {
		t.Error(err)
	}
}
