package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

// stranger is a user who is nobody here, and not in any group of this process.
const stranger = 59_001

// attack puts something in the place of a file of the store. foreign is a file
// outside of it, in the same file system.
type attack struct {
	name string
	root bool // only root can do it
	put  func(path, foreign string) error
	says string // what the refusal says
}

var attacks = []attack{
	{"symbolic link", false, func(path, foreign string) error { return os.Symlink(foreign, path) }, "symbolic link"},
	{"symbolic link to nothing", false, func(path, foreign string) error { return os.Symlink(foreign+"-missing", path) }, "symbolic link"},
	{"symbolic link to a directory", false, func(path, foreign string) error { return os.Symlink(filepath.Dir(foreign), path) }, "symbolic link"},
	{"hard link", false, func(path, foreign string) error { return os.Link(foreign, path) }, "hard links"},
	{"named pipe", false, func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }, "named pipe"},
	{"directory", false, func(path, _ string) error { return os.Mkdir(path, 0o700) }, "directory"},
	{"directory of a stranger", true, func(path, _ string) error {
		return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "record.json"), []byte(`{"format":1,"revision":9}`), 0o644), os.Chown(path, stranger, stranger))
	}, "uid 59001"},
	{"directory that everybody may write in", false, func(path, _ string) error {
		return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777))
	}, "others may write in it"},
	{"socket", false, func(path, _ string) error { return syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0) }, "socket"},
	{"device without end", true, func(path, _ string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) }, "device"}, // /dev/zero
	{"file of a stranger", true, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, []byte(`{"format":1,"revision":9,"id":"evil","kind":"rollback","by":"anna@bastion","token":"x"}`), 0o644), os.Chown(path, stranger, stranger))
	}, "uid 59001"},
	{"file that everybody may write", false, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, []byte(`{"format":1,"revision":9,"id":"evil","token":"x"}`), 0o600), os.Chmod(path, 0o666))
	}, "others may write"},
	{"file of a terabyte", false, func(path, _ string) error {
		return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40))
	}, "more than"},
}

// places are where files of the store belong, from its directory.
var places = []string{
	"shop/record.json", "shop/record.json.tmp", "shop/plan-*.json", "shop/journal", "shop/journal/00000001.jsonl", "shop/journal/00000002.jsonl",
	"shop/journal.jsonl", "shop/journal.torn", "shop/lease.json", "shop/lease.json.tmp", "shop/lock",
	"shop/commands", "shop/commands/evil.json", "shop",
}

// directories are those places where a directory belongs.
var directories = []string{"shop", "shop/commands", "shop/journal"}

// harmless are the attacks that change nothing about what a place is used for.
func harmless(place, name string) bool {
	switch {
	case strings.HasSuffix(place, ".tmp"):
		return !strings.Contains(name, "directory") || strings.Contains(name, "link") // the name is taken from whatever has it
	case slices.Contains(directories, place):
		return name == "directory" // it is one
	case place == "shop/lock", place == "shop/journal.torn":
		return name == "file of a terabyte" // nobody reads it
	}
	return false
}

// witnessed is what must not change of a file.
func witnessed(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st := info.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("%s %d:%d %s %q", info.Mode(), st.Uid, st.Gid, info.ModTime(), b)
}

// within fails where something blocks.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s blocks", what)
	}
}

// TestNothingForeignIsUsed puts everything that a file must not be in the place of
// every file.
func TestNothingForeignIsUsed(t *testing.T) {
	for _, place := range places {
		for _, a := range attacks {
			t.Run(place+", "+a.name, func(t *testing.T) {
				if a.root && os.Geteuid() != 0 {
					t.Skip("only root can make such a file")
				}
				t.Parallel()
				underAttack(t, place, a)
			})
		}
	}
}

