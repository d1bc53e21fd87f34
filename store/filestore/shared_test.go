package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

// Two users who share a group, and one who is in another. The system's user database
// knows none of them.
const (
	anna, ben, mallory = 59_101, 59_102, 59_103
	sre, others        = 59_200, 59_201
)

// actVariable is what a child process does, one after the other.
const actVariable = "WATARI_FILESTORE_ACTS"

// act does what its environment says and prints what became of it.
func act(s *Store) error {
	ctx := context.Background()
	for _, what := range strings.Fields(os.Getenv(actVariable)) {
		what, id, _ := strings.Cut(what, ":")
		var err error
		switch what {
		case "save":
			_, revision, loadErr := s.Load(ctx, shop)
			if loadErr != nil && !errors.Is(loadErr, store.ErrNotFound) {
				err = loadErr
				break
			}
			_, err = s.Save(ctx, shop, revision, store.Record{Status: json.RawMessage(`{}`)}, store.Entry{Kind: "decision", Text: id})
		case "append":
			err = s.Append(ctx, shop, store.Entry{Kind: "effect", Text: id})
		case "rotate": // writes several segments and tidies them
			small := New(s.dir, WithJournal(Journal{Segment: 500, Bound: 1 << 20, Merge: sum}), WithBackground(func(task func()) { task() }), WithReport(func(err error) { fmt.Println(err) }))
			for n := range 20 {
				err = errors.Join(err, small.Append(ctx, shop, store.Entry{Kind: "effect", Text: fmt.Sprint(id, n), At: time.Now()}))
			}
		case "lease":
			var l store.Lease
			if l, err = s.Acquire(ctx, shop, store.Holder{ID: id, PID: os.Getpid()}, time.Minute, true); err == nil {
				err = errors.Join(l.Renew(ctx), l.Release(ctx))
			}
		case "leave": // a lease that is taken over
			_, err = s.Acquire(ctx, shop, store.Holder{ID: id, PID: os.Getpid()}, time.Nanosecond, true)
		case "submit":
			err = s.Submit(ctx, shop, store.Command{ID: id, Kind: "rollback", By: "root@somewhere", At: time.Now()})
		case "discard":
			err = s.Discard(ctx, shop, id)
		case "forge": // writes into the file of a command
			path := filepath.Join(s.dir, "shop", commandsName, id+".json")
			var f *os.File
			if f, err = os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				err = f.Close()
			}
		case "swap": // puts a file in its place that belongs to another one and that every member may write
			dir := filepath.Join(s.dir, "shop")
			path := filepath.Join(dir, commandsName, id+".json")
			err = errors.Join(os.Rename(path, filepath.Join(dir, "away")), os.WriteFile(path, []byte(`{"id":"`+id+`","kind":"rollback"}`), 0o600), os.Chmod(path, 0o660))
		case "commands":
			var commands []store.Command
			commands, err = s.Commands(ctx, shop)
			for _, c := range commands {
				fmt.Printf("%s by %s\n", c.ID, c.Author)
			}
		case "journal":
			var entries []store.Entry
			entries, err = storetest.All(s.Journal(ctx, shop))
			for _, e := range entries {
				fmt.Println("entry", e.Text)
			}
		}
		if err != nil {
			fmt.Printf("%s: %v\n", what, err)
		}
	}
	return nil
}

// town is a place that several users reach, with this test's binary.
func town(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can be several users")
	}
	dir, err := os.MkdirTemp("", "watari-shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Skipf("the test cannot run itself as another user here: %v", err)
	}
	defer self.Close()
	program, err := os.OpenFile(filepath.Join(dir, "program"), os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(program, self); err != nil {
		t.Fatal(err)
	}
	if err := program.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// as does something as a user, and returns what was printed.
func as(t *testing.T, dir, state string, uid, gid uint32, acts string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "program"))
	cmd.Dir = dir
	cmd.Env = []string{roleVariable + "=act", dirVariable + "=" + state, actVariable + "=" + acts}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{gid}}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("uid %d: %s: %v: %s", uid, acts, err, out)
	}
	return string(out)
}

// made returns a state directory with an owner and a mode.
func made(t *testing.T, dir string, uid, gid int, mode fs.FileMode) string {
	t.Helper()
	state := filepath.Join(dir, "state")
	if err := errors.Join(os.Mkdir(state, 0o700), os.Chown(state, uid, gid), os.Chmod(state, mode)); err != nil {
		t.Fatal(err)
	}
	return state
}

func wantSaid(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("got %q, which does not have %q", got, w)
		}
	}
	if len(want) == 0 && got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

