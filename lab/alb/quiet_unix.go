//go:build unix

package alb

import "syscall"

// quiet reports that the idle connection is open and has nothing to read: a
// read that would block. Anything else, a FIN or a reset of the target or
// bytes that nobody asked for, makes it useless.
func (c *targetConn) quiet() bool {
	if c.br.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	var readErr error
	err := c.raw.Read(func(fd uintptr) bool {
		var b [1]byte
		_, readErr = syscall.Read(int(fd), b[:])
		return true // never wait
	})
	return err == nil && (readErr == syscall.EAGAIN || readErr == syscall.EWOULDBLOCK)
}
