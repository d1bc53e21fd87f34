package scenario

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"watari.dev/engine"
	"watari.dev/lab"
	labaws "watari.dev/lab/aws"
	"watari.dev/lab/load"
	"watari.dev/traffic"
	"watari.dev/view"
)

// Summary is what one would show to one's boss.
type Summary struct {
	Scenario string
	Rate     float64
	Seed     uint64
	Source   lab.Cluster
	Target   lab.Cluster
	LabReady time.Duration
	Took     time.Duration
	Bad      attempt      // which must be taken back; only TargetGroupBinding has one
	Good     attempt      // which must be complete
	Trouble  trouble      // in the middle of Good; only SharedOutage and MetricsLost have one
	Chaos    *chaosReport // nil without a schedule of faults
	Users    load.Result
	Calls    labaws.Calls
}

// tallies adds up the segments of one attempt.
func (s Summary) tallies(attempt int) (sent, failed int64) {
	prefix := fmt.Sprintf("%d: ", attempt)
	for _, seg := range s.Users.Segments {
		if strings.HasPrefix(seg.Name, prefix) {
			sent += seg.Tally.Sent
			failed += seg.Tally.Failures()
		}
	}
	return sent, failed
}

// firstFailure is when the first request that failed in an attempt was sent.
func (s Summary) firstFailure(attempt int) (time.Time, bool) {
	prefix := fmt.Sprintf("%d: ", attempt)
	for _, sample := range s.Users.Samples {
		if strings.HasPrefix(sample.Segment, prefix) {
			return sample.Sent, true
		}
	}
	return time.Time{}, false
}

// Detection is how long after the first bad answer the target was found worse,
// and how long after it the write that takes the share back was accepted.
func (s Summary) Detection() (found, takenBack time.Duration, known bool) {
	return s.detection(s.Bad.Number)
}

func (s Summary) detection(attempt int) (found, takenBack time.Duration, known bool) {
	first, some := s.firstFailure(attempt)
	if !some || s.Bad.Degraded.IsZero() || s.Bad.TakenBack.IsZero() {
		return 0, 0, false
	}
	return s.Bad.Degraded.Sub(first), s.Bad.TakenBack.Sub(first), true
}

// Shown says in a sentence what was seen, if the scenario showed what it should.
func (s Summary) Shown() string {
	p, _ := pieceOf(s.Scenario)
	if s.Chaos != nil {
		p = chaotic()
	}
	return p.show
}

// cutoverMet returns nil if the bad attempt was taken back and the good one lost
// nothing.
func (s Summary) cutoverMet() error {
	return errors.Join(append(s.attemptsMet(), s.Users.Check())...)
}

// attemptsMet reports what is wrong with the ends of the two attempts, or with the
// requests that were lost. What dies with pods that a fault has killed is nobody
// else's doing.
func (s Summary) attemptsMet() (errs []error) {
	if s.Bad.Phase != engine.RolledBack || s.Bad.Degraded.IsZero() {
		errs = append(errs, fmt.Errorf("%w: attempt 1 ended as %q, not rolled back", ErrNotMet, s.Bad.Phase))
	}
	if s.Good.Phase != engine.Complete {
		errs = append(errs, fmt.Errorf("%w: attempt 2 ended as %q, not complete", ErrNotMet, s.Good.Phase))
	}
	if sent, failed := s.tallies(s.Good.Number); failed > 0 || sent == 0 {
		errs = append(errs, fmt.Errorf("%w: attempt 2 lost %d of %d requests", ErrNotMet, failed, sent))
	}
	for _, seg := range s.Users.Segments {
		if strings.HasPrefix(seg.Name, "2: ") || strings.HasSuffix(seg.Name, whileDead) {
			continue
		}
		for _, f := range seg.Tally.Failed {
			if f.Side != load.Target || f.Cause != load.HTTP5xx {
				errs = append(errs, fmt.Errorf("%w: %d requests failed in %q for another reason than the bad version: %s", ErrNotMet, f.Count, seg.Name, class(f.Class)))
			}
		}
	}
	return errs
}

// Write writes the summary for people.
func (s Summary) Write(w io.Writer) {
	fmt.Fprintf(w, "Summary   %s (Kubernetes %s) to %s (Kubernetes %s), %.0f requests/s, seed %d, %s\n\n",
		s.Source.Name, s.Source.Version, s.Target.Name, s.Target.Version, s.Rate, s.Seed, view.Span(s.Took))
	if s.Trouble.What != "" {
		s.writeTrouble(w)
	} else {
		s.writeBad(w)
		s.writeGood(w)
	}
	s.writeChaos(w)
	s.writeSteps(w)
	s.writeFailures(w)
	s.writeCalls(w)
}

func (s Summary) writeBad(w io.Writer) {
	sent, failed := s.tallies(s.Bad.Number)
	fmt.Fprintf(w, "  attempt 1  %s\n", outcome(s.Bad))
	if found, back, known := s.Detection(); known {
		fmt.Fprintf(w, "             found %s ms after the first bad answer, rollback accepted %s ms after that\n", milliseconds(found), milliseconds(back-found))
	}
	fmt.Fprintf(w, "             %s of %s requests of users failed, all others were answered\n", view.Count(failed), view.Count(sent))
}

