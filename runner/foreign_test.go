package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/store/filestore"
	"watari.dev/store/storetest"
	"watari.dev/traffic"
)

// onFiles puts a stage's store on files, and returns its directory.
func onFiles(t *testing.T, s *stage) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	s.cfg.Store = filestore.New(dir)
	return dir
}

// TestForeignFilesStopNoRollback: whatever is in the place of a file of the store, a
// bad target is taken back, and so is what an operator asks for.
func TestForeignFilesStopNoRollback(t *testing.T) {
	puts := map[string]func(string) error{
		"symbolic link": func(path string) error { return os.Symlink("/etc/passwd", path) },
		"named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"directory":     func(path string) error { return errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, 0o777)) },
	}
	for _, place := range []string{"record.json", "journal.jsonl", "lease.json", "lock", "commands", "commands/evil.json"} {
		for name, put := range puts {
			for _, asked := range []bool{true, false} {
				t.Run(place+", "+name+map[bool]string{true: ", asked for", false: ", decided"}[asked], func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) { takesBackBeside(t, place, put, asked) })
				})
			}
		}
	}
}

func takesBackBeside(t *testing.T, place string, put func(string) error, asked bool) {
	s := newStage(t)
	dir := onFiles(t, s)
	s.cfg.Spec.Steps[0].Hold = time.Hour
	path, since, back := filepath.Join(dir, "shop", place), time.Time{}, time.Time{}
	s.cfg.OnTurn = func(turn Turn) {
		for _, e := range turn.Effects {
			if e.Write.Urgent && back.IsZero() {
				back = e.Result.At
			}
		}
		if turn.Status.Phase != engine.Holding || !since.IsZero() {
			return
		}
		since = time.Now()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.RemoveAll(path), put(path)); err != nil {
			t.Fatal(err)
		}
		if !asked {
			s.failing = 0.5
		} else if err := filestore.New(dir).Submit(t.Context(), s.cfg.Key, store.Command{ID: "1", Kind: "rollback", By: "anna@bastion", At: since}); err != nil {
			t.Errorf("submit: %v", err)
		}
	}
	status, err := s.run(t)
	var unsaved *UnsavedError
	if err != nil && !errors.As(err, &unsaved) || status.Phase != engine.RolledBack || s.share() != traffic.None {
		t.Fatalf("%s, share %s, %v", status.Phase, s.share(), err)
	}
	if took := back.Sub(since); asked && took > 2*time.Second || took > 20*time.Second {
		t.Errorf("0 was written after %s", took)
	}
	if asked && !strings.Contains(status.Reason, "uid ") {
		t.Errorf("the author is not named: %s", status.Reason)
	}
}

// TestRefusedCommandsAreToldOnce, in the log and in the journal, however often they
// are looked for.
func TestRefusedCommandsAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		dir := onFiles(t, s)
		var log bytes.Buffer
		s.cfg.Log = slog.New(slog.NewTextHandler(&log, nil))
		path := filepath.Join(dir, "shop", "commands", "evil.json")
		put := false
		s.cfg.OnTurn = func(turn Turn) {
			if put || turn.Status.Phase == engine.Pending {
				return
			}
			put = true
			evil, err := json.Marshal(store.Command{ID: "evil", Kind: "rollback", By: "anna@bastion"})
			if err := errors.Join(err, os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, evil, 0o600), os.Chmod(path, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		if status, err := s.run(t); err != nil || status.Phase != engine.Complete {
			t.Fatalf("%s %s, %v", status.Phase, status.Reason, err)
		}
		journal, err := storetest.All(s.cfg.Store.Journal(t.Context(), s.cfg.Key))
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, e := range journal {
			if e.Kind == "note" && strings.Contains(e.Text, path+" is refused: others may write to it") {
				told++
			}
		}
		if logged := strings.Count(log.String(), "evil.json is refused"); told != 1 || logged != 1 {
			t.Errorf("told %d times in the journal and %d times in the log, want once: %s", told, logged, log.String())
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("it is not ours to remove: %v", err)
		}
	})
}
