package storetest

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"watari.dev/store"
)

func testJournal(t *testing.T, s Subject) {
	ctx := t.Context()
	if err := s.Store.Append(ctx, shop, entry(s.Clock, "before the first save")); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, s.Store, shop, "before the first save")
	_, _, err := s.Store.Load(ctx, shop)
	wantError(t, "load of what has only a journal", err, store.ErrNotFound)

	revision := mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "two"), entry(s.Clock, "at once"))
	if err := s.Store.Append(ctx, shop); err != nil {
		t.Errorf("append nothing: %v", err)
	}
	full := store.Entry{
		At: s.Clock.Now().Add(time.Nanosecond), Kind: "effect", Text: "line\nbreak, quote \" and 渡り",
		Data: json.RawMessage(`{"share":100,"html":"<b>"}`),
	}
	if err := s.Store.Append(ctx, shop, full); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, s.Store, shop, "before the first save", "two", "at once", full.Text)
	wantRecord(t, s.Store, shop, numbered(1), revision)

	entries, err := s.Store.Journal(ctx, shop)
	if err != nil {
		t.Fatal(err)
	}
	got := entries[len(entries)-1]
	if !got.At.Equal(full.At) || got.Kind != full.Kind || !sameJSON(t, got.Data, full.Data) {
		t.Errorf("appended %+v, read %+v", full, got)
	}
}

func testRefusedSaveLeavesNoEntry(t *testing.T, s Subject) {
	mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "first"))
	_, err := s.Store.Save(t.Context(), shop, 0, numbered(2), entry(s.Clock, "never"))
	wantError(t, "save", err, store.ErrConflict)
	wantTexts(t, s.Store, shop, "first")
}

func testManyAppend(t *testing.T, s Subject) {
	const writers, each = 6, 10
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if err := s.Store.Append(t.Context(), shop, entry(s.Clock, fmt.Sprintf("%d %d", w, n))); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	all.Wait()
	entries, err := s.Store.Journal(t.Context(), shop)
	if err != nil || len(entries) != writers*each {
		t.Fatalf("%d entries, %v; want %d", len(entries), err, writers*each)
	}
	next := make([]int, writers)
	for _, e := range entries {
		var w, n int
		if _, err := fmt.Sscanf(e.Text, "%d %d", &w, &n); err != nil || n != next[w] {
			t.Fatalf("%q is out of its writer's order, %v", e.Text, err)
		}
		next[w]++
	}
}
