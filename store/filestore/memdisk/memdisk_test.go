package memdisk_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"watari.dev/store/filestore/disk"
	"watari.dev/store/filestore/memdisk"
)

// TestLikeTheOperatingSystems does the same to both disks, which must say the same.
func TestLikeTheOperatingSystems(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		root := t.TempDir()
		real, memory := disk.OS(root), memdisk.New()
		if err := memory.Mkdir("/root"); err != nil {
			r.Fatal(err)
		}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			step := draw(r)
			got, want := step.do(memory, "/root"), step.do(real, root)
			if got != want {
				r.Fatalf("%+v: in memory %s, really %s", step, got, want)
			}
		}
		if got, want := tree(memory, "/root"), tree(real, root); got != want {
			r.Fatalf("in memory\n%s\nreally\n%s", got, want)
		}
	})
}

// step is something done to a disk.
type step struct {
	Op       string
	Path, To string
	Text     string
	Size     int64
}

func draw(r *rapid.T) step {
	paths := rapid.SampledFrom([]string{"a", "b", "dir", "dir/a", "dir/b", "dir/sub", "dir/sub/a", "a/below"})
	return step{
		Op:   rapid.SampledFrom([]string{"mkdir", "append", "create", "rename", "remove", "sync", "read", "list", "exists", "truncate"}).Draw(r, "op"),
		Path: paths.Draw(r, "path"), To: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "to"),
		Text: rapid.StringMatching(`[xyz]{0,9}`).Draw(r, "text"), Size: rapid.Int64Range(0, 12).Draw(r, "size"),
	}
}

// do says what happened.
func (s step) do(d disk.Disk, root string) string {
	at := path.Join(root, s.Path)
	switch s.Op {
	case "mkdir":
		return said(d.Mkdir(at))
	case "append":
		return s.write(d.Append(at))
	case "create":
		return s.write(d.Create(at))
	case "truncate":
		f, err := d.Append(at)
		if err != nil {
			return said(err)
		}
		return said(errors.Join(f.Truncate(s.Size), f.Close()))
	case "rename":
		if names, err := d.ReadDir(at); err == nil { // only files are
			return fmt.Sprint(names)
		}
		if to := path.Join(path.Dir(at), s.To); to != at {
			if _, err := d.ReadDir(to); err == nil {
				return ""
			}
			return said(d.Rename(at, to))
		}
	case "remove":
		if _, err := d.ReadDir(at); err == nil {
			return ""
		}
		return said(d.Remove(at))
	case "sync":
		if _, err := d.ReadDir(path.Dir(at)); err == nil {
			return said(d.SyncDir(path.Dir(at)))
		}
	case "read":
		b, err := d.ReadFile(at)
		return string(b) + said(err)
	case "list":
		names, err := d.ReadDir(at)
		return fmt.Sprint(names) + said(err)
	case "exists":
		there, _ := d.Exists(at) // below a file: an error there, not here
		return fmt.Sprint(there)
	}
	return ""
}

func (s step) write(f disk.File, err error) string {
	if err != nil {
		return said(err)
	}
	n, err := f.Write([]byte(s.Text))
	size, sizeErr := f.Size()
	part := make([]byte, 3)
	m, readErr := f.ReadAt(part, max(0, size-2))
	if errors.Is(readErr, io.EOF) {
		readErr = nil
	}
	return fmt.Sprint(n, size, string(part[:m]), said(errors.Join(err, sizeErr, readErr, f.Sync(), f.Close())))
}

// said is what of an error callers act on.
func said(err error) string {
	for _, e := range []error{fs.ErrExist, fs.ErrNotExist} {
		if errors.Is(err, e) {
			return e.Error()
		}
	}
	if err != nil {
		return "another error"
	}
	return "done"
}

func tree(d disk.Disk, at string) string {
	names, err := d.ReadDir(at)
	if err != nil {
		b, err := d.ReadFile(at)
		return fmt.Sprintf("%q %v", b, err)
	}
	var out strings.Builder
	for _, name := range names {
		fmt.Fprintf(&out, "%s: {%s}", name, tree(d, filepath.Join(at, name)))
	}
	return out.String()
}

