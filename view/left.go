package view

import (
	"fmt"
	"io"

	"watari.dev/engine"
	"watari.dev/internal/printable"
)

// keepLeft is how many parts of a route are listed that cannot be moved.
const keepLeft = 20

// unmoved lists the parts of a route that cannot be moved, with the reason of each.
func unmoved(w io.Writer, s engine.Status, r engine.RouteStatus) {
	left := s.Left(r)
	for _, p := range left[:min(keepLeft, len(left))] {
		printable.Fprintf(w, "             not moved: %s\n", describePart(p, s.Phase))
	}
	if more := len(left) - keepLeft; more > 0 {
		printable.Fprintf(w, "             and %s more\n", Count(int64(more)))
	}
}

func describePart(p engine.Part, phase engine.Phase) string {
	text := legible(p.Why)
	if p.Name != "" {
		text = p.Name + ": " + text
	}
	switch {
	case !phase.TakingBack():
	case p.Known && p.Share > 0:
		text += "; it still sends " + p.Share.String() + " to the target"
	case p.Known:
		text += "; it sends nobody to the target"
	default:
		text += "; it may send users to the target"
	}
	return text
}

// Unfinished says in a sentence what is not taken back.
func Unfinished(s engine.Status) string {
	parts := 0
	for _, r := range s.Routes {
		parts += len(s.Left(r))
	}
	return fmt.Sprintf("Not everything is taken back, and nobody tries it again: %s left, see watari status.", plural(parts, "part"))
}
