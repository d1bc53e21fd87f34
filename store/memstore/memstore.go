// Package memstore remembers migrations in memory: for tests, simulations and
// dry runs. It keeps every promise of package store except that it forgets when
// its process ends. Its clock is injected, and it fails on demand before or after
// an effect became durable, which is how callers learn to live with a lost reply.
// It never touches a disk and never waits.
package memstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/store"
)

// Op names a method that changes something.
type Op string

// The operations that a fault can hit.
const (
	Save    Op = "save"
	Append  Op = "append"
	Submit  Op = "submit"
	Discard Op = "discard"
	Acquire Op = "acquire"
	Renew   Op = "renew"
	Release Op = "release"
)

// Fault is what goes wrong with one operation.
type Fault uint8

// The faults.
const (
	None       Fault = iota
	FailBefore       // nothing was changed, and the caller gets ErrInjected
	FailAfter        // it was changed and is durable, and the caller gets ErrInjected all the same
)

// ErrInjected is the error of an injected fault.
var ErrInjected = errors.New("injected fault")

// Store is the store. Its methods may be called from several goroutines.
type Store struct {
	now    func() time.Time
	alive  func(store.Holder) bool
	fault  func(Op, store.Key) Fault
	trusts func(author string) bool

	mu         sync.Mutex
	migrations map[store.Key]*migration
	leases     int64 // how many were given out, to tell them apart
}

var _ store.Store = (*Store)(nil)

type migration struct {
	record   store.Record
	revision store.Revision // 0: nothing was saved
	journal  []store.Entry
	commands map[string]store.Command
	lease    grant
}

// Option changes how a Store behaves.
type Option func(*Store)

// WithClock sets the clock that leases are measured by; time.Now otherwise.
func WithClock(now func() time.Time) Option { return func(s *Store) { s.now = now } }

// WithAlive sets how a holder is found to be alive. Without it nobody is known
// to be dead.
func WithAlive(alive func(store.Holder) bool) Option { return func(s *Store) { s.alive = alive } }

// WithFaults asks decide before each operation what goes wrong with it. decide is
// called with the store locked and must not call it.
func WithFaults(decide func(Op, store.Key) Fault) Option { return func(s *Store) { s.fault = decide } }

// WithTrust sets whose commands count, as other stores find out by themselves. An
// author is who the command says that it is by. Without it everybody is trusted.
func WithTrust(trusts func(author string) bool) Option { return func(s *Store) { s.trusts = trusts } }

// New returns an empty store.
func New(options ...Option) *Store {
	s := &Store{
		now:        time.Now,
		alive:      func(store.Holder) bool { return true },
		fault:      func(Op, store.Key) Fault { return None },
		trusts:     func(string) bool { return true },
		migrations: map[store.Key]*migration{},
	}
	for _, set := range options {
		set(s)
	}
	return s
}

// Load implements store.Store.
func (s *Store) Load(ctx context.Context, key store.Key) (store.Record, store.Revision, error) {
	var record store.Record
	var revision store.Revision
	err := s.read(ctx, key, func(m *migration) error {
		if m == nil || m.revision == 0 {
			return store.ErrNotFound
		}
		var err error
		record, err = loaded(m.record)
		revision = m.revision
		return err
	})
	return record, revision, err
}

// Save implements store.Store.
func (s *Store) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	var revision store.Revision
	next, err := kept(next)
	if err != nil {
		return 0, fmt.Errorf("save migration %s: %w", key, err)
	}
	if entries, err = keptEntries(entries); err != nil {
		return 0, fmt.Errorf("save migration %s: %w", key, err)
	}
	err = s.change(ctx, Save, key, func(m *migration) error {
		if m.revision != prev {
			return fmt.Errorf("revision %d was read, %d is there: %w", prev, m.revision, store.ErrConflict)
		}
		m.record, m.revision = next, m.revision+1
		m.journal = append(m.journal, entries...)
		revision = m.revision
		return nil
	})
	if err != nil {
		return 0, err
	}
	return revision, nil
}

// Append implements store.Store.
func (s *Store) Append(ctx context.Context, key store.Key, entries ...store.Entry) error {
	entries, err := keptEntries(entries)
	if err != nil {
		return fmt.Errorf("append to the journal of migration %s: %w", key, err)
	}
	return s.change(ctx, Append, key, func(m *migration) error {
		m.journal = append(m.journal, entries...)
		return nil
	})
}

