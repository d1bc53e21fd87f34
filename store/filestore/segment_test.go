package filestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/memdisk"
	"watari.dev/store/storetest"
)

// numbered is what the tests below count: its N must not get lost.
type numbered struct {
	N int `json:"n"`
}

// sum merges counts as simply as can be: one entry with the sum, at the last time.
func sum(entries []store.Entry) []store.Entry {
	var total numbered
	for _, e := range entries {
		var one numbered
		if json.Unmarshal(e.Data, &one) == nil {
			total.N += one.N
		}
	}
	b, _ := json.Marshal(total)
	return []store.Entry{{At: entries[len(entries)-1].At, Kind: store.Counts, Data: b}}
}

func counted(at time.Time, n int) store.Entry {
	b, _ := json.Marshal(numbered{n})
	return store.Entry{At: at, Kind: store.Counts, Data: b}
}

// total returns what the counts of a journal add up to, how many lines they are, and
// the texts of the others.
func total(t *testing.T, s *Store) (sum, lines int, texts []string) {
	t.Helper()
	for e, err := range s.Journal(t.Context(), shop) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != store.Counts {
			texts = append(texts, e.Text)
			continue
		}
		var one numbered
		if err := json.Unmarshal(e.Data, &one); err != nil {
			t.Fatalf("%s: %v", e.Data, err)
		}
		sum, lines = sum+one.N, lines+1
	}
	return sum, lines, texts
}

// settled is a store on a real disk whose background is over with each call.
func settled(t *testing.T, j Journal, now func() time.Time, options ...Option) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	options = append([]Option{WithJournal(j), WithClock(now), WithBackground(func(task func()) { task() }), WithReport(func(err error) { t.Error(err) })}, options...)
	return New(dir, options...), filepath.Join(dir, "shop")
}

// inMemory is a disk that flushes nothing, for tests with many lines.
func inMemory() Option { return WithDisk(memdisk.New()) }

