package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

const (
	recordName   = "record.json"
	journalName  = "journal"
	legacyName   = "journal.jsonl" // of format 1: the segment before the first one
	tornName     = "journal.torn"
	commandsName = "commands"
	leaseName    = "lease.json"
	lockName     = "lock"
)

// Store keeps migrations below one directory. Its methods may be called from
// several goroutines and processes.
type Store struct {
	dir   string
	disk  disk.Disk
	now   func() time.Time
	alive func(store.Holder, process) bool

	journal Journal
	report  func(error)
	begin   func(task func())

	flushed sync.Map // paths of which this Store has made the names durable
	own     sync.Map // directory of a migration: what this Store has saved there last
	active  sync.Map // directory of a migration: the number of the segment that is written
	due     sync.Map // directories of migrations whose closed segments want to be tidied
	tidying sync.WaitGroup
}

var _ store.Store = (*Store)(nil)

// Option changes how a Store behaves.
type Option func(*Store)

// WithClock sets the clock that leases are measured by; time.Now otherwise.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// WithDisk sets the disk that everything is on; the operating system's otherwise.
func WithDisk(d disk.Disk) Option { return func(s *Store) { s.disk = d } }

// WithAlive sets how a holder is found to be alive; by his process, if he runs on
// this host, otherwise.
func WithAlive(alive func(store.Holder) bool) Option {
	return func(s *Store) { s.alive = func(h store.Holder, _ process) bool { return alive(h) } }
}

// WithJournal sets how much of a journal is kept, and in which detail. Fields that are
// zero have their default.
func WithJournal(j Journal) Option { return func(s *Store) { s.journal = j } }

// WithReport sets who is told that a journal cannot be kept within its bound, or its
// closed segments not be tidied; each once. Nothing else is the worse for it.
func WithReport(report func(error)) Option { return func(s *Store) { s.report = report } }

// WithBackground sets how a task is begun that nobody waits for; as a goroutine
// otherwise.
func WithBackground(begin func(task func())) Option { return func(s *Store) { s.begin = begin } }

// New returns a store below dir. Nothing is read or created before the first
// call that needs it.
func New(dir string, options ...Option) *Store {
	s := &Store{dir: filepath.Clean(dir), disk: disk.OS(dir), now: time.Now, alive: alive, report: func(error) {}}
	s.begin = func(task func()) { s.tidying.Go(task) }
	for _, set := range options {
		set(s)
	}
	s.journal = s.journal.withDefaults()
	return s
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, key store.Key) (store.Record, store.Revision, error) {
	if err := ready(ctx, key); err != nil {
		return store.Record{}, 0, err
	}
	f, spec, err := s.whole(s.path(key, ""))
	if err != nil {
		return store.Record{}, 0, fmt.Errorf("load migration %s: %w", key, err)
	}
	if f.Revision == 0 {
		return store.Record{}, 0, fmt.Errorf("load migration %s from %s: %w", key, s.dir, store.ErrNotFound)
	}
	status, err := compacted(f.Status)
	if err != nil {
		return store.Record{}, 0, fmt.Errorf("load migration %s: %w", key, err)
	}
	return store.Record{Spec: spec, Status: status}, f.Revision, nil
}

// Save implements store.Store. The new record is complete and durable under
// another name before the journal is touched, so that a full disk is found while
// nothing has changed yet.
func (s *Store) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	err := s.change(ctx, "save", key, func(dir string) error {
		path := filepath.Join(dir, recordName)
		there, err := s.revisionIn(dir)
		if err != nil {
			return err
		}
		if there.revision != prev {
			return fmt.Errorf("revision %d was read, %d is there: %w", prev, there.revision, store.ErrConflict)
		}
		record, plan, err := s.newRecord(prev, next)
		if err != nil {
			return err
		}
		content, err := encodeRecord(record)
		if err != nil {
			return err
		}
		lines, err := encodeEntries(entries)
		if err != nil {
			return err
		}
		if _, err := s.activeSegment(dir); err != nil { // refused before anything is written
			return err
		}
		if err := s.keepPlan(dir, record.Plan, there.plan, plan); err != nil {
			return err
		}
		replace, err := s.prepareFile(path, content)
		if err != nil {
			return err
		}
		undo, err := s.appendLines(dir, lines)
		if err != nil {
			return errors.Join(err, replace.discard())
		}
		s.own.Delete(dir) // until it is certain
		if err := replace.commit(); err != nil {
			return errors.Join(err, undo())
		}
		if err := s.disk.SyncDir(dir); err != nil { // saved for those who load now, maybe not for those after a power cut
			return explained(err)
		}
		s.own.Store(dir, kept{record.Revision, record.Plan})
		if record.Plan != there.plan {
			s.dropPlans(dir, record.Plan)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.tidySoon(key)
	return prev + 1, nil
}

// List implements store.Store. What is not a directory with a record is not a
// migration; one whose directory is refused is listed, so that it is not overlooked.
func (s *Store) List(ctx context.Context) ([]store.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	names, err := s.disk.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", explained(err))
	}
	var keys []store.Key
	for _, name := range names {
		key := store.Key{Name: name}
		if key.Validate() != nil {
			continue
		}
		there, err := s.disk.Exists(s.path(key, recordName))
		if there || refused(err) && !errors.Is(err, syscall.ENOTDIR) { // who asks for it is told why it is refused
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b store.Key) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}

func (s *Store) path(key store.Key, name string) string { return filepath.Join(s.dir, key.Name, name) }

// change runs apply with the migration's directory, created where it is missing,
// while no other process or goroutine changes it.
func (s *Store) change(ctx context.Context, what string, key store.Key, apply func(dir string) error) error {
	if err := ready(ctx, key); err != nil {
		return err
	}
	dir := s.path(key, "")
	unlock, err := s.lock(ctx, dir)
	if errors.Is(err, fs.ErrNotExist) { // somebody has moved it away since it was made
		s.forget(dir)
		unlock, err = s.lock(ctx, dir)
	}
	if err != nil {
		return fmt.Errorf("%s migration %s: %w", what, key, err)
	}
	defer unlock()
	if err = s.checkFormat(dir); err == nil {
		err = apply(dir)
	}
	if locked := (*store.LockedError)(nil); err == nil || errors.As(err, &locked) {
		return err // a LockedError already says all
	}
	return fmt.Errorf("%s migration %s: %w", what, key, err)
}

// lock takes the lock of a migration's directory, created where it is missing.
func (s *Store) lock(ctx context.Context, dir string) (unlock func(), err error) {
	if err := errors.Join(s.ensureDir(s.dir), s.ensureDir(dir)); err != nil {
		return nil, err
	}
	unlock, err = s.disk.Lock(ctx, filepath.Join(dir, lockName))
	if withoutLocks(err) {
		return nil, fmt.Errorf("%w; %s", err, adviceOnLocks)
	}
	if errors.Is(err, disk.ErrLocked) && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("another process is changing it, or was stopped while it did (lslocks shows which one): %w", err)
	}
	return unlock, explained(err)
}

// known reports whether anything of key was ever written, without writing.
func (s *Store) known(key store.Key) bool {
	there, err := s.disk.Exists(s.path(key, ""))
	return there || err != nil
}

func ready(ctx context.Context, key store.Key) error {
	if err := key.Validate(); err != nil {
		return err
	}
	return ctx.Err()
}
