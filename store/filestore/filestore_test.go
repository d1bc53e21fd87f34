package filestore

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

var shop = store.Key{Name: "shop"}

func TestContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Subject {
		dir, clock := filepath.Join(t.TempDir(), "state", "watari"), storetest.NewClock()
		var dead sync.Map
		open := func(t *testing.T) store.Store { // segments are so small that they are closed and compressed all the time
			s := New(dir, WithClock(clock.Now), WithAlive(func(h store.Holder) bool { _, gone := dead.Load(h.ID); return !gone }),
				WithJournal(Journal{Segment: 3000}), WithReport(func(err error) { t.Error(err) }))
			t.Cleanup(s.Wait)
			return s
		}
		return storetest.Subject{Store: open(t), Clock: clock, Reopen: open, Bury: func(h store.Holder) { dead.Store(h.ID, true) }}
	})
}

// saved returns a store of one migration at revision 1, and its directory.
func saved(t *testing.T) (*Store, string) {
	t.Helper()
	dir := t.TempDir()
	s := New(dir)
	record := store.Record{Spec: json.RawMessage(`{"a":1}`), Status: json.RawMessage(`{}`)}
	if _, err := s.Save(t.Context(), shop, 0, record, store.Entry{Kind: "decision", Text: "first"}); err != nil {
		t.Fatal(err)
	}
	return s, filepath.Join(dir, "shop")
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLookingCreatesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "watari")
	s := New(dir)
	_, _, _ = s.Load(t.Context(), shop)
	_, _ = storetest.All(s.Journal(t.Context(), shop))
	_, _ = s.Commands(t.Context(), shop)
	_ = s.Submit(t.Context(), shop, store.Command{ID: "1"})
	_ = s.Discard(t.Context(), shop, "1")
	_, _, _, _ = s.Holder(t.Context(), shop)
	_, _ = s.List(t.Context())
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was created by looking: %v", dir, err)
	}
}

func TestModesWhateverTheUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for _, umask := range []int{0, 0o777} {
		before := syscall.Umask(umask)
		key := store.Key{Name: "shop"}
		if umask != 0 {
			key.Name = "other"
		}
		s := New(dir)
		_, err := s.Save(t.Context(), key, 0, store.Record{}, store.Entry{Text: "x"})
		err = errors.Join(err, s.Submit(t.Context(), key, store.Command{ID: "1"}))
		_, leaseErr := s.Acquire(t.Context(), key, store.Holder{ID: "1"}, 1, false)
		syscall.Umask(before)
		if err = errors.Join(err, leaseErr); err != nil {
			t.Fatal(err)
		}
	}
	err := filepath.WalkDir(filepath.Dir(dir), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = fs.ModeDir | 0o700
		}
		if err == nil && info.Mode() != want {
			t.Errorf("%s has mode %s, want %s", path, info.Mode(), want)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestUnreadableRecordsAreRefused(t *testing.T) {
	for content, want := range map[string]string{
		``:                        "unexpected end",
		`{"format":1,"revision":`: "unexpected end",
		`{"format":1,"revision":3,"spec":1,"status":2} x`:                    "invalid character",
		`{"format":1,"revision":3,"spec":1,"status":2,"shoe":1}`:             `unknown field "shoe"`,
		`{"format":1,"revision":0,"spec":1,"status":2}`:                      "revision 0",
		`{"revision":1,"spec":1,"status":2}`:                                 "format 0",
		`{"format":2,"revision":3,"plan":"../x","status":2}`:                 "its plan is in",
		strings.Repeat("\x00", 512):                                          "invalid character",
		`[]`:                                                                 "cannot unmarshal",
		`{"format":1,"revision":"x","saved":"2026-01-01T00:00:00Z"}`:         "cannot unmarshal",
		`{"format":1,"revision":3,"saved":"yesterday","spec":1,"status":2} `: "yesterday",
	} {
		s, dir := saved(t)
		path := filepath.Join(dir, recordName)
		write(t, path, content)
		_, _, loadErr := s.Load(t.Context(), shop)
		_, saveErr := s.Save(t.Context(), shop, 1, store.Record{}, store.Entry{Text: "never"})
		for _, err := range []error{loadErr, saveErr} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
				!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%.40q: %v", content, err)
			}
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != content {
			t.Errorf("%.40q: the file was touched: %q, %v", content, b, err)
		}
		if entries, err := storetest.All(s.Journal(t.Context(), shop)); err != nil || len(entries) != 1 {
			t.Errorf("the journal must stay readable and as it was: %v, %v", entries, err)
		}
		if err := s.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "rollback"}); err != nil {
			t.Errorf("a rollback must be accepted even now: %v", err)
		}
	}
}

