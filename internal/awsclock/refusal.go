package awsclock

import (
	"crypto/x509"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/aws/smithy-go"
)

// Threshold is from which difference on a refusal may be about the clock. AWS
// allows 5 minutes (aws-sdk-php issue 537, convox/rack issue 235), STS 15
// (aws-cli issue 6676); the SDK corrects from 4 minutes on (its package
// aws/retry, skewThreshold).
const Threshold = 4 * time.Minute

// Refusal is a call that was refused because of the time that it was signed with.
// It was not carried out.
type Refusal struct {
	Behind      time.Duration // how far this machine's clock is behind AWS's; negative is ahead
	Proof       string        // what says so; empty: nobody says by how much
	Correctable bool          // the same call, signed with AWS's time, may succeed
	Err         error         // what AWS said
}

// Error implements error.
func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap gives the error of the SDK.
func (r *Refusal) Unwrap() error { return r.Err }

// RetryableError makes the SDK's retryers send the call once more, signed with
// the time of the answer.
func (r *Refusal) RetryableError() bool { return r.Correctable }

// agreed is up to which difference clocks agree: an answer's Date has whole
// seconds, and is older than its arrival.
const agreed = time.Minute

// Advice says what is wrong with the clock and what to do.
func (r *Refusal) Advice() string {
	switch {
	case r.Proof == "":
		return "AWS says that this machine's clock is off, and not by how much: set it: " + set
	case r.Behind.Abs() < agreed:
		return fmt.Sprintf("the call was signed with another time than this machine's clock shows now, which agrees with AWS's (%s): the clock was set or the machine slept meanwhile, and the next call is signed anew", r.Proof)
	default:
		return Describe(r.Behind, r.Proof)
	}
}

// Describe says how far this machine's clock is behind AWS's, or ahead if that is
// negative, what shows it and what to do.
func Describe(behind time.Duration, proof string) string {
	where := "behind"
	if behind < 0 {
		where = "ahead of"
	}
	return fmt.Sprintf("this machine's clock is %s %s AWS's (%s): set it: %s", behind.Abs(), where, proof, set)
}

// ByDate is the proof that an answer's Date is.
const ByDate = "its answer's Date"

// set are the commands that set a clock by the network's time: of chrony, and of
// systemd.
const set = "chronyc makestep, or timedatectl set-ntp true"

// Of returns the refusal that err is about. A certificate that is not valid yet is
// one as well: nobody serves it before its time.
func Of(err error) (*Refusal, bool) {
	var r *Refusal
	if errors.As(err, &r) {
		return r, true
	}
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) || invalid.Reason != x509.Expired || invalid.Cert == nil {
		return nil, false
	}
	if behind := time.Until(invalid.Cert.NotBefore); behind > 0 {
		return &Refusal{Behind: behind.Round(time.Second), Proof: "at least: its certificate is valid from then on", Err: err}, true
	}
	return nil, false
}

// refusal returns the Refusal that err is, nil if it is about something else.
func refusal(err error, a answered) *Refusal {
	var api smithy.APIError
	if !errors.As(err, &api) || !aboutTime(api.ErrorCode(), api.ErrorMessage(), a) {
		return nil
	}
	r := &Refusal{Correctable: a.far(), Err: err}
	if at, says := timeIn(api.ErrorMessage()); says && !at.IsZero() {
		r.Behind, r.Proof = at.Sub(a.received).Round(time.Second), "its answer's text"
	} else if !a.served.IsZero() {
		r.Behind, r.Proof = a.served.Sub(a.received).Round(time.Second), ByDate
	}
	return r
}

// certain are the codes that are about the time whatever the Date says.
var certain = map[string]bool{
	"RequestTimeTooSkewed": true, // Amazon S3 API Reference, "Error responses"
	"RequestInTheFuture":   true, // the other SDKs: DEFINITE_CLOCK_SKEW_ERROR_CODES of aws-sdk-java-v2
}

// possible are the codes that are about the time if the Date is far from that of
// the signature (the SDK's package aws/retry, clockSkewCodes): a wrong key has the
// same ones.
var possible = map[string]bool{
	"InvalidSignatureException": true,
	"SignatureDoesNotMatch":     true,
	"AuthFailure":               true,
	"AccessDeniedException":     true,
}

// aboutTime decides whether a refusal is about the time of the signature.
//
// RequestExpired is about it by the book ("Common Error Types": more than 15
// minutes after the date stamp), and the answer to expired credentials as well
// (aws-sdk-go pull request 253): the Date tells. Where there is none, the book does for
// keys that cannot expire; temporary ones have.
func aboutTime(code, message string, a answered) bool {
	if _, says := timeIn(message); says || certain[code] {
		return true
	}
	if code == "RequestExpired" {
		return a.far() || a.served.IsZero() && !a.session
	}
	return possible[code] && a.far()
}

// times finds AWS's own time in what it says of a signature: "Signature expired:
// 20150411T064107Z is now earlier than 20150411T064135Z (20150411T064635Z - 5
// min.)" (aws-sdk-php issue 537), "Signature not yet current: ... is still later
// than ... (... + 15 min.)".
var times = regexp.MustCompile(`\((\d{8}T\d{6}Z) [-+] \d+ min\.?\)`)

// timeIn returns the time that a message says AWS's clock shows. The zero time is
// of one that says no more than that the time was wrong.
func timeIn(message string) (at time.Time, says bool) {
	if !strings.Contains(message, "Signature expired") && !strings.Contains(message, "Signature not yet current") {
		return time.Time{}, false
	}
	found := times.FindStringSubmatch(message)
	if found == nil {
		return time.Time{}, true
	}
	at, err := time.Parse(stamp, found[1])
	if err != nil {
		return time.Time{}, true
	}
	return at, true
}