// Journal implements store.Store.
func (s *Store) Journal(ctx context.Context, key store.Key) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		var entries []store.Entry
		err := s.read(ctx, key, func(m *migration) error {
			if m == nil || m.revision == 0 && len(m.journal) == 0 {
				return store.ErrNotFound
			}
			entries = m.journal // entries are only ever added
			return nil
		})
		if err != nil {
			yield(store.Entry{}, err)
			return
		}
		for _, e := range entries {
			e, err := loadedEntry(e)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// List implements store.Store.
func (s *Store) List(ctx context.Context) ([]store.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []store.Key
	for key, m := range s.migrations {
		if m.revision > 0 {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b store.Key) int { return strings.Compare(a.Name, b.Name) })
	return keys, nil
}

// Submit implements store.Store.
func (s *Store) Submit(ctx context.Context, key store.Key, c store.Command) error {
	if c.ID == "" {
		return fmt.Errorf("submit %s to migration %s: a command needs an ID", c.Kind, key)
	}
	return s.change(ctx, Submit, key, func(m *migration) error {
		if m.revision == 0 {
			return store.ErrNotFound
		}
		if _, waits := m.commands[c.ID]; !waits {
			m.commands[c.ID] = c
		}
		return nil
	})
}

// Commands implements store.Store.
func (s *Store) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	var commands, refused []store.Command
	err := s.read(ctx, key, func(m *migration) error {
		if m != nil {
			for _, c := range m.commands {
				if c.Author = c.By; !s.trusts(c.Author) {
					refused = append(refused, c)
					continue
				}
				commands = append(commands, c)
			}
		}
		return nil
	})
	slices.SortFunc(commands, store.Command.Compare)
	slices.SortFunc(refused, store.Command.Compare)
	errs := []error{err}
	for _, c := range refused {
		errs = append(errs, &store.RefusedError{Err: fmt.Errorf("read commands of migration %s: %s is refused: it is by %s, who is not trusted", key, c.ID, c.Author)})
	}
	return commands, errors.Join(errs...)
}

// Discard implements store.Store.
func (s *Store) Discard(ctx context.Context, key store.Key, ids ...string) error {
	return s.change(ctx, Discard, key, func(m *migration) error {
		for _, id := range ids {
			delete(m.commands, id)
		}
		return nil
	})
}

// read runs look with what is remembered of key, nil if nothing.
func (s *Store) read(ctx context.Context, key store.Key, look func(*migration) error) error {
	if err := errors.Join(key.Validate(), ctx.Err()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := look(s.migrations[key]); err != nil {
		return fmt.Errorf("read migration %s: %w", key, err)
	}
	return nil
}

// change runs apply with what is remembered of key, and the fault that is due.
func (s *Store) change(ctx context.Context, op Op, key store.Key, apply func(*migration) error) error {
	if err := errors.Join(key.Validate(), ctx.Err()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fault := s.fault(op, key)
	if fault == FailBefore {
		return fmt.Errorf("%s migration %s: %w before anything was changed", op, key, ErrInjected)
	}
	m := s.migrations[key]
	if m == nil {
		m = &migration{commands: map[string]store.Command{}}
	}
	err := apply(m)
	if locked := (*store.LockedError)(nil); errors.As(err, &locked) {
		return err // already says all
	}
	if err != nil {
		return fmt.Errorf("%s migration %s: %w", op, key, err)
	}
	s.migrations[key] = m
	if fault == FailAfter {
		return fmt.Errorf("%s migration %s: %w after it was done", op, key, ErrInjected)
	}
	return nil
}

// kept returns r with bytes of its own, or what is wrong with them.
func kept(r store.Record) (store.Record, error) {
	spec, err := keptJSON(r.Spec)
	if err != nil {
		return store.Record{}, fmt.Errorf("write the spec as JSON: %w", err)
	}
	status, err := keptJSON(r.Status)
	if err != nil {
		return store.Record{}, fmt.Errorf("write the status as JSON: %w", err)
	}
	return store.Record{Spec: spec, Status: status}, nil
}

// keptJSON returns a copy of b; null if it is empty.
func keptJSON(b json.RawMessage) (json.RawMessage, error) {
	if len(b) == 0 {
		return json.RawMessage("null"), nil
	}
	if !json.Valid(b) {
		return nil, errors.New("it is none")
	}
	return slices.Clone(b), nil
}

// loaded returns r as a reader of a file would get it.
func loaded(r store.Record) (store.Record, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return store.Record{}, err
	}
	var out store.Record
	return out, json.Unmarshal(b, &out)
}

// keptEntries returns entries with bytes of their own, or what is wrong with them.
func keptEntries(entries []store.Entry) ([]store.Entry, error) {
	out := slices.Clone(entries)
	for i := range out {
		e := &out[i]
		if y := e.At.Year(); y < 0 || y > 9999 {
			return nil, fmt.Errorf("write the entry %q as JSON: year %d is outside of 0 to 9999", e.Text, y)
		}
		if len(e.Data) > 0 && !json.Valid(e.Data) {
			return nil, fmt.Errorf("write the entry %q as JSON: its data is none", e.Text)
		}
		e.Data = slices.Clone(e.Data)
	}
	return out, nil
}

// loadedEntry returns an entry as a reader of a file would get it.
func loadedEntry(e store.Entry) (out store.Entry, err error) {
	b, err := json.Marshal(e)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(b, &out)
}