func bytesOf(t *testing.T, s *Store, dir string) (n int64, files int) {
	t.Helper()
	names, err := s.disk.ReadDir(filepath.Join(dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, is := segmentNumber(name); !is {
			continue
		}
		f, err := s.disk.Open(filepath.Join(dir, journalName, name))
		if err != nil {
			t.Fatal(err)
		}
		size, err := f.Size()
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		n, files = n+size, files+1
	}
	return n, files
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestSegmentsAreClosedAndCompressed(t *testing.T) {
	t.Parallel()
	now := noon
	s, dir := settled(t, Journal{Segment: 2000, Merge: sum}, func() time.Time { return now })
	for n := range 500 {
		now = now.Add(time.Second)
		entries := []store.Entry{counted(now, 1)}
		if n%100 == 50 {
			entries = append(entries, store.Entry{At: now, Kind: "decision", Text: fmt.Sprint("decision ", n)})
		}
		if err := s.Append(t.Context(), shop, entries...); err != nil {
			t.Fatal(err)
		}
	}
	sum, lines, texts := total(t, s)
	if sum != 500 || lines != 500 || len(texts) != 5 {
		t.Errorf("%d in %d lines, %q", sum, lines, texts)
	}
	names, err := filepath.Glob(filepath.Join(dir, journalName, "*"+plainSuffix))
	if err != nil || len(names) != 1 {
		t.Errorf("not compressed: %q, %v", names, err)
	}
	if _, files := bytesOf(t, s, dir); files < 10 {
		t.Errorf("%d segments", files)
	}
}

func TestOldCountsAreMergedAwayFromDecisions(t *testing.T) {
	t.Parallel()
	now := noon
	s, _ := settled(t, Journal{Segment: 4000, Detail: time.Hour, Merge: sum}, func() time.Time { return now }, inMemory())
	for n := range 2 * 3600 {
		now = now.Add(time.Second)
		entries := []store.Entry{counted(now, n)}
		if n == 1800 {
			entries = append(entries, store.Entry{At: now, Kind: "decision", Text: "here"})
		}
		if err := s.Append(t.Context(), shop, entries...); err != nil {
			t.Fatal(err)
		}
	}
	decided := noon.Add(1801 * time.Second)
	var last time.Time
	got := 0
	for e, err := range s.Journal(t.Context(), shop) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != store.Counts {
			continue
		}
		var one numbered
		if err := json.Unmarshal(e.Data, &one); err != nil {
			t.Fatal(err)
		}
		got += one.N
		near, old := e.At.Sub(decided).Abs() <= defaultAround, now.Sub(e.At) > time.Hour+5*time.Minute
		gap := e.At.Sub(last)
		switch {
		case last.IsZero():
		case near && e.At.Sub(decided) > -defaultAround && gap != time.Second:
			t.Errorf("%s, %s from the decision, comes %s after the one before", e.At, e.At.Sub(decided), gap)
		case gap > time.Minute:
			t.Errorf("a gap of %s before %s", gap, e.At)
		case old && !near && gap < time.Second:
			t.Errorf("%s comes %s after the one before", e.At, gap)
		}
		last = e.At
	}
	if want := 7200 * 7199 / 2; got != want {
		t.Errorf("the counts add up to %d, want %d", got, want)
	}
	_, lines, texts := total(t, s)
	if lines > 3600+300+2*300+2*60+200 || len(texts) != 1 {
		t.Errorf("%d lines of counts and %q", lines, texts)
	}
}

func TestBoundIsKeptAndDecisionsStayLongest(t *testing.T) {
	t.Parallel()
	const bound = 25_000
	now := noon
	s, dir := settled(t, Journal{Segment: 3000, Bound: bound, Merge: sum}, func() time.Time { return now }, inMemory())
	decisions := 0
	for n := range 5_000 {
		now = now.Add(time.Second)
		e := counted(now, n)
		e.Text = fmt.Sprintf("%x", n*7919) // so that it compresses badly
		entries := []store.Entry{e}
		if n%500 == 0 {
			decisions++
			entries = append(entries, store.Entry{At: now, Kind: "decision", Text: fmt.Sprint("decision ", n)})
		}
		if err := s.Append(t.Context(), shop, entries...); err != nil {
			t.Fatal(err)
		}
		if n%97 == 0 {
			if size, _ := bytesOf(t, s, dir); size > bound {
				t.Fatalf("%d bytes after %d seconds", size, n)
			}
		}
	}
	_, lines, texts := total(t, s)
	kept := 0
	for _, text := range texts {
		if strings.HasPrefix(text, "decision ") {
			kept++
		}
	}
	if kept != decisions {
		t.Errorf("%d of %d decisions are there, and %d lines of counts", kept, decisions, lines)
	}
}

func TestBoundThatCannotBeKeptIsSaidOnce(t *testing.T) {
	t.Parallel()
	var said []error
	s, dir := settled(t, Journal{Segment: 2000, Bound: 8000}, time.Now, WithReport(func(err error) { said = append(said, err) }), inMemory())
	for n := range 500 {
		text := fmt.Sprintf("decision %d %x%x", n, n*1_000_003, n*n*7919)
		if err := s.Append(t.Context(), shop, store.Entry{At: noon, Kind: "decision", Text: text}); err != nil {
			t.Fatal(err)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0].Error(), "cannot be kept within 8000 bytes") {
		t.Errorf("said %v", said)
	}
	if size, _ := bytesOf(t, s, dir); size > 8000 {
		t.Errorf("%d bytes", size)
	}
	_, _, texts := total(t, s)
	if n := len(texts); n < 10 || !strings.HasSuffix(texts[0], "segments were dropped here to keep the journal within its bound") || !strings.HasPrefix(texts[n-1], "decision 499 ") {
		t.Errorf("%d texts, from %q to %q", n, texts[0], texts[n-1])
	}
}

func TestFullJournalStopsNobody(t *testing.T) {
	s, dir := settled(t, Journal{Segment: 1000}, time.Now)
	long := store.Entry{Kind: "effect", Text: "long", Data: json.RawMessage(`"` + strings.Repeat("x", 2*maxLine) + `"`)}
	if err := s.Append(t.Context(), shop, long, store.Entry{Kind: "effect", Text: "after"}); err != nil {
		t.Fatal(err)
	}
	if got := texts(t, s); len(got) != 2 || !strings.Contains(got[0], "its data are left out") || got[1] != "effect: after" {
		t.Errorf("%.200q", got)
	}
	// A line that somebody else made longer is left out, and the next one is read.
	path := plainPath(dir, 1)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(b)+strings.Repeat("y", 3*maxLine)+"\n"+`{"at":"2026-03-01T12:00:00Z","kind":"note","text":"last"}`+"\n")
	for range 2 {
		got := texts(t, s)
		if len(got) != 4 || !strings.Contains(got[2], "it is longer than") || got[3] != "note: last" {
			t.Fatalf("%.200q", got)
		}
		if err := s.Append(t.Context(), shop); err != nil { // and closes and compresses it
			t.Fatal(err)
		}
		if _, err := s.rewrite(dir, 1, whole); err != nil {
			t.Fatal(err)
		}
	}
}

