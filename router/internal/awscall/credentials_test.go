package awscall

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/smithy-go"

	"watari.dev/router"
)

// knowing is an error of a search for credentials that knows what to do.
type knowing struct{ err error }

func (k *knowing) Error() string  { return "assume role watari: " + k.err.Error() }
func (k *knowing) Unwrap() error  { return k.err }
func (k *knowing) Advice() string { return "aws sso login --profile shop" }

// TestCredentialsThatCouldNotBeFound: what STS says is about them, and not about the call
// of the driver.
func TestCredentialsThatCouldNotBeFound(t *testing.T) {
	sts := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "AccessDenied", Message: "not you"}}
	err := &smithy.OperationError{ServiceID: "Elastic Load Balancing v2", OperationName: "ModifyRule", Err: &credentialsError{&knowing{sts}}}
	got := WriteError("alb: set weights", "arn", err)
	if !errors.Is(got, router.ErrSignedOut) || got.Effect != router.EffectNothing {
		t.Errorf("%v, %v", got.Kind, got.Effect)
	}
	text := got.Error()
	for _, part := range []string{"ModifyRule: no credentials: assume role watari: ", "nothing was changed; aws sso login --profile shop"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing: %s", part, text)
		}
	}
	if plain := ReadError("alb: read rule", "arn", &credentialsError{errors.New("no file")}); !strings.Contains(plain.Error(), "renew them") {
		t.Error(plain)
	}
}
