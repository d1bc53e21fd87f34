package runner

import (
	"errors"

	"watari.dev/store"
)

// mostRefused bounds what is remembered of what was told.
const mostRefused = 100

// refuse tells what the store says of commands that it does not hand out, once as
// long as it says so: they are looked for four times a second. What somebody may have
// wanted belongs in the journal; that the store cannot be read does not.
func (r *run) refuse(err error) {
	now, outage := map[string]bool{}, false
	for _, one := range each(err) {
		text := one.Error()
		var refused *store.RefusedError
		is := errors.As(one, &refused)
		now[text], outage = true, outage || !is
		switch {
		case r.refused[text]:
		case is:
			r.Log.Warn("a command is not obeyed", "err", one)
			r.entries = append(r.entries, store.Entry{At: r.Clock.Now().UTC(), Kind: "note", Text: "a command is not obeyed: " + text})
		default:
			r.Log.Warn("commands cannot be read, trying again", "err", one)
		}
	}
	if outage { // it says nothing of the others
		for text := range r.refused {
			now[text] = now[text] || len(now) < mostRefused
		}
	}
	r.refused = now
}

// each returns the errors that were joined.
func each(err error) []error {
	if joined, is := err.(interface{ Unwrap() []error }); is { //nolint:errorlint // only what was joined, not what it wraps
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}
