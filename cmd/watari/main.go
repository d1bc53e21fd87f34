// Command watari moves live traffic from one environment to another without
// losing a request, and takes it back at once when the new side is worse. This
// package holds flags and wiring only; what is decided is decided in engine,
// what is read and written in the drivers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/internal/subprocess"
)

func main() {
	code := run()
	subprocess.EndAll() // no search for credentials outlives this process
	os.Exit(code)
}

// run is main with an exit code, so that tests can call it.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return execute(ctx, newRoot(), os.Stdout, os.Stderr)
}

// execute runs a command. Whatever it prints goes through writers that let no control
// character of somebody else's through.
func execute(ctx context.Context, root *cobra.Command, out, errs io.Writer) int {
	out, errs = printable.NewWriter(out), printable.NewWriter(errs)
	root.SetOut(out)
	root.SetErr(errs)
	logTo(errs)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var end *ended
	if errors.As(err, &end) {
		return end.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	text := printable.Error(err) + "\n"
	if isUsage(err) {
		text += printable.Sprintf("How to use it: %s --help\n", cmd.CommandPath())
	}
	sayLast(cmd.ErrOrStderr(), text)
	return codeOf(err)
}

// logTo says where what the Kubernetes client has to say goes.
func logTo(w io.Writer) {
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelError})))
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "watari",
		Short: "Move live traffic from one environment to another without losing a request",
		Long: `watari moves live traffic from one environment to another without losing a
request, and takes it back at once when the new side is worse.

  watari demo                  see it: two real clusters, real load, a bad attempt and a good one
  watari plan -f shop.yaml     what would happen; changes nothing
  watari run -f shop.yaml      do it, in the foreground; Ctrl-C leaves every share as it is
  watari rollback shop         take everything back; needs nothing but the levers themselves`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	onlyCommands(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	root.AddGroup(
		&cobra.Group{ID: "migrate", Title: "A migration:"},
		&cobra.Group{ID: "operate", Title: "While it runs:"},
		&cobra.Group{ID: "try", Title: "Trying it out:"},
	)
	var state stateFlags
	state.register(root)
	root.AddCommand(
		newPlan(), newRun(&state), newStatus(&state),
		newOrder(&state, engine.Pause, "Keep the share where it is until resume", pauseLong),
		newOrder(&state, engine.Resume, "Go on after a pause, a live share that was found, or somebody else's change", resumeLong),
		newOrder(&state, engine.Approve, "Say yes to the step that waits for approval", approveLong),
		newOrder(&state, engine.Retry, "Begin a new attempt after a rollback", retryLong),
		newRollback(&state),
		newRestore(&state),
		newAnalyze(&state),
		newLab(), newDemo(), newSchema(), newVersion(), newExitCodes(),
	)
	return root
}

// onlyCommands makes a command that is there for those below it refuse a word
// that names none of them.
func onlyCommands(cmd *cobra.Command) {
	cmd.SuggestionsMinimumDistance = 2
	cmd.DisableFlagsInUseLine = true
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		text := fmt.Sprintf("unknown command %q", args[0])
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += "; did you mean " + strings.Join(near, " or ") + "?"
		}
		return usage{errors.New(text)}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
}
