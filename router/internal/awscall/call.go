package awscall

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"watari.dev/internal/awsclock"
	"watari.dev/router"
)

// Policy bounds how often and how fast a call is repeated.
type Policy struct {
	Tries int                             // the first one included; 0 means 5
	First time.Duration                   // the longest wait before the second try, doubled for each more; 0 means 500 ms
	Turn  func(ctx context.Context) error // waits until a try may be made; nil means at once

	// NotAfter is when the right to modify ends, by the wall clock that Now reads:
	// from then on Write sends nothing. Zero is no bound.
	NotAfter time.Time
	Now      func() time.Time // nil means time.Now
}

// DefaultTries and DefaultFirst bound the waits between tries to 7.5 s in sum.
const (
	DefaultTries = 5
	DefaultFirst = 500 * time.Millisecond
)

// Bound returns how often one call is tried at most, and how long all waits
// between the tries take together at most.
func (p Policy) Bound() (tries int, waits time.Duration) {
	tries, first := p.limits()
	return tries, first * (1<<(tries-1) - 1)
}

func (p Policy) limits() (tries int, first time.Duration) {
	return cmp.Or(p.Tries, DefaultTries), cmp.Or(p.First, DefaultFirst)
}

// Read makes a call that modifies nothing: it is repeated after any failure
// that may pass. Like Write it sends a call once more, at once, that was signed with
// a wrong time.
func Read[T any](ctx context.Context, p Policy, call func(context.Context) (T, error)) (T, error) {
	return do(ctx, p, call, func(_ router.Effect, kind error) bool {
		return errors.Is(kind, router.ErrThrottled) || errors.Is(kind, router.ErrUnavailable)
	})
}

// Write makes a call that modifies: it is repeated only if it was refused
// because of too many calls, and sent only before the right to it ends.
func Write[T any](ctx context.Context, p Policy, call func(context.Context) (T, error)) (T, error) {
	turn := p.Turn
	p.Turn = func(ctx context.Context) error {
		if turn != nil {
			if err := turn(ctx); err != nil {
				return err
			}
		}
		return p.Right()
	}
	fenced := func(ctx context.Context) (T, error) { return call(withFence(ctx, p)) }
	return do(ctx, p, fenced, func(effect router.Effect, kind error) bool {
		return errors.Is(kind, router.ErrThrottled) && effect == router.EffectNothing
	})
}

func do[T any](ctx context.Context, p Policy, call func(context.Context) (T, error), again func(router.Effect, error) bool) (T, error) {
	tries, wait := p.limits()
	var none T
	var last error
	corrected := false
	for try := 1; ; try++ {
		if err := p.turn(ctx); err != nil {
			return none, unsent(err, last)
		}
		out, err := call(ctx)
		if err == nil {
			return out, nil
		}
		if late := (*expiredError)(nil); errors.As(err, &late) {
			return none, unsent(late, last)
		}
		if r, off := awsclock.Of(err); off && r.Correctable && !corrected {
			corrected, last = true, err
			try-- // the client signs with AWS's time from now on: see awsclock.Watch
			continue
		}
		if effect, kind := Classify(err); try >= tries || ctx.Err() != nil || !again(effect, kind) {
			return none, counted(err, try)
		}
		last = counted(err, try)
		if !sleep(ctx, rand.N(wait)+1) {
			return none, fmt.Errorf("%w while waiting for another try after: %w", context.Cause(ctx), last)
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

// Config returns config without the SDK's own retries, with credentials whose
// failure Classify can tell from a lost connection, with a watch on the clock, and
// with the fence of Write where nothing is waited for any more.
func Config(config aws.Config) aws.Config {
	config = config.Copy()
	config.Retryer = func() aws.Retryer { return aws.NopRetryer{} }
	config.APIOptions = append(slices.Clone(config.APIOptions), awsclock.Watch, addFence)
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

// late reports whether nothing is wrong with the credentials, as far as is known: the
// search for them takes long.
func (e *credentialsError) late() bool {
	return errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, context.Canceled)
}

// unsent is a call that was not sent because of err; last is what the try before
// said, nil if there was none.
func unsent(err, last error) error {
	if late := (*expiredError)(nil); errors.As(err, &late) {
		return &expiredError{at: late.at, last: last}
	}
	return &notSentError{err: err, last: last}
}

// notSentError is a call that was given up before it was sent.
type notSentError struct{ err, last error }

func (e *notSentError) Error() string   { return "not sent: " + e.err.Error() + after(e.last) }
func (e *notSentError) Unwrap() []error { return both(e.err, e.last) }

func after(last error) string {
	if last == nil {
		return ""
	}
	return ", after " + last.Error()
}

func both(err, last error) []error {
	if last == nil {
		return []error{err}
	}
	return []error{err, last}
}
