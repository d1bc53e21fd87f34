package analyze

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"watari.dev/internal/printable"
	"watari.dev/traffic"
	"watari.dev/verdict"
	"watari.dev/view"
)

// Write says for people what the verdict would have been.
func Write(w io.Writer, r Result) {
	of := "requests"
	if len(r.Services) > 1 {
		of = "requests of " + number(len(r.Services), "service")
	}
	printable.Fprintf(w, "%s: %s, %s\n", r.Name, between(r.From, r.To), number(r.Intervals, "interval"))
	printable.Fprintf(w, "  %s: source %s, target %s\n\n", of, view.Count(r.Requests.Source), view.Count(r.Requests.Target))
	short := clockOf(r.From, r.To)
	for _, line := range outcome(r, short) {
		printable.Fprintf(w, "  %s\n", line)
	}
	if len(r.Steps) > 0 {
		printable.Fprintln(w)
		writeSteps(w, r, short)
		writeRises(w, r, short)
		writeBeside(w, r)
	}
	writeLags(w, r)
	writeList(w, "split", splits(r, short))
	writeList(w, "not used", notUsed(r))
	writeList(w, "noted", noted(r))
	writeList(w, "detail", detail(r, short))
	printable.Fprintf(w, "\n")
	for i, line := range settings(r) {
		printable.Fprintf(w, "  %-9s  %s\n", []string{"settings", ""}[min(i, 1)], line)
	}
}

// detail says of which time the counts are there in less detail than they were
// counted.
func detail(r Result, clock func(time.Time) string) (out []string) {
	for _, c := range r.Coarse {
		span := clock(c.From) + " to " + clock(c.To)
		if c.Unit == 0 {
			out = append(out, fmt.Sprintf("%s: the counts were dropped to keep the journal within its bound", span))
			continue
		}
		out = append(out, fmt.Sprintf("%s: counts away from any decision are merged, into intervals of up to %s", span, view.Span(c.Unit)))
	}
	if len(out) > 0 {
		out = append(out, "otherwise: as it was counted")
	}
	return out
}

// outcome is the answer to the question that was asked.
func outcome(r Result, clock func(time.Time) string) []string {
	if !r.Degraded() {
		if r.Nearest.LogE < spoken {
			return []string{fmt.Sprintf("would not have rolled back; nothing spoke against the target (it takes %s)", OneIn(r.Threshold))}
		}
		return []string{fmt.Sprintf("would not have rolled back; nearest was %s at %s (it takes %s)", OneIn(r.Nearest.LogE), clock(r.Nearest.At), OneIn(r.Threshold))}
	}
	var out []string
	for i, b := range r.Rollbacks {
		again := ""
		if i > 0 {
			again = ", again,"
		}
		since := ""
		if b.After > 0 {
			since = fmt.Sprintf(" (%s after the target could have users)", view.Span(b.After))
		}
		out = append(out,
			fmt.Sprintf("would have rolled back%s at %s%s:", again, clock(b.At), since),
			fmt.Sprintf("%s; %s", b.Finding, verdict.Chance(b.Finding.Peak)),
			fmt.Sprintf("%s of the target had failed by then", number(int(b.Failed), "request")))
	}
	return out
}

// spoken is the evidence from which on it is worth a word: 1 in 1.1.
const spoken = 0.0953

// OneIn writes evidence as how rarely chance alone would make it.
func OneIn(logE float64) string {
	const most = 1e12
	switch e := math.Exp(logE) * (1 + 1e-9); { // so that a threshold of 1 in 100 is not 99 by a rounding
	case logE < spoken:
		return "nothing"
	case e < 9.95:
		return "1 in " + strings.TrimSuffix(fmt.Sprintf("%.1f", e), ".0")
	case e >= most:
		return "less than 1 in " + view.Count(most)
	default:
		digits := math.Pow(10, math.Floor(math.Log10(e))-1)
		return "1 in " + view.Count(int64(math.Floor(e/digits*(1+1e-9))*digits))
	}
}

func writeSteps(w io.Writer, r Result, clock func(time.Time) string) {
	t, flush := columns(w)
	defer flush()
	printable.Fprintf(t, "  step\tshare\tfrom\tspan\tsource fails\ttarget fails\tproven good enough\n")
	for i, s := range r.Steps {
		share, number := s.Share.String(), fmt.Sprint(i+1)
		if s.Number == 0 {
			share, number = "-", "-"
		}
		printable.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t%s\n", number, share, clock(s.From), view.Span(s.To.Sub(s.From)),
			ratio(s.Errors.Source), ratio(s.Errors.Target), enough(s, clock))
	}
}

