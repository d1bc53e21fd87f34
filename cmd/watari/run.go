package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/view"
)

func newRun(state *stateFlags) *cobra.Command {
	var file fileFlags
	var output string
	var takeOver bool
	var journal journalFlags
	cmd := &cobra.Command{
		Use:     "run -f FILE",
		GroupID: "migrate",
		Short:   "Run the migration in the foreground until it has ended",
		Long: `Moves the share step by step, watches both sides, and takes everything back when
the target is worse. Ctrl-C stops watching and leaves every share as it is; the
same command goes on where it was. What was done is remembered before it is done,
so the process may be killed at any moment.

Nobody who reads is waited for: on a terminal that stalls, a full pipe, or when
the reader is gone, it goes on, and lines that nobody read are dropped and counted.
A terminal that is closed (SIGHUP) does not end it; SIGINT and SIGTERM stop the
watching. Ctrl-Z suspends it: nobody watches until fg, and its lease ends.

Exit code 0: complete. 3: taken back. 4: ended before anything was changed.
5: somebody else runs it. 8: stopped trying before everything was back. 130: stopped watching. All codes: watari help exit-codes`,
		Example: "  watari run -f shop.yaml\n  watari run -f shop.yaml -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			if err := journal.check(); err != nil {
				return err
			}
			p, err := file.load(cmd)
			if err != nil {
				return err
			}
			s, err := state.open(journal.options(func(err error) { printable.Fprintf(cmd.ErrOrStderr(), "watari: %v\n", err) })...)
			if err != nil {
				return err
			}
			return unhindered(cmd, missedOf(output), func(to *streams) error {
				return runMigration(cmd, s, p, to, screenFor(to, p.Spec, output, file.files), takeOver)
			})
		},
	}
	file.register(cmd)
	journal.register(cmd.Flags())
	cmd.Flags().StringVarP(&output, "output", "o", "text", "text: a live view on a terminal, plain lines elsewhere; json: one event a line")
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "take the migration from a process of this host that is dead, without waiting for its lease to end")
	return cmd
}

func knownOutput(output string) error {
	if output != "text" && output != "json" {
		return usage{fmt.Errorf("-o %s: there are text and json", output)}
	}
	return nil
}

// missedOf writes what is said in the place of what nobody was shown.
func missedOf(output string) func(int, []byte) []byte {
	if output != "json" {
		return nil
	}
	return func(events int, next []byte) []byte { return view.Missed(events, next, time.Now()) }
}

// runMigration goes on with what is remembered, or begins.
func runMigration(cmd *cobra.Command, s store.Store, p plan.Plan, to *streams, screen *screen, takeOver bool) error {
	ctx, key := cmd.Context(), store.Key{Name: p.Spec.Name}
	before, running, err := remembered(ctx, s, key, p)
	if err != nil {
		return err
	}
	if before.Phase.Ended() && !ordered(ctx, s, key) {
		printable.Fprintln(cmd.OutOrStdout(), view.Headline(p.Spec, before))
		printable.Fprintln(cmd.OutOrStdout(), view.NextOf(p.Spec, before, screen.file))
		return phaseEnd(before.Phase)
	}
	c, signals, closeSignals, err := join(ctx, s, key, p, before, running)
	if err != nil {
		return err
	}
	defer closeSignals()
	p = c.plan
	record, err := p.Encode()
	if err != nil {
		return err
	}
	status, err := runner.Run(ctx, runner.Config{
		Key: key, Spec: p.Spec, Record: record, Routes: c.routes, Signals: signals, Store: s,
		Holder: holder(), TakeOver: takeOver, OnTurn: screen.turn, Remarks: to.remarks,
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	screen.totals = c.meter.Totals
	return screen.end(status, err)
}

// remembered returns the status that a run would go on from, and the plan that it is
// remembered with.
func remembered(ctx context.Context, s store.Store, key store.Key, p plan.Plan) (engine.Status, plan.Plan, error) {
	record, _, err := s.Load(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return engine.Status{}, plan.Plan{}, nil
	}
	if err != nil {
		return engine.Status{}, plan.Plan{}, err
	}
	var status engine.Status
	if err := json.Unmarshal(record.Status, &status); err != nil {
		return status, plan.Plan{}, fmt.Errorf("read the remembered status of %s: %w", key, err)
	}
	running, err := plan.Decode(record.Spec)
	if err != nil {
		return status, running, err
	}
	if status.Phase.Ended() || status.Phase == engine.Pending || status.Phase == "" {
		return status, running, nil
	}
	return status, running, sameMigration(running, p)
}

// ordered reports whether an operator's command waits for a run. One that cannot be
// read hides no other.
func ordered(ctx context.Context, s store.Store, key store.Key) bool {
	commands, _ := s.Commands(ctx, key)
	return len(commands) > 0
}
