package router

import (
	"errors"
	"fmt"
	"time"

	"watari.dev/traffic"
)

// The kinds of failure that callers act on. A driver wraps exactly one of them
// in an *Error.
var (
	ErrConflict    = errors.New("changed by somebody else since it was read")
	ErrThrottled   = errors.New("throttled")
	ErrDenied      = errors.New("access denied")
	ErrNotFound    = errors.New("not found")
	ErrNotOwned    = errors.New("not in a state that the migration may change")
	ErrInexact     = errors.New("share cannot be expressed")
	ErrUnavailable = errors.New("no usable answer") // the network, a time-out, the service's own fault
	ErrExpired     = errors.New("the right to write has ended")

	// ErrClockOff is a call that was refused because this machine's clock and that of
	// the data plane are too far apart. Nothing was changed, and it has nothing to do
	// with the route: it is no try.
	ErrClockOff = errors.New("the clock is off")

	// ErrHeldBack is an ErrThrottled by our own hand: the data plane was not asked,
	// so it is no try. HeldBack says until when.
	ErrHeldBack error = heldBack{}

	// ErrSignedOut is an ErrDenied that ends: the credentials have expired, or there
	// are none at the moment. What they may do once they are renewed is unknown.
	ErrSignedOut error = signedOut{}

	// ErrSigningIn is an ErrSignedOut that may pass by itself: the search for
	// credentials had not ended when the time of the operation was over.
	ErrSigningIn error = signingIn{}
)

// heldBack is ErrThrottled with a text of its own.
type heldBack struct{}

func (heldBack) Error() string { return "held back" }
func (heldBack) Unwrap() error { return ErrThrottled }

// signedOut is ErrDenied with a text of its own.
type signedOut struct{}

func (signedOut) Error() string { return "credentials have expired or are missing" }
func (signedOut) Unwrap() error { return ErrDenied }

// signingIn is ErrSignedOut with a text of its own.
type signingIn struct{}

func (signingIn) Error() string { return "no credentials in time" }
func (signingIn) Unwrap() error { return ErrSignedOut }

// Effect says what a failed write did.
type Effect uint8

// The zero value is the careful one.
const (
	EffectUnknown Effect = iota // the reply was lost: it may or may not have happened; read to find out
	EffectNothing               // nothing was changed
	EffectPartial               // Error.Changed were changed, the rest was not
)

// String says it in words that end a message.
func (e Effect) String() string {
	switch e {
	case EffectNothing:
		return "nothing was changed"
	case EffectPartial:
		return "a part was changed"
	default:
		return "whether it was changed is not known"
	}
}

// Error is what every method of a Driver returns on failure. Its text follows
// the house form: what was attempted, on what: why; what was changed; what to do.
type Error struct {
	Op      string        // "alb: set weights", "route53: read records"
	On      string        // the name, rule or zone
	Kind    error         // one of the sentinels
	Cause   error         // what the data plane said; may be nil
	Effect  Effect        // of a write; EffectNothing for reads
	Changed []string      // of EffectPartial, and as far as known of EffectUnknown
	Left    []PartProblem // the parts that were not changed, or cannot be read, each with its reason; empty where it is all of them for one reason
	Advice  string        // what to do; may be empty
	RetryAt time.Time     // before which it is of no use to ask again; zero if nobody knows
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s of %s: %v", e.Op, e.On, e.Kind)
	if e.Cause != nil {
		text += ": " + traffic.Brief(e.Cause.Error())
	}
	if e.Effect == EffectPartial {
		text += fmt.Sprintf("; %d changed: %s", len(e.Changed), fewOf(e.Changed))
	} else {
		text += "; " + e.Effect.String()
	}
	if len(e.Left) > 1 || len(e.Left) == 1 && e.Left[0].Text != e.Advice {
		text += fmt.Sprintf("; %d not: %s", len(e.Left), DescribeLeft(e.Left))
	}
	if e.Advice != "" {
		text += "; " + e.Advice
	}
	return text
}

// Unwrap gives callers both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

// EffectOf returns what a failed write did, as far as err tells.
func EffectOf(err error) Effect {
	var e *Error
	if errors.As(err, &e) {
		return e.Effect
	}
	return EffectUnknown
}

// HeldBack reports whether err is of an operation that was not sent because others
// go first, and when it is worth asking again.
func HeldBack(err error) (retryAt time.Time, held bool) {
	var e *Error
	if !errors.Is(err, ErrHeldBack) || !errors.As(err, &e) {
		return time.Time{}, false
	}
	return e.RetryAt, true
}