// writeRises is the table of the times at which the share changed.
func writeRises(w io.Writer, r Result, clock func(time.Time) string) {
	if len(r.Rises) == 0 {
		return
	}
	t, flush := columns(w)
	defer flush()
	printable.Fprintf(t, "\n  share\tat\tevidence before\tstrongest until the next\n")
	for _, one := range r.Rises {
		printable.Fprintf(t, "  %s\t%s\t%s\t%s\n", one.Rise, clock(one.At), OneIn(one.Before), OneIn(one.After))
	}
}

// String writes the shares, and that it was rolled back.
func (r Rise) String() string {
	text := fmt.Sprintf("%s -> %s", r.From, r.To)
	if r.Back() {
		text += ", rolled back"
	}
	return text
}

// writeBeside is the table of metrics other than errors.
func writeBeside(w io.Writer, r Result) {
	t, flush := columns(w)
	defer flush()
	some := false
	for i, s := range r.Steps {
		number := fmt.Sprint(i + 1)
		if s.Number == 0 {
			number = "-"
		}
		for _, b := range s.Beside {
			if !some {
				printable.Fprintf(t, "\n  step\tmetric\tof the source\tof the target\n")
				some = true
			}
			of := b.Text
			if b.Service != "" {
				of = b.Service + ": " + of
			}
			printable.Fprintf(t, "  %s\t%s\t%s\t%s\n", number, of, ratio(b.Source), ratio(b.Target))
		}
	}
}

// columns aligns what is written with tabs, once it is flushed.
func columns(w io.Writer) (t io.Writer, flush func()) {
	var b strings.Builder
	aligned := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	return aligned, func() {
		aligned.Flush()
		for line := range strings.Lines(b.String()) {
			printable.Fprintln(w, strings.TrimRight(line, " \n"))
		}
	}
}

// ratio writes an estimate with its bounds.
func ratio(e verdict.Estimate) string {
	if e.N == 0 {
		return "no requests"
	}
	low := e.Low
	if low < 1e-6 { // one in a million is as good as none
		low = 0
	}
	return fmt.Sprintf("%s (%s to %s)", view.Percent(e.Ratio()), strings.TrimSuffix(view.Percent(low), " %"), view.Percent(e.High))
}

func enough(s Step, clock func(time.Time) string) string {
	switch g := s.Good; {
	case s.Enough != nil && g.Enough:
		return "at " + clock(*s.Enough)
	case s.Enough != nil:
		return "at " + clock(*s.Enough) + ", and not at the end"
	case g.Why != "":
		return "no: " + g.Why
	case g.Requests > 0:
		return fmt.Sprintf("no: needs about %s more requests of the target (%s)", view.Count(roughly(g.Requests)), g.Metric)
	default:
		return "no"
	}
}

// roughly keeps two digits.
func roughly(n int64) int64 {
	for digit := int64(1); ; digit *= 10 {
		if n < 100*digit {
			return (n + digit/2) / digit * digit
		}
	}
}

func writeLags(w io.Writer, r Result) {
	t, flush := columns(w)
	defer flush()
	some := false
	for i, s := range r.Steps {
		for _, q := range []struct {
			name string
			lag  traffic.BySide[Lag]
		}{{"p50", s.P50}, {"p99", s.P99}} {
			if q.lag.Source.At == 0 && q.lag.Target.At == 0 || !r.whole() {
				continue
			}
			if !some {
				printable.Fprintf(t, "\n  step\tlatency\tsource\ttarget\n")
				some = true
			}
			number := fmt.Sprint(i + 1)
			if s.Number == 0 {
				number = "-"
			}
			printable.Fprintf(t, "  %s\t%s\t%s\t%s\n", number, q.name, lag(q.lag.Source), lag(q.lag.Target))
		}
	}
}

// whole reports whether latencies are recorded with all their edges, and not
// only above one.
func (r Result) whole() bool {
	for _, s := range r.Config.Services {
		for _, m := range s.Metrics {
			if m.Kind == verdict.Latency && m.Edge == 0 {
				return true
			}
		}
	}
	return false
}

func lag(l Lag) string {
	switch {
	case l.At == 0:
		return "no requests"
	case l.High < 0:
		return fmt.Sprintf("%s (%s or more)", view.Span(l.At), view.Span(l.Low))
	default:
		return fmt.Sprintf("%s (%s to %s)", view.Span(l.At), view.Span(l.Low), view.Span(l.High))
	}
}

