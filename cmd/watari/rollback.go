package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/view"
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
		Args:    atMostOne,
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

// takingBack is one call of rollback.
type takingBack struct {
	store  store.Store
	key    store.Key
	plan   plan.Plan
	order  store.Command
	screen *screen
}

// takeBackWhat finds the plan: remembered, or from the file if there is one. A
// store that cannot be read is no reason not to take back what the file names.
func takeBackWhat(cmd *cobra.Command, s store.Store, file *fileFlags, args []string) (store.Key, plan.Plan, error) {
	ctx := cmd.Context()
	if len(args) == 0 && len(file.files) == 0 {
		return store.Key{}, plan.Plan{}, usage{errors.New("say which migration: watari rollback NAME, or -f FILE")}
	}
	if len(args) == 1 {
		key := store.Key{Name: args[0]}
		p, _, err := recall(ctx, s, key)
		if err == nil {
			return key, p, nil
		}
		if len(file.files) == 0 {
			return key, p, fmt.Errorf("%w; if you have its file: watari rollback -f FILE", err)
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
	return key, p, nil
}

// takeBack asks whoever runs the migration and watches, and does it itself as
// soon as nobody is there to do it.
func takeBack(cmd *cobra.Command, s store.Store, key store.Key, p plan.Plan) error {
	ctx := cmd.Context()
	screen := screenFor(cmd, p.Spec, "text", nil)
	screen.live = false
	t := takingBack{store: s, key: key, plan: p, order: newOrderOf(string(engine.TakeBack)), screen: screen}
	if err := s.Submit(ctx, key, t.order); err != nil && !errors.Is(err, store.ErrNotFound) {
		printable.Fprintf(screen.out, "The command cannot be remembered (%v); it is carried out all the same.\n", err)
	}
	c, err := connectBlind(ctx, p)
	if err != nil {
		return err
	}
	for {
		status, err := t.here(ctx, s, c)
		var locked *store.LockedError
		var unsaved *runner.UnsavedError
		switch {
		case errors.As(err, &locked):
			if done, err := t.follow(ctx, locked); done || err != nil {
				return err
			}
		case errors.As(err, &unsaved):
			printable.Fprintln(screen.out, unsaved)
			return t.end(unsaved.Status, nil)
		case err == nil, ctx.Err() != nil, errors.Is(err, store.ErrLost), errors.Is(err, store.ErrConflict):
			return t.end(status, err)
		default:
			printable.Fprintf(screen.out, "Nothing can be remembered (%v); taking back all the same.\n", err)
			return t.end(t.here(ctx, memstore.New(), c))
		}
	}
}

// here runs the loop with nothing but the levers. What the drivers would say
// about their bounds is not waited for.
func (t *takingBack) here(ctx context.Context, s store.Store, c connection) (engine.Status, error) {
	record, err := t.plan.Encode()
	if err != nil {
		return engine.Status{}, err
	}
	return runner.Run(ctx, runner.Config{
		Key: t.key, Spec: t.plan.Spec, Record: record, Routes: c.routes, Store: s, Holder: holder(), TakeOver: true,
		Orders: []engine.Command{{ID: t.order.ID, Verb: engine.TakeBack, By: t.order.By, At: t.order.At}},
		OnTurn: t.screen.turn, Log: slog.New(slog.DiscardHandler),
	})
}

// slowHolder is how long a running process may take to hear a command before we
// say what can be done about it; it looks four times a second.
const slowHolder = 10 * time.Second

// follow waits until the running process has taken everything back, or is gone.
// It returns false when this process should try itself.
func (t *takingBack) follow(ctx context.Context, locked *store.LockedError) (bool, error) {
	out, began, complained, reason := t.screen.out, time.Now(), false, ""
	printable.Fprintf(out, "Handed to %s, watching.\n", locked.Holder)
	for {
		_, status, err := recall(ctx, t.store, t.key)
		if err != nil {
			return false, err
		}
		heard := slices.Contains(status.Consumed, t.order.ID)
		switch {
		case heard && status.Phase == engine.RolledBack:
			return true, t.end(status, nil)
		case heard && status.Reason != reason:
			reason = status.Reason
			printable.Fprintln(out, view.Event(time.Now(), view.Headline(t.plan.Spec, status)))
		case !heard && !complained && time.Since(began) > slowHolder:
			complained = true
			printable.Fprintf(out, "It has not heard the command for %s. If it hangs, end it (kill %d on %s): this command then takes back by itself.\n",
				view.Span(slowHolder), locked.Holder.PID, locked.Holder.Host)
		}
		if _, _, held, err := t.store.Holder(ctx, t.key); err != nil || !held {
			return false, nil //nolint:nilerr // a store that cannot say who runs it is found out by trying
		}
		select {
		case <-ctx.Done():
			printable.Fprintf(out, "Stopped watching. See whether it is taken back: watari status %s\n", t.key)
			return true, &ended{exitInterrupted}
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// end says how it ended: success here is that nobody reaches the target.
func (t *takingBack) end(status engine.Status, err error) error {
	if err == nil && status.Phase == engine.RolledBack {
		t.screen.summary(status)
		return nil
	}
	if err == nil {
		return fmt.Errorf("migration %s is %s, not taken back: %s", t.key, status.Phase, status.Reason)
	}
	return t.screen.end(status, err)
}
