package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/view"
)

// newOrder is a command that gives an operator's wish to whoever runs the migration,
// and says what became of it.
func newOrder(state *stateFlags, verb engine.Verb, short, long string) *cobra.Command {
	var step int
	cmd := &cobra.Command{
		Use:     string(verb) + " NAME",
		GroupID: "operate",
		Short:   short,
		Long:    long + "\n\n" + howAnswered,
		Example: "  watari " + string(verb) + " shop",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("step") && step < 1 {
				return usage{fmt.Errorf("--step %d: steps are counted from 1", step)}
			}
			s, err := state.open()
			if err != nil {
				return err
			}
			return order(cmd, s, store.Key{Name: args[0]}, engine.Command{Verb: verb, Step: step})
		},
	}
	if verb == engine.Approve {
		cmd.Example = "  watari approve shop --step 3"
		cmd.Flags().IntVar(&step, "step", 0, "the step that is approved, as status and run show it (default: the one that it is at)")
	}
	return cmd
}

// howAnswered is what all of these commands have in common.
const howAnswered = `It is about what the migration shows when you type it: what has changed until it is
read is not agreed to. It waits for the answer and prints it. Where nobody runs the
migration it is decided at once, and the next run goes on from that.

Exit code 0: done. 7: refused, nothing was changed. 1: the process that runs it does
not answer, and the command is withdrawn. 5: that process is dead.`

const (
	pauseLong = `Keeps the share where it is until resume. A target that is worse is still taken back.
A pause counts whatever has happened since you typed it, within its attempt.`
	resumeLong = `Goes on after a pause, from a live share that was found, or over somebody else's
change. It agrees to what the pause was for when you type it: what is found after that
is another pause, and you are asked again.`
	approveLong = `Says yes to the step that waits for approval. It counts only while that very step
waits: not in advance, not a second time, not while the migration is paused, and not
for another attempt.`
	retryLong = `Begins a new attempt after a rollback, or after an attempt that has failed. It begins
one, however often it is typed; the next run carries it out.`
)

// ordering is one command on its way to its answer.
type ordering struct {
	store   store.Store
	key     store.Key
	plan    plan.Plan
	command engine.Command
	log     io.Writer
}

// order gives a command about what is remembered now, and tells its answer.
func order(cmd *cobra.Command, s store.Store, key store.Key, c engine.Command) error {
	ctx := cmd.Context()
	p, status, err := recall(ctx, s, key)
	if err != nil {
		return err
	}
	now := time.Now()
	c.ID, c.By, c.At = fmt.Sprintf("%s-%d", c.Verb, now.UnixNano()), operator(), now
	o := ordering{store: s, key: key, plan: p, command: status.Bound(c), log: cmd.ErrOrStderr()}
	answered, err := o.give(ctx)
	if err != nil {
		return err
	}
	return o.tell(cmd, answered)
}

// give decides the command here if nobody runs the migration, and hands it to whoever
// does.
func (o *ordering) give(ctx context.Context) (engine.Status, error) {
	status, err := o.here(ctx)
	var locked *store.LockedError
	if !errors.As(err, &locked) || locked.Dead {
		return status, err
	}
	if err := o.store.Submit(ctx, o.key, submitted(o.command)); err != nil {
		return status, err
	}
	return o.await(ctx, locked)
}

// orderLease is how long a command may hold the lease, which takes it milliseconds.
const orderLease = 10 * time.Second