func (s Summary) writeGood(w io.Writer) {
	sent, failed := s.tallies(s.Good.Number)
	fmt.Fprintf(w, "  attempt 2  %s\n", outcome(s.Good))
	fmt.Fprintf(w, "             %s of %s requests of users failed\n\n", view.Count(failed), view.Count(sent))
}

func milliseconds(d time.Duration) string { return view.Count(d.Milliseconds()) }

func outcome(a attempt) string {
	switch a.Phase {
	case engine.RolledBack:
		return "taken back; " + strings.TrimPrefix(a.Cause, "RollingBack: ")
	case engine.Complete:
		return "complete"
	default:
		return "ended as " + string(a.Phase)
	}
}

// writeSteps compares the intended share of each step with what users met.
func (s Summary) writeSteps(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  step\tintended\tobserved\trequests\tfailed")
	for _, row := range s.steps() {
		fmt.Fprintf(t, "  %s\t%s\t%.1f %%\t%s\t%s\n", row.name, row.intended, row.observed, view.Count(row.sent), view.Count(row.failed))
	}
	t.Flush()
	fmt.Fprintln(w)
}

type stepRow struct {
	name         string
	intended     traffic.Share
	observed     float64 // percent
	sent, failed int64
}

// steps are the segments in which a share was held.
func (s Summary) steps() []stepRow {
	var rows []stepRow
	for _, seg := range s.Users.Segments {
		number, part, _ := strings.Cut(seg.Name, ": ")
		text, held := strings.CutPrefix(part, "holding ")
		intended, err := traffic.ParseShare(text)
		if !held || err != nil {
			continue
		}
		answered := answeredBy(seg.Tally)
		row := stepRow{name: "attempt " + number, intended: intended, sent: seg.Tally.Sent, failed: seg.Tally.Failures()}
		if all := answered[load.Source] + answered[load.Target]; all > 0 {
			row.observed = 100 * float64(answered[load.Target]) / float64(all)
		}
		rows = append(rows, row)
	}
	return rows
}

// answeredBy counts the answers of each side, good and bad.
func answeredBy(t load.Tally) map[load.Side]int64 {
	out := maps.Clone(t.OK)
	if out == nil {
		out = map[load.Side]int64{}
	}
	for _, f := range t.Failed {
		out[f.Side] += f.Count
	}
	return out
}

// writeFailures says which requests failed, how, and for whom.
func (s Summary) writeFailures(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  failures\tcause\tcount")
	for _, f := range s.Users.Total.Failed {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", side(f.Side), class(f.Class), view.Count(f.Count))
	}
	if len(s.Users.Total.Failed) == 0 {
		fmt.Fprintln(t, "  none\t\t0")
	}
	t.Flush()
	fmt.Fprintln(w)
	fmt.Fprintf(t, "  clients\tsent\tfailed in attempt %d\n", s.Good.Number)
	for _, kind := range []load.Kind{load.Fresh, load.KeepAlive, load.Forever} {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", clientNames[kind], view.Count(s.Users.Total.Clients[kind].Sent), view.Count(s.failedOf(s.Good.Number, kind)))
	}
	t.Flush()
	fmt.Fprintf(w, "\n  all        %s requests sent, %s answered, %s failed, %s unaccounted for\n",
		view.Count(s.Users.Total.Sent), view.Count(s.Users.Total.OKs()), view.Count(s.Users.Total.Failures()),
		view.Count(s.Users.Total.Sent-s.Users.Total.OKs()-s.Users.Total.Failures()))
}

var clientNames = map[load.Kind]string{
	load.Fresh: "asks DNS each time", load.KeepAlive: "keeps connections", load.Forever: "caches DNS for ever",
}

func (s Summary) failedOf(attempt int, kind load.Kind) (n int64) {
	prefix := fmt.Sprintf("%d: ", attempt)
	for _, seg := range s.Users.Segments {
		if strings.HasPrefix(seg.Name, prefix) {
			n += seg.Tally.Clients[kind].Failed
		}
	}
	return n
}

func side(s load.Side) string {
	if s == load.NoSide {
		return "nobody answered"
	}
	return string(s)
}

func class(c load.Class) string {
	if c.Code != 0 {
		return fmt.Sprintf("%s (%d)", c.Cause, c.Code)
	}
	return string(c.Cause)
}

// writeCalls says what was asked of AWS about the levers; what the clusters'
// binders did for themselves is left out.
func (s Summary) writeCalls(w io.Writer) {
	var parts []string
	for _, action := range []string{"ModifyListener", "ModifyRule", "DescribeListeners", "DescribeRules"} {
		if n := total(s.Calls["elasticloadbalancing"][action]); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", action, n))
		}
	}
	fmt.Fprintf(w, "  AWS        %d weights written (%d taken back); calls: %s\n", len(s.Bad.Writes)+len(s.Good.Writes), min(1, len(s.Bad.Writes)), strings.Join(parts, ", "))
	if n := s.Bad.Kills + s.Good.Kills; n > 0 {
		fmt.Fprintf(w, "  kill -9    watari run was killed %d times and went on\n", n)
	}
	fmt.Fprintf(w, "  lab        ready after %s\n", view.Span(s.LabReady))
}

func total(results map[string]int) (n int) {
	for _, result := range slices.Sorted(maps.Keys(results)) {
		n += results[result]
	}
	return n
}
