package alb

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

// errBodyIgnored says that the target took only a part of the body.
var errBodyIgnored = errors.New("the target stopped reading the request's body")

// maxIgnored bounds how much of a body is read from a client after the target
// has stopped taking it.
const maxIgnored = 4 << 20

// upload writes a request's body to the target while the answer may already
// come back.
type upload struct {
	done   chan struct{}
	client error                 // reading from the client failed; valid after done
	target error                 // writing to the target failed; valid after done
	broken atomic.Pointer[error] // client, if that is why the connection to the target was closed
}

func startUpload(rc *http.ResponseController, r *http.Request, c *targetConn, idle time.Duration) *upload {
	u := &upload{done: make(chan struct{})}
	go u.run(rc, r, c, idle)
	return u
}

func (u *upload) run(rc *http.ResponseController, r *http.Request, c *targetConn, idle time.Duration) {
	defer close(u.done)
	var dst io.Writer = c.bw
	var chunks io.WriteCloser
	if r.ContentLength < 0 {
		chunks = httputil.NewChunkedWriter(c.bw)
		dst = chunks
	}
	u.client = u.copy(rc, r.Body, dst, c, idle)
	if u.client != nil {
		if u.target == nil {
			u.broken.Store(&u.client)
			c.Close() // the target cannot have the whole request any more
		}
		return
	}
	if u.target == nil && chunks != nil {
		if u.target = chunks.Close(); u.target == nil {
			_, u.target = c.bw.WriteString("\r\n") // no trailers
		}
	}
	if u.target == nil {
		u.target = c.bw.Flush()
	}
	rc.SetReadDeadline(time.Time{})         //nolint:errcheck // the client's connection shows its state to the server
	c.SetReadDeadline(time.Now().Add(idle)) //nolint:errcheck // from here on the target has to answer
}

// copy passes the body on piece by piece. When the target takes no more, the
// rest is read and dropped, so that the client reads the answer and no reset.
func (u *upload) copy(rc *http.ResponseController, src io.Reader, dst io.Writer, c *targetConn, idle time.Duration) error {
	buf := make([]byte, smallBody)
	ignored := 0
	for {
		rc.SetReadDeadline(time.Now().Add(idle)) //nolint:errcheck // a dead connection fails the read below
		n, err := src.Read(buf)
		if n > 0 && u.target == nil {
			c.SetWriteDeadline(time.Now().Add(idle)) //nolint:errcheck // a dead connection fails the write below
			if _, u.target = dst.Write(buf[:n]); u.target == nil {
				u.target = c.bw.Flush()
			}
		} else if ignored += n; ignored > maxIgnored {
			return errBodyIgnored
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// finished reports whether the whole body has reached the target.
func (u *upload) finished() bool {
	select {
	case <-u.done:
		return u.client == nil && u.target == nil
	default:
		return false
	}
}

func (u *upload) wait() { <-u.done }

// brokenBy returns why the client's body ended early, nil if it did not, is not
// known to have, or the target had given up before. net/http ends the
// request's context at the failed read itself, so with an ended context the
// reason is about to come.
func (u *upload) brokenBy(ctx context.Context) error {
	if ctx.Err() != nil {
		<-u.done
		return u.client
	}
	if err := u.broken.Load(); err != nil {
		return *err
	}
	return nil
}
