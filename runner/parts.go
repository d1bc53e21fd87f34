package runner

import (
	"errors"
	"strings"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// parts says of parts that cannot be moved what the engine needs to know.
func parts(problems []router.PartProblem) (out []engine.Part) {
	for _, p := range problems {
		share, known := p.Share.Get()
		out = append(out, engine.Part{Name: p.Name, Why: p.Text, Share: share, Known: known})
	}
	return out
}

// broken returns what is wrong with all of a route that could not be read, because
// it is gone or is no lever of the migration any more; nothing where reading it
// failed for another reason. What is not there sends nobody to the target.
func broken(err error) []engine.Part {
	var e *router.Error
	switch {
	case !errors.Is(err, router.ErrNotFound) && !errors.Is(err, router.ErrNotOwned):
		return nil
	case errors.As(err, &e) && len(e.Left) > 0:
		return parts(e.Left)
	default:
		return []engine.Part{{Why: err.Error(), Known: true}}
	}
}

// shares returns the share of each part of a route where they differ.
func shares(s router.Snapshot) map[string]traffic.Share {
	if s.Low() == s.High() {
		return nil
	}
	out := map[string]traffic.Share{}
	for _, p := range s.Parts {
		out[p.Name] = p.Share
	}
	return out
}

// covering narrows a route to the names that its last write stands for and that can
// be moved.
func covering(route router.Ref, written *engine.Written, broken []router.PartProblem) router.Ref {
	left := written.Left
	for _, p := range broken {
		left = append(left[:len(left):len(left)], p.Name)
	}
	return route.Without(left)
}

// partly takes over what a write to take back has left, if all else was done: only
// somebody's hand helps the rest.
func partly(result *engine.Result, receipt router.Receipt, err error) {
	left, standing := router.LeftOf(err)
	if !standing {
		return
	}
	result.Left, result.Outcome = parts(left), engine.Denied
	if receipt.ChangeID == "" {
		return
	}
	result.Outcome, result.Changed = engine.Partly, router.EffectOf(err) == router.EffectPartial
	result.Share, result.Token, result.Note, result.At = receipt.Share, receipt.Token, receipt.Note, receipt.At
}

// without reads the names of a command.
func without(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
