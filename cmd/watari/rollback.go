package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
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
	var without []string
	cmd := &cobra.Command{
		Use:     "rollback NAME",
		GroupID: "operate",
		Short:   "Take everything back to the source, now",
		Long: `Takes every route back to 0 %. If a process runs the migration it is asked to, and
this command watches; if none does, or the one that should is dead or does not
answer, this command does it itself. It needs nothing but the levers: no metrics,
no cluster, no file. Where the migration is not remembered (another machine), name
the file and it works from that.

One name or route that cannot be written keeps no other one from being taken back.
It is named, and tried again until it is done. Where it is gone for good, say so:
--without NAME ends the rollback without it, as soon as it is found to be gone or to
be something else. That is never assumed, and refused for one that is known to send
users to the target.

Exit code 0: everything is taken back. 7: refused, nothing can be taken back any more.
8: you stopped it while something was left. 130: you stopped it. All codes: watari help exit-codes`,
		Example: "  watari rollback shop\n  watari rollback -f shop.yaml\n  watari rollback shop --without api.example.com",
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
			if err := knownParts(p, without); err != nil {
				return err
			}
			return unhindered(cmd, nil, func(to *streams) error { return takeBack(cmd.Context(), s, key, p, without, to) })
		},
	}
	file.register(cmd)
	cmd.Flags().StringSliceVar(&without, "without", nil, "a name or a route that is gone for good: the rollback is done without it; may be repeated")
	return cmd
}

// knownParts refuses to leave out what the plan does not have.
func knownParts(p plan.Plan, without []string) error {
	var known []string
	for _, l := range p.Levers {
		known = append(append(known, l.Ref.Name), l.Ref.Names...)
	}
	for _, name := range without {
		if !slices.Contains(known, name) {
			return usage{fmt.Errorf("--without %s: the migration has no such route or name; there are: %s", name, strings.Join(known[:min(20, len(known))], ", "))}
		}
	}
	return nil
}

