package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/traffic"
)

// Run takes the lease and turns the loop until the migration has ended or ctx is
// done. It returns the last saved status, also with an error. A ctx that is done
// leaves every share as it is and is no error of the migration: ctx.Err() is
// returned.
func Run(ctx context.Context, cfg Config) (engine.Status, error) {
	cfg = cfg.withDefaults()
	lease, err := cfg.Store.Acquire(ctx, cfg.Key, cfg.Holder, cfg.Lease, cfg.TakeOver)
	if err != nil {
		return engine.Status{}, err
	}
	defer func() {
		// The lease must be given back even if ctx is what ended the run.
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Deadline)
		defer cancel()
		if err := lease.Release(release); err != nil {
			cfg.Log.Warn("lease not given back, it ends by itself", "at", lease.Expires(), "err", err)
		}
	}()
	r := &run{Config: cfg, lease: lease, results: map[string]engine.Result{}}
	if err := r.load(ctx); err != nil {
		return engine.Status{}, err
	}
	err = r.loop(ctx)
	return r.status, err
}

// run is the state of one Run.
type run struct {
	Config
	lease    store.Lease
	status   engine.Status
	revision store.Revision
	counted  traffic.BySide[time.Time] // up to when each side was counted
	seen     traffic.BySide[bool]      // whether this process has known a side at all
	asked    time.Time                 // when the signals were asked last
	results  map[string]engine.Result  // of the writes of the last turn, by route
	wake     engine.Wake
}

// load reads what is remembered. A process that begins looks at every route.
func (r *run) load(ctx context.Context) error {
	for name := range r.Routes {
		r.wake.Look = append(r.wake.Look, name)
	}
	record, revision, err := r.Store.Load(ctx, r.Key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(record.Status, &r.status); err != nil {
		return fmt.Errorf("read the remembered status of %s: %w", r.Key, err)
	}
	// What the process before saw is not what this one sees, and nobody watched in between.
	r.status.LastTurn, r.status.BlindAt = time.Time{}, time.Time{}
	unseen := engine.SideState{Err: "this process has not asked yet"}
	r.status.Evidence.Last = traffic.BySide[engine.SideState]{Source: unseen, Target: unseen}
	r.revision = revision
	return nil
}

func (r *run) loop(ctx context.Context) error {
	for {
		more, err := r.turn(ctx)
		if err != nil || !more {
			return err
		}
		if err := r.sleep(ctx); err != nil {
			return err
		}
	}
}

// turn observes, steps, saves and applies. It returns false when nothing more
// happens without an operator.
func (r *run) turn(ctx context.Context) (bool, error) {
	seen, err := r.observe(ctx)
	if err != nil {
		return false, err
	}
	now := time.Now()
	status, intents := engine.Step(r.Spec, r.status, seen, now)
	turn := Turn{At: now, Status: status, Seen: seen}
	var writes []engine.Write
	more := false
	for _, in := range intents {
		switch in := in.(type) {
		case engine.Note:
			turn.Notes = append(turn.Notes, in)
		case engine.Write:
			writes = append(writes, in)
		case engine.Wake:
			r.wake, more = in, true
		}
	}
	if err := r.save(ctx, status, seen, turn.Notes, now); err != nil {
		return false, errors.Join(err, r.takeBackUnsaved(ctx, err, writes))
	}
	turn.Effects = r.apply(ctx, writes)
	if err := r.journalEffects(ctx, turn.Effects); err != nil {
		return false, err
	}
	r.OnTurn(turn)
	return more, nil
}

// save renews the lease if it must and remembers the status with the decisions
// that led to it. Only then are commands gone that it has consumed.
func (r *run) save(ctx context.Context, status engine.Status, seen engine.Observation, notes []engine.Note, now time.Time) error {
	if err := r.holdLease(ctx, now); err != nil {
		return err
	}
	blob, err := json.Marshal(status)
	if err != nil {
		return fmt.Errorf("remember the status of %s: %w", r.Key, err)
	}
	revision, err := r.Store.Save(ctx, r.Key, r.revision, store.Record{Spec: r.Record, Status: blob}, entries(notes, seen, now)...)
	if err != nil {
		return fmt.Errorf("save migration %s, nothing of this turn was applied: %w", r.Key, err)
	}
	r.status, r.revision = status, revision
	if len(seen.Commands) == 0 {
		return nil
	}
	ids := make([]string, 0, len(seen.Commands))
	for _, c := range seen.Commands {
		ids = append(ids, c.ID)
	}
	return r.Store.Discard(ctx, r.Key, ids...)
}

// takeBackUnsaved applies the writes that take a share back although the status
// could not be saved: a full disk must not keep users on a bad target. Writing 0
// twice is harmless, so the next process need not know. Whoever has lost the
// lease writes nothing: somebody else is at the levers.
func (r *run) takeBackUnsaved(ctx context.Context, why error, writes []engine.Write) error {
	if errors.Is(why, store.ErrConflict) || errors.Is(why, store.ErrLost) || errors.Is(why, store.ErrLocked) {
		return nil
	}
	writes = slices.DeleteFunc(writes, func(w engine.Write) bool { return !w.Urgent })
	var errs []error
	for _, e := range r.apply(ctx, writes) {
		r.Log.Warn("taken back without saving", "effect", e.Sentence())
		if e.Result.Outcome != engine.Accepted {
			errs = append(errs, errors.New(e.Sentence()))
		}
	}
	return errors.Join(errs...)
}

// holdLease renews the lease when less than two thirds of it remain, and refuses
// to go on without it.
func (r *run) holdLease(ctx context.Context, now time.Time) error {
	left := r.lease.Expires().Sub(now)
	if left > r.Lease*2/3 {
		return nil
	}
	if err := r.lease.Renew(ctx); err != nil {
		return fmt.Errorf("migration %s: nothing of this turn was applied: %w", r.Key, err)
	}
	return nil
}

// sleep waits until the engine wants to wake, an operator speaks, or ctx is
// done.
func (r *run) sleep(ctx context.Context) error {
	for {
		left := time.Until(r.wake.At)
		if left <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(min(left, pollCommands))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		if commands, err := r.Store.Commands(ctx, r.Key); err == nil && len(commands) > 0 {
			return nil
		}
	}
}
