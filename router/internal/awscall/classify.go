package awscall

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/internal/awsclock"
	"watari.dev/router"
)

// kinds maps the codes of AWS's common errors, of those that its SDKs retry, and of
// the services that drivers use to the router's kinds ("Common Error Types"; the
// SDK's package aws/retry: DefaultThrottleErrorCodes, DefaultRetryableErrorCodes;
// Amazon S3 "Error responses" and Amazon EC2 "Error codes" for codes that several
// services share; Route 53 and Elastic Load Balancing API References). What is about
// the clock is told before: see internal/awsclock.
var kinds = map[string]error{
	"Throttling":                             router.ErrThrottled,
	"ThrottlingException":                    router.ErrThrottled,
	"ThrottledException":                     router.ErrThrottled,
	"RequestThrottled":                       router.ErrThrottled,
	"RequestThrottledException":              router.ErrThrottled,
	"RequestLimitExceeded":                   router.ErrThrottled,
	"TooManyRequestsException":               router.ErrThrottled,
	"PriorRequestNotComplete":                router.ErrThrottled,
	"SlowDown":                               router.ErrThrottled,
	"BandwidthLimitExceeded":                 router.ErrThrottled,
	"LimitExceededException":                 router.ErrThrottled,
	"EC2ThrottledException":                  router.ErrThrottled,
	"ProvisionedThroughputExceededException": router.ErrThrottled,
	"TransactionInProgressException":         router.ErrThrottled,

	"AccessDenied":          router.ErrDenied,
	"AccessDeniedException": router.ErrDenied,
	"NotAuthorized":         router.ErrDenied,
	"OperationNotPermitted": router.ErrDenied,
	"UnauthorizedOperation": router.ErrDenied,
	"OptInRequired":         router.ErrDenied,

	// RequestExpired is one of the three codes for expired credentials (aws-sdk-go
	// pull request 253), where it is not about the clock.
	"ExpiredToken":          router.ErrSignedOut,
	"ExpiredTokenException": router.ErrSignedOut,
	"TokenRefreshRequired":  router.ErrSignedOut,
	"RequestExpired":        router.ErrSignedOut,

	"NoSuchHostedZone":     router.ErrNotFound,
	"NoSuchChange":         router.ErrNotFound,
	"RuleNotFound":         router.ErrNotFound,
	"ListenerNotFound":     router.ErrNotFound,
	"LoadBalancerNotFound": router.ErrNotFound,
	"TargetGroupNotFound":  router.ErrNotFound,

	// AWS's own failures, whatever the status: each of them may come after the deed.
	// A request that timed out may have been read to its end.
	"InternalFailure":             router.ErrUnavailable,
	"InternalError":               router.ErrUnavailable,
	"InternalServerError":         router.ErrUnavailable,
	"InternalServerException":     router.ErrUnavailable,
	"InternalServiceError":        router.ErrUnavailable,
	"InternalServiceException":    router.ErrUnavailable,
	"ServiceUnavailable":          router.ErrUnavailable,
	"ServiceUnavailableException": router.ErrUnavailable,
	"Unavailable":                 router.ErrUnavailable,
	"RequestTimeout":              router.ErrUnavailable,
	"RequestTimeoutException":     router.ErrUnavailable,
	"RequestAbortedException":     router.ErrUnavailable,
}

// keys are the codes of refusals that are about who signed, and not about what he
// may do ("Common Error Types"; Amazon EC2 "Error codes": AuthFailure; Amazon S3
// "Error responses": InvalidAccessKeyId, InvalidToken).
var keys = map[string]bool{
	"AuthFailure":                 true,
	"IncompleteSignature":         true,
	"InvalidAccessKeyId":          true,
	"InvalidClientTokenId":        true,
	"InvalidSignatureException":   true,
	"InvalidToken":                true,
	"MissingAuthenticationToken":  true,
	"SignatureDoesNotMatch":       true,
	"UnrecognizedClientException": true,
}

// Classify says what a failed call did, as far as can be known, and what kind of
// failure it is. A refusal that is none of the others is ErrNotOwned: AWS understood the
// call and the route does not allow it.
func Classify(err error) (effect router.Effect, kind error) {
	var unsent *notSentError
	var nobody *credentialsError
	var late *expiredError
	var api smithy.APIError
	var params smithy.InvalidParamsError
	_, clock := awsclock.Of(err)
	switch status := statusOf(err); {
	case errors.As(err, &late):
		return router.EffectNothing, router.ErrExpired
	case clock:
		return router.EffectNothing, router.ErrClockOff
	case errors.As(err, &nobody) && nobody.late():
		return router.EffectNothing, router.ErrSigningIn
	case errors.As(err, &nobody):
		return router.EffectNothing, router.ErrSignedOut
	case errors.As(err, &unsent), neverConnected(err):
		return router.EffectNothing, router.ErrUnavailable
	case errors.As(err, &params):
		return router.EffectNothing, router.ErrNotOwned
	case errors.As(err, &api):
		return refused(api.ErrorCode(), api.ErrorFault(), status)
	case status >= 400:
		return refused("", smithy.FaultUnknown, status)
	default:
		return router.EffectUnknown, router.ErrUnavailable
	}
}

// refused tells the kind by the code and, where that says nothing, by whose fault
// the SDK says it is and by the status. AWS's own failures may come after the deed.
func refused(code string, fault smithy.ErrorFault, status int) (router.Effect, error) {
	kind := kinds[code]
	switch {
	case kind != nil:
	case keys[code]:
		kind = router.ErrDenied
	case status == http.StatusTooManyRequests:
		kind = router.ErrThrottled
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		kind = router.ErrDenied
	case status == http.StatusNotFound:
		kind = router.ErrNotFound
	case status >= http.StatusInternalServerError, status == http.StatusRequestTimeout, fault == smithy.FaultServer:
		kind = router.ErrUnavailable
	default:
		kind = router.ErrNotOwned
	}
	if errors.Is(kind, router.ErrUnavailable) {
		return router.EffectUnknown, kind
	}
	return router.EffectNothing, kind
}

func statusOf(err error) int {
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) && response.Response != nil && response.Response.Response != nil {
		return response.HTTPStatusCode()
	}
	return 0
}

// neverConnected reports whether not even a connection came about, to a server that
// is who it should be.
func neverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	var certificate *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) || errors.As(err, &certificate)
}

// CodeOf returns AWS's error code; empty if AWS did not answer.
func CodeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
