package filestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

func texts(t *testing.T, s *Store) (out []string) {
	t.Helper()
	entries, err := storetest.All(s.Journal(t.Context(), shop))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Kind+": "+e.Text)
	}
	return out
}

func TestTornLineIsRepairedAndSaid(t *testing.T) {
	const torn = `{"at":"2026-01-01T00:00:00Z","kind":"eff`
	repairs := map[string]func(*Store) error{
		"by appending": func(s *Store) error { return s.Append(t.Context(), shop) },
		"by saving":    func(s *Store) error { _, err := s.Save(t.Context(), shop, 1, store.Record{}); return err },
	}
	for name, repair := range repairs {
		t.Run(name, func(t *testing.T) {
			s, dir := saved(t)
			path := plainPath(dir, 1)
			for _, content := range []string{torn, torn[:7], "\x00\x00"} {
				f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteString(content); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
				if err := repair(s); err != nil && name != "by saving" {
					t.Fatal(err)
				}
				if err := s.Append(t.Context(), shop, store.Entry{Kind: "effect", Text: "after"}); err != nil {
					t.Fatal(err)
				}
			}
			want := []string{
				"decision: first",
				"note: a crash cut off the journal's last line after 40 bytes; nobody had been told that it was written, and it is kept in journal.torn", "effect: after",
				"note: a crash cut off the journal's last line after 7 bytes; nobody had been told that it was written, and it is kept in journal.torn", "effect: after",
				"note: a crash cut off the journal's last line after 2 bytes; nobody had been told that it was written, and it is kept in journal.torn", "effect: after",
			}
			for range 2 { // reading again finds it repaired
				if got := texts(t, s); strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			kept, err := os.ReadFile(filepath.Join(dir, tornName))
			if err != nil || string(kept) != torn+"\n"+torn[:7]+"\n\x00\x00\n" {
				t.Errorf("kept %q, %v", kept, err)
			}
		})
	}
}

func TestDamagedLineIsSaidInItsPlace(t *testing.T) {
	s, dir := saved(t)
	if err := s.Append(t.Context(), shop, store.Entry{Kind: "effect", Text: "second"}, store.Entry{Kind: "effect", Text: "third"}); err != nil {
		t.Fatal(err)
	}
	path := plainPath(dir, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(b), `"second"`, `"sec`+"\x00", 1))
	got := texts(t, s)
	if len(got) != 3 || got[0] != "decision: first" || !strings.HasPrefix(got[1], "note: line 2 of 00000001.jsonl is damaged") || got[2] != "effect: third" {
		t.Errorf("%q", got)
	}
}

func TestUndoTakesLinesOutAgain(t *testing.T) {
	s, dir := saved(t)
	path := plainPath(dir, 1)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := encodeEntries([]store.Entry{{Text: "of a save"}, {Text: "that came to nothing"}})
	if err != nil {
		t.Fatal(err)
	}
	undo, err := s.appendLines(dir, lines)
	if err != nil {
		t.Fatal(err)
	}
	if during, err := os.ReadFile(path); err != nil || !bytes.Equal(during, append(bytes.Clone(before), lines...)) {
		t.Errorf("appended: %q, %v", during, err)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("undone: %q, %v; want %q", after, err, before)
	}
}

func FuzzJournal(f *testing.F) {
	whole, err := encodeEntries([]store.Entry{{At: time.Unix(1, 0).UTC(), Kind: "note", Text: "a\nb", Data: json.RawMessage(`{"x":"<\u2028>"}`)}})
	if err != nil {
		f.Fatal(err)
	}
	first, err := heading{}.line()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, whole, whole[:9], []byte("\n\n"), []byte("{}\nnull\n[]\n{"), append([]byte("x\n"), whole...), append(first, whole...), first[:20]} {
		f.Add(seed)
	}
	read := func(t *testing.T, b []byte) (out []store.Entry) {
		o := &opened{lines: newLines("fuzzed", bytes.NewReader(b))}
		err := o.entries(true, func(e store.Entry) bool { out = append(out, e); return true })
		if err != nil && !errors.Is(err, store.ErrNewer) {
			t.Fatalf("%q: %v", b, err)
		}
		return out
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		entries := read(t, b)
		again, err := encodeEntries(entries)
		if err != nil {
			t.Fatalf("%q was read as what cannot be written: %v", b, err)
		}
		// What is whole stays whole, whatever a crash appends to it.
		torn := b[bytes.LastIndexByte(b, '\n')+1:]
		once, err := encodeEntries(read(t, append(bytes.Clone(again), torn...)))
		if err != nil || !bytes.Equal(once, again) {
			t.Fatalf("%q became %q, %v", b, once, err)
		}
	})
}
