package aws

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/lab/aws/wire"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	dateLayout = "20060102T150405Z"
)

// signature is what an Authorization header says.
type signature struct {
	accessKey     string
	date          string // of the scope, YYYYMMDD
	region        string
	service       string
	signedHeaders []string
	value         string
}

func (s signature) scope() string {
	return strings.Join([]string{s.date, s.region, s.service, "aws4_request"}, "/")
}

// parseAuthorization reads the header of a Signature Version 4 request.
func parseAuthorization(header string) (signature, *wire.Error) {
	if header == "" {
		return signature{}, &wire.Error{Status: http.StatusForbidden, Code: "MissingAuthenticationToken", Message: "Request is missing Authentication Token"}
	}
	rest, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return signature{}, incomplete("Authorization header must begin with %s", algorithm)
	}
	parts := make(map[string]string)
	for _, part := range strings.Split(rest, ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[key] = value
	}
	credential := strings.Split(parts["Credential"], "/")
	if len(credential) < 5 || parts["SignedHeaders"] == "" || parts["Signature"] == "" {
		return signature{}, incomplete("Authorization header requires 'Credential' with a scope, 'SignedHeaders' and 'Signature' parameters. Authorization=%s", header)
	}
	n := len(credential) - 4
	if credential[n+3] != "aws4_request" {
		return signature{}, incomplete("Credential should be scoped with a valid terminator: 'aws4_request', not '%s'.", credential[n+3])
	}
	return signature{
		accessKey: strings.Join(credential[:n], "/"), date: credential[n], region: credential[n+1], service: credential[n+2],
		signedHeaders: strings.Split(parts["SignedHeaders"], ";"), value: parts["Signature"],
	}, nil
}

func incomplete(format string, args ...any) *wire.Error {
	return wire.Errorf("IncompleteSignature", format, args...)
}

// verify checks a request against the secret of its access key, as "Create a signed
// AWS API request" in the IAM User Guide describes it.
func (c Config) verify(r *http.Request, body []byte, sig signature, secret string, now time.Time) *wire.Error {
	stamp, err := time.Parse(dateLayout, r.Header.Get("X-Amz-Date"))
	if err != nil {
		return incomplete("Authorization header requires existence of an 'X-Amz-Date' header of the form YYYYMMDD'T'HHMMSS'Z'.")
	}
	if stamp.Format("20060102") != sig.date {
		return mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s'.", sig.date, stamp.Format("20060102"))
	}
	if err := checkSkew(sig.service, stamp, now.UTC()); err != nil {
		return err
	}
	if sig.region != c.Region && sig.region != globalRegion(sig.service, c.Region) {
		return mismatch("Credential should be scoped to a valid region, not '%s'.", sig.region)
	}
	if !slices.Contains(sig.signedHeaders, "host") || !slices.Contains(sig.signedHeaders, "x-amz-date") {
		return mismatch("'Host' and 'X-Amz-Date' must be among the signed headers.")
	}
	payload := hexSHA256(body)
	if given := r.Header.Get("X-Amz-Content-Sha256"); given != "" && given != payload {
		return mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	toSign := strings.Join([]string{algorithm, stamp.Format(dateLayout), sig.scope(), hexSHA256([]byte(canonicalRequest(r, sig.signedHeaders, payload)))}, "\n")
	if !hmac.Equal([]byte(sign(secret, sig, toSign)), []byte(sig.value)) {
		return mismatch("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return nil
}

func mismatch(format string, args ...any) *wire.Error {
	return &wire.Error{Status: http.StatusForbidden, Code: "SignatureDoesNotMatch", Message: fmt.Sprintf(format, args...)}
}

func sign(secret string, sig signature, toSign string) string {
	key := []byte("AWS4" + secret)
	for _, part := range []string{sig.date, sig.region, sig.service, "aws4_request"} {
		key = hmacSHA256(key, part)
	}
	return hex.EncodeToString(hmacSHA256(key, toSign))
}

func canonicalRequest(r *http.Request, signedHeaders []string, payloadHash string) string {
	var headers strings.Builder
	for _, name := range signedHeaders {
		headers.WriteString(name + ":" + headerValue(r, name) + "\n")
	}
	return strings.Join([]string{
		r.Method, canonicalPath(r.URL), canonicalQuery(r.URL.Query()),
		headers.String(), strings.Join(signedHeaders, ";"), payloadHash,
	}, "\n")
}

// canonicalPath is the path encoded twice, as for every service but S3.
func canonicalPath(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = percentEncode(s)
	}
	return strings.Join(segments, "/")
}

func canonicalQuery(query url.Values) string {
	var pairs []string
	for key, values := range query {
		for _, v := range values {
			pairs = append(pairs, percentEncode(key)+"="+percentEncode(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// percentEncode encodes all but the unreserved characters of RFC 3986.
func percentEncode(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}
	return b.String()
}

// headerValue joins a header's values, with spaces collapsed. Go's server
// takes Host and Content-Length out of the header map.
func headerValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return r.Host
	case "content-length":
		return strconv.FormatInt(r.ContentLength, 10)
	}
	values := slices.Clone(r.Header.Values(name))
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func hmacSHA256(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
