package scenario

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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
	Kills     int // how often the process was killed
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

// run runs "watari run" to its end and folds its events. onEvent is called for
// each. If kill is not nil the process is killed at each of its times and a new
// one is started, which is what a user would do.
func (w *watari) run(ctx context.Context, out io.Writer, kill <-chan time.Time, onEvent func(view.JSONEvent)) (attempt, error) {
	var a attempt
	for {
		killed, err := w.runOnce(ctx, out, kill, func(e view.JSONEvent) {
			a.fold(e)
			onEvent(e)
		})
		if err != nil {
			return a, err
		}
		if !killed {
			return a, nil
		}
		a.Kills++
		fmt.Fprintln(out, "  "+view.Event(time.Now(), "watari run was killed with kill -9; a new one goes on"))
	}
}

// runOnce returns true if it killed the process.
func (w *watari) runOnce(ctx context.Context, out io.Writer, kill <-chan time.Time, onEvent func(view.JSONEvent)) (bool, error) {
	cmd := w.command(ctx, "run", "-f", w.file, "-o", "json", "--take-over")
	cmd.Stderr = out
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start %s: %w", w.path, err)
	}
	events := make(chan view.JSONEvent)
	read := make(chan error, 1)
	go func() { defer close(events); read <- readEvents(pipe, events) }()
	killed := false
	for open := true; open; {
		select {
		case e, more := <-events:
			if open = more; more {
				onEvent(e)
			}
		case <-kill:
			killed = true
			if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return false, err
			}
		}
	}
	err = cmd.Wait()
	if killed {
		return true, nil
	}
	if badLine := <-read; badLine != nil {
		return false, badLine
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitRolledBack {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("watari run: %w", err)
	}
	return false, nil
}

// exitRolledBack is watari's documented exit code for a migration that was taken
// back.
const exitRolledBack = 3

func readEvents(r io.Reader, events chan<- view.JSONEvent) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e view.JSONEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// A process that was killed may leave half a line; anything else is
			// reported by the caller.
			return fmt.Errorf("read the events of watari run: %w: %.200s", err, lines.Text())
		}
		events <- e
	}
	return lines.Err()
}

// fold takes over one event.
func (a *attempt) fold(e view.JSONEvent) {
	a.Phase = e.Phase
	if n := len(a.Said); (e.Kind == "verdict" || e.Kind == "status") && e.Text != "" && (n == 0 || a.Said[n-1].Text != e.Text) {
		a.Said = append(a.Said, said{e.Text, e.At})
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
