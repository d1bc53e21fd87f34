package awsclock

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// stamp is the form of X-Amz-Date, the time of a signature (IAM User Guide,
// "Elements of an AWS API request signature").
const stamp = "20060102T150405Z"

// answered are the times of one call that was answered.
type answered struct {
	status   int
	session  bool      // it was signed with temporary credentials
	signed   time.Time // by the signature; zero: it was not signed
	sent     time.Time // by this machine's clock
	received time.Time // by this machine's clock
	served   time.Time // by AWS's clock, as the Date or the text says; zero: nobody says so who can be believed
}

// far reports whether AWS's clock is too far from the signature for it.
func (a answered) far() bool {
	return !a.signed.IsZero() && !a.served.IsZero() && a.served.Sub(a.signed).Abs() > Threshold
}

// corrected reports whether the signature has another time than the clock had.
func (a answered) corrected() bool {
	return !a.signed.IsZero() && a.signed.Sub(a.sent).Abs() > Threshold
}

// slow reports that the call took so long by the wall clock that the machine
// slept or the clock was set meanwhile: its Date is no measure of now.
func (a answered) slow() bool { return a.received.Sub(a.sent).Abs() > time.Minute }

// shown decides which Date the SDK may see; zero is none. It signs the client's
// next calls with the difference to that. A clock that AWS accepts is good enough,
// whatever the Date is, which may be a proxy's: it is believed after a refusal
// only. Where a call that was signed with a corrected time is refused for its
// signature all the same, the correction is given up: with this machine's own time
// the next refusal tells why.
func (a answered) shown() time.Time {
	switch {
	case a.status < 400 || a.status >= 500:
		return time.Time{}
	case a.slow():
		return time.Time{}
	case a.far():
		return a.served
	case a.corrected() && a.status == http.StatusForbidden:
		return a.received
	default:
		return time.Time{}
	}
}

// requestIDs are the headers by which AWS's own answers are told from those of
// proxies on the way (the SDK's package aws/middleware, RequestIDRetriever).
var requestIDs = []string{"X-Amzn-Requestid", "X-Amz-Request-Id", "X-Amz-Id-2"}

// first is before any service of AWS answered: an earlier Date is nonsense.
var first = time.Date(2006, time.January, 1, 0, 0, 0, 0, time.UTC)

// dateOf returns the Date of an answer; zero if it is missing, says nothing, is
// one of several, or not of AWS's clock: a proxy's, or from a cache.
func dateOf(header http.Header) time.Time {
	dates := header.Values("Date")
	if len(dates) != 1 || header.Get("Age") != "" || !named(header) {
		return time.Time{}
	}
	at, err := smithyhttp.ParseTime(dates[0])
	if err != nil || at.Before(first) {
		return time.Time{}
	}
	return at
}

// quoted bounds how much of a refusal's text is searched for AWS's time.
const quoted = 16 << 10

// timeOfText returns the time that the text of a refusal says AWS's clock shows, for
// where its Date says nothing; zero if it says none, or may be a cache's or a proxy's.
// The answer can be read as before.
func timeOfText(response *http.Response) time.Time {
	if response.StatusCode < 400 || response.StatusCode >= 500 || response.Body == nil || response.Header.Get("Age") != "" || !named(response.Header) {
		return time.Time{}
	}
	text := make([]byte, quoted)
	n, err := io.ReadFull(response.Body, text)
	text = text[:n]
	rest := io.Reader(response.Body)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		rest = failing{err}
	}
	response.Body = body{io.MultiReader(bytes.NewReader(text), rest), response.Body}
	at, _ := timeIn(string(text))
	if at.Before(first) {
		return time.Time{}
	}
	return at
}

// body is one of which a part was read already.
type body struct {
	io.Reader
	io.Closer
}

// failing fails as the reader did that it stands for.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Foreign reports whether an answer is not AWS's, by its header: a proxy's, perhaps.
func Foreign(header http.Header) bool { return !named(header) }

func named(header http.Header) bool {
	for _, name := range requestIDs {
		if header.Get(name) != "" {
			return true
		}
	}
	return false
}

// signedAt returns the time that a request was signed with; zero if it was not.
func signedAt(request *http.Request) time.Time {
	if request.Header.Get("Authorization") == "" {
		return time.Time{}
	}
	at, err := time.Parse(stamp, request.Header.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}
