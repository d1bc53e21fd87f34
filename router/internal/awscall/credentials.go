package awscall

import (
	"errors"

	"watari.dev/internal/awsclock"
)

// adviceFor says what to do: about a clock that is off wherever that was found, and
// about credentials that could not be found whoever searched for them knows it best.
func adviceFor(err, kind error) string {
	if r, off := awsclock.Of(err); off {
		return r.Advice()
	}
	var nobody *credentialsError
	var knows interface{ Advice() string }
	if errors.As(err, &nobody) && errors.As(nobody.err, &knows) && knows.Advice() != "" {
		return knows.Advice()
	}
	return advice(kind, err)
}

// noCredentials returns why there were no credentials, if that is why a call failed.
// What AWS answered then was about them, and not about the call.
func noCredentials(err error) (why string, nobody bool) {
	var absent *credentialsError
	if errors.As(err, &absent) {
		return absent.Error(), true
	}
	return "", false
}
