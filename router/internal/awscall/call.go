package awscall

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"watari.dev/router"
)

// Policy bounds how often and how fast a call is repeated.
type Policy struct {
	Tries int                             // the first one included; 0 means 5
	First time.Duration                   // the longest wait before the second try, doubled for each more; 0 means 500 ms
	Turn  func(ctx context.Context) error // waits until a try may be made; nil means at once
}

// DefaultTries and DefaultFirst bound the waits between tries to 7.5 s in sum.
const (
	DefaultTries = 5
	DefaultFirst = 500 * time.Millisecond
)

// Read makes a call that modifies nothing: it is repeated after any failure
// that may pass.
func Read[T any](ctx context.Context, p Policy, call func(context.Context) (T, error)) (T, error) {
	return do(ctx, p, call, func(_ router.Effect, kind error) bool {
		return errors.Is(kind, router.ErrThrottled) || errors.Is(kind, router.ErrUnavailable)
	})
}

// Write makes a call that modifies: it is repeated only if it was refused
// because of too many calls.
func Write[T any](ctx context.Context, p Policy, call func(context.Context) (T, error)) (T, error) {
	return do(ctx, p, call, func(effect router.Effect, kind error) bool {
		return errors.Is(kind, router.ErrThrottled) && effect == router.EffectNothing
	})
}

func do[T any](ctx context.Context, p Policy, call func(context.Context) (T, error), again func(router.Effect, error) bool) (T, error) {
	tries, wait := p.Tries, p.First
	if tries == 0 {
		tries = DefaultTries
	}
	if wait == 0 {
		wait = DefaultFirst
	}
	var none T
	for try := 1; ; try++ {
		if err := p.turn(ctx); err != nil {
			return none, &notSentError{err}
		}
		out, err := call(ctx)
		if err == nil {
			return out, nil
		}
		if effect, kind := Classify(err); try >= tries || ctx.Err() != nil || !again(effect, kind) {
			return none, counted(err, try)
		}
		if !sleep(ctx, rand.N(wait)+1) {
			return none, fmt.Errorf("%w while waiting for another try after: %w", context.Cause(ctx), counted(err, try))
		}
		wait *= 2
	}
}

func (p Policy) turn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.Turn == nil {
		return nil
	}
	return p.Turn(ctx)
}

func counted(err error, tries int) error {
	if tries == 1 {
		return err
	}
	return fmt.Errorf("%d tries: %w", tries, err)
}

// sleep waits for d and reports false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// Config returns config without the SDK's own retries, and with credentials
// whose failure Classify can tell from a lost connection.
func Config(config aws.Config) aws.Config {
	config = config.Copy()
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	if config.Credentials != nil {
		config.Credentials = provider{config.Credentials}
	}
	return config
}

type provider struct{ aws.CredentialsProvider }

func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return c, &credentialsError{err}
	}
	return c, nil
}

// credentialsError is a call that was never sent for want of credentials.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return "no credentials: " + e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// notSentError is a call that was given up before it was sent.
type notSentError struct{ err error }

func (e *notSentError) Error() string { return "not sent: " + e.err.Error() }
func (e *notSentError) Unwrap() error { return e.err }
