package load

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
)

// Cause is why a request failed; it is empty if it did not.
type Cause string

// The causes of failure.
const (
	HTTP4xx        Cause = "http_4xx"
	HTTP5xx        Cause = "http_5xx"
	ConnectRefused Cause = "connect_refused"
	Reset          Cause = "reset"
	EOF            Cause = "eof"     // the connection was closed before the answer was whole
	Timeout        Cause = "timeout" // of connecting or of the answer
	DNS            Cause = "dns"
	Overload       Cause = "overload" // the generator had no free worker; nobody else's fault
	Other          Cause = "other"
)

// Side is who answered.
type Side string

// Those who can answer. NoSide is for requests that nobody answered.
const (
	NoSide   Side = ""
	Source   Side = "source"
	Target   Side = "target"
	Balancer Side = "balancer" // an ALB's own answer, such as 502 or 503
	Unknown  Side = "unknown"
)

// Headers by which an answer says where it comes from.
const (
	headerSide = "X-Watari-Side"
	headerPod  = "X-Watari-Pod"
	// balancerServer is the Server header of an ALB's own answers.
	balancerServer = "awselb/"
)

// Class is the one way in which a request ended.
type Class struct {
	Cause Cause `json:"cause"`          // empty: answered with 1xx to 3xx
	Code  int   `json:"code,omitempty"` // HTTP status of a failure by status
	Side  Side  `json:"side,omitempty"` // who answered
}

// OK reports whether the request was answered well.
func (c Class) OK() bool { return c.Cause == "" }

// decideSide tells from an answer's headers who gave it. Names that are not
// ours are one class: headers are not to make memory grow.
func decideSide(h http.Header) Side {
	switch side := Side(h.Get(headerSide)); {
	case side == Source || side == Target:
		return side
	case side == NoSide && strings.HasPrefix(h.Get("Server"), balancerServer):
		return Balancer
	}
	return Unknown
}

// decideAnswered classifies a request that got a whole answer.
func decideAnswered(code int, side Side) Class {
	switch {
	case code < 400:
		return Class{Side: side}
	case code < 500:
		return Class{Cause: HTTP4xx, Code: code, Side: side}
	}
	return Class{Cause: HTTP5xx, Code: code, Side: side}
}

// dnsError marks an error as one of resolving: even a time-out is then DNS's.
type dnsError struct{ error }

func (e dnsError) Unwrap() error { return e.error }

// decideFailed classifies a request that got no whole answer.
func decideFailed(err error) Class {
	return Class{Cause: decideCause(err)}
}

func decideCause(err error) Cause {
	var ofDNS dnsError
	var ofNet net.Error
	switch {
	case errors.As(err, &ofDNS):
		return DNS
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &ofNet) && ofNet.Timeout():
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Reset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return EOF
	}
	return Other
}
