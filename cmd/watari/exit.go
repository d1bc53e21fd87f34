package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/store"
)

// The exit codes. docs/cli.md lists them; scripts rely on them.
const (
	exitOK          = 0   // done: complete, planned, taken back as asked
	exitError       = 1   // something did not work; the message says what and what to do
	exitUsage       = 2   // the command line or the file has mistakes; nothing was tried
	exitRolledBack  = 3   // the migration was taken back
	exitFailed      = 4   // the migration ended before anything was changed
	exitLocked      = 5   // somebody else runs it
	exitUnknown     = 6   // no such migration is remembered
	exitRefused     = 7   // the command was refused; it has changed nothing
	exitPartial     = 8   // Ctrl-C while not everything is rolled back; what is left is named
	exitInterrupted = 130 // Ctrl-C; every share stays as it is
)

// ended is the error of a command that has said all there is to say.
type ended struct{ code int }

func (e *ended) Error() string { return fmt.Sprintf("exit code %d", e.code) }

// usage marks a mistake on the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

func isUsage(err error) bool {
	var u usage
	return errors.As(err, &u)
}

func codeOf(err error) int {
	var mistakes v1alpha1.Mistakes
	var refused *refusedError
	switch {
	case isUsage(err), errors.As(err, &mistakes):
		return exitUsage
	case errors.As(err, &refused):
		return exitRefused
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrLost), errors.Is(err, store.ErrConflict):
		return exitLocked
	case errors.Is(err, store.ErrNotFound):
		return exitUnknown
	default:
		return exitError
	}
}

// interrupted is how Ctrl-C ends a command that was watching.
func interrupted(status engine.Status) error {
	if status.Unfinished() {
		return &ended{exitPartial}
	}
	return &ended{exitInterrupted}
}

// phaseEnd is how a migration that reached p ends a command; nil for success.
func phaseEnd(p engine.Phase) error {
	switch p {
	case engine.RolledBack:
		return &ended{exitRolledBack}
	case engine.Failed:
		return &ended{exitFailed}
	default:
		return nil
	}
}

func newExitCodes() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "The exit codes of all commands",
		Long: `  0    done: complete, planned, or taken back as asked
  1    something did not work; the message says what and what to do
  2    the command line or the file has mistakes; nothing was tried
  3    the migration was taken back
  4    the migration ended before anything was changed
  5    somebody else runs it
  6    no such migration is remembered
  7    the command was refused; it has changed nothing
  8    Ctrl-C while not everything is rolled back; what is left is named, and whether anybody still tries
  130  Ctrl-C; every share stays as it is`,
	}
}
