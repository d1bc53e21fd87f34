package view

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// Span writes a duration as people say it: 45s, 1m05s, 10m, 25h41m, 3d2h.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(-d)
	}
	// Rounded first: nothing is called 60s that is 1m.
	tenth, second, minute := d.Round(100*time.Millisecond), d.Round(time.Second), d.Round(time.Minute)
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case tenth < 10*time.Second && tenth%time.Second != 0:
		return fmt.Sprintf("%.1fs", tenth.Seconds())
	case second < time.Minute:
		return fmt.Sprintf("%ds", second/time.Second)
	case second < time.Hour:
		return pair(second, time.Minute, "m", time.Second, "s")
	case minute < 48*time.Hour:
		return pair(minute, time.Hour, "h", time.Minute, "m")
	default:
		return pair(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
	}
}

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	whole, rest := d/big, d%big/small
	if rest == 0 {
		return fmt.Sprintf("%d%s", whole, bigName)
	}
	return fmt.Sprintf("%d%s%02d%s", whole, bigName, rest, smallName)
}

// Count writes a number with thousands apart: 12,345.
func Count(n int64) string {
	s := fmt.Sprint(n)
	if n < 0 {
		return "-" + Count(-n)
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Percent writes a ratio so that a small one does not become zero.
func Percent(ratio float64) string {
	switch p := ratio * 100; {
	case p == 0:
		return "0 %"
	case p < 0.1:
		return fmt.Sprintf("%.2g %%", p)
	case p < 10:
		return trimmed("%.2f", p) + " %"
	default:
		return trimmed("%.1f", p) + " %"
	}
}

// trimmed writes a number without zeros at its end.
func trimmed(format string, v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf(format, v), "0"), ".")
}

// plural writes a number with its noun.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Count(int64(n)) + " " + noun + "s"
}

// targetGroup is the ARN of a target group, of which people know the name.
var targetGroup = regexp.MustCompile(`arn:aws[-a-z]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/([A-Za-z0-9-]+)/[A-Za-z0-9]+`)

// legible leaves of target groups what people call them.
func legible(text string) string { return targetGroup.ReplaceAllString(text, "$1") }

// sentence writes what the engine notes as a line for people.
func sentence(n engine.Note) string {
	if phase, why, found := strings.Cut(n.Text, ": "); found && n.Kind == "phase" {
		return stated(engine.Phase(phase), why)
	}
	return legible(n.Text)
}

// stated says what a phase is doing and why, each word once.
func stated(p engine.Phase, why string) string {
	if what := phrase(p); !strings.HasPrefix(why, what+" ") {
		why = what + ": " + why
	}
	return legible(why)
}

// phrase says in a word or two what a phase is doing.
func phrase(p engine.Phase) string {
	switch p {
	case "":
		return "not begun"
	case engine.WaitingForApproval:
		return "waiting for approval"
	case engine.RollingBack:
		return "rolling back"
	case engine.Partial:
		return "partial"
	case engine.RolledBack:
		return "rolled back"
	default:
		return strings.ToLower(string(p))
	}
}

// mark tells a verdict by a sign as well as by a word.
func mark(v engine.Verdict) string {
	switch v.State {
	case engine.Healthy:
		return "● healthy"
	case engine.Degraded:
		return "✗ degraded"
	default:
		if v.Why == "" {
			return "○ not judged"
		}
		return "○ " + v.String()
	}
}

// Next is the line that says what can be done now that nobody runs the migration.
func Next(name string, p engine.Phase, file string) string {
	run := "watari run -f " + file
	if file == "" {
		run = "watari run -f FILE"
	}
	switch p {
	case engine.RolledBack, engine.Failed:
		return fmt.Sprintf("When fixed: watari retry %s, then %s", name, run)
	case engine.Complete:
		return fmt.Sprintf("Take back if you must: watari rollback %s", name)
	case engine.Paused:
		return fmt.Sprintf("Go on: watari resume %s, then %s   Take back: watari rollback %s", name, run, name)
	case engine.WaitingForApproval:
		return fmt.Sprintf("Go on: watari approve %s, then %s   Take back: watari rollback %s", name, run, name)
	case engine.RollingBack:
		return fmt.Sprintf("Finish taking it back: watari rollback %s", name)
	case engine.Partial:
		return fmt.Sprintf("Mend what is left, then: watari rollback %s   If it is gone for good: watari rollback %s --without NAME", name, name)
	default:
		return fmt.Sprintf("Go on: %s   Take back: watari rollback %s", run, name)
	}
}

// nextWhileRun is Next where a process runs the migration.
func nextWhileRun(name string, p engine.Phase) string {
	back := "   Take back: watari rollback " + name
	switch p {
	case engine.RolledBack, engine.Failed, engine.Complete:
		return Next(name, p, "")
	case engine.Paused:
		return "Go on: watari resume " + name + back
	case engine.WaitingForApproval:
		return "Go on: watari approve " + name + back
	case engine.RollingBack:
		return "It is being taken back. See how far it is: watari status " + name
	case engine.Partial:
		return "Mend what is left: it is tried again every 15s. If it is gone for good: watari rollback " + name + " --without NAME"
	default:
		return "Keep the share where it is: watari pause " + name + back
	}
}

// rate writes requests per second of an interval.
func rate(n int64, over time.Duration) string {
	if over <= 0 {
		return "?/s"
	}
	return Count(int64(float64(n)/over.Seconds()+0.5)) + "/s"
}

// side writes what one side answered in an interval.
func side(r traffic.Reading[traffic.Counts], over time.Duration) string {
	c, known := r.Get()
	if !known {
		if r.Err != "" {
			return "not known: " + r.Err
		}
		return "not known: no data"
	}
	text := rate(c.Requests, over)
	if ratio, some := c.ErrorRatio(); some {
		text += "  " + Percent(ratio) + " errors"
	}
	if p99, some := c.Latency.Quantile(0.99); some {
		text += "  p99 " + beyond(c.Latency, 0.99) + Span(p99)
	}
	return text
}

// beyond is the word for a quantile of which only a lower bound is known: it lies above
// the highest edge.
func beyond(h traffic.Histogram, q float64) string {
	if n := h.Count(); float64(n-h.Buckets[len(h.Buckets)-1]) < q*float64(n) {
		return "over "
	}
	return ""
}