// legacy writes a migration as the first format had it.
func legacy(t *testing.T, dir string, lines ...string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, recordName), `{
  "format": 1,
  "revision": 7,
  "saved": "2026-01-01T00:00:00Z",
  "spec": {
    "a": 1
  },
  "status": {"n": 7}
}
`)
	write(t, filepath.Join(dir, legacyName), strings.Join(lines, "\n"))
}

func TestFirstFormatIsReadAndGoesOn(t *testing.T) {
	s, dir := settled(t, Journal{Segment: 500}, time.Now)
	legacy(t, dir, `{"at":"2026-01-01T00:00:00Z","kind":"decision","text":"one"}`, `{"at":"2026-01-01T00:00:01Z","kind":"effect","text":"two"}`, `{"at":"2026-`)
	record, revision, err := s.Load(t.Context(), shop)
	if err != nil || revision != 7 || string(record.Spec) != `{"a":1}` || string(record.Status) != `{"n":7}` {
		t.Fatalf("%s, %s, %d, %v", record.Spec, record.Status, revision, err)
	}
	if got := texts(t, s); strings.Join(got, ", ") != "decision: one, effect: two" {
		t.Errorf("%q", got)
	}
	if entries, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(entries) != 2 {
		t.Errorf("reading has made %q, %v", entries, err)
	}
	for n := range 20 {
		next := store.Record{Spec: record.Spec, Status: json.RawMessage(fmt.Sprint(n))}
		if revision, err = s.Save(t.Context(), shop, revision, next, store.Entry{Kind: "decision", Text: fmt.Sprint("later ", n)}); err != nil {
			t.Fatal(err)
		}
	}
	got := texts(t, s)
	if len(got) != 23 || got[0] != "decision: one" || !strings.HasPrefix(got[2], "note: a crash cut off") || got[3] != "decision: later 0" || got[22] != "decision: later 19" {
		t.Errorf("%q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, legacyName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old journal was not compressed: %v", err)
	}
	again, now, err := New(filepath.Dir(dir)).Load(t.Context(), shop)
	if err != nil || now != 27 || string(again.Spec) != `{"a":1}` || string(again.Status) != "19" {
		t.Errorf("%s, %s, %d, %v", again.Spec, again.Status, now, err)
	}
}

// TestOldWatariRefusesTheFormat: the first version read this much of a record.
func TestOldWatariRefusesTheFormat(t *testing.T) {
	_, dir := saved(t)
	b, err := os.ReadFile(filepath.Join(dir, recordName))
	var head struct{ Format int }
	if err != nil || json.Unmarshal(b, &head) != nil || head.Format != 2 {
		t.Errorf("%s: format %d, %v", b, head.Format, err)
	}
	if want := fmt.Sprintf(`{"format":2,"needs":%q,"revision":1,`, needs); !strings.HasPrefix(string(b), want) {
		t.Errorf("the record begins %.60q, want %q", b, want)
	}
}