// takingBack is one call of rollback.
type takingBack struct {
	store  store.Store
	key    store.Key
	plan   plan.Plan
	order  engine.Command
	screen *screen
	to     *streams
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
func takeBack(ctx context.Context, s store.Store, key store.Key, p plan.Plan, without []string, to *streams) error {
	screen := screenFor(to, p.Spec, "text", nil)
	screen.live = false
	t := takingBack{store: s, key: key, plan: p, order: newTakeBack(ctx, s, key), screen: screen, to: to}
	t.order.Without = without
	c, failed := connectLater(ctx, p)
	if err := t.refuseFinal(ctx, c.routes); err != nil && !errors.Is(err, store.ErrLocked) {
		return err
	}
	if err := s.Submit(ctx, key, submitted(t.order)); err != nil && !errors.Is(err, store.ErrNotFound) {
		printable.Fprintf(screen.out, "The command cannot be remembered (%v); it is carried out all the same.\n", err)
	}
	if failed != nil {
		return failed
	}
	for {
		var status engine.Status
		err := t.refuseFinal(ctx, c.routes)
		if err == nil {
			status, err = t.here(ctx, s, c)
		} else if !errors.Is(err, store.ErrLocked) {
			return errors.Join(err, s.Discard(context.WithoutCancel(ctx), key, t.order.ID))
		}
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

// newTakeBack is the command of this user, now. What it was typed about is told as
// well as it is known; a rollback is obeyed in any case.
func newTakeBack(ctx context.Context, s store.Store, key store.Key) engine.Command {
	now := time.Now()
	c := engine.Command{ID: fmt.Sprintf("%s-%d", engine.TakeBack, now.UnixNano()), Verb: engine.TakeBack, By: operator(), At: now}
	if _, status, err := recall(ctx, s, key); err == nil {
		c = status.Bound(c)
	}
	return c
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
		Orders: []engine.Command{t.order}, RollbackOnly: true,
		OnTurn: t.screen.turn, Remarks: t.to.remarks, Log: slog.New(slog.DiscardHandler),
	})
}

// How soon it is said that the process that runs the migration does not answer: it
// looks for commands four times a second, and takes a second or two for a turn.
const (
	quietHolder = 3 * time.Second  // without an answer
	slowHolder  = 10 * time.Second // and until it may have to be ended
	quietLease  = 8 * time.Second  // without renewing its lease, which it does every 5 s
	pollFollow  = 300 * time.Millisecond
)

// follow waits until the running process has rolled everything back, or is gone.
// It returns false when this process should try itself.
func (t *takingBack) follow(ctx context.Context, locked *store.LockedError) (bool, error) {
	out, reason := t.screen.out, ""
	w := waiting{holder: locked.Holder, began: time.Now(), read: time.Now()}
	printable.Fprintf(out, "Handed to %s, watching.\n", locked.Holder)
	for {
		_, status, err := recall(ctx, t.store, t.key)
		switch a, heard := status.Answered(t.order.ID); {
		case err != nil && time.Since(w.read) > slowHolder:
			return false, nil // what cannot be read says nothing of who runs it: found out by trying
		case err != nil:
		case heard && !status.Phase.TakingBack():
			return true, t.end(status, nil)
		case heard && status.Reason != reason:
			if reason == "" {
				printable.Fprintln(out, view.Event(a.At.Local(), view.Answer(a)))
			}
			reason = status.Reason
			printable.Fprintln(out, view.Event(time.Now(), view.Headline(t.plan.Spec, status)))
		}
		if err == nil {
			w.read = time.Now()
		}
		_, expires, held, err := t.store.Holder(ctx, t.key)
		if err != nil || !held {
			return false, nil //nolint:nilerr // a store that cannot say who runs it is found out by trying
		}
		w.tell(out, expires, reason != "")
		select {
		case <-ctx.Done():
			printable.Fprintf(out, "Stopped watching; %s goes on. See whether it is taken back: watari status %s\n", locked.Holder, t.key)
			return true, interrupted(status)
		case <-time.After(pollFollow):
		}
	}
}

// waiting is for a process that has the lease.
type waiting struct {
	holder  store.Holder
	began   time.Time
	read    time.Time // when the record could be read last
	lease   time.Time // when its lease ends
	renewed time.Time // since when that is so
	said    time.Time // the end of the lease that was said last
	hangs   bool      // that the process may have to be ended was said
}

// tell says once for each lease that the process does not answer and what comes of
// that, and what to do if it goes on. Who has heard the command renews his lease.
func (w *waiting) tell(out io.Writer, expires time.Time, heard bool) {
	now := time.Now()
	if !expires.Equal(w.lease) {
		w.lease, w.renewed = expires, now
	}
	silent := now.Sub(w.began)
	quiet := !heard && silent >= quietHolder || now.Sub(w.renewed) >= quietLease
	if quiet && !w.said.Equal(expires) {
		w.said = expires
		printable.Fprintf(out, "Process %d on %s does not answer; its lease ends at %s (%s); then this command rolls back by itself.\n",
			w.holder.PID, w.holder.Host, expires.Local().Format(time.TimeOnly), view.Span(max(0, expires.Sub(now)).Round(time.Second)))
	}
	if !heard && silent >= slowHolder && !w.hangs {
		w.hangs = true
		printable.Fprintf(out, "It has not heard the command for %s. If it hangs, end it (kill %d on %s): this command then rolls back at once.\n",
			view.Span(slowHolder), w.holder.PID, w.holder.Host)
	}
}

// end says how it ended: success here is that nobody reaches the target.
func (t *takingBack) end(status engine.Status, err error) error {
	if err == nil && status.Phase == engine.RolledBack {
		t.screen.summary(status)
		return nil
	}
	if why := status.WhyFinal(t.key.Name); err == nil && why != "" {
		return t.refused(why)
	}
	a, heard := status.Answered(t.order.ID)
	if err == nil && heard && !a.Obeyed {
		return &refusedError{verb: a.Verb, key: t.key, why: view.Answer(a)}
	}
	if err == nil && heard {
		printable.Fprintf(t.screen.out, "It was rolled back as asked, and attempt %d has begun since. See it: watari status %s\n", status.Attempt, t.key)
		return nil
	}
	if err == nil {
		return fmt.Errorf("migration %s is %s, not taken back: %s", t.key, status.Phase, status.Reason)
	}
	return t.screen.end(status, err)
}
