package load

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// conn is a connection of one user. net/http's Transport would resend requests
// on dead connections without telling; here nothing happens that is not seen.
type conn struct {
	net.Conn
	in        *bufio.Reader
	reused    bool
	idleSince time.Time
}

// reply is what a user needs to know of an answer.
type reply struct {
	code int
	side Side
	pod  string
}

// request is read by http.ReadResponse to know whether an answer has a body.
var request = &http.Request{Method: http.MethodGet}

// exchange sends one request and reads the whole answer. keep says whether the
// connection can carry another one, and began whether anything was answered.
func exchange(ctx context.Context, c *conn, header []byte, close bool) (got reply, keep, began bool, err error) {
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return reply{}, false, false, err
	}
	end := "\r\n"
	if close {
		end = "Connection: close\r\n\r\n"
	}
	if _, err := c.Write(slices.Concat(header, []byte(end))); err != nil {
		return reply{}, false, false, err
	}
	if _, err := c.in.Peek(1); err != nil {
		return reply{}, false, false, err
	}
	res, err := readFinal(c.in)
	if err != nil {
		return reply{}, false, true, err
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close() // it only drains, which was just done
	if err != nil {
		return reply{}, false, true, err
	}
	got = reply{code: res.StatusCode, side: decideSide(res.Header), pod: res.Header.Get(headerPod)}
	return got, !close && !res.Close && c.in.Buffered() == 0, true, nil
}

// readFinal skips interim answers (RFC 9110, section 15.2). 101 is none of
// them and was never asked for.
func readFinal(in *bufio.Reader) (*http.Response, error) {
	for {
		res, err := http.ReadResponse(in, request)
		if err != nil || res.StatusCode >= 200 || res.StatusCode == http.StatusSwitchingProtocols {
			return res, err
		}
	}
}
