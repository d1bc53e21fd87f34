package filestore

import (
	"errors"
	"syscall"

	"watari.dev/store/filestore/disk"
)

// The bounds of what is read as a whole. A record at a file's limits, 500 routes, has
// 1.4 MB.
const (
	mostRecord  = 64 << 20
	mostLease   = 64 << 10
	mostCommand = 64 << 10
)

// refused reports whether the disk does not trust something.
func refused(err error) bool {
	var r *disk.RefusedError
	return errors.As(err, &r)
}

// staleTries is how often a file is opened that another host replaces meanwhile:
// over NFS the one that was opened is gone then (ESTALE, nfs(5)).
const staleTries = 3

// fresh repeats what was interrupted by another host.
func fresh[T any](read func() (T, error)) (T, error) {
	for n := 1; ; n++ {
		if got, err := read(); n == staleTries || !errors.Is(err, syscall.ESTALE) {
			return got, err
		}
	}
}

func (s *Store) open(path string) (disk.Reader, error) {
	return fresh(func() (disk.Reader, error) { return s.disk.Open(path) })
}

func (s *Store) readBounded(path string, most int64) ([]byte, error) {
	return fresh(func() ([]byte, error) { return s.disk.ReadBounded(path, most) })
}

// signed is what a file contains, and whose it is.
type signed struct {
	content []byte
	author  disk.Author
}

func (s *Store) readSigned(path string, most int64) (signed, error) {
	return fresh(func() (got signed, err error) {
		got.content, got.author, err = s.disk.ReadSigned(path, most)
		return got, err
	})
}

// withoutLocks reports whether a lock could not be had because the file system gives
// none.
func withoutLocks(err error) bool {
	for _, errno := range []error{syscall.ENOLCK, syscall.ENOTSUP, syscall.EOPNOTSUPP, syscall.ENOSYS} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// adviceOnLocks says what to do about that.
const adviceOnLocks = "this file system gives no locks, without which two processes could run the migration: " +
	"over NFS mount it with version 4, or have rpc.statd run on both ends, or mount it with local_lock=flock if one host alone uses it; or name another directory with --state"
