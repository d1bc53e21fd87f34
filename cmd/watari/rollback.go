package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/store"
)

func newRollback(state *stateFlags) *cobra.Command {
	var file fileFlags
	cmd := &cobra.Command{
		Use:     "rollback NAME",
		GroupID: "operate",
		Short:   "Take everything back to the source, now",
		Long: `Takes every route back to 0 %. If a process runs the migration it is asked to, and
this command watches; if none does, or the one that should is dead or does not
answer, this command does it itself. It needs nothing but the levers: no metrics,
no cluster, no file. Where the migration is not remembered (another machine), name
the file and it works from that.`,
		Example: "  watari rollback shop\n  watari rollback -f shop.yaml",
		Args:    atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := state.open()
			if err != nil {
				return err
			}
			key, p, err := takeBackWhat(cmd, s, &file, args)
			if err != nil {
				return err
			}
			return takeBack(cmd, s, key, p)
		},
	}
	file.register(cmd)
	return cmd
}

// takeBackWhat finds the plan: remembered, or from the file, which is then
// remembered.
func takeBackWhat(cmd *cobra.Command, s store.Store, file *fileFlags, args []string) (store.Key, plan.Plan, error) {
	ctx := cmd.Context()
	if len(args) == 0 && len(file.files) == 0 {
		return store.Key{}, plan.Plan{}, usage{errors.New("say which migration: watari rollback NAME, or -f FILE")}
	}
	if len(args) == 1 {
		key := store.Key{Name: args[0]}
		p, _, err := recall(ctx, s, key)
		if err == nil || !errors.Is(err, store.ErrNotFound) || len(file.files) == 0 {
			return key, p, err
		}
		file.name = args[0]
	}
	p, err := file.load(cmd)
	if err != nil {
		return store.Key{}, p, err
	}
	key := store.Key{Name: p.Spec.Name}
	if known, _, err := recall(ctx, s, key); err == nil {
		return key, known, nil
	}
	record, err := p.Encode()
	if err != nil {
		return key, p, err
	}
	status := []byte("{}")
	_, err = s.Save(ctx, key, 0, store.Record{Spec: record, Status: status}, store.Entry{At: time.Now(), Kind: "note", Text: "taken back from the file by " + operator()})
	return key, p, err
}

// takeBack asks whoever runs the migration and watches, and does it itself as
// soon as nobody is there to do it.
func takeBack(cmd *cobra.Command, s store.Store, key store.Key, p plan.Plan) error {
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	if err := submit(ctx, s, key, string(engine.TakeBack)); err != nil {
		return err
	}
	screen := screenFor(cmd, p.Spec, "text", nil)
	screen.live = false
	said := false
	for {
		status, err := takeBackHere(ctx, s, key, p, screen)
		var locked *store.LockedError
		if !errors.As(err, &locked) {
			return takenBack(screen, status, err)
		}
		if !said {
			fmt.Fprintf(out, "Handed to %s, watching.\n", locked.Holder)
			said = true
		}
		if done, err := follow(ctx, s, key, screen); done || err != nil {
			return err
		}
	}
}

// takeBackHere runs the loop with nothing but the levers.
func takeBackHere(ctx context.Context, s store.Store, key store.Key, p plan.Plan, screen *screen) (engine.Status, error) {
	c, err := connectBlind(ctx, p)
	if err != nil {
		return engine.Status{}, err
	}
	record, err := p.Encode()
	if err != nil {
		return engine.Status{}, err
	}
	// What the drivers would say about their bounds is not waited for.
	return runner.Run(ctx, runner.Config{
		Key: key, Spec: p.Spec, Record: record, Routes: c.routes, Store: s, Holder: holder(), TakeOver: true,
		OnTurn: screen.turn, Log: slog.New(slog.DiscardHandler),
	})
}

// follow waits until the running process has taken everything back, or is gone.
// It returns false when this process should try itself.
func follow(ctx context.Context, s store.Store, key store.Key, screen *screen) (bool, error) {
	for {
		_, status, err := recall(ctx, s, key)
		if err != nil {
			return false, err
		}
		if status.Phase == engine.RolledBack {
			return true, takenBack(screen, status, nil)
		}
		if _, _, held, err := s.Holder(ctx, key); err != nil || !held {
			return false, err
		}
		select {
		case <-ctx.Done():
			fmt.Fprintf(screen.out, "Stopped watching. It goes on being taken back. See it: watari status %s\n", key)
			return true, &ended{exitInterrupted}
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// takenBack says how it ended: success here is that nobody reaches the target.
func takenBack(screen *screen, status engine.Status, err error) error {
	if err == nil && status.Phase == engine.RolledBack {
		screen.summary(status)
		return nil
	}
	if err == nil {
		return fmt.Errorf("migration %s is %s, not taken back: %s", screen.spec.Name, status.Phase, status.Reason)
	}
	return screen.end(status, err)
}
