package runner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
)

// CommandOf returns a command of the store as the engine reads it.
func CommandOf(c store.Command) engine.Command {
	return engine.Command{ID: c.ID, Verb: engine.Verb(c.Kind), By: c.Signed(), At: c.At, Attempt: c.Attempt, Step: c.Step, Situation: c.Situation, Without: without(c.Without)}
}

// comesBack reports whether there is an order without an answer, or a rollback that is
// not done: what somebody has begun since is his.
func (r *run) comesBack() bool {
	return r.status.Phase.TakingBack() || slices.ContainsFunc(r.Orders, func(c engine.Command) bool {
		_, done := r.status.Answered(c.ID)
		return !done
	})
}

// RollbackWaitsError says that somebody asked for a rollback that nobody has carried
// out yet: nothing else is decided before that.
type RollbackWaitsError struct {
	Key store.Key
	By  string
	At  time.Time
}

// Error implements error.
func (e *RollbackWaitsError) Error() string {
	return fmt.Sprintf("%s asked at %s for a rollback of %s that is not done yet: watari rollback %s", e.By, e.At.Format(time.TimeOnly), e.Key, e.Key)
}

// Obey answers the commands that wait in the store, and cfg.Orders, for a migration
// that nobody runs: it takes the lease, decides, saves and gives the lease back. It
// reads no lever and writes none. A *store.LockedError says that somebody runs it or
// has died a moment ago; then nothing was done. It returns the status that was saved.
func Obey(ctx context.Context, cfg Config) (engine.Status, error) {
	cfg = cfg.withDefaults()
	lease, err := cfg.Store.Acquire(ctx, cfg.Key, cfg.Holder, cfg.Lease, cfg.TakeOver)
	if err != nil {
		return engine.Status{}, err
	}
	defer func() {
		release, cancel := cfg.Clock.Timeout(context.WithoutCancel(ctx), cfg.Deadline)
		defer cancel()
		if err := lease.Release(release); err != nil {
			cfg.Log.Warn("lease not given back, it ends by itself", "at", lease.Expires(), "err", err)
		}
	}()
	record, revision, err := cfg.Store.Load(ctx, cfg.Key)
	if err != nil {
		return engine.Status{}, err
	}
	status, err := cfg.Codec.Decode(record.Status)
	if err != nil {
		return engine.Status{}, fmt.Errorf("read the remembered status of %s: %w", cfg.Key, err)
	}
	waiting, err := cfg.Store.Commands(ctx, cfg.Key)
	if err != nil {
		cfg.Log.Warn("not all commands can be read", "err", err) // nothing is written to a lever here, and what can be read is not stopped by the rest
	}
	seen := engine.Observation{}
	for _, c := range waiting {
		if _, done := status.Answered(c.ID); !done && c.Kind == string(engine.TakeBack) {
			return status, &RollbackWaitsError{cfg.Key, c.By, c.At}
		}
		seen.Commands = append(seen.Commands, CommandOf(c))
	}
	seen.Commands = append(seen.Commands, cfg.Orders...)
	now := cfg.Clock.Now()
	next, notes := engine.Obey(cfg.Spec, status, seen.Commands, now)
	if record.Status, err = cfg.Codec.Encode(next); err != nil {
		return status, fmt.Errorf("remember the status of %s: %w", cfg.Key, err)
	}
	if left(cfg.Clock.Now(), lease.Expires()) <= 0 {
		return status, fmt.Errorf("save migration %s: %w", cfg.Key, store.ErrLost)
	}
	if _, err := cfg.Store.Save(ctx, cfg.Key, revision, record, entries(notes, seen, now)...); err != nil {
		return status, err
	}
	if err := discard(ctx, cfg, seen.Commands); err != nil {
		cfg.Log.Warn("answered commands cannot be removed yet; they are not obeyed again", "err", err)
	}
	return next, nil
}