// try is a disk with one file, flushed, to which more was written.
func try(t *testing.T, d *memdisk.Disk) (*memdisk.Disk, disk.File) {
	t.Helper()
	f, err := d.Append("/f")
	if err != nil {
		t.Fatal(err)
	}
	write(t, f, "old.")
	if err := errors.Join(f.Sync(), d.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	write(t, f, strings.Repeat("n", 600))
	return d, f
}

func write(t *testing.T, f disk.File, text string) {
	t.Helper()
	if n, err := f.Write([]byte(text)); err != nil || n != len(text) {
		t.Fatal(n, err)
	}
}

func lost(int) int   { return 0 }
func kept(n int) int { return n - 1 }

// sized keeps the size of what was written, and nothing of it.
func sized(n int) int {
	if n == 3 {
		return 1
	}
	return 0
}

func TestPowerCutLosesWhatWasNotFlushed(t *testing.T) {
	long := "old." + strings.Repeat("n", 600)
	for name, c := range map[string]struct {
		choose func(int) int
		want   string
	}{
		"all of it":     {lost, "old."},
		"the contents":  {sized, "old." + strings.Repeat("\x00", 600)},
		"every second":  {everySecond(), "old." + strings.Repeat("n", 508) + strings.Repeat("\x00", 92)},
		"nothing of it": {func(n int) int { return min(1, n-1) }, long},
	} {
		d, _ := try(t, memdisk.New())
		d.PowerCut(c.choose)
		if b, err := d.ReadFile("/f"); err != nil || string(b) != c.want {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
}

func everySecond() func(int) int {
	sectors := 0
	return func(n int) int {
		if n == 2 {
			sectors++
			return sectors % 2
		}
		return min(1, n-1) // of three: the size of what was written
	}
}

func TestPowerCutLosesNamesInOrder(t *testing.T) {
	names := func(choose func(int) int) string {
		d := memdisk.New()
		if err := errors.Join(d.Mkdir("/durable"), d.SyncDir("/")); err != nil {
			t.Fatal(err)
		}
		for _, at := range []string{"/durable/a", "/durable/b"} {
			f, err := d.Create(at)
			if err != nil {
				t.Fatal(err)
			}
			write(t, f, at)
			if err := f.Sync(); err != nil { // which says nothing about the name
				t.Fatal(err)
			}
		}
		if err := d.Rename("/durable/b", "/durable/a"); err != nil {
			t.Fatal(err)
		}
		d.PowerCut(choose)
		return tree(d, "/durable")
	}
	for name, c := range map[string]struct {
		renamed int
		want    string
	}{
		"none":       {0, ""},
		"the first":  {1, `a: {"/durable/a" <nil>}`},
		"both":       {2, `a: {"/durable/a" <nil>}b: {"/durable/b" <nil>}`},
		"the rename": {3, `a: {"/durable/b" <nil>}`},
	} {
		got := names(func(n int) int {
			if n == 4 {
				return c.renamed
			}
			return 0
		})
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestPowerCutKeepsWhatWasFlushed(t *testing.T) {
	d, f := try(t, memdisk.New())
	if err := errors.Join(f.Sync(), d.Mkdir("/dir"), d.SyncDir("/")); err != nil {
		t.Fatal(err)
	}
	before := tree(d, "/")
	if err := f.Truncate(2); err != nil {
		t.Fatal(err)
	}
	write(t, f, "never flushed")
	d.PowerCut(lost)
	if got := tree(d, "/"); got != before {
		t.Errorf("%s, want %s", got, before)
	}
	d.PowerCut(kept)
	if got := tree(d, "/"); got != before {
		t.Errorf("a second time: %s, want %s", got, before)
	}
}

func TestFaultsHitWhatTheyShould(t *testing.T) {
	var failing memdisk.Op
	var asked []memdisk.Op
	d, f := try(t, memdisk.New().WithFaults(func(op memdisk.Op, _ string) error {
		asked = append(asked, op)
		if op == failing {
			return syscall.ENOSPC
		}
		return nil
	}))
	before := tree(d, "/")
	for op, do := range map[memdisk.Op]func() error{
		memdisk.Write:    func() error { _, err := f.Write([]byte("xy")); return err },
		memdisk.Truncate: func() error { return f.Truncate(0) },
		memdisk.Sync:     f.Sync,
		memdisk.Mkdir:    func() error { return d.Mkdir("/new") },
		memdisk.Open:     func() error { _, err := d.Append("/new"); return err },
		memdisk.Rename:   func() error { return d.Rename("/f", "/g") },
		memdisk.Remove:   func() error { return d.Remove("/f") },
		memdisk.SyncDir:  func() error { return d.SyncDir("/") },
		memdisk.Lock:     func() error { _, err := d.Lock(t.Context(), "/f"); return err },
	} {
		failing, asked = op, nil
		if err := do(); !errors.Is(err, syscall.ENOSPC) || len(asked) != 1 {
			t.Errorf("%s: %v, asked for %v", op, err, asked)
		}
		if got := tree(d, "/"); got != before {
			t.Errorf("%s changed it: %s", op, got)
		}
	}
	failing = memdisk.WriteRest
	if n, err := f.Write([]byte("xy")); n != 1 || !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if b, _ := d.ReadFile("/f"); !strings.HasSuffix(string(b), "nx") {
		t.Errorf("the first half is not there: %q", b)
	}
}

func TestLockIsHadByOne(t *testing.T) {
	d := memdisk.New()
	unlock, err := d.Lock(t.Context(), "/lock")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.Lock(ended, "/lock"); !errors.Is(err, disk.ErrLocked) || !errors.Is(err, context.Canceled) {
		t.Errorf("a second one: %v", err)
	}
	go unlock()
	again, err := d.Lock(t.Context(), "/lock")
	if err != nil {
		t.Fatal(err)
	}
	d.PowerCut(kept)
	if _, busy, err := d.TryLock("/lock"); busy != nil || err != nil {
		t.Errorf("after a power cut: %v", err)
	}
	again() // of a process that is no more
	if _, busy, _ := d.TryLock("/lock"); busy == nil {
		t.Error("the dead give back what is not theirs")
	}
}

// TestPlanted: what is not ours is refused by its name, whatever is wanted of it, and
// what was there before can come back.
func TestPlanted(t *testing.T) {
	d, f := try(t, memdisk.New())
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := d.ReadFile("/f")
	if err != nil {
		t.Fatal(err)
	}
	undo, err := d.Plant("/f", "it is mallory's", []byte("evil"))
	if err != nil {
		t.Fatal(err)
	}
	_, readErr := d.ReadFile("/f")
	_, signedErr := func() ([]byte, error) { b, _, err := d.ReadSigned("/f", 9); return b, err }()
	_, appendErr := d.Append("/f")
	_, dirErr := d.ReadDir("/f")
	_, lockErr := d.Lock(t.Context(), "/f")
	_, belowErr := d.ReadFile("/f/below")
	for i, err := range []error{readErr, signedErr, appendErr, dirErr, lockErr, belowErr} {
		var refused *disk.RefusedError
		if !errors.As(err, &refused) || refused.Path != "/f" || refused.Why != "it is mallory's" {
			t.Errorf("%d: %v", i, err)
		}
	}
	if there, err := d.Exists("/f"); err != nil || !there {
		t.Errorf("%v, %v", there, err)
	}
	if there, err := d.Exists("/f/below"); err == nil {
		t.Errorf("what is below it: %v", there)
	}
	d.PowerCut(func(int) int { return 0 })
	if b, err := d.Trusting().ReadFile("/f"); err != nil || string(b) != "evil" {
		t.Errorf("%q, %v", b, err)
	}
	if !undo() {
		t.Error("it was changed")
	}
	if b, err := d.ReadFile("/f"); err != nil || string(b) != string(before) {
		t.Errorf("%q, %v", b, err)
	}
	if undo, err = d.Plant("/f", "it is mallory's", []byte("evil")); err != nil {
		t.Fatal(err)
	}
	evil, err := d.Trusting().Append("/f")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evil.Write([]byte("er")); err != nil || undo() {
		t.Errorf("that it was changed is not seen: %v", err)
	}
	f, err = d.Create("/f") // a new file under the name
	if _, plantErr := d.Plant("/nowhere/f", "", nil); err != nil || plantErr == nil {
		t.Errorf("%v, %v", err, plantErr)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
