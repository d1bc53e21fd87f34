//go:build unix

package load

import (
	"errors"
	"net"
	"syscall"
)

// alive reports whether an idle connection can be used: it is neither closed
// by the other side nor has it anything to say that nobody asked for. HTTP
// libraries find that out too, by always reading; it is not a retry.
func alive(c net.Conn) bool {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = errors.Is(err, syscall.EAGAIN)
		return true // whatever it was: do not wait
	})
	return err == nil && quiet
}
