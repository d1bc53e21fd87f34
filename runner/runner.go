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
	r := &run{Config: cfg, lease: lease, results: map[string]engine.Result{}, services: servicesOf(cfg.Signals, cfg.Clock), obeyed: map[string]bool{}}
	r.looking.tasks = cfg.Clock.Group()
	defer r.looking.tasks.WaitAll()
	if err := r.load(ctx); err != nil {
		return engine.Status{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop() // before what is being looked at is waited for
	err = r.loop(ctx)
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
	wake     engine.Wake
	entries  []store.Entry       // of the journal, not saved yet
	earlier  []store.Entry       // those of them that are of earlier turns
	failed   bool                // the last save did
	tried    [][sha256.Size]byte // what was to be saved since one was known to succeed
	obeyed   map[string]bool     // commands that this process has handed to the engine
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
	unsaved := r.save(context.WithoutCancel(ctx), status, seen, turn.Notes, now)
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

// save renews the lease if it must and remembers the status with the decisions
// that led to it. Only then are commands gone that it has consumed. A status that
// cannot be saved is kept and goes on in memory, with what the journal should
// say, so that a full disk does not stop the watch over a bad target.
func (r *run) save(ctx context.Context, status engine.Status, seen engine.Observation, notes []engine.Note, now time.Time) error {
	r.status, r.earlier = status, slices.Clone(r.entries)
	r.entries = append(r.entries, entries(notes, seen, now)...)
	r.entries = bounded(r.entries)
	if err := r.holdLease(ctx); err != nil {
		r.failed = r.failed || !foreign(err)
		return err
	}
	blob, err := r.Codec.Encode(status)
	if err != nil {
		return fmt.Errorf("remember the status of %s: %w", r.Key, err)
	}
	record := store.Record{Spec: r.Record, Status: blob}
	revision, err := r.Store.Save(ctx, r.Key, r.revision, record, r.entries...)
	if errors.Is(err, store.ErrConflict) && r.failed {
		revision, err = r.saveAgain(ctx, record)
	}
	if err != nil {
		r.failed, r.tried = true, append(r.tried, sha256.Sum256(blob))
		return fmt.Errorf("save migration %s: %w", r.Key, err)
	}
	r.revision, r.entries, r.failed, r.tried = revision, nil, false, nil
	r.discard(ctx, seen.Commands)
	return nil
}

// keepEntries bounds the journal lines that wait for a store that does not take
// them.
const keepEntries = 1000

// bounded keeps the newest lines, and of those that nobody reads fewer.
func bounded(entries []store.Entry) []store.Entry {
	if len(entries) <= keepEntries {
		return entries
	}
	entries = slices.DeleteFunc(entries, func(e store.Entry) bool { return e.Kind == store.Counts })
	return entries[max(0, len(entries)-keepEntries):]
}

// saveAgain saves after an earlier save was said to have failed and had not: what
// is there must be what it was to save. Anything else is somebody else's, who has
// taken over while this process was suspended.
func (r *run) saveAgain(ctx context.Context, record store.Record) (store.Revision, error) {
	there, revision, err := r.Store.Load(ctx, r.Key)
	if err != nil {
		return 0, err
	}
	if !slices.Contains(r.tried, sha256.Sum256(there.Status)) {
		return 0, fmt.Errorf("revision %d is not what this process has saved: %w", revision, store.ErrConflict)
	}
	return r.Store.Save(ctx, r.Key, revision, record, r.entries...)
}

// discard removes consumed commands. One that stays is ignored by its ID, and
// removed later.
func (r *run) discard(ctx context.Context, commands []engine.Command) {
	ids := make([]string, 0, len(commands))
	for _, c := range commands {
		ids = append(ids, c.ID)
	}
	if len(ids) == 0 {
		return
	}
	if err := r.Store.Discard(ctx, r.Key, ids...); err != nil {
		r.Log.Warn("consumed commands cannot be removed yet", "err", err)
	}
}

// holdLease renews the lease when less than two thirds of it remain. Without it
// nothing rises.
func (r *run) holdLease(ctx context.Context) error {
	if left(r.Clock.Now(), r.lease.Expires()) > r.Lease*2/3 {
		return nil
	}
	if err := r.lease.Renew(ctx); err != nil {
		return fmt.Errorf("renew the lease of migration %s: %w", r.Key, err)
	}
	return nil
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
