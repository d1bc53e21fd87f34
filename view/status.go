package view

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
)

// Status writes where a migration stands. holder is nil if nobody runs it.
func Status(w io.Writer, spec engine.Spec, s engine.Status, holder *store.Holder, now time.Time) {
	headline := where(spec, s)
	if holder != nil {
		headline = Headline(spec, s)
	}
	printable.Fprintln(w, headline)
	printable.Fprintf(w, "  from       %s to %s\n", spec.Source, spec.Target)
	for _, r := range s.Routes {
		printable.Fprintf(w, "  route      %s   %s\n", r.Name, standing(r))
		intruder(w, r)
		unmoved(w, s, r)
	}
	if t := s.Evidence.Total; t.Target.Requests > 0 {
		printable.Fprintf(w, "  target     %s in this attempt, %s\n", plural(int(t.Target.Requests), "request"), Harm(spec, s.Evidence))
	}
	if spec.Gate.Signals && s.Share() > traffic.None && !s.Phase.Ended() && s.Verdict.Text != "" {
		printable.Fprintf(w, "  verdict    %s   %s\n", mark(s.Verdict), s.Verdict.Text)
	}
	if !s.LastTurn.IsZero() {
		printable.Fprintf(w, "  watched    %s\n", ago(now.Sub(s.LastTurn)))
	}
	told(w, s, now)
	if holder != nil {
		printable.Fprintf(w, "  run by     %s\n%s\n", holder, nextOfRun(spec, s))
		return
	}
	if !s.Phase.Ended() {
		printable.Fprintf(w, "  run by     nobody: the share stays where it is, and nobody takes it back\n")
	}
	printable.Fprintln(w, NextOf(spec, s, ""))
}

func standing(r engine.RouteStatus) string {
	switch {
	case r.Seen == nil && r.Trouble != "":
		return r.Trouble
	case r.Seen == nil:
		return "not read yet"
	}
	text := "at " + r.Seen.High.String()
	if r.Seen.Low != r.Seen.High {
		text = "at " + r.Seen.Low.String() + " to " + r.Seen.High.String()
	}
	switch {
	case r.Drift != nil:
		text += ", changed by " + strings.TrimSuffix(r.Intruder(), ",")
	case r.Want != nil:
		text += ", on its way to " + r.Want.Share.String()
	case r.Written != nil && !r.Written.Settled:
		text += ", " + r.Written.Share.String() + " is written and settling" + because(r.Written.Pending)
	}
	if r.Seen.Weights != "" {
		text += " (" + r.Seen.Weights + ")"
	}
	if r.Restored != nil && r.Restored.Done {
		text += ", simple records again"
	}
	return legible(text) + because(r.Trouble)
}

// intruder says how it is known who changed the route, and what to do about it.
func intruder(w io.Writer, r engine.RouteStatus) {
	if r.Drift == nil || r.Seen == nil || r.Written == nil {
		return
	}
	proof, remedy := r.Known()
	if proof != "" {
		printable.Fprintf(w, "             known by: %s\n", legible(proof))
	}
	printable.Fprintf(w, "             to do: %s\n", remedy)
}

// ago says how long ago something was.
func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return "last " + Span(d.Round(time.Second)) + " ago"
}

// Harm says how many requests failed because they went to the target: what
// failed there less what would have failed on the source as well.
func Harm(spec engine.Spec, e engine.Evidence) string {
	failed, harmed := e.Total.Target.Errors, e.Harmed()
	switch {
	case failed == 0:
		return "none failed"
	case harmed == 0:
		return Count(failed) + " failed, no more than would have on " + spec.Source
	default:
		return fmt.Sprintf("%s failed, about %s of them would not have on %s", Count(failed), Count(harmed), spec.Source)
	}
}

func because(trouble string) string {
	if trouble == "" {
		return ""
	}
	return ": " + trouble
}

// JSONEvent is one line of "watari run -o json".
type JSONEvent struct {
	At     time.Time        `json:"at"`
	Kind   string           `json:"kind"` // phase, write, route, verdict, command, effect, status, missed
	Route  string           `json:"route,omitempty"`
	Text   string           `json:"text"`
	Phase  engine.Phase     `json:"phase"`
	Step   int              `json:"step"`  // counted from 1
	Share  int              `json:"share"` // basis points that the target may be getting
	Counts *engine.Interval `json:"counts,omitempty"`
	Effect *runner.Effect   `json:"effect,omitempty"`

	Verdict *engine.Verdict `json:"verdict,omitempty"` // with the evidence, in status events
}

// Line writes the event as the plain log does.
func (e JSONEvent) Line() string {
	return Event(e.At.Local(), sentence(engine.Note{Kind: e.Kind, Route: e.Route, Text: e.Text}))
}

// JSON writes the events of a turn, one object a line. With beat it ends with
// one of kind status.
func JSON(w io.Writer, t runner.Turn, beat bool) error {
	enc := json.NewEncoder(printable.NewWriter(w)) // encoding/json leaves U+007F to U+009F as they are
	base := JSONEvent{At: t.At, Phase: t.Status.Phase, Step: t.Status.Step + 1, Share: int(t.Status.Share())}
	write := func(change func(*JSONEvent)) error {
		e := base
		change(&e)
		return enc.Encode(e)
	}
	for _, n := range t.Notes {
		if err := write(func(e *JSONEvent) { e.Kind, e.Route, e.Text = n.Kind, n.Route, n.Text }); err != nil {
			return err
		}
	}
	for _, x := range t.Effects {
		if err := write(func(e *JSONEvent) { e.Kind, e.Route, e.Text, e.Effect = "effect", x.Write.Route, x.Sentence(), &x }); err != nil {
			return err
		}
	}
	if !beat {
		return nil
	}
	return write(func(e *JSONEvent) {
		e.Kind, e.Text = "status", t.Status.Reason
		if all := engine.Moments(t.Seen.Counts); len(all) > 0 {
			e.Counts = &all[len(all)-1]
		}
		if t.Status.Verdict.State != "" {
			e.Verdict = &t.Status.Verdict
		}
	})
}
