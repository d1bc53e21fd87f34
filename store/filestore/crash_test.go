package filestore

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

// The test binary runs itself as the processes that are killed or that fight.
const (
	roleVariable = "WATARI_FILESTORE_ROLE"
	dirVariable  = "WATARI_FILESTORE_DIR"
)

func TestMain(m *testing.M) {
	roles := map[string]func(*Store) error{"save": saveForEver, "hold": holdForEver, "fight": fight, "fill": fillTheDisk, "act": act}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		if err := role(New(os.Getenv(dirVariable))); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	debug.SetGCPercent(400) // each of thousands of short lives of a store leaves its buffers behind
	os.Exit(m.Run())
}

type child struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, role, dir string) child {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, dirVariable+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }) // mostly over by then
	return child{cmd, bufio.NewScanner(out)}
}

func (c child) line(t *testing.T) string {
	t.Helper()
	if !c.lines.Scan() {
		t.Fatalf("%s ended without a word: %v", c, c.lines.Err())
	}
	return c.lines.Text()
}

func contextWithTimeout(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 20*time.Millisecond)
}

func me(id string) store.Holder {
	host, _ := os.Hostname() // empty: then nobody is known to be dead, and the tests say so
	return store.Holder{ID: id, User: "test", Host: host, PID: os.Getpid(), Since: time.Now()}
}

// saveForEver saves and appends, and prints each text after it is acknowledged.
func saveForEver(s *Store) error {
	ctx := context.Background()
	_, revision, err := s.Load(ctx, shop)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for {
		next := revision + 1
		record := store.Record{Status: json.RawMessage(fmt.Sprintf(`{"n":%d,"pad":"%s"}`, next, strings.Repeat("x", rand.IntN(20_000))))}
		saved := fmt.Sprintf("saved %d", next)
		if revision, err = s.Save(ctx, shop, revision, record, store.Entry{Kind: "decision", Text: saved}); err != nil {
			return err
		}
		fmt.Println(saved)
		appended := fmt.Sprintf("appended %d", next)
		if err := s.Append(ctx, shop, store.Entry{Kind: "effect", Text: appended}); err != nil {
			return err
		}
		fmt.Println(appended)
	}
}

func TestKilledAnywhereNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	const kills = 40
	dir := t.TempDir()
	var acknowledged []string
	var torn int
	for range kills {
		c := start(t, "save", dir)
		for range 1 + rand.IntN(4) {
			acknowledged = append(acknowledged, c.line(t))
		}
		delay := time.NewTimer(time.Duration(rand.IntN(3000)) * time.Microsecond) // where in its next save it dies
		<-delay.C
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for c.lines.Scan() {
			acknowledged = append(acknowledged, c.lines.Text())
		}
		_ = c.Wait() // killed, as it says
		if rand.IntN(3) == 0 {
			torn++
			tear(t, plainPath(filepath.Join(dir, "shop"), 1))
		}
		checkSurvivors(t, New(dir), acknowledged)
		next := New(dir)
		if err := next.Append(t.Context(), shop); err != nil { // repairs
			t.Fatal(err)
		}
		next.Wait()
		if notes := checkSurvivors(t, New(dir), acknowledged); notes != torn {
			t.Fatalf("%d torn lines, %d notes", torn, notes)
		}
	}
}

