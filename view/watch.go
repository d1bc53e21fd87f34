package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/runner"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// keepEvents is how many of the last events the live frame shows.
const keepEvents = 8

// Watch folds turns into what a person who watches wants to see.
type Watch struct {
	spec   engine.Spec
	last   runner.Turn
	counts *engine.Interval // of all services together
	trail  []float64        // how far the evidence was from the threshold, oldest first
	events []string
}

// keepTrail is how many turns the line of evidence shows.
const keepTrail = 20

// NewWatch watches a migration.
func NewWatch(spec engine.Spec) *Watch { return &Watch{spec: spec} }

// Add takes over one turn and returns its events as plain lines.
func (w *Watch) Add(t runner.Turn) []string {
	w.last = t
	if all := engine.Moments(t.Seen.Counts); len(all) > 0 {
		w.counts = &all[len(all)-1]
	}
	if a := t.Status.Verdict.Analysis; a != nil {
		w.trail = append(w.trail, a.LogE/a.Threshold)
		w.trail = w.trail[max(0, len(w.trail)-keepTrail):]
	}
	var lines []string
	for _, n := range t.Notes {
		lines = append(lines, Event(t.At, sentence(n)))
	}
	w.events = append(w.events, lines...)
	if extra := len(w.events) - keepEvents; extra > 0 {
		w.events = w.events[extra:]
	}
	return lines
}

// Event writes one line of what happened.
func Event(at time.Time, text string) string {
	return at.Format(time.TimeOnly) + "   " + printable.Line(text)
}

// Headline is the one line that says where a migration is.
func Headline(spec engine.Spec, s engine.Status) string {
	line := where(spec, s)
	if spec.Gate.Signals && s.Share() > traffic.None && !s.Phase.Ended() {
		line += "   " + mark(s.Verdict)
	}
	return printable.Line(line)
}

// where is the headline without the verdict, which is worth nothing when nobody
// watches.
func where(spec engine.Spec, s engine.Status) string {
	line := spec.Name
	if s.Attempt > 1 {
		line += fmt.Sprintf("   attempt %d", s.Attempt)
	}
	// Before the first rise and on the way back a step's share would mislead.
	if n := len(spec.Steps); n > 0 && !s.Phase.Ended() && !s.Phase.TakingBack() && !s.Started.IsZero() {
		i := min(max(s.Step, 0), n-1)
		line += fmt.Sprintf("   step %d of %d   %s", i+1, n, s.Wanted(spec))
	}
	if s.Reason != "" {
		line += "   " + stated(s.Phase, s.Reason)
	} else {
		line += "   " + phrase(s.Phase)
	}
	return line
}

// Frame is the live view, as lines without line ends.
func (w *Watch) Frame() []string {
	s := w.last.Status
	lines := []string{Headline(w.spec, s), "  share      " + w.share()}
	if w.counts != nil {
		lines = append(lines,
			"  requests   source "+side(w.counts.Source, w.counts.To.Sub(w.counts.From.Source)),
			"             target "+side(w.counts.Target, w.counts.To.Sub(w.counts.From.Target)))
	}
	if w.spec.Gate.Signals {
		lines = append(lines, w.gate()...)
	}
	for _, e := range w.events {
		lines = append(lines, "  "+e)
	}
	for i, line := range lines {
		lines[i] = printable.Line(line)
	}
	return lines
}

// Beat is the plain line that says that somebody is still watching.
func (w *Watch) Beat() string {
	text := Headline(w.spec, w.last.Status)
	if w.counts != nil {
		text += fmt.Sprintf("   source %s   target %s", side(w.counts.Source, w.counts.To.Sub(w.counts.From.Source)), side(w.counts.Target, w.counts.To.Sub(w.counts.From.Target)))
	}
	return Event(w.last.At, text)
}

