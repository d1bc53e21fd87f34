package scenario

import (
	"context"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
	"watari.dev/view"
)

// watari is the command, run as a user would run it.
type watari struct {
	path  string
	env   []string
	file  string
	state string
	// patience is how often "watari run" may fail before it has begun; it is started
	// again, as a user would do when credentials are refused for a moment.
	patience int
	// rewritten counts the writes of the levers that AWS has carried out; nil if
	// nobody counts.
	rewritten func(context.Context) (int, error)
}

// command is one call of it.
func (w *watari) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, w.path, append(args, "--state", w.state)...)
	cmd.Env = w.env
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// print runs a command and shows what it prints.
func (w *watari) print(ctx context.Context, out io.Writer, args ...string) error {
	cmd := w.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = out, out
	return cmd.Run()
}

// attempt is what one "watari run" did, from its events.
type attempt struct {
	Number    int
	Phase     engine.Phase
	Reached   []reached // the steps in order
	Written   time.Time // first write that raised a share
	Degraded  time.Time // when the target was found worse
	TakenBack time.Time // when the last of the writes that take back was accepted
	Ended     time.Time
	Writes    []write // accepted, in order
	Said      []said  // verdicts and reasons, in order, none twice in a row
	Cause     string
	Kills     int         // how often the process was killed
	Refused   int         // how often a new process could not begin
	Asked     []time.Time // writes that were carried out, or may have been, as their processes say
	Slept     []slept     // what became of processes that slept
}

// reached is a step whose share was settled on every route.
type reached struct {
	Share traffic.Share
	At    time.Time
}

// write is a share that was written and accepted.
type write struct {
	Share traffic.Share
	At    time.Time
}

// said is what watari said from a moment on.
type said struct {
	Text string
	At   time.Time
}

// fold takes over one event.
func (a *attempt) fold(e view.JSONEvent) {
	a.Phase = e.Phase
	if n := len(a.Said); (e.Kind == "verdict" || e.Kind == "status") && e.Text != "" && (n == 0 || a.Said[n-1].Text != e.Text) {
		a.Said = append(a.Said, said{e.Text, e.At})
	}
	if e.Kind == "effect" && e.Effect != nil && mayHaveWritten(e.Effect.Result.Outcome) {
		a.Asked = append(a.Asked, e.At.Add(e.Effect.Took))
	}
	switch {
	case e.Kind == "effect" && e.Effect != nil && e.Effect.Result.Outcome == engine.Accepted:
		at := e.At.Add(e.Effect.Took)
		a.Writes = append(a.Writes, write{e.Effect.Write.Share, at})
		if e.Effect.Write.Share > traffic.None && a.Written.IsZero() {
			a.Written = at
		}
		if e.Effect.Write.Share == traffic.None {
			a.TakenBack = at
		}
	case e.Phase == engine.RollingBack && foundAt(e, traffic.None):
		a.TakenBack = e.At // by a write whose reply was lost
	case e.Kind == "phase" && (e.Phase == engine.Holding || e.Phase == engine.Soaking):
		if n := len(a.Reached); n == 0 || a.Reached[n-1].Share != traffic.Share(e.Share) {
			a.Reached = append(a.Reached, reached{traffic.Share(e.Share), e.At})
		}
	case e.Kind == "phase" && e.Phase == engine.RollingBack:
		a.Degraded, a.Cause = e.At, e.Text
	}
	if e.Phase.Ended() && a.Ended.IsZero() {
		a.Ended = e.At
	}
}

// foundAt reports whether an event says that a write whose reply was lost has been
// carried out.
func foundAt(e view.JSONEvent, share traffic.Share) bool {
	return e.Kind == "write" && strings.Contains(e.Text, ": found at "+share.String()+" when read back")
}

func mayHaveWritten(o engine.Outcome) bool { return o == engine.Accepted || o == engine.Lost }

// writesBetween returns what was written within a span of time.
func (a attempt) writesBetween(from, to time.Time) (some []write) {
	for _, w := range a.Writes {
		if !w.At.Before(from) && !w.At.After(to) {
			some = append(some, w)
		}
	}
	return some
}

// saidBetween reports whether a text said within a span of time is right.
func (a attempt) saidBetween(from, to time.Time, right func(string) bool) bool {
	for _, s := range a.Said {
		if !s.At.Before(from) && !s.At.After(to) && right(s.Text) {
			return true
		}
	}
	return false
}
