package traffic

import (
	"fmt"
	"time"
)

// State says whether a reading has a value.
type State uint8

// The zero value is Unknown, so that nothing becomes known by accident.
const (
	Unknown State = iota // nobody asked, or nobody answered
	Known                // Value is what was read at At
	Failed               // asking failed; Err says how
)

var stateNames = [...]string{Unknown: "unknown", Known: "known", Failed: "failed"}

// String returns "unknown", "known" or "failed".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// MarshalText writes what String returns.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *State) UnmarshalText(text []byte) error {
	for i, name := range stateNames {
		if name == string(text) {
			*s = State(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not one of unknown, known, failed", text)
}

// Reading is a value that may not be known. A zero in Value never means
// "missing": State tells.
type Reading[T any] struct {
	Value T         `json:"value"`
	At    time.Time `json:"at,omitzero"` // when it was true, as far as the source tells
	State State     `json:"state"`
	Err   string    `json:"err,omitempty"` // why State is Failed, or why it is Unknown
	// Note is what else is worth knowing of a value that is known: how doubtful data
	// were read.
	Note string `json:"note,omitempty"`
}

// KnownAt returns a known reading of v.
func KnownAt[T any](v T, at time.Time) Reading[T] {
	return Reading[T]{Value: v, At: at, State: Known}
}

// FailedAt returns a reading that failed at the time at because of err.
func FailedAt[T any](err error, at time.Time) Reading[T] {
	return Reading[T]{At: at, State: Failed, Err: Brief(err.Error())}
}

// Get returns the value and whether it is known.
func (r Reading[T]) Get() (T, bool) { return r.Value, r.State == Known }
