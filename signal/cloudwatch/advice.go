package cloudwatch

import (
	"errors"

	"github.com/aws/smithy-go"

	"watari.dev/internal/awsclock"
)

// advices says what errors of AWS mean and what to do, by their code ("Common
// Error Types" and "CloudWatch service quotas").
var advices = []struct {
	codes  []string
	advice string
}{
	{
		[]string{"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown"},
		"throttled after all retries (50 calls and 180,000 data points a second per account and region): asked again soon; raise the quota if it stays",
	},
	{
		[]string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "RequestExpired"},
		"the credentials have expired: renew them",
	},
	{
		[]string{"AccessDenied", "AccessDeniedException", "OptInRequired"},
		"not allowed: the role needs cloudwatch:GetMetricData",
	},
	{
		[]string{"InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "InvalidSignatureException", "MissingAuthenticationToken", "IncompleteSignature", "AuthFailure", "InvalidAccessKeyId", "InvalidToken"},
		"AWS does not accept the credentials: check profile and keys",
	},
}

// adviceFor returns what to do about an error; empty if there is nothing to say.
func adviceFor(err error) string {
	if r, off := awsclock.Of(err); off {
		return r.Advice()
	}
	var absent interface{ Advice() string } // credentials that could not be found
	if errors.As(err, &absent) {
		return absent.Advice()
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return ""
	}
	for _, a := range advices {
		for _, code := range a.codes {
			if api.ErrorCode() == code {
				return a.advice
			}
		}
	}
	return ""
}
