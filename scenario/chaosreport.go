package scenario

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"watari.dev/engine"
	"watari.dev/view"
)

// chaosReport is what became of a schedule.
type chaosReport struct {
	schedule
	Became []happened // of each mishap, in its order
}

// faultRow counts the mishaps of one kind.
type faultRow struct {
	kind              string
	drawn, came, hits int // drawn by the schedule; those whose moment came; what they hit
}

// rows counts the mishaps by kind, in order of their names.
func (c chaosReport) rows() (rows []faultRow) {
	for _, h := range c.Became {
		i := slices.IndexFunc(rows, func(r faultRow) bool { return r.kind == h.kind() })
		if i < 0 {
			i, rows = len(rows), append(rows, faultRow{kind: h.kind()})
		}
		rows[i].drawn++
		if !h.Began.IsZero() {
			rows[i].came++
			rows[i].hits += h.Hits
		}
	}
	slices.SortFunc(rows, func(a, b faultRow) int { return strings.Compare(a.kind, b.kind) })
	return rows
}

// totals adds the rows up; survived are those that came in an attempt that ended
// as it should.
func (s Summary) chaosTotals() (came, hits, survived int) {
	_, lost := s.tallies(s.Good.Number)
	ends := map[int]bool{1: s.Bad.Phase == engine.RolledBack, 2: s.Good.Phase == engine.Complete && lost == 0}
	for _, h := range s.Chaos.Became {
		if h.Began.IsZero() {
			continue
		}
		came, hits = came+1, hits+h.Hits
		if ends[h.at.attempt] {
			survived++
		}
	}
	return came, hits, survived
}

// diedWithPods counts the requests that were lost while pods were dead, and those
// that were lost otherwise, of one attempt.
func (s Summary) diedWithPods(attempt int) (died, otherwise int64) {
	for _, seg := range s.Users.Segments {
		switch {
		case !strings.HasPrefix(seg.Name, fmt.Sprintf("%d: ", attempt)):
		case strings.HasSuffix(seg.Name, whileDead):
			died += seg.Tally.Failures()
		default:
			otherwise += seg.Tally.Failures()
		}
	}
	return died, otherwise
}

// writeChaos says what went wrong and what it cost.
func (s Summary) writeChaos(w io.Writer) {
	if s.Chaos == nil {
		return
	}
	came, hits, survived := s.chaosTotals()
	fmt.Fprintf(w, "  chaos      seed %d: %d faults came and hit %s, %d of them were survived%s\n", s.Chaos.seed, came, times(hits), survived, missed(len(s.Chaos.Became)-came))
	fmt.Fprintf(w, "             attempt 1: %s; allowed %s\n", s.takenBackIn(), view.Span(s.Chaos.takesBackWithin()))
	died, otherwise := s.diedWithPods(s.Bad.Number)
	fmt.Fprintf(w, "             attempt 1 lost %s requests to the bad version%s\n", view.Count(otherwise), deadPods(died))
	_, lost := s.tallies(s.Good.Number)
	fmt.Fprintf(w, "             attempt 2 lost %s\n", view.Count(lost))
	for _, a := range []attempt{s.Bad, s.Good} {
		if a.Refused > 0 {
			fmt.Fprintf(w, "             attempt %d: watari run could not begin %s, and was started again a second later\n", a.Number, times(a.Refused))
		}
		for _, one := range a.Slept {
			fmt.Fprintf(w, "             attempt %d: %s\n", a.Number, one.sentence(a))
		}
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  fault\tdrawn\tcame\thits")
	for _, r := range s.Chaos.rows() {
		fmt.Fprintf(t, "  %s\t%d\t%d\t%d\n", r.kind, r.drawn, r.came, r.hits)
	}
	t.Flush()
	fmt.Fprintln(w)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// missed says how many mishaps had no occasion.
func missed(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d had no occasion", n)
}

// deadPods says how many requests were lost while pods were dead.
func deadPods(n int64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", and %s, those to the bad version included, while pods that a fault had killed were dead or coming back", view.Count(n))
}

// takenBackIn says how long taking back took.
func (s Summary) takenBackIn() string {
	if s.Bad.Degraded.IsZero() || s.Bad.Phase != engine.RolledBack {
		return "not taken back"
	}
	return fmt.Sprintf("0 %% written %s after the decision, settled and read back %s after it",
		view.Span(s.Bad.TakenBack.Sub(s.Bad.Degraded)), view.Span(s.Bad.Ended.Sub(s.Bad.Degraded)))
}

// sentence says what became of a process that slept in an attempt.
func (b slept) sentence(a attempt) string {
	slept := "watari run slept " + view.Span(b.For.Round(100*time.Millisecond))
	switch {
	case b.Relieved == 0:
		return slept + "; nobody could take over, and it was killed"
	case b.Ended.IsZero():
		return slept + "; another one took over, it was woken and went on until it was killed"
	case len(b.Wrote) > 0, b.Carried > b.written(a):
		return slept + "; another one took over, and when it was woken it wrote"
	}
	return fmt.Sprintf("%s; another one took over after %s; woken, it wrote nothing and ended with exit code %d", slept, view.Span(b.Relieved.Round(100*time.Millisecond)), b.Code)
}
