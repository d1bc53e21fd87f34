// Package environment describes where a service runs: what kind of place it is,
// its version, and how many of its parts are there and ready. Drivers live in
// directories of their own and all pass environmenttest. An environment is only
// ever read here; it answers within a bound or says why it did not, and never
// takes "could not look" for "nothing there".
package environment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"watari.dev/traffic"
)

// Environment is one side of a migration.
type Environment interface {
	// Inventory returns what is there now. It changes nothing, answers within
	// ten seconds, and returns errors that wrap one of the sentinels of this
	// package.
	Inventory(ctx context.Context) (Inventory, error)
}

// Inventory is what an environment consists of at a moment.
type Inventory struct {
	Kind       string                 `json:"kind"`    // as people say it: Kubernetes
	Version    string                 `json:"version"` // of that kind, as it calls itself: 1.33.13
	Pods       Count                  `json:"pods"`    // those that run or are about to; finished ones are none
	Nodes      traffic.Reading[Count] `json:"nodes"`   // often not permitted to see
	Namespaces []string               `json:"namespaces"`
	At         time.Time              `json:"at"`
}

// Count is how many there are, and how many of them are ready.
type Count struct {
	Total int `json:"total"`
	Ready int `json:"ready"`
}

// The kinds of failure that callers act on.
var (
	ErrNotFound    = errors.New("not found")        // a context, a file, a namespace that does not exist
	ErrDenied      = errors.New("access denied")    // it answered and refused
	ErrUnreachable = errors.New("no usable answer") // it did not answer in time, or not as such a thing does

	// ErrSignedOut is an ErrDenied that ends: there are no credentials, or they are not
	// accepted any more. What they may do once they are renewed is not known.
	ErrSignedOut error = signedOut{}
)

// signedOut is ErrDenied with a text of its own.
type signedOut struct{}

func (signedOut) Error() string { return "not signed in" }
func (signedOut) Unwrap() error { return ErrDenied }

// Error is what an Environment returns: what was attempted, on what, why, and
// what to do.
type Error struct {
	Op     string // "kubernetes: list pods"
	On     string // "context eks-1-33"
	Kind   error  // one of the sentinels
	Cause  error  // what was said; may be nil
	Advice string // what to do; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s of %s: %v", e.Op, e.On, e.Kind)
	if e.Cause != nil {
		text += ": " + traffic.Brief(e.Cause.Error())
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
