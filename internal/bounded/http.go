package bounded

import (
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	// maxHeader bounds the status line and the headers of an answer.
	maxHeader = 256 * KiB
	// maxRedirects is how often one server may name another of its own addresses.
	maxRedirects = 3
	// longest is how long an answer may take when nobody says less.
	longest = time.Minute
)

// Answer is the bound of the answers of one kind of server.
type Answer struct {
	Bytes int64         // of a body, unpacked
	Do    string        // what to do when it is longer
	Time  time.Duration // for an answer with its body; 0 is 1 min
}

// Within returns a with another time for an answer, unless d is 0.
func (a Answer) Within(d time.Duration) Answer {
	a.Time = cmp.Or(d, a.Time)
	return a
}

// Limit is the bound of the body of the answer to request.
func (a Answer) Limit(request *http.Request) Limit {
	return Limit{What: "the answer of " + address(request.URL), Bytes: a.Bytes, Do: cmp.Or(a.Do, "look what answers there")}
}

// Client returns a client whose answers are bounded. next carries its requests; nil
// is a transport of its own.
func Client(next http.RoundTripper, a Answer) *http.Client {
	if next == nil {
		next = NewTransport()
	}
	return &http.Client{Transport: Transport(next, a), CheckRedirect: onlyReads, Timeout: cmp.Or(a.Time, longest)}
}

// onlyReads follows redirects of requests without a body: the others would be sent
// again as something else. Where to is the transport's to say.
func onlyReads(_ *http.Request, via []*http.Request) error {
	if first := via[0].Method; first != "" && first != http.MethodGet && first != http.MethodHead {
		return http.ErrUseLastResponse
	}
	return nil
}

// NewTransport returns the standard transport with bounded headers.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	Guard(t)
	return t
}

// Guard bounds the headers of t's answers, and lets it refuse to follow redirects to
// another server, whoever uses it. It is for clients that are made elsewhere.
func Guard(t *http.Transport) {
	t.MaxResponseHeaderBytes = maxHeader
	proxy := t.Proxy
	t.Proxy = func(r *http.Request) (*url.URL, error) { // which is asked for each request, redirected ones as well
		if err := stays(r); err != nil {
			return nil, err
		}
		if proxy == nil {
			return nil, nil
		}
		return proxy(r)
	}
}

// Transport bounds what comes back from next: the headers, and the body after it was
// unpacked. It unpacks by itself, and refuses every other encoding. Redirects to
// another server end in a *RedirectError.
func Transport(next http.RoundTripper, a Answer) http.RoundTripper {
	return &transport{next: next, answer: a}
}

type transport struct {
	next   http.RoundTripper
	answer Answer
}

// CloseIdleConnections is what http.Client's method of this name looks for.
func (t *transport) CloseIdleConnections() {
	if c, ok := t.next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if err := stays(request); err != nil {
		return nil, err
	}
	if request.Header.Get("Accept-Encoding") == "" && request.Method != http.MethodHead {
		request = request.Clone(request.Context())
		request.Header.Set("Accept-Encoding", "gzip")
	}
	response, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, headersError(request, err)
	}
	if err := t.check(request, response); err != nil {
		_ = response.Body.Close()
		return nil, err
	}
	return response, nil
}

// check bounds an answer, or says why it is refused.
func (t *transport) check(request *http.Request, response *http.Response) error {
	if err := leads(request, response); err != nil {
		return err
	}
	if headerSize(response) > maxHeader {
		return headersTooLong(request)
	}
	limit := t.answer.Limit(request)
	if response.ContentLength > limit.Bytes {
		return limit.exceeded()
	}
	encoding := strings.ToLower(strings.TrimSpace(strings.Join(response.Header.Values("Content-Encoding"), ",")))
	switch encoding {
	case "", "identity":
		response.Body = Body(response.Body, limit)
	case "gzip", "x-gzip":
		response.Body = &body{Reader: Reader(&unpacking{packed: Reader(response.Body, limit)}, limit), closes: response.Body}
		response.Header.Del("Content-Encoding")
		response.Header.Del("Content-Length")
		response.ContentLength, response.Uncompressed = -1, true
	default:
		return encodingError(request, encoding)
	}
	return nil
}

// EncodingError says that an answer is packed in a way that nobody asked for.
type EncodingError struct{ From, Encoding string }

// Error says whose answer, and how it is packed.
func (e *EncodingError) Error() string {
	return fmt.Sprintf("the answer of %s is packed as %q, which was not asked for: look what answers there", e.From, e.Encoding)
}

func encodingError(request *http.Request, encoding string) error {
	return &EncodingError{From: address(request.URL), Encoding: encoding}
}

// Answered bounds what a transport has returned that only Guard was called for: the
// body, and the encodings that it did not unpack. The error of a refusal has its type,
// whatever was wrapped around it.
func (a Answer) Answered(request *http.Request, response *http.Response, err error) error {
	var led *RedirectError
	switch {
	case errors.As(err, &led):
		return led
	case err != nil:
		return headersError(request, err)
	case response == nil || response.Body == nil:
		return nil
	}
	if err := leads(request, response); err != nil { // of a request that cannot be sent again, which was not followed
		_ = response.Body.Close()
		return err
	}
	if encoding := response.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		_ = response.Body.Close()
		return encodingError(request, encoding)
	}
	response.Body = Body(response.Body, a.Limit(request))
	return nil
}

// Body bounds the body of an answer.
func Body(of io.ReadCloser, l Limit) io.ReadCloser { return &body{Reader: Reader(of, l), closes: of} }

// body is a bounded body.
type body struct {
	io.Reader
	closes io.Closer
}

// Close implements io.Closer.
func (b *body) Close() error { return b.closes.Close() }

// unpacking unpacks gzip from the first byte that is asked for: answers without a body
// have none.
type unpacking struct {
	packed io.Reader
	gzip   *gzip.Reader
}

// Read implements io.Reader.
func (u *unpacking) Read(p []byte) (int, error) {
	if u.gzip == nil {
		z, err := gzip.NewReader(u.packed)
		switch {
		case errors.Is(err, io.EOF):
			return 0, err
		case err != nil:
			return 0, fmt.Errorf("the answer says that it is gzipped: %w", err)
		}
		u.gzip = z
	}
	return u.gzip.Read(p)
}

func headerSize(response *http.Response) (n int64) {
	n = int64(len(response.Status))
	for name, values := range response.Header {
		for _, v := range values {
			n += int64(len(name) + len(v) + 4)
		}
	}
	return n
}

// headersError gives net/http's error of headers that are too long a type; it has none.
func headersError(request *http.Request, err error) error {
	if strings.Contains(err.Error(), "response headers exceeded") || strings.Contains(err.Error(), "response header list larger") {
		return headersTooLong(request)
	}
	return err
}

func headersTooLong(request *http.Request) error {
	return Limit{What: "the header of the answer of " + address(request.URL), Bytes: maxHeader, Do: "look what answers there"}.exceeded()
}

// address is a URL in messages: without a user, password or query.
func address(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
