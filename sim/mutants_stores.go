package sim

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/filestore"
)

// mutantsOfStores remember badly, or share badly.
func mutantsOfStores() []Mutant {
	return []Mutant{
		{
			Name: "saved later", Broken: "Saving says yes at once and is done with the next save.",
			Breaks: []string{"saved before applied"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &writeBehind{Store: s} }),
		},
		{
			Name: "saved when the phase changes", Broken: "To spare the disk, only another phase is saved.",
			Breaks: []string{"saved before applied"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &sparing{Store: s} }),
		},
		{
			Name: "saves before a rise too seldom", Broken: "To spare the disk, what was saved less than five seconds ago is not saved again.",
			Breaks: []string{"saved before applied"},
			Config: storing(func(p *process, s store.Store) store.Store { return &seldom{Store: s, process: p} }),
		},
		{
			Name: "holds are not saved", Broken: "To spare the disk, nothing is saved while a share is held.",
			Breaks: []string{"little is lost with a process"},
			Config: storing(func(p *process, s store.Store) store.Store { return &still{Store: s, process: p} }),
		},
		{
			Name: "counts lost at rotation", Broken: "Of counts that are merged when a segment of the journal is closed the last ones stay.",
			Breaks: []string{"what is saved stays saved"},
			Journal: func(j filestore.Journal) filestore.Journal {
				j.Merge = func(counts []store.Entry) []store.Entry { return counts[len(counts)-1:] }
				return j
			},
		},
		{
			Name: "failed saves ignored", Broken: "That the status could not be saved stops no rise.",
			Breaks: []string{"saved before applied", "never above the step"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &sure{Store: s} }),
		},
		{
			Name: "last one to save wins", Broken: "A record that somebody else has saved meanwhile is saved over.",
			Breaks: []string{"nobody saves over another", "fencing"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &winning{s} }),
		},
		{
			Name: "begins with an older record", Broken: "A process that begins reads what was saved before the last save.",
			Breaks: []string{"nobody is accused wrongly", "an order is obeyed once", "an end is read back", "an end is true"},
			Config: storing(func(p *process, s store.Store) store.Store { return &behind{s, p} }),
		},
		{
			Name: "orders removed when read", Broken: "An order is removed before what was decided on it is saved.",
			Breaks: []string{"no order is lost"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &eager{Store: s} }),
		},
		{
			Name: "lease never ends", Broken: "The process believes that its lease lasts, and does not renew it.",
			Breaks: []string{"fencing"},
			Config: storing(func(_ *process, s store.Store) store.Store {
				return &leasing{s, func(l store.Lease) store.Lease { return endless{l} }}
			}),
		},
		{
			Name: "lost lease kept", Broken: "That the lease cannot be renewed, because another process has it, is overlooked.",
			Breaks: []string{"fencing"},
			Config: storing(func(p *process, s store.Store) store.Store {
				return &leasing{s, func(l store.Lease) store.Lease { return &keeping{Lease: l, process: p} }}
			}),
		},
		{
			Name: "runs beside another", Broken: "That another process has the lease keeps nobody from running.",
			Breaks: []string{"fencing"},
			Config: storing(func(p *process, s store.Store) store.Store { return &intruding{s, p} }),
		},
	}
}

func storing(wrap func(*process, store.Store) store.Store) func(*process, *runner.Config) {
	return func(p *process, cfg *runner.Config) { cfg.Store = wrap(p, cfg.Store) }
}

// writeBehind is one save behind.
type writeBehind struct {
	store.Store
	record   store.Record
	waits    bool
	revision store.Revision // that the store has
	fixed    bool
}

func (s *writeBehind) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	if !s.fixed {
		s.revision, s.fixed = prev, true
	}
	if s.waits {
		revision, err := s.Store.Save(ctx, key, s.revision, s.record, entries...)
		if err != nil {
			return 0, err
		}
		s.revision = revision
	}
	s.record, s.waits = next, true
	return prev + 1, nil
}

// sparing saves what changes the phase.
type sparing struct {
	store.Store
	phase engine.Phase
}

func (s *sparing) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	var status struct{ Phase engine.Phase }
	if err := json.Unmarshal(next.Status, &status); err == nil && status.Phase == s.phase {
		return prev, nil
	}
	revision, err := s.Store.Save(ctx, key, prev, next, entries...)
	if err == nil {
		s.phase = status.Phase
	}
	return revision, err
}

// seldom saves every five seconds.
type seldom struct {
	store.Store
	process *process
	at      time.Duration
}

