package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/lab/fault"
	"watari.dev/traffic"
	"watari.dev/view"
)

// mishap is one entry of a schedule: what goes wrong, and when. Exactly one of
// lab, run and metrics is set.
type mishap struct {
	at      moment
	lab     fault.Fault   // of the lab's AWS, clusters and network
	run     blow          // to "watari run"
	metrics cut           // of the way to the metrics
	lasts   time.Duration // of metrics, and of a sleep of "watari run"; a fault of the lab has its own
}

// moment is when a mishap begins.
type moment struct {
	attempt int           // 1 is the bad one, 2 the good one
	phase   engine.Phase  // that was entered, or written; empty: before "watari run" begins
	share   traffic.Share // of the phase; nothing while rolling back, which begins anywhere
	after   time.Duration // this much later
}

// written is entered when a share is written, before it has settled: a bad target
// may be found out before the share is held.
const written engine.Phase = "Written"

// blow is what happens to "watari run".
type blow string

// The blows.
const (
	noBlow blow = ""
	killed blow = "kill -9"
	// asleep stops the process for longer than its lease while another one waits to
	// take over, and wakes it when that one has.
	asleep blow = "sleep"
	// asleepInWrite stops it after it has decided on a rise and before it has asked
	// for it.
	asleepInWrite blow = "sleep before a write"
)

// sleeps reports whether a blow stops the process and wakes it again.
func (b blow) sleeps() bool { return b == asleep || b == asleepInWrite }

// matches reports whether an attempt that has entered a phase has come to the
// moment, but for its delay.
func (m moment) matches(attempt int, phase engine.Phase, share traffic.Share) bool {
	return m.attempt == attempt && m.phase == phase && (phase == engine.RollingBack || m.share == share)
}

// compare orders moments as they come.
func (m moment) compare(other moment) int {
	return cmp.Or(cmp.Compare(m.attempt, other.attempt), cmp.Compare(m.place(), other.place()), cmp.Compare(m.after, other.after))
}

// place orders what comes in an attempt: shares one after the other, each shifted to
// and then held, and taking back at the end.
func (m moment) place() int {
	switch m.phase {
	case "":
		return -1
	case engine.Shifting:
		return 3 * int(m.share)
	case written:
		return 3*int(m.share) + 1
	case engine.RollingBack:
		return 4 * int(traffic.All)
	default:
		return 3*int(m.share) + 2
	}
}

// String says when.
func (m moment) String() string {
	if m.phase == "" {
		return fmt.Sprintf("attempt %d, before watari run begins", m.attempt)
	}
	since := m.share.String() + " is reached"
	switch m.phase {
	case engine.Shifting:
		since = "the rise to " + m.share.String() + " has begun"
	case engine.RollingBack:
		since = "taking back has begun"
	case written:
		since = m.share.String() + " is written"
	}
	if m.after == 0 {
		return fmt.Sprintf("attempt %d, as soon as %s", m.attempt, since)
	}
	return fmt.Sprintf("attempt %d, %s after %s", m.attempt, view.Span(m.after), since)
}

// what says what goes wrong, without when.
func (m mishap) what() string {
	switch {
	case m.run == killed:
		return "watari run is killed with kill -9"
	case m.run == asleep:
		return fmt.Sprintf("watari run is stopped for %s, longer than its lease", view.Span(m.lasts))
	case m.run == asleepInWrite:
		return fmt.Sprintf("watari run is stopped for %s between its next decision to rise and the write", view.Span(m.lasts))
	case m.metrics != "":
		return fmt.Sprintf("the way to the metrics %s for %s", m.metrics, view.Span(m.lasts))
	case m.lab.AWS != nil:
		return awsWords(*m.lab.AWS)
	default:
		return m.lab.String()
	}
}

// awsWords says what becomes of the next calls.
func awsWords(a fault.AWS) string {
	calls := "the next " + a.Action
	if a.Times > 1 {
		calls = fmt.Sprintf("the next %d %s", a.Times, a.Action)
	}
	return "AWS: " + calls + map[fault.Kind]string{
		fault.Throttle:     ": throttled",
		fault.Error:        ": not done, answered with 500",
		fault.ErrorAfter:   ": done, and answered with 500",
		fault.LostReply:    ": done, the reply is lost",
		fault.LostRequest:  ": lost on the way",
		fault.Delay:        ": " + view.Span(a.Delay) + " later",
		fault.Late:         ": no answer, done " + view.Span(a.Delay) + " later",
		fault.ExpiredToken: ": refused, the token has expired",
		fault.AccessDenied: ": refused, no policy allows it",
	}[a.Kind]
}

// kind is the row of the report in which it is counted.
func (m mishap) kind() string {
	switch {
	case m.run == killed:
		return "watari run killed"
	case m.run.sleeps():
		return "watari run asleep"
	case m.metrics != "":
		return "metrics lost"
	case m.lab.AWS != nil:
		return "AWS " + string(m.lab.AWS.Kind)
	case m.lab.Kill != nil:
		return string(m.lab.Kill.Component) + " killed"
	default:
		return "side cut off"
	}
}

// killsPods reports whether requests die with pods, whatever moves the traffic.
func (m mishap) killsPods() bool {
	return m.lab.Partition != nil || m.lab.Kill != nil && m.lab.Kill.Component == fault.Node
}

// blindsCluster reports whether for a while nobody can say which pods come and
// go.
func (m mishap) blindsCluster() bool { return m.lab.Kill != nil && m.lab.Kill.Component != fault.Node }

// side is whom a fault of clusters and network hits; empty if it is none.
func (m mishap) side() string {
	switch {
	case m.lab.Kill != nil:
		return m.lab.Kill.Side
	case m.lab.Partition != nil:
		return m.lab.Partition.Side
	default:
		return ""
	}
}

// schedule is everything that goes wrong in a demo.
type schedule struct {
	seed    uint64
	mishaps []mishap
}

// of returns those of an attempt.
func (s schedule) of(attempt int) []mishap {
	return slices.DeleteFunc(slices.Clone(s.mishaps), func(m mishap) bool { return m.at.attempt != attempt })
}

// takesBackWithin is how long after the decision the bad attempt must be rolled
// back, 0 settled and read back, whatever the schedule does meanwhile. The longest
// pause between two tries is 15 s, a write whose reply was lost is waited for 20 s,
// the route settles for 5 s, and throttled calls are tried again for 11 s at most;
// what is left is for a process that starts again, on a busy machine. A process
// that sleeps takes nothing back until its lease has ended and another one has
// taken over.
func (s schedule) takesBackWithin() time.Duration {
	bound := time.Minute
	for _, m := range s.of(1) {
		if m.run.sleeps() {
			bound += m.lasts
		}
	}
	return bound
}

// lines writes the schedule for people.
func (s schedule) lines() []string {
	lines := []string{fmt.Sprintf("Chaos, seed %d: %d faults. Attempt 1 must be taken back within %s of the decision, attempt 2 must lose no request.",
		s.seed, len(s.mishaps), view.Span(s.takesBackWithin()))}
	for i, m := range s.mishaps {
		lines = append(lines, fmt.Sprintf("  %2d   %-52s %s", i+1, m.at, m.what()))
	}
	return lines
}

// text is lines with line ends.
func (s schedule) text() string { return strings.Join(s.lines(), "\n") + "\n" }
