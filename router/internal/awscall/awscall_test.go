package awscall

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"watari.dev/internal/awsclock"
	"watari.dev/router"
)

func api(code string) error {
	return &smithy.OperationError{ServiceID: "Route 53", OperationName: "GetChange", Err: &smithy.GenericAPIError{Code: code, Message: "said\n so"}}
}

func status(code int) error {
	return &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: code}}, Err: errors.New("body")}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err    error
		kind   error
		effect router.Effect
	}{
		{api("Throttling"), router.ErrThrottled, router.EffectNothing},
		{api("PriorRequestNotComplete"), router.ErrThrottled, router.EffectNothing},
		{api("RuleNotFound"), router.ErrNotFound, router.EffectNothing},
		{api("ValidationError"), router.ErrNotOwned, router.EffectNothing},
		{api("InternalFailure"), router.ErrUnavailable, router.EffectUnknown},
		{status(429), router.ErrThrottled, router.EffectNothing},
		{status(403), router.ErrDenied, router.EffectNothing},
		{status(404), router.ErrNotFound, router.EffectNothing},
		{status(502), router.ErrUnavailable, router.EffectUnknown},
		{errors.New("EOF"), router.ErrUnavailable, router.EffectUnknown},
		{context.DeadlineExceeded, router.ErrUnavailable, router.EffectUnknown},
		{&net.OpError{Op: "read", Err: errors.New("reset")}, router.ErrUnavailable, router.EffectUnknown},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, router.ErrUnavailable, router.EffectNothing},
		{&notSentError{err: context.Canceled}, router.ErrUnavailable, router.EffectNothing},
		{&credentialsError{errors.New("none")}, router.ErrSignedOut, router.EffectNothing},
		{&credentialsError{fmt.Errorf("the search: %w", context.DeadlineExceeded)}, router.ErrSigningIn, router.EffectNothing},
		{&credentialsError{context.Canceled}, router.ErrSigningIn, router.EffectNothing},
		{api("ExpiredToken"), router.ErrSignedOut, router.EffectNothing},
		{api("AccessDenied"), router.ErrDenied, router.EffectNothing},
		{api("ExpiredTokenException"), router.ErrSignedOut, router.EffectNothing},
		{api("TokenRefreshRequired"), router.ErrSignedOut, router.EffectNothing},
		{api("RequestExpired"), router.ErrSignedOut, router.EffectNothing}, // of no answer that says more: see awsclock
		{api("AuthFailure"), router.ErrDenied, router.EffectNothing},
		{api("IncompleteSignature"), router.ErrDenied, router.EffectNothing},
		{api("InvalidClientTokenId"), router.ErrDenied, router.EffectNothing},
		{api("InvalidAccessKeyId"), router.ErrDenied, router.EffectNothing},
		{api("UnrecognizedClientException"), router.ErrDenied, router.EffectNothing},
		{api("SignatureDoesNotMatch"), router.ErrDenied, router.EffectNothing},
		{api("InvalidSignatureException"), router.ErrDenied, router.EffectNothing},
		{api("RequestTimeout"), router.ErrUnavailable, router.EffectUnknown},
		{api("RequestTimeoutException"), router.ErrUnavailable, router.EffectUnknown},
		{api("ServiceUnavailable"), router.ErrUnavailable, router.EffectUnknown},
		{api("ServiceUnavailableException"), router.ErrUnavailable, router.EffectUnknown},
		{api("Unavailable"), router.ErrUnavailable, router.EffectUnknown},
		{api("InternalError"), router.ErrUnavailable, router.EffectUnknown},
		{api("InternalServerError"), router.ErrUnavailable, router.EffectUnknown},
		{&smithy.GenericAPIError{Code: "NobodyKnows", Fault: smithy.FaultServer}, router.ErrUnavailable, router.EffectUnknown},
		{&smithy.GenericAPIError{Code: "NobodyKnows", Fault: smithy.FaultClient}, router.ErrNotOwned, router.EffectNothing},
		{status(408), router.ErrUnavailable, router.EffectUnknown},
		{api("SlowDown"), router.ErrThrottled, router.EffectNothing},
		{api("BandwidthLimitExceeded"), router.ErrThrottled, router.EffectNothing},
		{api("RequestThrottledException"), router.ErrThrottled, router.EffectNothing},
		{&awsclock.Refusal{Err: api("SignatureDoesNotMatch")}, router.ErrClockOff, router.EffectNothing},
		{&credentialsError{&awsclock.Refusal{Err: api("SignatureDoesNotMatch")}}, router.ErrClockOff, router.EffectNothing},
		{&expiredError{last: api("Throttling")}, router.ErrExpired, router.EffectNothing},
		{&notSentError{err: context.Canceled, last: api("Throttling")}, router.ErrUnavailable, router.EffectNothing},
		{smithy.InvalidParamsError{}, router.ErrNotOwned, router.EffectNothing},
	} {
		effect, kind := Classify(c.err)
		if kind != c.kind || effect != c.effect {
			t.Errorf("%v is %v, %v; want %v, %v", c.err, kind, effect, c.kind, c.effect)
		}
	}
}

