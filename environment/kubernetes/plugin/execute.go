package plugin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"watari.dev/internal/bounded"
)

const (
	// maxPrinted bounds what a plugin prints: far more than a token and a certificate.
	maxPrinted = bounded.MiB
	// maxErrors is how much is kept of the end of what it writes beside that.
	maxErrors = 4 * bounded.KiB
	// maxQuoted is how much of that a message has.
	maxQuoted = 400
	// lingers is how long its output is waited for once it has ended: what it has
	// started may hold on to it.
	lingers = 500 * time.Millisecond
)

// execute runs the command once, until it ends or ctx is done.
func (p *Plugin) execute(ctx context.Context) (*Credentials, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	printed, wrote := &head{full: cancel}, &tail{}
	cmd := exec.CommandContext(ctx, p.config.Command, p.config.Args...)
	cmd.Env = os.Environ()
	for _, e := range p.config.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	cmd.Env = append(cmd.Env, "KUBERNETES_EXEC_INFO="+p.info)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = printed, wrote, lingers
	apart(cmd)
	err := cmd.Run()
	switch {
	case printed.over:
		return nil, &Error{Command: p.config.Command, Reason: Unusable, Text: "it printed more than " + bounded.Size(maxPrinted) + " and was ended", Stderr: wrote.quoted()}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // which only says that something else still holds the output
		return nil, p.failure(ctx, err, wrote.quoted())
	}
	c, err := p.read(printed.buffer.Bytes())
	if wrong := (*Error)(nil); errors.As(err, &wrong) {
		wrong.Stderr = wrote.quoted()
	}
	return c, err
}

// failure says what kind of failure err of a run is.
func (p *Plugin) failure(ctx context.Context, err error, wrote string) error {
	e := &Error{Command: p.config.Command, Stderr: wrote, Cause: err}
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		e.Reason, e.Text, e.Cause = Silent, "it was ended, because nobody waits for it any more", ctx.Err()
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		e.Reason, e.Text, e.Hint = Missing, "there is no such command", p.config.InstallHint
	case errors.As(err, &ended):
		e.Reason, e.Text = Failed, "it ended with "+ended.ProcessState.String()
	default:
		e.Reason, e.Text, e.Hint = Missing, fmt.Sprintf("it cannot be run: %v", err), p.config.InstallHint
	}
	return e
}

// head keeps what is written up to the bound, and calls full beyond it.
type head struct {
	buffer bytes.Buffer
	over   bool
	full   func()
}

// Write implements io.Writer.
func (h *head) Write(p []byte) (int, error) {
	if h.over || h.buffer.Len()+len(p) > maxPrinted {
		h.over = true
		h.full()
		return 0, fs.ErrInvalid
	}
	return h.buffer.Write(p)
}

// tail keeps the end of what is written.
type tail struct{ kept []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxErrors; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// quoted is the end of it as one line of a message, which begins at a line's beginning
// where there is room.
func (t *tail) quoted() string {
	var lines []string
	left := maxQuoted
	all := strings.Split(string(t.kept), "\n")
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		line := strings.ToValidUTF8(strings.TrimSpace(all[i]), "?")
		if line == "" {
			continue
		}
		if len(line) > left && len(lines) > 0 {
			break
		}
		if len(line) > left {
			line = "..." + strings.ToValidUTF8(line[len(line)-left:], "")
		}
		lines = append([]string{line}, lines...)
		left -= len(line)
	}
	return strings.Join(lines, " / ")
}
