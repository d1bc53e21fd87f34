package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

	entries, err := All(s.Store.Journal(ctx, shop))
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
	entries, err := All(s.Store.Journal(t.Context(), shop))
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

// testPausedReader stops a reader in the middle of the journal while everything that
// a runner does is done. A reader that held anything would stop it.
func testPausedReader(t *testing.T, s Subject) {
	ctx := t.Context()
	lease := mustAcquire(t, s, "runner")
	revision := mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "one"), entry(s.Clock, "two"))
	read := 0
	for e, err := range s.Store.Journal(ctx, shop) {
		if err != nil {
			t.Fatal(err)
		}
		if read++; read > 1 {
			continue
		}
		if e.Text != "one" {
			t.Fatalf("%q comes first", e.Text)
		}
		for n := range 30 {
			revision = mustSave(t, s.Store, shop, revision, numbered(n), entry(s.Clock, fmt.Sprint("meanwhile ", n)))
		}
		err := errors.Join(
			lease.Renew(ctx), s.Store.Append(ctx, shop, entry(s.Clock, "appended")),
			s.Store.Submit(ctx, shop, store.Command{ID: "1", Kind: "pause", At: s.Clock.Now()}), s.Store.Discard(ctx, shop, "1"),
		)
		if err != nil {
			t.Fatalf("while somebody reads: %v", err)
		}
	}
	if read < 2 {
		t.Errorf("%d entries were read; two were there when it began", read)
	}
	if entries, err := All(s.Store.Journal(ctx, shop)); err != nil || len(entries) != 33 {
		t.Errorf("%d entries afterwards, %v; want 33", len(entries), err)
	}
}

// testReadWhileWritten reads again and again while two write. Whatever a reader sees
// is a beginning of what was written, and has all that was acknowledged before.
func testReadWhileWritten(t *testing.T, s Subject) {
	const each = 150
	ctx := t.Context()
	var acknowledged atomic.Int64
	if err := s.Store.Append(ctx, shop, entry(s.Clock, "0")); err != nil {
		t.Fatal(err)
	}
	acknowledged.Store(1)
	done := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(done)
		for n := 1; n <= each; n++ {
			e := entry(s.Clock, strconv.Itoa(n))
			e.Data = json.RawMessage(`"` + strings.Repeat("x", 700) + `"`)
			if err := s.Store.Append(ctx, shop, e); err != nil {
				t.Errorf("append: %v", err)
				return
			}
			acknowledged.Store(int64(n + 1))
		}
	})
	for range 2 {
		all.Go(func() {
			for over := false; !over; {
				select {
				case <-done:
					over = true
				default:
				}
				least := int(acknowledged.Load())
				entries, err := All(s.Store.Journal(ctx, shop))
				if err != nil || len(entries) < least {
					t.Errorf("%d entries, %v; %d were acknowledged", len(entries), err, least)
					return
				}
				for i, e := range entries {
					if e.Text != strconv.Itoa(i) {
						t.Errorf("entry %d of %d is %q", i, len(entries), e.Text)
						return
					}
				}
			}
		})
	}
	all.Wait()
}

func testReadInPart(t *testing.T, s Subject) {
	mustSave(t, s.Store, shop, 0, numbered(1), entry(s.Clock, "one"), entry(s.Clock, "two"))
	for e, err := range s.Store.Journal(t.Context(), shop) {
		if err != nil || e.Text != "one" {
			t.Fatalf("%q, %v", e.Text, err)
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := All(s.Store.Journal(ctx, shop))
	wantError(t, "journal", err, context.Canceled)
	wantTexts(t, s.Store, shop, "one", "two")
}