// TestSharedDirectory: members of the group run, ask and take over by turns, and what
// they ask for is theirs whatever it says.
func TestSharedDirectory(t *testing.T) {
	dir := town(t)
	state := made(t, dir, 0, sre, fs.ModeSetgid|0o770)
	wantSaid(t, as(t, dir, state, anna, sre, "save:first lease:anna submit:by-anna append:one leave:anna"))
	wantSaid(t, as(t, dir, state, ben, sre, "save:second lease:ben append:two submit:by-ben"))
	wantSaid(t, as(t, dir, state, anna, sre, "save:third lease:anna append:three discard:none"))
	got := as(t, dir, state, ben, sre, "commands journal")
	wantSaid(t, got, "by-anna by uid 59101", "by-ben by uid 59102", "entry first", "entry two", "entry three")
	wantSaid(t, as(t, dir, state, ben, sre, "discard:by-anna commands"), "by-ben by uid 59102\n")
	wantModes(t, state, fs.ModeDir|fs.ModeSetgid|0o770, 0o660, -1, sre)

	// Members may remove a command, but not put words into another one's mouth.
	wantSaid(t, as(t, dir, state, ben, sre, "forge:by-ben"))
	wantSaid(t, as(t, dir, state, anna, sre, "forge:by-ben"), "forge: ", "permission denied")
	wantSaid(t, as(t, dir, state, anna, sre, "swap:by-ben"))
	got = as(t, dir, state, anna, sre, "commands")
	wantSaid(t, got, "by-ben.json is refused: others than uid 59101 may write to it", "give the command again")
	if strings.Contains(got, "by-ben by") {
		t.Errorf("a file that every member may write has an author: %s", got)
	}
	wantSaid(t, as(t, dir, state, ben, sre, "discard:by-ben submit:by-ben"))

	// Who is in another group cannot even look.
	wantSaid(t, as(t, dir, state, mallory, others, "submit:by-mallory"), "submit: ", "permission denied", "a group that you are in")

	// A member moves a stranger's file in. Nobody but its owner has given that command.
	foreign := filepath.Join(state, "shop", commandsName, "evil.json")
	if err := errors.Join(os.WriteFile(foreign, []byte(`{"id":"evil","kind":"rollback","by":"anna@bastion"}`), 0o644), os.Chown(foreign, mallory, others)); err != nil {
		t.Fatal(err)
	}
	got = as(t, dir, state, anna, sre, "submit:again commands")
	wantSaid(t, got, "again by uid 59101", "by-ben by uid 59102", foreign+" is refused: it belongs to uid 59103 and to group 59201, and the directory is shared with group 59200", "remove it")
	if strings.Contains(got, "evil by") {
		t.Errorf("a stranger is obeyed: %s", got)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a stranger's file is not ours to remove: %v", err)
	}

	// Root may do anything there, and locks nobody out.
	if _, err := New(state).Commands(t.Context(), shop); err == nil || !strings.Contains(err.Error(), "evil") {
		t.Errorf("root is not told of the stranger: %v", err)
	}
	t.Setenv("SUDO_UID", "")
	_, revision, err := New(state).Load(t.Context(), shop)
	if err == nil {
		_, err = New(state).Save(t.Context(), shop, revision, store.Record{}, store.Entry{Text: "by root"})
	}
	if err != nil {
		t.Errorf("root: %v", err)
	}
	wantSaid(t, as(t, dir, state, ben, sre, "save:fourth lease:ben append:five"))
}

// TestMembersTidyEachOthersJournal: whoever writes compresses what others have written,
// and everything stays the group's.
func TestMembersTidyEachOthersJournal(t *testing.T) {
	dir := town(t)
	state := made(t, dir, 0, sre, fs.ModeSetgid|0o770)
	wantSaid(t, as(t, dir, state, anna, sre, "save:first rotate:anna- append:open"))
	wantSaid(t, as(t, dir, state, ben, sre, "rotate:ben-"))
	wantSaid(t, as(t, dir, state, anna, sre, "rotate:again-"))
	plain, err := filepath.Glob(filepath.Join(state, "shop", journalName, "*"+plainSuffix))
	if err != nil || len(plain) != 1 {
		t.Errorf("not compressed: %q, %v", plain, err)
	}
	got := as(t, dir, state, ben, sre, "journal")
	wantSaid(t, got, "entry first", "entry anna-19", "entry open", "entry ben-0", "entry again-19")
	if n := strings.Count(got, "entry "); n != 62 {
		t.Errorf("%d entries of 62", n)
	}
	wantModes(t, state, fs.ModeDir|sharedDirModeOf, 0o660, -1, sre)
}