func TestUnknownFilesAreLeftAlone(t *testing.T) {
	s, dir := saved(t)
	if err := s.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "pause"}); err != nil {
		t.Fatal(err)
	}
	unknown := []string{
		filepath.Join(dir, "notes.txt"), filepath.Join(dir, commandsName, "README"), filepath.Join(dir, commandsName, "2.json.tmp"),
		filepath.Join(filepath.Dir(dir), "file"), filepath.Join(filepath.Dir(dir), ".hidden"),
	}
	for _, path := range unknown {
		write(t, path, "not ours")
	}
	if err := os.Mkdir(filepath.Join(filepath.Dir(dir), "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	if keys, err := s.List(t.Context()); err != nil || len(keys) != 1 || keys[0] != shop {
		t.Errorf("list: %v, %v", keys, err)
	}
	if commands, err := s.Commands(t.Context(), shop); err != nil || len(commands) != 1 {
		t.Errorf("commands: %v, %v", commands, err)
	}
	if err := s.Discard(t.Context(), shop, "1", "README"); err != nil {
		t.Error(err)
	}
	for _, path := range unknown {
		if b, err := os.ReadFile(path); err != nil || string(b) != "not ours" {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
}

func TestDamagedFilesAreNamed(t *testing.T) {
	s, dir := saved(t)
	if err := s.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "pause"}); err != nil {
		t.Fatal(err)
	}
	command, lease := filepath.Join(dir, commandsName, "1.json"), filepath.Join(dir, leaseName)
	write(t, command, "{")
	write(t, lease, "{}")
	_, err := s.Commands(t.Context(), shop)
	if err == nil || !strings.Contains(err.Error(), command) {
		t.Errorf("commands: %v", err)
	}
	_, _, _, holderErr := s.Holder(t.Context(), shop)
	_, acquireErr := s.Acquire(t.Context(), shop, store.Holder{ID: "1"}, 1, true)
	for _, err := range []error{holderErr, acquireErr} {
		if err == nil || !strings.Contains(err.Error(), lease) || !strings.Contains(err.Error(), "remove the file") {
			t.Errorf("lease: %v", err)
		}
	}
}

func TestErrorsOfTheDiskSayWhatToDo(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.ENOSPC: "make room", syscall.EDQUOT: "make room", syscall.EACCES: "the user who owns it", syscall.EROFS: "a directory that can be written",
	} {
		err := explained(&fs.PathError{Op: "write", Path: "/srv/watari/shop/record.json", Err: errno})
		if !errors.Is(err, errno) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/srv/watari") {
			t.Errorf("%v", err)
		}
	}
	notDir := filepath.Join(t.TempDir(), "file")
	write(t, notDir, "")
	if _, err := New(notDir).Save(t.Context(), shop, 0, store.Record{}); err == nil || !strings.Contains(err.Error(), notDir) {
		t.Errorf("save below a file: %v", err)
	}
	if os.Geteuid() == 0 {
		return // root may write anywhere
	}
	readOnly := filepath.Join(t.TempDir(), "read-only")
	if err := os.Mkdir(readOnly, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := New(readOnly).Save(t.Context(), shop, 0, store.Record{}); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), readOnly) {
		t.Errorf("save where nothing may be written: %v", err)
	}
}

func TestLockGivesUpWithItsContext(t *testing.T) {
	s, dir := saved(t)
	unlock, err := s.disk.Lock(t.Context(), filepath.Join(dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextWithTimeout(t)
	defer cancel()
	if err := s.Append(ctx, shop, store.Entry{Text: "x"}); !errors.Is(err, ctx.Err()) || ctx.Err() == nil || !strings.Contains(err.Error(), "lslocks") {
		t.Errorf("append while somebody changes the migration: %v", err)
	}
	if _, _, err := s.Load(t.Context(), shop); err != nil {
		t.Errorf("loading needs no lock: %v", err)
	}
	unlock()
	if err := s.Append(t.Context(), shop, store.Entry{Text: "x"}); err != nil {
		t.Error(err)
	}
}

func BenchmarkSave(b *testing.B) {
	s := New(b.TempDir())
	status, _ := json.Marshal(strings.Repeat("x", 10_000)) // a string always marshals
	revision := store.Revision(0)
	for b.Loop() {
		next, err := s.Save(b.Context(), shop, revision, store.Record{Status: status}, store.Entry{Kind: "decision", Text: "x"})
		if err != nil {
			b.Fatal(err)
		}
		revision = next
	}
}

// TestAPlanThatIsGoneComesBack: whoever runs the migration has it, and everybody else
// needs it to take back.
func TestAPlanThatIsGoneComesBack(t *testing.T) {
	s, _ := saved(t)
	record, revision, err := s.Load(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	plans, err := filepath.Glob(filepath.Join(s.path(shop, ""), planPrefix+"*"))
	if err != nil || len(plans) != 1 {
		t.Fatal(plans, err)
	}
	if err := os.Remove(plans[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Save(t.Context(), shop, revision, record); err != nil {
		t.Fatal(err)
	}
	if got, _, err := s.Load(t.Context(), shop); err != nil || string(got.Spec) != string(record.Spec) {
		t.Errorf("%s, %v", got.Spec, err)
	}
}