// tear leaves half a line at the end, as a power cut does.
func tear(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"at":"2026-`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func checkSurvivors(t *testing.T, s *Store, acknowledged []string) (notes int) {
	t.Helper()
	record, revision, err := s.Load(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	var status struct{ N store.Revision }
	if err := json.Unmarshal(record.Status, &status); err != nil || status.N != revision {
		t.Fatalf("revision %d has the status of %d, %v", revision, status.N, err)
	}
	entries, err := storetest.All(s.Journal(t.Context(), shop))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, e := range entries {
		count[e.Text]++
		if e.Kind == "note" {
			notes++
		}
	}
	var last store.Revision
	for _, text := range acknowledged {
		// A save killed between journal and record is done again by the next process.
		if count[text] < 1 || strings.HasPrefix(text, "appended") && count[text] != 1 {
			t.Fatalf("%q was acknowledged and is in the journal %d times", text, count[text])
		}
		if n, _ := fmt.Sscanf(text, "saved %d", &last); n == 1 && last > revision {
			t.Fatalf("revision %d was acknowledged, %d is loaded", last, revision)
		}
	}
	if revision > last+1 {
		t.Fatalf("revision %d was acknowledged last, %d is loaded", last, revision)
	}
	return notes
}

func holdForEver(s *Store) error {
	if _, err := s.Acquire(context.Background(), shop, me("held"), time.Hour, false); err != nil {
		return err
	}
	fmt.Println("held")
	<-make(chan struct{})
	return nil
}

func TestDeadHolderIsKnownAndTakenOver(t *testing.T) {
	s := New(t.TempDir())
	c := start(t, "hold", s.dir)
	if got := c.line(t); got != "held" {
		t.Fatal(got)
	}
	wantLocked := func(when string, takeOver, dead bool) {
		t.Helper()
		_, err := s.Acquire(t.Context(), shop, me("next"), time.Minute, takeOver)
		var locked *store.LockedError
		if !errors.As(err, &locked) || locked.Dead != dead || locked.Holder.PID != c.Process.Pid {
			t.Fatalf("%s: %v", when, err)
		}
	}
	wantLocked("while it lives", true, false)
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for c.lines.Scan() { // its end of the pipe closes when it dies
	}
	deadline := time.Now().Add(5 * time.Second)
	for alive(store.Holder{Host: me("").Host, PID: c.Process.Pid}, process{}) { // nobody has waited for it: a zombie is dead too
		if time.Now().After(deadline) {
			t.Fatal("a killed process still counts as alive")
		}
		time.Sleep(time.Millisecond) // polled, with a deadline
	}
	wantLocked("dead, not reaped", false, true)
	_ = c.Wait() // killed, as it says
	wantLocked("dead", false, true)
	lease, err := s.Acquire(t.Context(), shop, me("next"), time.Minute, true)
	if err != nil {
		t.Fatalf("take over: %v", err)
	}
	if err := lease.Renew(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAlive(t *testing.T) {
	self, own := me("x"), ownProcess()
	elsewhere := self
	elsewhere.Host = "some-other-host.example"
	gone := self
	gone.PID = 1 << 30 // above the highest number Linux gives (pid_max is at most 2^22)
	goneElsewhere := gone
	goneElsewhere.Host = elsewhere.Host
	successor, rebooted, container := own, own, own
	successor.Start, rebooted.Boot, container.Namespace = own.Start+"1", "another boot", "pid:[1]"
	for name, c := range map[string]struct {
		holder store.Holder
		was    process
		want   bool
	}{
		"this process":                        {self, own, true},
		"nothing known but the number":        {self, process{}, true},
		"no such process":                     {gone, own, false},
		"no such process, nothing else known": {gone, process{}, false},
		"the number was given again":          {self, successor, own.Start == ""},
		"another host":                        {elsewhere, own, true},
		"another host, number free here":      {goneElsewhere, own, true},
		"same name, other boot":               {gone, rebooted, true},
		"same name, other container":          {gone, container, true},
		"no number":                           {store.Holder{Host: self.Host}, process{}, true},
	} {
		if got := alive(c.holder, c.was); got != c.want {
			t.Errorf("%s: alive %v, want %v", name, got, c.want)
		}
	}
}

// fight takes and releases the lease; while it has it, a file exists that must
// not exist yet.
func fight(s *Store) error {
	ctx, arena := context.Background(), filepath.Join(s.dir, "arena")
	holder := me(fmt.Sprint("fighter ", os.Getpid()))
	for won := 0; won < 25; {
		lease, err := s.Acquire(ctx, shop, holder, time.Minute, true)
		if errors.Is(err, store.ErrLocked) {
			time.Sleep(100 * time.Microsecond) // lets the other one work; the loop ends by count
			continue
		}
		if err != nil {
			return err
		}
		f, err := os.OpenFile(arena, os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("two hold the lease: %w", err)
		}
		if err := errors.Join(f.Close(), os.Remove(arena), lease.Release(ctx)); err != nil {
			return err
		}
		won++
	}
	fmt.Println("done")
	return nil
}

func TestProcessesFightForTheLease(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fighters := []child{start(t, "fight", dir), start(t, "fight", dir), start(t, "fight", dir)}
	for _, c := range fighters {
		if got := c.line(t); got != "done" {
			t.Errorf("%s", got)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// fillTheDisk writes with a limit on the size of files, which cuts a write short
// as a full disk does.
func fillTheDisk(s *Store) error {
	ctx := context.Background()
	revision, err := s.Save(ctx, shop, 0, store.Record{Status: json.RawMessage(`1`)})
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	limit.Cur = 10_000
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	written := 0
	entry := store.Entry{Kind: "effect", Text: strings.Repeat("x", 3000)}
	for ; err == nil && written < 100; written++ {
		err = s.Append(ctx, shop, entry)
	}
	if !errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "make room") {
		return fmt.Errorf("append: want a clear error, got %v", err)
	}
	_, saveErr := s.Save(ctx, shop, revision, store.Record{Status: json.RawMessage(`2`)}, entry)
	_, bigErr := s.Save(ctx, shop, revision, store.Record{Status: json.RawMessage(`"` + strings.Repeat("x", 20_000) + `"`)})
	if !errors.Is(saveErr, syscall.EFBIG) || !errors.Is(bigErr, syscall.EFBIG) {
		return fmt.Errorf("save: want clear errors, got %v and %v", saveErr, bigErr)
	}
	fmt.Println(written - 1)
	return nil
}

func TestFullDiskLeavesNothingHalfWritten(t *testing.T) {
	dir := t.TempDir()
	c := start(t, "fill", dir)
	got := c.line(t)
	if err := c.Wait(); err != nil {
		t.Fatal(got)
	}
	s := New(dir)
	if record, revision, err := s.Load(t.Context(), shop); err != nil || revision != 1 || string(record.Status) != "1" {
		t.Errorf("%s at %d, %v", record.Status, revision, err)
	}
	entries, err := storetest.All(s.Journal(t.Context(), shop))
	if err != nil || fmt.Sprint(len(entries)) != got || len(entries) == 0 {
		t.Errorf("%s entries were acknowledged, %d are there, %v", got, len(entries), err)
	}
	for _, e := range entries {
		if e.Kind != "effect" {
			t.Errorf("unexpected %s: %s", e.Kind, e.Text)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "shop", "*.tmp"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