// sharedDirModeOf is the mode of a directory in one that is shared.
const sharedDirModeOf = fs.ModeSetgid | 0o770

// wantModes looks at everything in a state directory. uid -1 is anybody.
func wantModes(t *testing.T, state string, dirs, files fs.FileMode, uid, gid int) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(state, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		n++
		want, st := files, info.Sys().(*syscall.Stat_t)
		switch {
		case d.IsDir():
			want = dirs
		case filepath.Base(filepath.Dir(path)) == commandsName && files == 0o660:
			want = 0o640
		}
		if info.Mode() != want || int(st.Gid) != gid || uid >= 0 && int(st.Uid) != uid {
			t.Errorf("%s is %s, of %d:%d; want %s, of %d:%d", path, info.Mode(), st.Uid, st.Gid, want, uid, gid)
		}
		return nil
	})
	if err != nil || n < 5 {
		t.Errorf("%d files, %v", n, err)
	}
}

// TestPrivateDirectory: what others put there does not count, and nobody uses what is
// somebody else's.
func TestPrivateDirectory(t *testing.T) {
	dir := town(t)
	state := made(t, dir, anna, sre, 0o700)
	wantSaid(t, as(t, dir, state, anna, sre, "save:first lease:anna submit:by-anna"))
	wantModes(t, state, fs.ModeDir|0o700, 0o600, anna, sre)
	if err := os.Chmod(state, 0o755); err != nil {
		t.Fatal(err)
	}
	wantSaid(t, as(t, dir, state, ben, sre, "save:second"), "save: ", state+" is refused: it belongs to uid 59101", "--state")
	if err := os.Chmod(state, 0o700); err != nil {
		t.Fatal(err)
	}

	foreign := filepath.Join(state, "shop", commandsName, "evil.json")
	if err := errors.Join(os.WriteFile(foreign, []byte(`{"id":"evil","kind":"rollback","by":"anna@bastion"}`), 0o644), os.Chown(foreign, ben, sre)); err != nil {
		t.Fatal(err)
	}
	got := as(t, dir, state, anna, sre, "commands")
	wantSaid(t, got, "by-anna by uid 59101", foreign+" is refused: it belongs to uid 59102, and the directory is not shared", "remove it")
	if strings.Contains(got, "evil by") {
		t.Errorf("somebody else is obeyed: %s", got)
	}
}