func splits(r Result, clock func(time.Time) string) (out []string) {
	for _, a := range r.Alarms {
		of := ""
		if a.Service != "" {
			of = " of " + a.Service
		}
		out = append(out, fmt.Sprintf("%s: %s of the requests%s reach the target and %s should: the counts and the levers do not fit together",
			clock(a.At), view.Percent(a.Observed), of, a.Intended))
	}
	return out
}

// notUsed says what was no evidence, and why.
func notUsed(r Result) (out []string) {
	add := func(n int64, noun, why string) {
		if n > 0 {
			out = append(out, number(int(n), noun)+" "+why)
		}
	}
	why := func(side traffic.Side) string {
		text := fmt.Sprintf("in which the %s was not known", side)
		if reason := mostly(r.Whys, side); reason != "" {
			text += ", most often: " + reason
		}
		return text
	}
	add(int64(r.NotKnown.Source), "interval", why(traffic.Source))
	add(int64(r.NotKnown.Target), "interval", why(traffic.Target))
	add(r.Missed.Resets, "span", "in which counters began again")
	add(r.Missed.Skewed, "span", "in which the sides were counted at different times")
	add(r.Missed.Gaps, "span", "that the sides are not known over together")
	for _, l := range r.LeftOut {
		out = append(out, fmt.Sprintf("%s %s", view.Count(int64(l.Count)), l.Why))
	}
	return out
}

// noted says what signals have said of the counts.
func noted(r Result) (out []string) {
	for _, n := range r.Notes {
		out = append(out, fmt.Sprintf("%s, in %s: %s", n.Side, number(n.Count, "interval"), n.Text))
	}
	return out
}

func writeList(w io.Writer, title string, lines []string) {
	for i, line := range lines {
		if i == 0 {
			printable.Fprintln(w)
		} else {
			title = ""
		}
		printable.Fprintf(w, "  %-9s  %s\n", title, line)
	}
}

func settings(r Result) []string {
	c := r.Config
	out := fmt.Sprintf("form %s, unit %s, alpha %g, ratio %g, difference %g", c.Form, trimmed(c.Unit), c.Alpha, c.Ratio, max(0, c.Difference))
	if c.Form == verdict.Hybrid || c.Form == verdict.Limit {
		out += ", limit " + view.Percent(c.Limit)
	}
	if unit, err := time.ParseDuration(r.Unit); err == nil && unit > c.Unit {
		return []string{out, "bursts of the source lengthened the unit to " + trimmed(unit)}
	}
	return []string{out}
}

// between writes a span of time with its length.
func between(from, to time.Time) string {
	end := "15:04:05"
	if !sameDay(from, to) {
		end = "2006-01-02 15:04:05"
	}
	return fmt.Sprintf("%s to %s (%s)", from.Format("2006-01-02 15:04:05"), to.Format(end), view.Span(to.Sub(from)))
}

func sameDay(a, b time.Time) bool {
	return a.Format(time.DateOnly) == b.In(a.Location()).Format(time.DateOnly)
}

// clockOf writes times as short as they are clear, in the zone of from.
func clockOf(from, to time.Time) func(time.Time) string {
	layout := "15:04:05"
	if !sameDay(from, to) {
		layout = "Jan 2 15:04:05"
	}
	return func(t time.Time) string { return t.In(from.Location()).Format(layout) }
}

func number(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return view.Count(int64(n)) + " " + noun + "s"
}

// trimmed writes a duration as a file does: 60s, 2m, 500ms.
func trimmed(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = s[:len(s)-2]
		}
	}
	return s
}

