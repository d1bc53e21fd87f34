package runner

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
)

// saveEvery is how long a status may go unsaved on which nothing rests: so much of a
// hold, of what was counted and of what it says may be lost with the process. A lease
// is renewed as often.
const saveEvery = 5 * time.Second

// remember renews the lease if it must, and saves the status with the decisions that
// led to it where something rests on it: a write, a command, something that is said
// of the migration or of a route. Only then are commands gone that it has consumed. A
// status that need not be saved yet, or cannot be, is kept and goes on in memory, with
// what the journal should say, so that a full disk does not stop the watch over a bad
// target.
func (r *run) remember(ctx context.Context, status engine.Status, seen engine.Observation, t decided) error {
	rests := t.ends || len(t.writes) > 0 || len(t.notes) > 0 || r.restsOn(status) // an answer is a note, and rests on it
	r.status, r.earlier = status, slices.Clone(r.entries)
	r.entries = append(r.entries, entries(t.notes, seen, t.now)...)
	r.entries = bounded(r.entries)
	if err := r.holdLease(ctx); err != nil {
		r.failed = r.failed || !foreign(err)
		return err
	}
	if rests || r.failed || r.revision == 0 || r.unsavedFor(t.now, saveEvery) {
		if err := r.save(ctx); err != nil {
			return err
		}
		r.savedAt = t.now
	}
	r.discard(ctx, seen.Commands, t.now)
	return nil
}

// discard removes what a saved status has answered. What stays all the same is tried
// again as often as a status is saved, and told once.
func (r *run) discard(ctx context.Context, commands []engine.Command, now time.Time) {
	answered := slices.DeleteFunc(slices.Clone(commands), func(c engine.Command) bool {
		_, has := r.saved.Answered(c.ID)
		return !has
	})
	fresh, stays := false, false
	for _, c := range answered {
		stay, tried := r.staying[c.ID]
		fresh, stays = fresh || !tried, stays || stay
	}
	if !fresh && (!stays || now.Sub(r.triedAt).Abs() < saveEvery) {
		return
	}
	r.triedAt = now
	err := discard(ctx, r.Config, answered)
	if err != nil && fresh {
		r.Log.Warn("answered commands cannot be removed yet; they are not obeyed again", "err", err)
	}
	r.staying = map[string]bool{}
	for _, c := range answered {
		r.staying[c.ID] = err != nil
	}
}

// decided is what a turn wants to be done besides its status.
type decided struct {
	now    time.Time
	notes  []engine.Note
	writes []engine.Write
	ends   bool // nothing more happens without an operator
}

// unsavedFor reports whether the last save was d ago, by either clock.
func (r *run) unsavedFor(now time.Time, d time.Duration) bool {
	return now.Sub(r.savedAt) >= d || now.Round(0).Sub(r.savedAt.Round(0)).Abs() >= d
}

// restsOn reports whether something rests on what a status has and the saved one has
// not. What is left is watched time and evidence: without them a share rises later.
// Evidence against the target is part of what something rests on as soon as it has
// doubled, so that little of it can be lost.
func (r *run) restsOn(status engine.Status) bool {
	return !reflect.DeepEqual(foundation(status), foundation(r.saved)) || doubted(status) >= doubted(r.saved)+math.Ln2
}

// doubted is the evidence against the target, as a logarithm; 0 while there is none to
// speak of.
func doubted(s engine.Status) float64 {
	if s.Analysis == nil {
		return 0
	}
	return max(0, s.Analysis.LogE)
}

// foundation is a status without what changes in every turn and nothing rests on.
func foundation(s engine.Status) engine.Status {
	s.Held, s.LastTurn, s.Reason = 0, time.Time{}, ""
	s.Evidence = engine.Evidence{Alone: s.Evidence.Alone}
	s.Analysis, s.Verdict = nil, engine.Verdict{}
	if !s.BlindAt.IsZero() {
		s.BlindAt = time.Unix(0, 0) // that it is, not since when: it was saved when it began
	}
	s.Routes = slices.Clone(s.Routes)
	for i := range s.Routes {
		route := &s.Routes[i]
		route.LookAt, route.OursHeld = time.Time{}, 0
		if route.Seen != nil {
			seen := *route.Seen
			seen.At = time.Time{}
			route.Seen = &seen
		}
		if route.Written != nil {
			written := *route.Written
			written.Pending = ""
			route.Written = &written
		}
	}
	return s
}

// save remembers the status and the lines of the journal that wait.
func (r *run) save(ctx context.Context) error {
	blob, err := r.Codec.Encode(r.status)
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
	r.revision, r.entries, r.failed, r.tried, r.saved = revision, nil, false, nil, r.status
	return nil
}

// saveRest remembers what a run that is told to stop has not saved yet. Nothing rests
// on it.
func (r *run) saveRest(ctx context.Context) {
	if r.revision == 0 || r.failed || len(r.entries) == 0 && r.status.LastTurn.Equal(r.saved.LastTurn) || left(r.Clock.Now(), r.lease.Expires()) <= 0 {
		return
	}
	ctx, cancel := r.Clock.Timeout(context.WithoutCancel(ctx), r.Deadline)
	defer cancel()
	if err := r.save(ctx); err != nil {
		r.Log.Warn("the last seconds cannot be remembered", "err", err)
	}
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

// discard removes answered commands. One that stays is known by its ID, and removed
// later.
func discard(ctx context.Context, cfg Config, commands []engine.Command) error {
	ids := make([]string, 0, len(commands))
	for _, c := range commands {
		ids = append(ids, c.ID)
	}
	if len(ids) == 0 {
		return nil
	}
	return cfg.Store.Discard(ctx, cfg.Key, ids...)
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