func (s *seldom) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	if prev > 0 && s.at > 0 && s.process.now-s.at < 5*time.Second {
		return prev, nil
	}
	revision, err := s.Store.Save(ctx, key, prev, next, entries...)
	if err == nil {
		s.at = s.process.now
	}
	return revision, err
}

// still saves nothing while a share is held that was held before.
type still struct {
	store.Store
	process *process
	last    engine.Phase
}

func (s *still) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	phase := s.process.knows.decided.Phase
	if prev > 0 && phase == s.last && (phase == engine.Holding || phase == engine.Soaking) {
		return prev, nil
	}
	s.last = phase
	return s.Store.Save(ctx, key, prev, next, entries...)
}

// sure never says that a save has failed.
type sure struct {
	store.Store
	failed bool
}

func (s *sure) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	revision, err := s.Store.Save(ctx, key, prev, next, entries...)
	if errors.Is(err, store.ErrConflict) && s.failed {
		if _, now, lost := s.Store.Load(ctx, key); lost == nil {
			revision, err = s.Store.Save(ctx, key, now, next, entries...)
		}
	}
	if err != nil && !errors.Is(err, store.ErrConflict) {
		s.failed = true
		return prev, nil
	}
	return revision, err
}

// winning saves whatever is there.
type winning struct{ store.Store }

func (s *winning) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	revision, err := s.Store.Save(ctx, key, prev, next, entries...)
	if !errors.Is(err, store.ErrConflict) {
		return revision, err
	}
	_, now, lost := s.Load(ctx, key)
	if lost != nil {
		return 0, lost
	}
	return s.Store.Save(ctx, key, now, next, entries...)
}

// behind reads what was saved before the last save, of any process.
type behind struct {
	store.Store
	process *process
}

// copies are the two newest records.
type copies struct{ older, newest store.Record }

func (s *behind) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	revision, err := s.Store.Save(ctx, key, prev, next, entries...)
	if err != nil {
		return revision, err
	}
	kept, has := s.process.world.odd.(*copies)
	if !has {
		kept = &copies{older: next}
		s.process.world.odd = kept
	} else {
		kept.older = kept.newest
	}
	kept.newest = next
	return revision, nil
}

func (s *behind) Load(ctx context.Context, key store.Key) (store.Record, store.Revision, error) {
	record, revision, err := s.Store.Load(ctx, key)
	if kept, has := s.process.world.odd.(*copies); has && err == nil {
		record = kept.older
	}
	return record, revision, err
}

// eager removes orders when it has read them.
type eager struct {
	store.Store
}

func (s *eager) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	commands, err := s.Store.Commands(ctx, key)
	for _, c := range commands {
		if lost := s.Discard(ctx, key, c.ID); lost != nil {
			return nil, lost // read again
		}
	}
	return commands, err
}

// leasing gives out other leases.
type leasing struct {
	store.Store
	wrap func(store.Lease) store.Lease
}

func (s *leasing) Acquire(ctx context.Context, key store.Key, holder store.Holder, ttl time.Duration, takeOver bool) (store.Lease, error) {
	l, err := s.Store.Acquire(ctx, key, holder, ttl, takeOver)
	if err != nil {
		return nil, err
	}
	return s.wrap(l), nil
}

// endless is a lease without an end.
type endless struct{ store.Lease }

func (endless) Expires() time.Time { return dawn.Add(24 * time.Hour) }

// keeping is a lease that is renewed whatever the store says.
type keeping struct {
	store.Lease
	process *process
	expires time.Time
}

func (l *keeping) Renew(ctx context.Context) error {
	if l.Lease.Renew(ctx) == nil {
		l.expires = time.Time{}
		return nil
	}
	l.expires = l.process.wall().Add(15 * time.Second)
	return nil
}

func (l *keeping) Expires() time.Time {
	if l.expires.IsZero() {
		return l.Lease.Expires()
	}
	return l.expires
}

// intruding runs without the lease where it cannot have it.
type intruding struct {
	store.Store
	process *process
}

func (s *intruding) Acquire(ctx context.Context, key store.Key, holder store.Holder, ttl time.Duration, takeOver bool) (store.Lease, error) {
	l, err := s.Store.Acquire(ctx, key, holder, ttl, takeOver)
	if errors.Is(err, store.ErrLocked) {
		return &imagined{s.process}, nil
	}
	return l, err
}

// imagined is a lease that nobody gave.
type imagined struct{ process *process }

func (l *imagined) Expires() time.Time          { return l.process.wall().Add(15 * time.Second) }
func (*imagined) Renew(context.Context) error   { return nil }
func (*imagined) Release(context.Context) error { return nil }
