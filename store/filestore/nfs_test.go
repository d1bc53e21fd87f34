package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
	"watari.dev/store/filestore/memdisk"
)

// farDisk is a disk as a host sees it that reaches it over NFS: what another host has
// replaced is stale, what another one has made is seen late, what is removed while it
// is open goes on under another name, and there may be no locks. It is what nfs(5)
// says, not an NFS server: none can be had in a test.
type farDisk struct {
	disk.Disk
	stale   int                 // how many reads find what was replaced
	listing map[string][]string // directories as they were when they were last asked for
	cached  bool                // and are still shown so
	silly   []string            // names of files that somebody has open
	locks   error               // why there are none
	twice   bool                // a reply is lost, and what the client asks again was done already
}

func (d *farDisk) lost() bool {
	if d.stale > 0 {
		d.stale--
		return true
	}
	return false
}

func (d *farDisk) ReadBounded(path string, most int64) ([]byte, error) {
	if d.lost() {
		return nil, &staleError{path}
	}
	return d.Disk.ReadBounded(path, most)
}

func (d *farDisk) Open(path string) (disk.Reader, error) {
	if d.lost() {
		return nil, &staleError{path}
	}
	return d.Disk.Open(path)
}

func (d *farDisk) ReadSigned(path string, most int64) ([]byte, disk.Author, error) {
	if d.lost() {
		return nil, disk.Author{}, &staleError{path}
	}
	return d.Disk.ReadSigned(path, most)
}

func (d *farDisk) ReadDir(path string) ([]string, error) {
	if d.lost() {
		return nil, &staleError{path}
	}
	names, err := d.Disk.ReadDir(path)
	if d.cached && d.listing[path] != nil {
		names = d.listing[path]
	}
	d.listing[path] = names
	return append(slices.Clone(d.silly), names...), err
}

func (d *farDisk) Remove(path string) error {
	err := d.Disk.Remove(path)
	if d.twice && err == nil {
		return d.Disk.Remove(path)
	}
	return err
}

func (d *farDisk) Mkdir(path string) error {
	err := d.Disk.Mkdir(path)
	if d.twice && err == nil {
		return d.Disk.Mkdir(path)
	}
	return err
}

func (d *farDisk) Rename(from, to string) error {
	err := d.Disk.Rename(from, to)
	if d.twice && err == nil {
		return d.Disk.Rename(from, to)
	}
	return err
}

func (d *farDisk) Lock(ctx context.Context, path string) (func(), error) {
	if d.locks != nil {
		return nil, d.locks
	}
	return d.Disk.Lock(ctx, path)
}

type staleError struct{ path string }

func (e *staleError) Error() string { return "read " + e.path + ": " + syscall.ESTALE.Error() }
func (e *staleError) Unwrap() error { return syscall.ESTALE }

// far returns a store of a migration at revision 1 with one command, over NFS.
func far(t *testing.T) (*Store, *farDisk, *Store) {
	t.Helper()
	server := memdisk.New()
	d := &farDisk{Disk: server, listing: map[string][]string{}}
	here, there := New("/var/lib/watari", WithDisk(d)), New("/var/lib/watari", WithDisk(server))
	_, err := here.Save(t.Context(), shop, 0, store.Record{Status: json.RawMessage(`1`)}, store.Entry{Text: "first"})
	if err = errors.Join(err, here.Submit(t.Context(), shop, store.Command{ID: "here", Kind: "pause"})); err != nil {
		t.Fatal(err)
	}
	return here, d, there
}

// TestNFSWhatAnotherHostReplacesIsReadAgain, and named when that does not help.
func TestNFSWhatAnotherHostReplacesIsReadAgain(t *testing.T) {
	here, d, _ := far(t)
	for stale := range staleTries {
		d.stale = stale
		if _, revision, err := here.Load(t.Context(), shop); err != nil || revision != 1 {
			t.Errorf("stale %d times: revision %d, %v", stale, revision, err)
		}
		d.stale = stale
		if commands, err := here.Commands(t.Context(), shop); err != nil || len(commands) != 1 {
			t.Errorf("stale %d times: %v, %v", stale, commands, err)
		}
		d.stale = stale
		if _, _, _, err := here.Holder(t.Context(), shop); err != nil {
			t.Errorf("stale %d times: %v", stale, err)
		}
	}
	d.stale = 1 << 30
	if _, _, err := here.Load(t.Context(), shop); !errors.Is(err, syscall.ESTALE) || !strings.Contains(err.Error(), "record.json") || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("stale for ever: %v", err)
	}
}