func TestNewerFormatsAreRefusedByEveryCall(t *testing.T) {
	const newer = `{"format":3,"needs":"v0.9.0","how":{"it":"is kept"},"revision":"many"}`
	s, dir := saved(t)
	lease, err := s.Acquire(t.Context(), shop, store.Holder{ID: "1"}, time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, recordName), newer)
	before := contents(t, dir)
	ctx := t.Context()
	_, _, loadErr := s.Load(ctx, shop)
	_, saveErr := s.Save(ctx, shop, 1, store.Record{}, store.Entry{Text: "never"})
	_, journalErr := storetest.All(s.Journal(ctx, shop))
	_, acquireErr := s.Acquire(ctx, shop, store.Holder{ID: "2"}, time.Minute, true)
	_, _, _, holderErr := s.Holder(ctx, shop)
	_, commandsErr := s.Commands(ctx, shop)
	for what, err := range map[string]error{
		"load": loadErr, "save": saveErr, "journal": journalErr, "acquire": acquireErr, "holder": holderErr, "commands": commandsErr,
		"append": s.Append(ctx, shop, store.Entry{Text: "never"}), "submit": s.Submit(ctx, shop, store.Command{ID: "1"}),
		"discard": s.Discard(ctx, shop, "1"), "renew": lease.Renew(ctx), "release": lease.Release(ctx),
	} {
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "watari v0.9.0 or later") || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := contents(t, dir); after != before {
		t.Errorf("something was changed:\n%s\nbefore\n%s", after, before)
	}
}

func TestNewerSegmentsAreRefused(t *testing.T) {
	s, dir := saved(t)
	path := plainPath(dir, 1)
	write(t, path, `{"segment":{"format":3,"needs":"v0.9.0","from":7}}`+"\n"+`{"at":"2026-03-01T12:00:00Z","kind":"note","text":"last"}`+"\n")
	before := contents(t, dir)
	other := New(filepath.Dir(dir))
	_, journalErr := storetest.All(s.Journal(t.Context(), shop))
	_, saveErr := other.Save(t.Context(), shop, 1, store.Record{}, store.Entry{Text: "never"})
	for what, err := range map[string]error{"journal": journalErr, "append": other.Append(t.Context(), shop, store.Entry{Text: "never"}), "save": saveErr} {
		if !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "watari v0.9.0 or later") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if after := contents(t, dir); after != before {
		t.Errorf("something was changed:\n%s\nbefore\n%s", after, before)
	}
}

// contents is every file below dir with what it contains.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var out strings.Builder
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Name() == lockName {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&out, "%s: %s\n", path, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestReaderSurvivesWhatBecomesOfTheSegments stops a reader in each segment while the
// others are closed, compressed, merged and dropped.
func TestReaderSurvivesWhatBecomesOfTheSegments(t *testing.T) {
	t.Parallel()
	now := noon
	s, _ := settled(t, Journal{Segment: 1500, Detail: time.Minute, Unit: 10 * time.Second, Around: time.Second, Merge: sum}, func() time.Time { return now }, inMemory())
	write := func(n int) {
		now = now.Add(time.Second)
		if err := s.Append(t.Context(), shop, counted(now, n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 300 {
		write(n)
	}
	want := 300 * 299 / 2
	for at := range 60 {
		got, lines, beyond := 0, 0, 0
		for e, err := range s.Journal(t.Context(), shop) {
			if err != nil {
				t.Fatal(err)
			}
			var one numbered
			if e.Kind != store.Counts || json.Unmarshal(e.Data, &one) != nil {
				t.Fatalf("%+v", e)
			}
			if lines++; lines == 1+at*5 {
				for range 30 {
					write(0)
				}
			}
			got += one.N
			if one.N == 0 {
				beyond++
			}
		}
		if got != want {
			t.Errorf("stopped at line %d: the counts add up to %d, want %d (%d lines)", 1+at*5, got, want, lines)
		}
	}
}
