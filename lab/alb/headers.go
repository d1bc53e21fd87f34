package alb

import (
	"bufio"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

const (
	headerForwardedFor   = "X-Forwarded-For"
	headerForwardedProto = "X-Forwarded-Proto"
	headerForwardedPort  = "X-Forwarded-Port"
	headerTrace          = "X-Amzn-Trace-Id"

	// maxForwardedFor is the number of addresses above which the balancer
	// answers 463 ("Troubleshoot your Application Load Balancers").
	maxForwardedFor = 30
)

// hopByHop reports whether a header concerns one connection only (RFC 9110
// section 7.6.1 and the older Keep-Alive and Proxy-Connection).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// ownedByBalancer reports whether the balancer writes the header itself.
func ownedByBalancer(name string) bool {
	switch name {
	case headerForwardedFor, headerForwardedProto, headerForwardedPort, headerTrace,
		"Content-Length", "Expect", "Host":
		return true
	}
	return false
}

// connectionTokens lists the header names that Connection declares hop-by-hop.
func connectionTokens(h http.Header) []string {
	var out []string
	for _, line := range h["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			out = append(out, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(token)))
		}
	}
	return out
}

// upgradeOf returns the protocol that a request or response switches to, ""
// for none.
func upgradeOf(h http.Header) string {
	if slices.Contains(connectionTokens(h), "Upgrade") {
		return h.Get("Upgrade")
	}
	return ""
}

// forwarding is what the balancer tells the target about the client.
type forwarding struct {
	clientIP string
	port     string // of the listener
	trace    string
	upgrade  string
}

// writeHead writes the request line and headers as the target gets them.
func writeHead(w *bufio.Writer, r *http.Request, f forwarding) {
	uri := r.RequestURI
	if r.URL.IsAbs() { // the form for proxies; targets are origin servers
		uri = r.URL.RequestURI()
	}
	writeAll(w, r.Method, " ", uri, " HTTP/1.1\r\nHost: ", r.Host, "\r\n")
	drop := connectionTokens(r.Header)
	for name, values := range r.Header {
		if hopByHop(name) || ownedByBalancer(name) || slices.Contains(drop, name) {
			continue
		}
		for _, v := range values {
			writeAll(w, name, ": ", v, "\r\n")
		}
	}
	switch {
	case r.ContentLength > 0 || r.ContentLength == 0 && (r.Header.Get("Content-Length") != "" || r.Method == http.MethodPost || r.Method == http.MethodPut):
		writeAll(w, "Content-Length: ", strconv.FormatInt(r.ContentLength, 10), "\r\n")
	case r.ContentLength < 0:
		writeAll(w, "Transfer-Encoding: chunked\r\n")
	}
	prior := strings.Join(r.Header[headerForwardedFor], ", ")
	if prior != "" {
		prior += ", "
	}
	writeAll(w, headerForwardedFor, ": ", prior, f.clientIP, "\r\n",
		headerForwardedProto, ": http\r\n",
		headerForwardedPort, ": ", f.port, "\r\n",
		headerTrace, ": ", f.trace, "\r\n")
	if f.upgrade != "" {
		writeAll(w, "Connection: Upgrade\r\nUpgrade: ", f.upgrade, "\r\n")
	}
	writeAll(w, "\r\n")
}

// writeAll leaves errors to the writer, which keeps the first for Flush.
func writeAll(w *bufio.Writer, parts ...string) {
	for _, s := range parts {
		w.WriteString(s) //nolint:errcheck // bufio.Writer keeps it for Flush
	}
}

// traceHeader makes or updates X-Amzn-Trace-Id: a request without a Root gets
// one, a request with a Root gets a Self ("Request tracing for your
// Application Load Balancer").
func traceHeader(incoming, id string) string {
	var kept []string
	root := false
	for field := range strings.SplitSeq(incoming, ";") {
		field = strings.TrimSpace(field)
		name, _, _ := strings.Cut(field, "=")
		if field == "" || strings.EqualFold(name, "Self") {
			continue
		}
		root = root || strings.EqualFold(name, "Root")
		kept = append(kept, field)
	}
	if root {
		return "Self=" + id + ";" + strings.Join(kept, ";")
	}
	return strings.Join(append([]string{"Root=" + id}, kept...), ";")
}

// tooManyForwarders reports whether X-Forwarded-For is beyond the limit.
func tooManyForwarders(h http.Header) bool {
	n := 0
	for _, line := range h[headerForwardedFor] {
		n += strings.Count(line, ",") + 1
	}
	return n > maxForwardedFor
}

// copyResponseHeaders copies what concerns the client.
func copyResponseHeaders(dst, src http.Header) {
	drop := connectionTokens(src)
	for name, values := range src {
		if !hopByHop(name) && !slices.Contains(drop, name) {
			dst[name] = values
		}
	}
	if _, ok := dst["Content-Type"]; !ok {
		dst["Content-Type"] = nil // net/http must not guess one
	}
}
