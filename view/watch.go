package view

import (
	"fmt"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/traffic"
)

// keepEvents is how many of the last events the live frame shows.
const keepEvents = 8

// Watch folds turns into what a person who watches wants to see.
type Watch struct {
	spec   engine.Spec
	last   runner.Turn
	counts *engine.Interval
	events []string
}

// NewWatch watches a migration.
func NewWatch(spec engine.Spec) *Watch { return &Watch{spec: spec} }

// Add takes over one turn and returns its events as plain lines.
func (w *Watch) Add(t runner.Turn) []string {
	w.last = t
	if n := len(t.Seen.Counts); n > 0 {
		w.counts = &t.Seen.Counts[n-1]
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
func Event(at time.Time, text string) string { return at.Format(time.TimeOnly) + "   " + text }

// Headline is the one line that says where a migration is.
func Headline(spec engine.Spec, s engine.Status) string {
	line := where(spec, s)
	if spec.Gate.Signals && s.Share() > traffic.None && !s.Phase.Ended() {
		line += "   " + mark(s.Verdict)
	}
	return line
}

// where is the headline without the verdict, which is worth nothing when nobody
// watches.
func where(spec engine.Spec, s engine.Status) string {
	line := spec.Name
	if s.Attempt > 1 {
		line += fmt.Sprintf("   attempt %d", s.Attempt)
	}
	// Before the first rise and on the way back a step's share would mislead.
	if n := len(spec.Steps); n > 0 && !s.Phase.Ended() && s.Phase != engine.RollingBack && !s.Started.IsZero() {
		i := min(max(s.Step, 0), n-1)
		line += fmt.Sprintf("   step %d of %d   %s", i+1, n, spec.Steps[i].Share)
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
		lines = append(lines, "  gate       "+w.gate())
	}
	for _, e := range w.events {
		lines = append(lines, "  "+e)
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
	if s.Phase == engine.RollingBack {
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

func (w *Watch) gate() string {
	v, g := w.last.Status.Verdict, w.spec.Gate
	limit := fmt.Sprintf("allowed %s errors", Percent(g.MaxErrorRatio))
	if g.MaxP99 > 0 {
		limit += ", p99 " + Span(g.MaxP99)
	}
	if w.last.Status.Share() == traffic.None {
		return limit + "; the target has no users yet"
	}
	return mark(v) + "   " + v.Text + "   (" + limit + " in " + Span(g.Window) + ", " + Count(w.last.Status.Evidence.InStep) + " requests in this step)"
}
