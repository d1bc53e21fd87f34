package alb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// Status codes of the balancer that HTTP does not know ("Troubleshoot your
// Application Load Balancers").
const (
	statusClientClosed    = 460 // the client closed the connection before the answer; only logged
	statusForwardedForLen = 463 // X-Forwarded-For has more than 30 addresses
)

// fault is an answer that the balancer gives because no target's answer can be
// given.
type fault struct {
	status int
	cause  error
}

func (f *fault) Error() string { return fmt.Sprintf("HTTP %d: %v", f.status, f.cause) }
func (f *fault) Unwrap() error { return f.cause }

var (
	errNoTargets  = errors.New("the target group has no registered targets that may take requests")
	errNoWeight   = errors.New("all weights of the rule are zero")
	errNoListener = errors.New("the listener is being deleted")
	errUnasked    = errors.New("the target switched protocols without being asked")
)

// decideTargetFault classifies what went wrong between balancer and target:
// 504 if time ran out, 502 for everything else that a target can do, 460 if it
// was the client who left.
func decideTargetFault(ctx context.Context, err error) *fault {
	switch {
	case ctx.Err() != nil:
		return &fault{statusClientClosed, context.Cause(ctx)}
	case isTimeout(err):
		return &fault{http.StatusGatewayTimeout, err}
	default:
		return &fault{http.StatusBadGateway, err}
	}
}

// decideClientFault classifies what went wrong while the request's body was
// read.
func decideClientFault(ctx context.Context, err error) *fault {
	switch {
	case isTimeout(err):
		return &fault{http.StatusRequestTimeout, err}
	case ctx.Err() != nil || isClosed(err):
		return &fault{statusClientClosed, err}
	default:
		return &fault{http.StatusBadRequest, err}
	}
}

// page is the body of the balancer's own answers. Their Server header is
// awselb/2.0, by which people tell them from a target's.
func page(status int) []byte {
	title := strconv.Itoa(status) + " " + statusText(status)
	return []byte("<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n")
}

func statusText(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "Service Temporarily Unavailable"
	case http.StatusGatewayTimeout:
		return "Gateway Time-out"
	case statusForwardedForLen:
		return "Bad Request"
	}
	return http.StatusText(status)
}

const serverHeader = "awselb/2.0"

func writePage(w http.ResponseWriter, status int) {
	body := page(status)
	h := w.Header()
	h.Set("Server", serverHeader)
	h.Set("Content-Type", "text/html")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if status == http.StatusBadRequest || status == http.StatusRequestTimeout {
		h.Set("Connection", "close") // nobody knows where the next request starts
	}
	w.WriteHeader(status)
	w.Write(body) //nolint:errcheck // the client may be gone; there is nobody to tell
}

// isClosed reports whether err says that the other side is gone.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
