package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"

	"watari.dev/internal/bounded"
	"watari.dev/internal/subprocess"
)

// maxPrinted bounds what a plugin prints: far more than a token and a certificate.
const maxPrinted = bounded.MiB

// execute runs the command once, until it ends or ctx is done. Of a run that gave no
// credentials nothing stays; a plugin that gave some may leave what it has started.
func (p *Plugin) execute(ctx context.Context) (*Credentials, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	printed, wrote := &subprocess.Head{Max: maxPrinted, Full: cancel}, &subprocess.Tail{}
	cmd := exec.CommandContext(ctx, p.config.Command, p.config.Args...)
	cmd.Env = os.Environ()
	for _, e := range p.config.Env {
		cmd.Env = append(cmd.Env, e.Name+"="+e.Value)
	}
	cmd.Env = append(cmd.Env, "KUBERNETES_EXEC_INFO="+p.info)
	cmd.Stdout, cmd.Stderr = printed, wrote
	c, err := p.outcome(ctx, subprocess.Run(cmd), printed)
	if wrong := (*Error)(nil); errors.As(err, &wrong) {
		subprocess.End(cmd)
		wrong.Stderr = wrote.Quoted()
	}
	return c, err
}

// outcome makes credentials or an *Error of a run.
func (p *Plugin) outcome(ctx context.Context, err error, printed *subprocess.Head) (*Credentials, error) {
	switch {
	case printed.Over():
		return nil, &Error{Command: p.config.Command, Reason: Unusable, Text: "it printed more than " + bounded.Size(maxPrinted) + " and was ended"}
	case err != nil:
		return nil, p.failure(ctx, err)
	default:
		return p.read(printed.Bytes())
	}
}

// failure says what kind of failure err of a run is.
func (p *Plugin) failure(ctx context.Context, err error) error {
	e := &Error{Command: p.config.Command, Cause: err}
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