// WriteCalibration says for people what comparing the source with itself has
// shown, and what to write into the file.
func WriteCalibration(w io.Writer, c Calibration) {
	if len(c.Trials) == 0 {
		printable.Fprintf(w, "%s against itself: there is nothing to compare.\n", c.Name)
		printable.Fprintf(w, "  It takes two neighbouring spans of %s of the source at least, and days of them to say something: more time, or --halves.\n", trimmed(neighbours))
		return
	}
	printable.Fprintf(w, "%s against itself: %s, %s and %s\n", c.Name, between(c.From, c.To), number(int(c.Requests), "request"), number(int(c.Errors), "error"))
	how := "two halves of it side by side"
	if c.Folded {
		how = "neighbouring spans of " + trimmed(neighbours) + " side by side, thinned to the split by drawing with a fixed seed; errors alone"
	}
	printable.Fprintf(w, "  %s; %s of the requests in the target's place\n", how, view.Percent(c.Share))
	if c.Every > time.Second {
		printable.Fprintf(w, "  counted in intervals of %s, so nothing shorter can be seen\n", trimmed(c.Every))
	}
	printable.Fprintln(w)
	writeTrials(w, c)
	printable.Fprintf(w, "\n  dispersion   %.3g (1 is errors that come independently), over spans of the unit\n", c.Phi)
	if len(c.Bursts) == 2 && c.Bursts[1] > 0 {
		printable.Fprintf(w, "  bursts       %s\n", clustered(c.Bursts[0], c.Bursts[1]))
	}
	printable.Fprintln(w)
	for _, line := range c.advice() {
		printable.Fprintln(w, strings.TrimRight("  "+line, " "))
	}
}

// clustered says how long errors stay together.
func clustered(usual, long time.Duration) string {
	switch {
	case long <= time.Second:
		return "none to be seen"
	case usual <= time.Second:
		return fmt.Sprintf("none in most hours; in some, errors stay together for %s", trimmed(long))
	case usual == long:
		return fmt.Sprintf("errors stay together for about %s", trimmed(usual))
	default:
		return fmt.Sprintf("errors stay together for about %s, in one hour of ten for %s or more", trimmed(usual), trimmed(long))
	}
}

func writeTrials(w io.Writer, c Calibration) {
	t, flush := columns(w)
	defer flush()
	printable.Fprintf(t, "  form\tunit\tfalse alarms in migrations of %s\tat most\tcame to 1 in 10\tstrongest\t\n", trimmed(c.Horizon))
	for i := range c.Trials {
		tr := &c.Trials[i]
		mark := ""
		if tr == c.Best {
			mark = "<- the shortest unit that holds"
		}
		printable.Fprintf(t, "  %s\t%s\t%d of %d (%s to %s)\t%s\t%d\t%s\t%s\n", tr.Form, trimmed(tr.Unit), tr.Alarms, tr.Migrations,
			strings.TrimSuffix(view.Percent(tr.Low), " %"), view.Percent(tr.High), view.Percent(c.Alpha), tr.InTen, OneIn(tr.Strongest), mark)
	}
}

// advice is what to do with a calibration.
func (c Calibration) advice() []string {
	if c.Best == nil {
		longest := c.Trials[len(c.Trials)-1]
		return []string{
			fmt.Sprintf("No unit up to %s keeps the promise of %s: the source differs from itself more than that.", trimmed(longest.Unit), view.Percent(c.Alpha)),
			"Look at what its errors are, count only those that a user would call failed, or raise gate.analysis.tolerance.",
		}
	}
	out := []string{"Write into the file:", "  " + c.lines(), ""}
	best := c.Best
	switch {
	case c.Proven:
		out = append(out, fmt.Sprintf("That keeps the promise: at most %s of migrations fall, and %d of %s did.", view.Percent(c.Alpha), best.Alarms, number(best.Migrations, "migration")))
	case c.Short:
		out = append(out, fmt.Sprintf("The data are shorter than one migration of %s: nothing is proven. Take more days, or a shorter --horizon.", trimmed(c.Horizon)))
	default:
		out = append(out, fmt.Sprintf("Nothing speaks against the promise, but the data are too few to claim it: of %s", number(best.Migrations, "migration")),
			fmt.Sprintf("one can say no more than that less than %s fall. To claim %s it takes %s without an alarm: more days, or a shorter --horizon.",
				view.Percent(best.High), view.Percent(c.Alpha), number(c.Need, "migration")))
	}
	if c.Errors < fewestErrors {
		out = append(out, fmt.Sprintf("There were only %s, which says little about bursts.", number(int(c.Errors), "error")))
	}
	return out
}

// fewestErrors is from how many errors on their bursts can be seen: Bursts wants
// twenty pairs of spans with an error in them.
const fewestErrors = 40

// lines is what a calibration says for gate.analysis. Dispersion is a percentage
// there.
func (c Calibration) lines() string {
	form := ""
	if c.Best.Form != c.Trials[0].Form {
		form = fmt.Sprintf("form: %s, ", c.Best.Form)
	}
	return fmt.Sprintf("gate: {analysis: {errors: {%sunit: %s}, dispersion: %.0f%%}}", form, trimmed(c.Best.Unit), math.Ceil(c.Phi*10-1e-9)*10)
}
