package view

import (
	"fmt"
	"io"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/printable"
)

// Answer says what became of a command to whoever gave it.
func Answer(a engine.Answer) string {
	if !a.Obeyed {
		return "refused: " + legible(a.Text)
	}
	done := map[engine.Verb]string{engine.Pause: "paused", engine.Resume: "resumed", engine.Approve: "approved"}[a.Verb]
	if done == "" {
		done = string(a.Verb)
	}
	return done + ": " + legible(a.Text)
}

// shownAnswers is how many of the latest answers a status shows.
const shownAnswers = 3

// told writes what became of the latest commands.
func told(w io.Writer, s engine.Status, now time.Time) {
	name := "commands"
	for _, a := range s.Answers[max(0, len(s.Answers)-shownAnswers):] {
		if a.Verb == "" {
			continue // of a watari that did not keep it
		}
		at := a.At.Format(time.TimeOnly)
		if now.Sub(a.At) > 24*time.Hour {
			at = a.At.Format(time.DateTime)
		}
		printable.Fprintf(w, "  %-10s %s   %s\n", name, at, legible(a.Sentence()))
		name = ""
	}
}

// NextOf is Next for a status, which knows the step that waits for approval.
func NextOf(spec engine.Spec, s engine.Status, file string) string {
	if why := s.WhyFinal(spec.Name); why != "" {
		return "It cannot be rolled back any more: " + why
	}
	if s.Phase != engine.WaitingForApproval {
		return Next(spec.Name, s.Phase, file)
	}
	if s.Approved {
		return Next(spec.Name, engine.Pending, file)
	}
	return strings.Replace(Next(spec.Name, s.Phase, file), "watari approve "+spec.Name, approve(spec, s), 1)
}

// nextOfRun is NextOf where a process runs the migration.
func nextOfRun(spec engine.Spec, s engine.Status) string {
	switch {
	case s.Phase != engine.WaitingForApproval:
		return nextWhileRun(spec.Name, s.Phase)
	case s.Approved:
		return nextWhileRun(spec.Name, engine.Holding)
	default:
		return "Go on: " + approve(spec, s) + "   Take back: watari rollback " + spec.Name
	}
}

// approve is the command that approves what waits.
func approve(spec engine.Spec, s engine.Status) string {
	return fmt.Sprintf("watari approve %s --step %d", spec.Name, s.Step+1)
}