func underAttack(t *testing.T, place string, a attack) {
	ctx, outside := t.Context(), t.TempDir()
	dir, foreign := filepath.Join(outside, "state"), filepath.Join(outside, "foreign")
	if err := os.WriteFile(foreign, []byte("{\"foreign\":true}\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	before := witnessed(t, foreign)
	s := New(dir)
	record := store.Record{Spec: json.RawMessage(`{"a":1}`), Status: json.RawMessage(`{}`)}
	_, err := s.Save(ctx, shop, 0, record, store.Entry{Kind: "decision", Text: "first"})
	lease, leaseErr := s.Acquire(ctx, shop, me("runner"), time.Hour, false)
	err = errors.Join(err, leaseErr, s.Submit(ctx, shop, store.Command{ID: "real", Kind: "rollback", At: time.Now()}))
	if err != nil {
		t.Fatal(err)
	}
	if place == "shop/journal.torn" {
		tear(t, plainPath(filepath.Join(dir, "shop"), 1))
	}
	path := filepath.Join(dir, place)
	if strings.Contains(place, "*") {
		there, err := filepath.Glob(path)
		if err != nil || len(there) != 1 {
			t.Fatal(there, err)
		}
		path = there[0]
	}
	if err := os.Rename(path, filepath.Join(outside, "away")); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := a.put(path, foreign); err != nil {
		t.Fatal(err)
	}
	if a.name == "hard link" { // the second name changes its count of names, nothing else
		before = witnessed(t, foreign)
	}
	planted, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}

	var errs []error
	next := New(dir)
	within(t, "the store", func() { errs = useEverything(ctx, next, lease); next.Wait(); s.Wait() })
	if after := witnessed(t, foreign); after != before {
		t.Errorf("the foreign file was\n%s\nand is\n%s", before, after)
	}
	if !harmless(place, a.name) {
		says := a.says
		if planted.IsDir() && !slices.Contains(directories, place) {
			says = "it is a directory"
		}
		if planted.Mode().IsRegular() && slices.Contains(directories, place) {
			says = "not a directory"
		}
		isNamed(t, errs, path, says)
	}
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, planted) && (now.Mode() != planted.Mode() || now.Size() != planted.Size() || !now.ModTime().Equal(planted.ModTime())) && !harmless(place, a.name) {
		t.Errorf("what was put there was changed: %v, then %v", planted, now)
	}
	rollbackIsHeard(t, dir, place)
}

// useEverything calls every method as those do who run, look on and ask.
func useEverything(ctx context.Context, s *Store, lease store.Lease) (errs []error) {
	record := store.Record{Status: json.RawMessage(`{}`)}
	_, _, loadErr := s.Load(ctx, shop)
	_, saveErr := s.Save(ctx, shop, 1, record, store.Entry{Kind: "decision", Text: "second"})
	_, journalErr := storetest.All(s.Journal(ctx, shop))
	_, commandsErr := s.Commands(ctx, shop)
	_, _, _, holderErr := s.Holder(ctx, shop)
	_, acquireErr := s.Acquire(ctx, shop, me("next"), time.Minute, false)
	_, listErr := s.List(ctx)
	return []error{
		loadErr, saveErr, s.Append(ctx, shop, store.Entry{Text: "x"}), journalErr, commandsErr, holderErr, acquireErr, listErr,
		s.Discard(ctx, shop, "consumed"), lease.Renew(ctx), s.Submit(ctx, shop, store.Command{ID: "during", Kind: "rollback", At: time.Now()}),
	}
}

// isNamed wants a refusal that says which file, why and what to do.
func isNamed(t *testing.T, errs []error, path, why string) {
	t.Helper()
	does := []string{"remove", "move it away", "chmod", "put a copy"}
	for _, err := range errs {
		if err != nil && strings.Contains(err.Error(), path+" is refused") && strings.Contains(err.Error(), why) &&
			slices.ContainsFunc(does, func(do string) bool { return strings.Contains(err.Error(), do) }) {
			return
		}
	}
	t.Errorf("nothing names %s with %q and says what to do: %v", path, why, errors.Join(errs...))
}

// rollbackIsHeard: whoever runs the migration sees that it shall be taken back.
func rollbackIsHeard(t *testing.T, dir, place string) {
	t.Helper()
	commands, err := New(dir).Commands(t.Context(), shop)
	heard := func(id string) bool {
		return slices.ContainsFunc(commands, func(c store.Command) bool { return c.ID == id })
	}
	if slices.ContainsFunc(commands, func(c store.Command) bool { return c.ID == "evil" }) {
		t.Errorf("a stranger is heard: %+v", commands)
	}
	if place == "shop" {
		return // nothing of the migration is there any more: its file is what it is taken back from
	}
	if place != "shop/commands" && !heard("real") {
		t.Errorf("the rollback that was asked for before is not heard: %+v, %v", commands, err)
	}
	if !heard("during") {
		t.Errorf("the rollback that was asked for during it is not heard: %+v, %v", commands, err)
	}
}
