package runner

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
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
		release, cancel := cfg.Clock.Timeout(context.WithoutCancel(ctx), cfg.Deadline)
		defer cancel()
		if err := lease.Release(release); err != nil {
			cfg.Log.Warn("lease not given back, it ends by itself", "at", lease.Expires(), "err", err)
		}
	}()
	r := &run{Config: cfg, lease: lease, results: map[string]engine.Result{}, told: map[string]engine.Result{}, services: servicesOf(cfg.Signals, cfg.Clock), obeyed: map[string]bool{}}
	r.looking.tasks = cfg.Clock.Group()
	defer r.looking.tasks.WaitAll()
	if err := r.load(ctx); err != nil {
		return engine.Status{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop() // before what is being looked at is waited for
	err = r.loop(ctx)
	if err != nil && ctx.Err() != nil {
		r.saveRest(ctx)
	}
	return r.status, err
}

// run is the state of one Run.
type run struct {
	Config
	lease    store.Lease
	status   engine.Status
	revision store.Revision
	services []*service
	asked    time.Time                // when the signals were asked last
	turned   time.Time                // when the last turn was decided
	results  map[string]engine.Result // of the writes of the last turn, by route
	told     map[string]engine.Result // of the last write in the journal, by route
	wake     engine.Wake
	entries  []store.Entry       // of the journal, not saved yet
	earlier  []store.Entry       // those of them that are of earlier turns
	failed   bool                // the last save did
	tried    [][sha256.Size]byte // what was to be saved since one was known to succeed
	saved    engine.Status       // as it was saved last, or loaded
	savedAt  time.Time           // when it was
	obeyed   map[string]bool     // commands that this process has handed to the engine
	staying  map[string]bool     // answered commands that were to be removed, and whether they are there all the same
	triedAt  time.Time           // when that was tried last
	refused  map[string]bool     // what it has told of commands that cannot be read
	looking  looks
}

// load reads what is remembered. A process that begins looks at every route.
func (r *run) load(ctx context.Context) error {
	r.wake.Look = slices.Sorted(maps.Keys(r.Routes))
	record, revision, err := r.Store.Load(ctx, r.Key)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	status, err := r.Codec.Decode(record.Status)
	if err != nil {
		return fmt.Errorf("read the remembered status of %s: %w", r.Key, err)
	}
	r.status, r.revision = status.TakenOver(r.Clock.Now()), revision
	r.saved, r.savedAt = r.status, time.Time{} // its first turn is saved
	return nil
}

// suspended reports whether the wall clock has moved since it was asked last in
// another way than the monotonic one, which stands still while a machine is
// suspended (clock_gettime(2), CLOCK_MONOTONIC) and by which everything here is
// measured.
func (r *run) suspended(now time.Time) bool {
	last := r.turned
	r.turned = now
	return !last.IsZero() && jumped(now.Sub(last), now.Round(0).Sub(last.Round(0)))
}

// jumped tells a suspension, or a clock that was set, from one that is corrected
// little by little.
func jumped(monotonic, wall time.Duration) bool { return (wall - monotonic).Abs() > 5*time.Second }

func (r *run) loop(ctx context.Context) error {
	for {
		if r.RollbackOnly && !r.comesBack() {
			return nil
		}
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
	if err == nil {
		err = ctx.Err() // who is told to stop decides nothing more: every share stays as it is
	}
	if err != nil {
		return false, err
	}
	now := r.Clock.Now()
	if r.suspended(now) {
		r.Log.Warn("this machine was suspended, or its clock was set: what was seen before says nothing of now")
		for name, was := range seen.Routes {
			if was.Result != nil {
				r.results[name] = *was.Result
			}
		}
		r.status = r.status.TakenOver(now)
		r.wake = engine.Wake{At: now, Look: slices.Sorted(maps.Keys(r.Routes))}
		return true, nil
	}
	seen.Counts = engine.Counted(r.Spec, r.status, seen, now)
	// What is decided now is remembered and carried out, even if ctx ends meanwhile.
	status, intents := r.Step(r.Spec, r.status, seen, now)
	for _, c := range seen.Commands {
		r.obeyed[c.ID] = true
	}
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
	r.entries = append(r.entries, r.remarks(now)...)
	unsaved := r.remember(context.WithoutCancel(ctx), status, seen, decided{now: now, notes: turn.Notes, writes: writes, ends: !more})
	if unsaved != nil {
		if foreign(unsaved) {
			return r.goOn(ctx, unsaved)
		}
		r.Log.Warn("cannot be remembered; nothing rises until it can, and a bad target is still taken back", "err", unsaved)
		writes = r.urgentOnly(writes, unsaved)
	}
	turn.Effects = r.apply(ctx, writes, now)
	r.journalEffects(ctx, turn.Effects)
	r.OnTurn(turn)
	if !more && unsaved != nil {
		return false, &UnsavedError{Status: status, Err: unsaved}
	}
	return more, nil
}

// goOn decides what becomes of a process whose record somebody else has saved. Who
// still holds the lease goes on from what is there: the other one has lost it, was
// suspended before its save, and ends by itself. Nothing of this turn is carried out.
func (r *run) goOn(ctx context.Context, why error) (bool, error) {
	if !errors.Is(why, store.ErrConflict) || r.lease.Renew(ctx) != nil {
		return false, why
	}
	r.Log.Warn("saved by a process that has lost the lease, going on from that", "err", why)
	if err := r.load(ctx); err != nil {
		return false, errors.Join(why, err)
	}
	// What this turn has decided was not decided: it is not for the journal, where what
	// earlier turns have done still belongs, and nobody was obeyed.
	r.wake.At, r.failed, r.tried, r.entries = r.Clock.Now(), false, nil, r.earlier
	clear(r.results)
	clear(r.obeyed)
	return true, nil
}

// urgentOnly refuses the writes that raise a share, because the next process
// would know nothing of them. Writing 0 twice is harmless.
func (r *run) urgentOnly(writes []engine.Write, why error) []engine.Write {
	var urgent []engine.Write
	for _, w := range writes {
		if w.Urgent {
			urgent = append(urgent, w)
			continue
		}
		r.results[w.Route] = engine.Result{ID: w.ID, Outcome: engine.Held, Err: why.Error(), At: r.Clock.Now()}
	}
	return urgent
}

// UnsavedError says that a migration has ended and that the store could not be
// told. What Status says is true of the levers all the same.
type UnsavedError struct {
	Status engine.Status
	Err    error
}

// Error implements error.
func (e *UnsavedError) Error() string {
	return fmt.Sprintf("the migration is %s, but that could not be remembered: %v", e.Status.Phase, e.Err)
}

// Unwrap returns what the store said.
func (e *UnsavedError) Unwrap() error { return e.Err }

// foreign reports whether an error of the store means that somebody else is at
// the levers. Every other one is trouble with the store alone.
func foreign(err error) bool {
	return errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrLost) || errors.Is(err, store.ErrLocked)
}

// sleep waits until the engine wants to wake, an operator speaks, or ctx is
// done.
func (r *run) sleep(ctx context.Context) error {
	for {
		left := r.wake.At.Sub(r.Clock.Now())
		if left <= 0 || ctx.Err() != nil {
			return ctx.Err()
		}
		r.Clock.Sleep(ctx, min(left, pollCommands))
		if ctx.Err() == nil && len(r.fresh(r.commands(ctx))) > 0 {
			return nil
		}
	}
}