// TestNFSNamesOfFilesThatAreOpenAreNoCommands: the client keeps what is removed while
// it is open as .nfs and a number (silly rename).
func TestNFSNamesOfFilesThatAreOpenAreNoCommands(t *testing.T) {
	here, d, _ := far(t)
	d.silly = []string{".nfs0000000001a2b3c400000001"}
	if commands, err := here.Commands(t.Context(), shop); err != nil || len(commands) != 1 {
		t.Errorf("%v, %v", commands, err)
	}
	if keys, err := here.List(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%v, %v", keys, err)
	}
	if err := here.Discard(t.Context(), shop, "here"); err != nil {
		t.Error(err)
	}
}

// TestNFSCommandsOfAnotherHostComeLate, as long as a directory is cached, and then
// they come. What is listed and gone already is no error.
func TestNFSCommandsOfAnotherHostComeLate(t *testing.T) {
	here, d, there := far(t)
	if _, err := here.Commands(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	d.cached = true
	err := errors.Join(there.Submit(t.Context(), shop, store.Command{ID: "there", Kind: "rollback"}), there.Discard(t.Context(), shop, "here"))
	if err != nil {
		t.Fatal(err)
	}
	if commands, err := here.Commands(t.Context(), shop); err != nil || len(commands) != 0 {
		t.Errorf("what was seen before: %v, %v", commands, err)
	}
	d.cached = false
	if commands, err := here.Commands(t.Context(), shop); err != nil || len(commands) != 1 || commands[0].ID != "there" {
		t.Errorf("later: %v, %v", commands, err)
	}
}

// TestNFSWithoutLocks: two could run, so nobody does, and it says what to do. Commands
// go through, because they need no lock.
func TestNFSWithoutLocks(t *testing.T) {
	here, d, _ := far(t)
	for _, errno := range []syscall.Errno{syscall.ENOLCK, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		d.locks = errno
		_, acquireErr := here.Acquire(t.Context(), shop, store.Holder{ID: "1"}, time.Minute, false)
		_, saveErr := here.Save(t.Context(), shop, 1, store.Record{})
		for _, err := range []error{acquireErr, saveErr} {
			if !errors.Is(err, errno) || !strings.Contains(err.Error(), "gives no locks") || !strings.Contains(err.Error(), "rpc.statd") || !strings.Contains(err.Error(), "--state") {
				t.Errorf("%v: %v", errno, err)
			}
		}
		if err := here.Submit(t.Context(), shop, store.Command{ID: errno.Error(), Kind: "rollback"}); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
		if _, _, err := here.Load(t.Context(), shop); err != nil {
			t.Errorf("%v: %v", errno, err)
		}
	}
	if commands, err := here.Commands(t.Context(), shop); err != nil || len(commands) != 4 {
		t.Errorf("%v, %v", commands, err)
	}
}

// TestNFSRepliesThatAreLost: a server that was restarted is asked again for what it
// has done already, and says no (rename(2), "BUGS"). What was saved then counts as not
// saved for who was told so, and is there for who reads.
func TestNFSRepliesThatAreLost(t *testing.T) {
	here, d, _ := far(t)
	lease, err := here.Acquire(t.Context(), shop, store.Holder{ID: "1"}, time.Minute, false)
	if err != nil {
		t.Fatal(err)
	}
	d.twice = true
	if err := errors.Join(here.Discard(t.Context(), shop, "here"), lease.Release(t.Context())); err != nil {
		t.Errorf("what is gone is gone: %v", err)
	}
	if _, _, held, err := here.Holder(t.Context(), shop); err != nil || held {
		t.Errorf("held %v, %v", held, err)
	}
	if _, err := here.Save(t.Context(), shop, 1, store.Record{Status: json.RawMessage(`2`)}); err == nil {
		t.Error("nobody was told that the reply was lost")
	}
	d.twice = false
	record, revision, err := here.Load(t.Context(), shop)
	if err != nil || revision != 2 || string(record.Status) != "2" {
		t.Errorf("%s at %d, %v", record.Status, revision, err)
	}
	if _, err := here.Save(t.Context(), shop, revision, record, store.Entry{Text: "second"}); err != nil {
		t.Errorf("who reads it again goes on: %v", err)
	}
	other := store.Key{Name: "other"}
	d.twice = true
	if err := here.Append(t.Context(), other, store.Entry{Text: "x"}); err != nil {
		t.Errorf("a directory that is there already: %v", err)
	}
	if there, err := d.Exists(filepath.Join("/var/lib/watari", "other", journalName)); err != nil || !there {
		t.Errorf("%v, %v", there, err)
	}
}
