package awscall

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/internal/awsclock"
	"watari.dev/router"
)

// ReadError describes the failure of a call that modifies nothing.
func ReadError(op, on string, err error) *router.Error {
	_, kind := Classify(err)
	return &router.Error{Op: op, On: on, Kind: kind, Cause: calm(err), Effect: router.EffectNothing, Advice: adviceFor(err, kind)}
}

// WriteError describes the failure of a call that modifies.
func WriteError(op, on string, err error) *router.Error {
	effect, kind := Classify(err)
	return &router.Error{Op: op, On: on, Kind: kind, Cause: calm(err), Effect: effect, Advice: adviceFor(err, kind)}
}

// foreign returns the status of an answer that AWS did not give, as that of a proxy on
// the way. It has neither a code of AWS nor a request ID.
func foreign(err error) (status string, is bool) {
	var response *smithyhttp.ResponseError
	code := CodeOf(err)
	if statusOf(err) < 400 || code != "" && code != "UnknownError" || !errors.As(err, &response) || !awsclock.Foreign(response.Response.Header) {
		return "", false
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", statusOf(err), http.StatusText(statusOf(err)))), true
}

func advice(kind, err error) string {
	if _, is := foreign(err); is {
		return "see whether a proxy is on the way (HTTPS_PROXY, NO_PROXY) and lets the call through"
	}
	switch {
	case keys[CodeOf(err)]:
		return "AWS does not accept the credentials: check profile and keys"
	case errors.Is(kind, router.ErrSigningIn):
		return "see why the search for them takes so long"
	case errors.Is(kind, router.ErrSignedOut):
		return "renew them: those of a profile or a role are found again by themselves, those of the environment when it is started again"
	case errors.Is(kind, router.ErrDenied):
		return "see the driver's README for the permissions that it needs"
	case errors.Is(kind, router.ErrExpired):
		return "whoever runs the migration now goes on with it"
	default:
		return ""
	}
}

// calm gives an SDK error the text that people need: what AWS said, without
// the layers that it went through.
func calm(err error) error {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return err
	}
	inner := op.Err.Error()
	var api smithy.APIError
	if text, nobody := noCredentials(err); nobody {
		inner = text
	} else if status, is := foreign(err); is {
		inner = status + ": the answer is not AWS's (no request ID): a proxy?"
	} else if errors.As(err, &api) {
		inner = strings.TrimSuffix(fmt.Sprintf("%s: %s", api.ErrorCode(), oneLine(api.ErrorMessage())), ": ")
	}
	return &calmError{text: strings.Replace(err.Error(), op.Error(), op.OperationName+": "+inner, 1), err: err}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// calmError is an error with a text of its own.
type calmError struct {
	text string
	err  error
}

func (e *calmError) Error() string { return e.text }
func (e *calmError) Unwrap() error { return e.err }
