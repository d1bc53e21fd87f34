package alb

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// smallBody is the size up to which a body is read whole before it is passed
// on: a target that breaks off inside of a small answer gives the client a
// clean 502 or 504 and not half an answer.
const smallBody = 32 << 10

// exchange is one request on one connection to a target.
type exchange struct {
	ctx    context.Context // ends when the client leaves
	target *target
	conn   *targetConn
	idle   time.Duration
	stop   func() bool // ends the watch on ctx
	upload *upload     // nil if the request's body was written at once

	sent   time.Time // when the request had been written
	headed time.Time // when the response's headers were there
}

// begin gets a connection to the target. No byte has been written yet, so
// errCut may be answered by choosing another target.
func begin(ctx context.Context, t *target, idle time.Duration) (*exchange, error) {
	c, err := t.pool.get(ctx)
	if err != nil {
		return nil, err
	}
	x := &exchange{ctx: ctx, target: t, conn: c, idle: idle}
	x.stop = context.AfterFunc(ctx, func() { c.Close() })
	return x, nil
}

// do sends the request once and reads the headers of the answer. small is the
// body if it was read already.
func (x *exchange) do(r *http.Request, rc *http.ResponseController, f forwarding, small []byte) (*http.Response, *fault) {
	c := x.conn
	c.SetDeadline(time.Now().Add(x.idle)) //nolint:errcheck // a closed connection shows at the next write
	writeHead(c.bw, r, f)
	c.bw.Write(small) //nolint:errcheck // bufio.Writer keeps it for Flush
	if err := c.bw.Flush(); err != nil {
		return nil, x.fault(err)
	}
	if hasBody(r) && small == nil {
		c.SetReadDeadline(time.Time{}) //nolint:errcheck // the upload sets it when it is through
		x.upload = startUpload(rc, r, c, x.idle)
	}
	x.sent = time.Now()
	resp, err := readHead(c.br, r)
	x.headed = time.Now()
	if err != nil {
		return nil, x.fault(err)
	}
	return resp, nil
}

// readHead reads the final response; interim ones (100, 103) end here.
func readHead(br *bufio.Reader, r *http.Request) (*http.Response, error) {
	for {
		resp, err := http.ReadResponse(br, r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode >= 200 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// fault classifies an error of this exchange. A broken upload explains a
// broken answer.
func (x *exchange) fault(err error) *fault {
	if x.upload != nil {
		if clientErr := x.upload.brokenBy(x.ctx); clientErr != nil {
			return decideClientFault(x.ctx, clientErr)
		}
	}
	if x.conn.cut.Load() {
		return &fault{http.StatusBadGateway, errCut}
	}
	return decideTargetFault(x.ctx, err)
}

// end gives the connection back if it is fit for another request, else closes
// it. It waits for the upload and returns why not all of the client's body was
// read.
func (x *exchange) end(reusable bool) error {
	left := x.stop()
	if x.upload != nil {
		if reusable = reusable && x.upload.finished(); !reusable {
			x.conn.Close()
		}
		x.upload.wait()
	}
	if reusable && left && x.conn.br.Buffered() == 0 {
		x.target.pool.keep(x.conn, x.idle)
	} else {
		x.target.pool.discard(x.conn)
	}
	if x.upload != nil {
		return x.upload.client
	}
	return nil
}

func hasBody(r *http.Request) bool { return r.ContentLength != 0 }

// readSmall reads a body of known small size whole, before a target is
// chosen. It returns nil if there is none or if it has to be streamed.
func readSmall(r *http.Request, rc *http.ResponseController, idle time.Duration) ([]byte, *fault) {
	if r.ContentLength <= 0 || r.ContentLength > smallBody {
		return nil, nil
	}
	if err := rc.SetReadDeadline(time.Now().Add(idle)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return nil, decideClientFault(r.Context(), err)
	}
	body := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, decideClientFault(r.Context(), fmt.Errorf("read the request's body: %w", err))
	}
	rc.SetReadDeadline(time.Time{}) //nolint:errcheck // the same connection took one above
	return body, nil
}
