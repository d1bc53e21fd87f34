package awscall

import (
	"errors"
	"net"
	"net/http"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/router"
)

// kinds maps the codes of AWS's common errors and of the services that drivers
// use to the router's kinds (AWS General Reference "Common Errors"; Route 53 and
// Elastic Load Balancing API References).
var kinds = map[string]error{
	"Throttling":                  router.ErrThrottled,
	"ThrottlingException":         router.ErrThrottled,
	"ThrottledException":          router.ErrThrottled,
	"RequestThrottled":            router.ErrThrottled,
	"RequestLimitExceeded":        router.ErrThrottled,
	"TooManyRequestsException":    router.ErrThrottled,
	"PriorRequestNotComplete":     router.ErrThrottled,
	"AccessDenied":                router.ErrDenied,
	"AccessDeniedException":       router.ErrDenied,
	"NotAuthorized":               router.ErrDenied,
	"OperationNotPermitted":       router.ErrDenied,
	"UnauthorizedOperation":       router.ErrDenied,
	"UnrecognizedClientException": router.ErrDenied,
	"InvalidClientTokenId":        router.ErrDenied,
	"InvalidSignatureException":   router.ErrDenied,
	"SignatureDoesNotMatch":       router.ErrDenied,
	"IncompleteSignature":         router.ErrDenied,
	"MissingAuthenticationToken":  router.ErrDenied,
	"ExpiredToken":                router.ErrSignedOut,
	"ExpiredTokenException":       router.ErrSignedOut,
	"OptInRequired":               router.ErrDenied,
	"NoSuchHostedZone":            router.ErrNotFound,
	"NoSuchChange":                router.ErrNotFound,
	"RuleNotFound":                router.ErrNotFound,
	"ListenerNotFound":            router.ErrNotFound,
	"LoadBalancerNotFound":        router.ErrNotFound,
	"TargetGroupNotFound":         router.ErrNotFound,
	"InternalFailure":             router.ErrUnavailable,
	"InternalError":               router.ErrUnavailable,
	"ServiceUnavailable":          router.ErrUnavailable,
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
	switch status := statusOf(err); {
	case errors.As(err, &late):
		return router.EffectNothing, router.ErrExpired
	case errors.As(err, &nobody):
		return router.EffectNothing, router.ErrSignedOut
	case errors.As(err, &unsent), neverConnected(err):
		return router.EffectNothing, router.ErrUnavailable
	case errors.As(err, &params):
		return router.EffectNothing, router.ErrNotOwned
	case errors.As(err, &api):
		return refused(api.ErrorCode(), status)
	case status >= 400:
		return refused("", status)
	default:
		return router.EffectUnknown, router.ErrUnavailable
	}
}

// refused tells the kind by the code and, where that says nothing, by the
// status. AWS's own failures may come after the deed.
func refused(code string, status int) (router.Effect, error) {
	kind := kinds[code]
	switch {
	case kind != nil:
	case status == http.StatusTooManyRequests:
		kind = router.ErrThrottled
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		kind = router.ErrDenied
	case status == http.StatusNotFound:
		kind = router.ErrNotFound
	case status >= http.StatusInternalServerError:
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

// neverConnected reports whether not even a connection came about.
func neverConnected(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns)
}

// CodeOf returns AWS's error code; empty if AWS did not answer.
func CodeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}
