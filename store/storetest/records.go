package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"watari.dev/store"
)

func testNotFound(t *testing.T, s Subject) {
	ctx := t.Context()
	_, _, err := s.Store.Load(ctx, shop)
	wantError(t, "load", err, store.ErrNotFound)
	_, err = All(s.Store.Journal(ctx, shop))
	wantError(t, "journal", err, store.ErrNotFound)
	if commands, err := s.Store.Commands(ctx, shop); err != nil || len(commands) != 0 {
		t.Errorf("commands: %v, %v", commands, err)
	}
	if _, _, held, err := s.Store.Holder(ctx, shop); err != nil || held {
		t.Errorf("holder: %v, %v", held, err)
	}
	if keys, err := s.Store.List(ctx); err != nil || len(keys) != 0 {
		t.Errorf("list: %v, %v", keys, err)
	}
}

func testBadNames(t *testing.T, s Subject) {
	ctx := t.Context()
	for _, name := range []string{"", "..", "a/b", "Shop", "-a", strings.Repeat("a", 64)} {
		key := store.Key{Name: name}
		_, _, loadErr := s.Store.Load(ctx, key)
		_, saveErr := s.Store.Save(ctx, key, 0, numbered(1))
		_, journalErr := All(s.Store.Journal(ctx, key))
		_, commandsErr := s.Store.Commands(ctx, key)
		_, leaseErr := s.Store.Acquire(ctx, key, holder(s.Clock, "a"), time.Minute, false)
		_, _, _, holderErr := s.Store.Holder(ctx, key)
		for what, err := range map[string]error{
			"load": loadErr, "save": saveErr, "journal": journalErr, "commands": commandsErr, "acquire": leaseErr, "holder": holderErr,
			"append": s.Store.Append(ctx, key, entry(s.Clock, "x")), "discard": s.Store.Discard(ctx, key, "x"),
			"submit": s.Store.Submit(ctx, key, store.Command{ID: "x"}),
		} {
			if err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s of %q: %v", what, name, err)
			}
		}
	}
}

func testSaveAndLoad(t *testing.T, s Subject) {
	records := []store.Record{
		record(`{"a": [1, 2,  {"b":"c\n<&>"}]}`, `{"big":9007199254740993,"text":"渡り"}`),
		record(`"only a string"`, `null`),
		{}, // empty is null
		numbered(4),
	}
	var revision store.Revision
	for _, want := range records {
		next := mustSave(t, s.Store, shop, revision, want)
		if next == revision || next == 0 {
			t.Fatalf("revision %d after %d", next, revision)
		}
		revision = next
		wantRecord(t, s.Store, shop, want, revision)
	}
	got, _, err := s.Store.Load(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	got.Status[0] = 'X' // what a caller does with his copy is his own affair
	wantRecord(t, s.Store, shop, numbered(4), revision)
}

func testNoJSON(t *testing.T, s Subject) {
	for _, bad := range []store.Record{record(`{`, `{}`), record(`{}`, `1 2`)} {
		if _, err := s.Store.Save(t.Context(), shop, 0, bad); err == nil {
			t.Errorf("%s, %s was saved", bad.Spec, bad.Status)
		}
	}
	e := entry(s.Clock, "bad")
	e.Data = json.RawMessage(`{"a":`)
	if err := s.Store.Append(t.Context(), shop, e); err == nil {
		t.Error("an entry whose data is no JSON was appended")
	}
	if _, err := s.Store.Save(t.Context(), shop, 0, numbered(1), e); err == nil {
		t.Error("an entry whose data is no JSON was saved")
	}
	_, _, err := s.Store.Load(t.Context(), shop)
	wantError(t, "load after refused saves", err, store.ErrNotFound)
}

func testConflict(t *testing.T, s Subject) {
	ctx := t.Context()
	_, err := s.Store.Save(ctx, shop, 7, numbered(0))
	wantError(t, "save over a revision that never was", err, store.ErrConflict)
	first := mustSave(t, s.Store, shop, 0, numbered(1))
	_, err = s.Store.Save(ctx, shop, 0, numbered(2))
	wantError(t, "save as new what is there", err, store.ErrConflict)
	second := mustSave(t, s.Store, shop, first, numbered(3))
	_, err = s.Store.Save(ctx, shop, first, numbered(4))
	wantError(t, "save over the revision before", err, store.ErrConflict)
	wantRecord(t, s.Store, shop, numbered(3), second)
}

func testManyWriters(t *testing.T, s Subject) {
	const writers, rounds = 8, 5
	var revision store.Revision
	for round := range rounds {
		var wins atomic.Int64
		var winner atomic.Int64
		var next atomic.Int64
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				got, err := s.Store.Save(t.Context(), shop, revision, numbered(w), entry(s.Clock, fmt.Sprintf("%d by %d", round, w)))
				switch {
				case err == nil:
					wins.Add(1)
					winner.Store(int64(w))
					next.Store(int64(got))
				case !errors.Is(err, store.ErrConflict):
					t.Errorf("writer %d: %v", w, err)
				}
			})
		}
		all.Wait()
		if wins.Load() != 1 {
			t.Fatalf("round %d: %d writers won", round, wins.Load())
		}
		revision = store.Revision(next.Load())
		wantRecord(t, s.Store, shop, numbered(int(winner.Load())), revision)
	}
	entries, err := All(s.Store.Journal(t.Context(), shop))
	if err != nil || len(entries) != rounds {
		t.Errorf("%d entries, %v; want those of the %d winners", len(entries), err, rounds)
	}
}

