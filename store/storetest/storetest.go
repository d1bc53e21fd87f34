// Package storetest is the contract of package store as tests: every store runs
// Run and passes it. It promises that whoever passes keeps what Save returned,
// lets exactly one of several writers win, and gives the lease to one holder at a
// time. It never waits: time is a Clock that the tests move.
package storetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"watari.dev/store"
)

// Subject is an empty store and the world around it.
type Subject struct {
	Store store.Store
	Clock *Clock             // the clock that Store measures leases by
	Bury  func(store.Holder) // makes Store know from now on that the holder's process is gone
	// Reopen returns a store with the memory of Store, as a process started later
	// would see it. Nil for a store that forgets when its process ends.
	Reopen func(t *testing.T) store.Store
}

// Clock stands still until it is moved. It may be used by several goroutines.
type Clock struct {
	mu  sync.Mutex
	now time.Time
}

// NewClock returns a clock that stands at a full second.
func NewClock() *Clock { return &Clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// Now returns the time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Run runs the contract, each test with a Subject of its own.
func Run(t *testing.T, subject func(t *testing.T) Subject) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Subject)
	}{
		{"what was never saved is not found", testNotFound},
		{"bad names are refused", testBadNames},
		{"saved is loaded", testSaveAndLoad},
		{"a record that is no JSON is refused", testNoJSON},
		{"who has not read the last revision cannot save", testConflict},
		{"of many writers one wins each revision", testManyWriters},
		{"the journal keeps the order", testJournal},
		{"a refused save leaves no entry", testRefusedSaveLeavesNoEntry},
		{"many append at once", testManyAppend},
		{"who reads delays nobody", testPausedReader},
		{"a journal is read while it is written", testReadWhileWritten},
		{"a journal that is read in part", testReadInPart},
		{"migrations are listed", testList},
		{"migrations do not mix", testSeparate},
		{"commands wait until discarded", testCommands},
		{"a command is submitted once", testCommandOnce},
		{"commands need a migration", testCommandWithoutMigration},
		{"the lease has one holder", testLeaseOneHolder},
		{"an expired lease is free", testLeaseExpires},
		{"a lease is renewed", testLeaseRenew},
		{"a dead holder is taken over", testTakeOver},
		{"a live holder is not taken over", testNoTakeOverOfTheLiving},
		{"a released lease is free at once", testRelease},
		{"a lost lease releases nothing", testReleaseLost},
		{"acquiring again replaces the lease", testAcquireAgain},
		{"of many who want the lease one gets it", testManyAcquire},
		{"who has given up changes nothing", testGivenUp},
		{"everything is there after a restart", testReopen},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, subject(t)) })
	}
}

// All collects a journal, up to its end or its error.
func All(journal iter.Seq2[store.Entry, error]) (out []store.Entry, err error) {
	for e, err := range journal {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

var shop = store.Key{Name: "shop"}

func record(spec, status string) store.Record {
	return store.Record{Spec: json.RawMessage(spec), Status: json.RawMessage(status)}
}

// numbered returns a record whose status is n.
func numbered(n int) store.Record { return record(`{"steps":[1,10,100]}`, fmt.Sprintf(`{"n":%d}`, n)) }

func entry(c *Clock, text string) store.Entry {
	data, _ := json.Marshal(map[string]string{"text": text}) // a map of strings always marshals
	return store.Entry{At: c.Now(), Kind: "decision", Text: text, Data: data}
}

func holder(c *Clock, id string) store.Holder {
	return store.Holder{ID: id, User: "ana", Host: "ops1", PID: 4242, Since: c.Now()}
}

func mustSave(t *testing.T, s store.Store, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) store.Revision {
	t.Helper()
	revision, err := s.Save(t.Context(), key, prev, next, entries...)
	if err != nil {
		t.Fatalf("save %s over revision %d: %v", key, prev, err)
	}
	return revision
}

func wantRecord(t *testing.T, s store.Store, key store.Key, want store.Record, at store.Revision) {
	t.Helper()
	got, revision, err := s.Load(t.Context(), key)
	if err != nil {
		t.Fatalf("load %s: %v", key, err)
	}
	if revision != at {
		t.Errorf("revision is %d, want %d", revision, at)
	}
	if !sameJSON(t, got.Spec, want.Spec) || !sameJSON(t, got.Status, want.Status) {
		t.Errorf("loaded %s and %s, want %s and %s", got.Spec, got.Status, want.Spec, want.Status)
	}
}

func wantTexts(t *testing.T, s store.Store, key store.Key, want ...string) {
	t.Helper()
	entries, err := All(s.Journal(t.Context(), key))
	if err != nil {
		t.Fatalf("journal of %s: %v", key, err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Text)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("journal of %s is %q, want %q", key, got, want)
	}
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// sameJSON compares as JSON, numbers digit by digit; empty is null.
func sameJSON(t *testing.T, a, b json.RawMessage) bool {
	t.Helper()
	return bytes.Equal(canonical(t, a), canonical(t, b))
}

func canonical(t *testing.T, raw json.RawMessage) []byte {
	t.Helper()
	if len(raw) == 0 {
		return []byte("null")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s is not JSON: %v", raw, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
