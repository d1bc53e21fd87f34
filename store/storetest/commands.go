package storetest

import (
	"fmt"
	"testing"
	"time"

	"watari.dev/store"
)

func testCommands(t *testing.T, s Subject) {
	ctx := t.Context()
	mustSave(t, s.Store, shop, 0, numbered(1))
	at := s.Clock.Now()
	submitted := []store.Command{
		{ID: "late", Kind: "resume", By: "ana@ops1", At: at.Add(time.Second)},
		{ID: "early", Kind: "pause", By: "ben@ops2", At: at, Note: "what is this?", Attempt: 2, Step: 3, Situation: 41},
		{ID: "b/../odd name.json", Kind: "approve", At: at.Add(2 * time.Second)},
		{ID: "a", Kind: "retry", At: at.Add(2 * time.Second)},
	}
	for _, c := range submitted {
		if err := s.Store.Submit(ctx, shop, c); err != nil {
			t.Fatalf("submit %s: %v", c.ID, err)
		}
	}
	wantCommands(t, s.Store, "early", "late", "a", "b/../odd name.json")
	got, err := s.Store.Commands(ctx, shop)
	if err != nil || unsigned(got[0]) != submitted[1] {
		t.Errorf("%+v, %v; want %+v", got[0], err, submitted[1])
	}
	if got[0].Author == "" {
		t.Errorf("%+v has no author", got[0])
	}
	if err := s.Store.Discard(ctx, shop, "early", "b/../odd name.json", "never was"); err != nil {
		t.Fatal(err)
	}
	wantCommands(t, s.Store, "late", "a")
	if err := s.Store.Discard(ctx, shop); err != nil {
		t.Errorf("discard nothing: %v", err)
	}
	if err := s.Store.Submit(ctx, shop, store.Command{Kind: "pause"}); err == nil {
		t.Error("a command without ID was accepted")
	}
}

func testCommandOnce(t *testing.T, s Subject) {
	mustSave(t, s.Store, shop, 0, numbered(1))
	first := store.Command{ID: "1", Kind: "pause", At: s.Clock.Now()}
	second := first
	second.Kind = "rollback"
	for _, c := range []store.Command{first, first, second} {
		if err := s.Store.Submit(t.Context(), shop, c); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Store.Commands(t.Context(), shop)
	if err != nil || len(got) != 1 || unsigned(got[0]) != first {
		t.Errorf("%+v, %v; want the first only", got, err)
	}
}

func testCommandWithoutMigration(t *testing.T, s Subject) {
	err := s.Store.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "pause", At: s.Clock.Now()})
	wantError(t, "submit", err, store.ErrNotFound)
	wantCommands(t, s.Store)
	if err := s.Store.Discard(t.Context(), shop, "1"); err != nil {
		t.Errorf("discard: %v", err)
	}
}

// unsigned is a command as it was submitted.
func unsigned(c store.Command) store.Command {
	c.Author = ""
	return c
}

func wantCommands(t *testing.T, s store.Store, want ...string) {
	t.Helper()
	commands, err := s.Commands(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range commands {
		got = append(got, c.ID)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("commands %q, want %q", got, want)
	}
}