func testList(t *testing.T, s Subject) {
	for _, name := range []string{"b", "a", "c-1"} {
		mustSave(t, s.Store, store.Key{Name: name}, 0, numbered(1))
	}
	if err := s.Store.Append(t.Context(), store.Key{Name: "only-a-journal"}, entry(s.Clock, "x")); err != nil {
		t.Fatal(err)
	}
	keys, err := s.Store.List(t.Context())
	if err != nil || fmt.Sprint(keys) != "[a b c-1]" {
		t.Errorf("%v, %v", keys, err)
	}
}

func testSeparate(t *testing.T, s Subject) {
	other := store.Key{Name: "other"}
	a := mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "of shop"))
	b := mustSave(t, s.Store, other, 0, numbered(2), entry(s.Clock, "of other"))
	if err := s.Store.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "pause", At: s.Clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if commands, err := s.Store.Commands(t.Context(), other); err != nil || len(commands) != 0 {
		t.Errorf("commands of the other migration: %v, %v", commands, err)
	}
	for _, key := range []store.Key{shop, other} {
		if _, err := s.Store.Acquire(t.Context(), key, holder(s.Clock, "of "+key.Name), time.Minute, false); err != nil {
			t.Errorf("each migration has a lease of its own: %v", err)
		}
	}
	wantRecord(t, s.Store, shop, numbered(1), a)
	wantRecord(t, s.Store, other, numbered(2), b)
	wantTexts(t, s.Store, shop, "of shop")
	wantTexts(t, s.Store, other, "of other")
}

func testGivenUp(t *testing.T, s Subject) {
	revision := mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "first"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, saveErr := s.Store.Save(ctx, shop, revision, numbered(2), entry(s.Clock, "never"))
	_, leaseErr := s.Store.Acquire(ctx, shop, holder(s.Clock, "never"), time.Minute, false)
	for what, err := range map[string]error{
		"save": saveErr, "acquire": leaseErr,
		"append": s.Store.Append(ctx, shop, entry(s.Clock, "never")),
		"submit": s.Store.Submit(ctx, shop, store.Command{ID: "never"}),
	} {
		wantError(t, what, err, context.Canceled)
	}
	wantRecord(t, s.Store, shop, numbered(1), revision)
	wantTexts(t, s.Store, shop, "first")
	wantCommands(t, s.Store)
	if _, _, held, err := s.Store.Holder(t.Context(), shop); err != nil || held {
		t.Errorf("holder: %v, %v", held, err)
	}
}

func testReopen(t *testing.T, s Subject) {
	if s.Reopen == nil {
		t.Skip("this store forgets when its process ends, as it says")
	}
	ctx := t.Context()
	revision := mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "first"))
	revision = mustSave(t, s.Store, shop, revision, numbered(2), entry(s.Clock, "second"))
	command := store.Command{ID: "1", Kind: "pause", By: "ana@ops1", At: s.Clock.Now(), Note: "lunch"}
	if err := s.Store.Submit(ctx, shop, command); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Store.Acquire(ctx, shop, holder(s.Clock, "first run"), time.Minute, false); err != nil {
		t.Fatal(err)
	}

	later := s.Reopen(t)
	wantRecord(t, later, shop, numbered(2), revision)
	wantTexts(t, later, shop, "first", "second")
	if got, err := later.Commands(ctx, shop); err != nil || len(got) != 1 || unsigned(got[0]) != command {
		t.Errorf("commands: %v, %v", got, err)
	}
	_, err := later.Acquire(ctx, shop, holder(s.Clock, "second run"), time.Minute, false)
	wantError(t, "acquire while the first run's lease lives", err, store.ErrLocked)
	s.Clock.Advance(time.Minute)
	if _, err := later.Acquire(ctx, shop, holder(s.Clock, "second run"), time.Minute, false); err != nil {
		t.Errorf("acquire after it expired: %v", err)
	}
	wantRecord(t, later, shop, numbered(2), revision)
	mustSave(t, later, shop, revision, numbered(3), entry(s.Clock, "third"))
	wantTexts(t, s.Store, shop, "first", "second", "third")
}