// here decides the command without a process that runs the migration.
func (o *ordering) here(ctx context.Context) (engine.Status, error) {
	status, err := runner.Obey(ctx, runner.Config{
		Key: o.key, Spec: o.plan.Spec, Store: o.store, Holder: holder(), Lease: orderLease,
		Orders: []engine.Command{o.command}, Log: slog.New(slog.NewTextHandler(o.log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	var waits *runner.RollbackWaitsError
	if errors.As(err, &waits) {
		return status, &refusedError{verb: o.command.Verb, key: o.key, why: waits.Error()}
	}
	return status, err
}

// How the answer is waited for. A turn reads commands four times a second and saves
// within a second or two.
const (
	slowAnswer   = 6 * time.Second        // how long a process may take to answer
	pollAnswer   = 100 * time.Millisecond // how often the status is read
	tryHere      = time.Second            // how often it is seen whether that process is gone
	lastMoment   = 2 * time.Second        // how long after it was withdrawn a command may turn out to be answered
	withdrawTime = 5 * time.Second
)

// await waits for the answer. What nobody hears is withdrawn.
func (o *ordering) await(ctx context.Context, running *store.LockedError) (engine.Status, error) {
	began, tried := time.Now(), time.Now()
	for ctx.Err() == nil && time.Since(began) < slowAnswer {
		if _, status, err := recall(ctx, o.store, o.key); err == nil {
			if _, has := status.Answered(o.command.ID); has {
				return status, nil
			}
		}
		if time.Since(tried) >= tryHere {
			tried = time.Now()
			status, err := o.here(ctx)
			var locked *store.LockedError
			switch {
			case err == nil:
				return status, nil
			case errors.As(err, &locked) && !locked.Dead:
				running = locked
			case errors.As(err, &locked):
				return o.withdraw(ctx, err)
			default:
				// The store is in trouble, or somebody wants a rollback first.
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pollAnswer):
		}
	}
	if ctx.Err() != nil {
		return o.withdraw(ctx, &ended{exitInterrupted})
	}
	return o.withdraw(ctx, &unheardError{verb: o.command.Verb, key: o.key, running: running})
}

// withdraw takes the command back, and returns why, or the status that answers it all
// the same: it may have been read in the last moment.
func (o *ordering) withdraw(ctx context.Context, why error) (engine.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), withdrawTime)
	defer cancel()
	if err := o.store.Discard(ctx, o.key, o.command.ID); err != nil {
		return engine.Status{}, printable.Advise(why, fmt.Sprintf("The command could not be withdrawn and may still be obeyed (%v). See what becomes of it: watari status %s", err, o.key))
	}
	for began := time.Now(); time.Since(began) < lastMoment && ctx.Err() == nil; time.Sleep(pollAnswer) {
		if _, status, err := recall(ctx, o.store, o.key); err == nil {
			if _, has := status.Answered(o.command.ID); has {
				return status, nil
			}
		}
	}
	return engine.Status{}, why
}

// tell prints what became of the command and what can be done now.
func (o *ordering) tell(cmd *cobra.Command, s engine.Status) error {
	a, has := s.Answered(o.command.ID)
	if !has {
		return fmt.Errorf("%s %s: it was taken and not answered; see where it stands: watari status %s", o.command.Verb, o.key, o.key)
	}
	if !a.Obeyed {
		return &refusedError{verb: a.Verb, key: o.key, why: view.Answer(a)}
	}
	out := cmd.OutOrStdout()
	printable.Fprintln(out, view.Answer(a))
	if _, _, held, err := o.store.Holder(cmd.Context(), o.key); err == nil && held {
		printable.Fprintf(out, "See it: watari status %s\n", o.key)
		return nil
	}
	printable.Fprintf(out, "Nobody runs %s now. %s\n", o.key, view.NextOf(o.plan.Spec, s, ""))
	return nil
}

// submitted is a command as the store keeps it.
func submitted(c engine.Command) store.Command {
	return store.Command{ID: c.ID, Kind: string(c.Verb), By: c.By, At: c.At, Attempt: c.Attempt, Step: c.Step, Situation: c.Situation, Without: strings.Join(c.Without, ",")}
}

// refusedError says that a command was refused and has changed nothing.
type refusedError struct {
	verb engine.Verb
	key  store.Key
	why  string
}

// Error implements error.
func (e *refusedError) Error() string { return strings.Join(e.Words(), "\n") }

// Words implements printable.Lined.
func (e *refusedError) Words() []string {
	return []string{fmt.Sprintf("%s %s: %s", e.verb, e.key, e.why), fmt.Sprintf("Nothing was changed by it. See where it stands: watari status %s", e.key)}
}

// unheardError says that nobody has answered a command, which was withdrawn.
type unheardError struct {
	verb    engine.Verb
	key     store.Key
	running *store.LockedError
}

// Error implements error.
func (e *unheardError) Error() string { return strings.Join(e.Words(), "\n") }

// Words implements printable.Lined.
func (e *unheardError) Words() []string {
	who := e.running.Holder
	return []string{
		fmt.Sprintf("%s %s: process %d on %s runs it and has not answered for %s; the command is withdrawn. Should it have been read in the last moment, watari status %s shows the answer.",
			e.verb, e.key, who.PID, who.Host, view.Span(slowAnswer), e.key),
		fmt.Sprintf("If that process is dead its lease ends at %s; if it hangs, end it (kill %d on %s), and run it again. Roll back, whatever hangs: watari rollback %s",
			e.running.Expires.Local().Format(time.TimeOnly), who.PID, who.Host, e.key),
	}
}
