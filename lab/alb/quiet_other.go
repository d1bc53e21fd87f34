//go:build !unix

package alb

// quiet cannot look into a socket here; a connection that its target closed
// while it was idle fails the next request with 502.
func (c *targetConn) quiet() bool { return c.br.Buffered() == 0 }
