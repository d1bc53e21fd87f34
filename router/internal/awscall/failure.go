package awscall

import (
	"errors"
	"fmt"
	"strings"

	"github.com/aws/smithy-go"

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

func advice(kind, err error) string {
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