// share compares what was meant with what the signal saw.
func (w *Watch) share() string {
	s := w.last.Status
	var parts []string
	for _, r := range s.Routes {
		switch {
		case r.Drift != nil:
			parts = append(parts, r.Name+" "+r.Drift.High.String()+" (not ours)")
		case r.Want != nil:
			parts = append(parts, r.Name+" on its way to "+r.Want.Share.String())
		case r.Written != nil && !r.Written.Settled:
			parts = append(parts, r.Name+" "+r.Written.Share.String()+" settling")
		case r.Seen != nil:
			parts = append(parts, r.Name+" "+r.Seen.High.String())
		default:
			parts = append(parts, r.Name+" not read yet")
		}
	}
	intended := s.Share()
	if s.Phase.TakingBack() {
		intended = traffic.None
	}
	text := "intended " + intended.String()
	if observed, some := w.observed(); some {
		text += "   observed " + observed
	}
	return text + "   (" + strings.Join(parts, ", ") + ")"
}

func (w *Watch) observed() (string, bool) {
	var source, target int64
	for _, in := range w.last.Status.Evidence.Intervals {
		source, target = source+in.Source, target+in.Requests
	}
	if source+target == 0 {
		return "", false
	}
	return fmt.Sprintf("%.1f %%", 100*float64(target)/float64(source+target)), true
}

// gate says what the target is judged by, and how it stands.
func (w *Watch) gate() []string {
	s, limits := w.last.Status, limits(w.spec.Gate)
	if s.Share() == traffic.None {
		return []string{"  gate       " + joined("; ", limits, "the target has no users yet")}
	}
	lines := []string{"  gate       " + mark(s.Verdict) + "   " + joined("   ", s.Verdict.Text, inBrackets(limits))}
	if a := s.Verdict.Analysis; a != nil {
		lines = append(lines, "  evidence   "+w.evidence(a))
		for _, r := range a.Rare {
			lines = append(lines, "  rare       "+rare(r))
		}
	}
	for _, note := range s.Evidence.Notes() {
		lines = append(lines, "  counts     "+note)
	}
	return lines
}

// limits writes the hard limits; empty if there are none.
func limits(g engine.Gate) string {
	var parts []string
	if g.Analysis == nil || g.MaxErrorRatio < 1 {
		parts = append(parts, "allowed "+Percent(g.MaxErrorRatio)+" errors")
	}
	if g.MaxP99 > 0 {
		parts = append(parts, "p99 "+Span(g.MaxP99))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + " in " + Span(g.Window)
}

// evidence says how near the target is to being taken back, and whether it has
// shown enough to go on.
func (w *Watch) evidence(a *verdict.Verdict) string {
	text := spark(w.trail) + "   " + nearness(a)
	g := a.Good
	switch {
	case !a.Compare:
		return text + "   nothing to compare with"
	case g.Enough:
		return text + "   proven good enough: yes"
	case g.Requests > 0 && g.Left > 0:
		return text + fmt.Sprintf("   proven good enough: not yet, about %s more requests of the target, %s", Count(g.Requests), Span(g.Left))
	default:
		return text + "   proven good enough: not yet"
	}
}

// rare says what was seen of requests that are rare and very slow, and what can be
// seen at the rate of the target.
func rare(r verdict.Rare) string {
	text := "slower than " + r.Edge.String()
	if r.Service != "" {
		text += " (" + r.Service + ")"
	}
	least := ""
	if r.Bounds {
		least = "at least "
	}
	text += fmt.Sprintf(": %s%s of %s of the target in this step", least, Count(r.Target.Bad), plural(int(r.Target.N), "request"))
	return joined("; ", text, verdict.Power(r.Rate))
}

// nearness says how far the evidence is from taking back.
func nearness(a *verdict.Verdict) string {
	switch part := a.LogE / a.Threshold; {
	case a.Degraded:
		return "enough to take back"
	case part < 0.25:
		return "far from taking back"
	case a.Suspicious:
		return "near taking back (" + verdict.Chance(a.LogE) + ")"
	default:
		return "not near taking back (" + verdict.Chance(a.LogE) + ")"
	}
}

// spark draws parts of the way to the threshold, one sign each.
func spark(parts []float64) string {
	levels := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, p := range parts {
		b.WriteRune(levels[int(min(1, max(0, p))*float64(len(levels)-1))])
	}
	return b.String()
}

// joined joins the parts that say something.
func joined(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), separator)
}

func inBrackets(text string) string {
	if text == "" {
		return ""
	}
	return "(" + text + ")"
}