// tries makes call fail with the given errors in turn and counts.
func tries(errs ...error) (func(context.Context) (int, error), *int) {
	n := 0
	return func(context.Context) (int, error) {
		n++
		if n <= len(errs) {
			return 0, errs[n-1]
		}
		return n, nil
	}, &n
}

func TestWriteIsRepeatedOnlyAfterARefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			errs  []error
			calls int
			ok    bool
		}{
			{[]error{api("Throttling"), api("PriorRequestNotComplete")}, 3, true},
			{[]error{errors.New("EOF")}, 1, false},
			{[]error{api("Throttling"), errors.New("EOF")}, 2, false},
			{[]error{api("InternalFailure")}, 1, false},
			{[]error{api("Throttling"), api("Throttling"), api("Throttling"), api("Throttling"), api("Throttling")}, 5, false},
		} {
			call, n := tries(c.errs...)
			start := time.Now()
			_, err := Write(t.Context(), Policy{}, call)
			if *n != c.calls || (err == nil) != c.ok {
				t.Errorf("%v: %d calls, %v", c.errs, *n, err)
			}
			if waited := time.Since(start); waited > 7500*time.Millisecond+4 {
				t.Errorf("%v: waited %v", c.errs, waited)
			}
		}
	})
}

func TestReadIsRepeatedAfterWhatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, n := tries(errors.New("EOF"), api("InternalFailure"), api("Throttling"))
		if _, err := Read(t.Context(), Policy{}, call); err != nil || *n != 4 {
			t.Errorf("%d calls, %v", *n, err)
		}
		call, n = tries(api("AccessDenied"))
		if _, err := Read(t.Context(), Policy{}, call); err == nil || *n != 1 {
			t.Errorf("%d calls, %v", *n, err)
		}
	})
}

func TestGivingUpBetweenTries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		call, n := tries(api("Throttling"), api("Throttling"))
		_, err := Write(ctx, Policy{First: time.Hour}, func(ctx context.Context) (int, error) {
			cancel()
			return call(ctx)
		})
		if effect, kind := Classify(err); *n != 1 || kind != router.ErrThrottled || effect != router.EffectNothing {
			t.Errorf("%d calls, %v", *n, err)
		}
		_, err = Write(ctx, Policy{}, call)
		if effect, kind := Classify(err); *n != 1 || kind != router.ErrUnavailable || effect != router.EffectNothing || !errors.Is(err, context.Canceled) {
			t.Errorf("%d calls, %v", *n, err)
		}
	})
}

func TestTextIsCalm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call, _ := tries(api("Throttling"), api("Throttling"))
		_, err := Write(t.Context(), Policy{Tries: 2}, call)
		text := WriteError("route53: set weights", "api.example.com", err).Error()
		want := "route53: set weights of api.example.com: throttled: 2 tries: GetChange: Throttling: said so; nothing was changed"
		if text != want {
			t.Errorf("got  %s\nwant %s", text, want)
		}
		denied := ReadError("alb: read rule", "arn", &credentialsError{errors.New("no file")})
		if !strings.Contains(denied.Error(), "no credentials: no file") || !errors.Is(denied, router.ErrDenied) {
			t.Error(denied)
		}
	})
}

// TestCredentialsThatAreLateAreNotCalledMissing: it is no try all the same, and nobody
// is told to renew what may be good.
func TestCredentialsThatAreLateAreNotCalledMissing(t *testing.T) {
	e := WriteError("route53: set weights", "api.example.com", &smithy.OperationError{ServiceID: "Route 53", OperationName: "GetChange", Err: &credentialsError{context.DeadlineExceeded}})
	const want = "route53: set weights of api.example.com: no credentials in time: GetChange: no credentials: context deadline exceeded; nothing was changed; see why the search for them takes so long"
	if e.Error() != want || !errors.Is(e, router.ErrSignedOut) || router.Standing(e.Kind) {
		t.Errorf("got  %s\nwant %s", e, want)
	}
}

func TestConfigNamesMissingCredentials(t *testing.T) {
	config := Config(aws.Config{Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{}, errors.New("no file")
	})})
	if n := config.Retryer().MaxAttempts(); n != 1 {
		t.Errorf("the SDK would try %d times", n)
	}
	_, err := config.Credentials.Retrieve(t.Context())
	if effect, kind := Classify(err); kind != router.ErrSignedOut || effect != router.EffectNothing {
		t.Errorf("%v is %v, %v", err, kind, effect)
	}
}