// TestRootInAUsersDirectory: root uses a user's directory only as sudo of that user,
// and then leaves nothing that locks the user out.
func TestRootInAUsersDirectory(t *testing.T) {
	dir := town(t)
	state := made(t, dir, anna, sre, 0o700)
	t.Setenv("SUDO_UID", "")
	if _, err := New(state).Save(t.Context(), shop, 0, store.Record{}); err == nil || !strings.Contains(err.Error(), state+" is refused: it belongs to uid 59101; run as its owner (sudo -u '#59101' watari)") {
		t.Errorf("root in somebody's directory: %v", err)
	}
	t.Setenv("SUDO_UID", "59101")
	s := New(state)
	_, err := s.Save(t.Context(), shop, 0, store.Record{}, store.Entry{Text: "by sudo"})
	_, leaseErr := s.Acquire(t.Context(), shop, store.Holder{ID: "root"}, time.Nanosecond, false)
	if err = errors.Join(err, leaseErr, s.Submit(t.Context(), shop, store.Command{ID: "by-sudo", Kind: "rollback"})); err != nil {
		t.Fatal(err)
	}
	wantModes(t, state, fs.ModeDir|0o700, 0o600, anna, sre)
	wantSaid(t, as(t, dir, state, anna, sre, "save:mine lease:anna append:x commands discard:by-sudo commands"), "by-sudo by uid 59101\n")

	// Also where the directory is still to be made.
	home := filepath.Join(dir, "home")
	if err := errors.Join(os.Mkdir(home, 0o755), os.Chown(home, anna, sre)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(filepath.Join(home, ".local", "state", "watari")).Save(t.Context(), shop, 0, store.Record{}); err != nil {
		t.Fatal(err)
	}
	wantModes(t, filepath.Join(home, ".local"), fs.ModeDir|0o700, 0o600, anna, sre)
}

// TestAPrivateDirectoryBecomesShared as docs/cli.md says.
func TestAPrivateDirectoryBecomesShared(t *testing.T) {
	dir := town(t)
	state := made(t, dir, anna, others, 0o700)
	wantSaid(t, as(t, dir, state, anna, others, "save:first lease:anna submit:by-anna"))
	script := `chgrp -R 59200 "$0" && find "$0" -type d -exec chmod 2770 {} + && find "$0" -type f -exec chmod 660 {} + && find "$0" -path '*/commands/*' -exec chmod 640 {} +`
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", script, state).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantSaid(t, as(t, dir, state, ben, sre, "save:second lease:ben append:two submit:by-ben commands"), "by-anna by uid 59101\nby-ben by uid 59102\n")
	wantModes(t, state, fs.ModeDir|fs.ModeSetgid|0o770, 0o660, -1, sre)
}

// TestStateBelowTheWorkingDirectory: a relative path is one from where we are.
func TestStateBelowTheWorkingDirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := New("state")
	if _, err := s.Save(t.Context(), shop, 0, store.Record{}, store.Entry{Text: "x"}); err != nil {
		t.Fatal(err)
	}
	if keys, err := New("./state").List(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
}

// TestACommandIsKeptUnderItsOwnName: one that says that it is another would be
// discarded in its place.
func TestACommandIsKeptUnderItsOwnName(t *testing.T) {
	s, dir := saved(t)
	if err := s.Submit(t.Context(), shop, store.Command{ID: "real", Kind: "rollback"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, commandsName, "other.json")
	write(t, path, `{"id":"real","kind":"pause","at":"2020-01-01T00:00:00Z"}`)
	commands, err := s.Commands(t.Context(), shop)
	if len(commands) != 1 || commands[0].Kind != "rollback" || err == nil || !strings.Contains(err.Error(), path+" is refused") {
		t.Errorf("%+v, %v", commands, err)
	}
	var refused *store.RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("%v is not a refusal", err)
	}
}

// TestManyBadCommandsAreNamedInBounds, and hide nothing.
func TestManyBadCommandsAreNamedInBounds(t *testing.T) {
	s, dir := saved(t)
	if err := s.Submit(t.Context(), shop, store.Command{ID: "real", Kind: "rollback"}); err != nil {
		t.Fatal(err)
	}
	for n := range 100 {
		write(t, filepath.Join(dir, commandsName, fmt.Sprintf("bad-%d.json", n)), "{")
	}
	commands, err := s.Commands(t.Context(), shop)
	if len(commands) != 1 || err == nil || len(err.Error()) > 4000 || !strings.Contains(err.Error(), "and more in "+filepath.Join(dir, commandsName)) {
		t.Errorf("%+v, %v", commands, err)
	}
}

// TestSubmittingNeedsNoLock: whoever was stopped while they had it keeps nobody from
// asking for a rollback.
func TestSubmittingNeedsNoLock(t *testing.T) {
	s, dir := saved(t)
	unlock, err := s.disk.Lock(t.Context(), filepath.Join(dir, lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	within(t, "submit", func() { err = s.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "rollback"}) })
	if err != nil {
		t.Error(err)
	}
}

// TestARefusedMigrationIsListed, so that nobody takes it for one that is not there.
func TestARefusedMigrationIsListed(t *testing.T) {
	s, dir := saved(t)
	away := filepath.Join(t.TempDir(), "away")
	if err := errors.Join(os.Rename(dir, away), os.Symlink(away, dir)); err != nil {
		t.Fatal(err)
	}
	if keys, err := s.List(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
	if _, _, err := s.Load(t.Context(), shop); err == nil || !strings.Contains(err.Error(), dir+" is refused: it is a symbolic link") {
		t.Error(err)
	}
}

// TestNamesOfFilesAreShownAsTheyAre, not as what a terminal would make of them.
func TestNamesOfFilesAreShownAsTheyAre(t *testing.T) {
	s, dir := saved(t)
	if err := s.Submit(t.Context(), shop, store.Command{ID: "1", Kind: "pause"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"\x1b[2Jcomplete\n.json", "\x1b[2J.json"} {
		write(t, filepath.Join(dir, commandsName, name), "{")
	}
	loose := filepath.Join(dir, commandsName, "\x1b[31m.json")
	write(t, loose, "{}")
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, commandsName, "\x1b[1m.json"), 0o600), os.Chmod(loose, 0o666)); err != nil {
		t.Fatal(err)
	}
	commands, err := s.Commands(t.Context(), shop)
	if len(commands) != 1 || err == nil || strings.Contains(err.Error(), "\x1b") || strings.Count(err.Error(), `\x1b[`) < 4 {
		t.Errorf("%v, %q", commands, err)
	}
}
