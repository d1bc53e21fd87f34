package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/all"
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
	cmd := &cobra.Command{
		Use:     "run -f FILE",
		GroupID: "migrate",
		Short:   "Run the migration in the foreground until it has ended",
		Long: `Moves the share step by step, watches both sides, and takes everything back when
the target is worse. Ctrl-C stops watching and leaves every share as it is; the
same command goes on where it was. What was done is remembered before it is done,
so the process may be killed at any moment.

Exit code 0: complete. 3: taken back. 4: ended before anything was changed.
5: somebody else runs it. 130: stopped watching. All codes: watari help exit-codes`,
		Example: "  watari run -f shop.yaml\n  watari run -f shop.yaml -o json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := knownOutput(output); err != nil {
				return err
			}
			p, err := file.load(cmd)
			if err != nil {
				return err
			}
			s, err := state.open()
			if err != nil {
				return err
			}
			return runMigration(cmd, s, p, screenFor(cmd, p.Spec, output, file.files), takeOver)
		},
	}
	file.register(cmd)
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

// runMigration goes on with what is remembered, or begins.
func runMigration(cmd *cobra.Command, s store.Store, p plan.Plan, screen *screen, takeOver bool) error {
	ctx, key := cmd.Context(), store.Key{Name: p.Spec.Name}
	before, err := remembered(ctx, s, key, p)
	if err != nil {
		return err
	}
	if before.Phase.Ended() && !ordered(ctx, s, key) {
		printable.Fprintln(cmd.OutOrStdout(), view.Headline(p.Spec, before))
		printable.Fprintln(cmd.OutOrStdout(), view.Next(p.Spec.Name, before.Phase, screen.file))
		return phaseEnd(before.Phase)
	}
	c, err := connect(ctx, p)
	if err != nil {
		return err
	}
	p = c.plan
	signals, closeSignals, err := all.Signals(ctx, p.Signals)
	if err != nil {
		return err
	}
	defer closeSignals()
	record, err := p.Encode()
	if err != nil {
		return err
	}
	status, err := runner.Run(ctx, runner.Config{
		Key: key, Spec: p.Spec, Record: record, Routes: c.routes, Signals: signals, Store: s,
		Holder: holder(), TakeOver: takeOver, OnTurn: screen.turn,
		Log: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	screen.totals = c.meter.Totals
	return screen.end(status, err)
}

// remembered returns the status that a run would go on from.
func remembered(ctx context.Context, s store.Store, key store.Key, p plan.Plan) (engine.Status, error) {
	record, _, err := s.Load(ctx, key)
	if errors.Is(err, store.ErrNotFound) {
		return engine.Status{}, nil
	}
	if err != nil {
		return engine.Status{}, err
	}
	var status engine.Status
	if err := json.Unmarshal(record.Status, &status); err != nil {
		return status, fmt.Errorf("read the remembered status of %s: %w", key, err)
	}
	running, err := plan.Decode(record.Spec)
	if err != nil {
		return status, err
	}
	if status.Phase.Ended() || status.Phase == engine.Pending || status.Phase == "" {
		return status, nil
	}
	return status, sameMigration(running, p)
}

// ordered reports whether an operator's command waits for a run.
func ordered(ctx context.Context, s store.Store, key store.Key) bool {
	commands, err := s.Commands(ctx, key)
	return err == nil && len(commands) > 0
}
