// Package disk is the part of a file system that a store of files needs, so that
// the same store can be tried on a disk that loses its power. Nothing is durable
// until it is flushed: what a file contains by File.Sync, that a name stands for it
// by Disk.SyncDir of its directory (fsync(2)). What was not may be there after a
// power cut, or be missing, or be there in a part. It knows nothing of stores.
//
// OS does not trust what it finds. Below the state directory it opens plain files with
// one name only, and directories, and nothing on the way to them may be a symbolic
// link. They must belong to the user who runs the process, to root, or to who became
// root by sudo, and nobody else may be able to write to them. A state directory with
// setgid that its group may write to is shared: what has its group counts as well.
// Everything else is a *RefusedError, before anything waits for it, is read, or is
// changed.
package disk

import (
	"context"
	"errors"
	"io"
	"time"
)

// LockPatience bounds the wait for a lock, which others hold for some flushes of a
// disk only.
const LockPatience = 10 * time.Second

// ErrLocked says that a lock could not be had before patience ended.
var ErrLocked = errors.New("another process has the lock")

// Disk is a file system. Errors wrap those of io/fs and syscall and name the path.
// Its methods may be called from several goroutines.
type Disk interface {
	// ReadFile returns what the file at path contains.
	ReadFile(path string) ([]byte, error)
	// Open opens the file at path for reading from its beginning. What is open stays
	// readable when the file is renamed over or removed.
	Open(path string) (Reader, error)
	// ReadBounded is ReadFile of a file that has no more than most bytes; a
	// *RefusedError if it has.
	ReadBounded(path string, most int64) ([]byte, error)
	// ReadSigned is ReadBounded of a file that CreateSigned has made, with its author:
	// one that others may write to says nothing of who has written it and is refused,
	// and so is an author who is known not to be in the group any more that the
	// directory is shared with.
	ReadSigned(path string, most int64) ([]byte, Author, error)
	// ReadDir returns the names in a directory, sorted.
	ReadDir(path string) ([]string, error)
	// Exists reports whether something is at path. An error is neither.
	Exists(path string) (bool, error)

	// Mkdir creates a directory that nobody but its owner may enter, or the group that
	// it is shared with, whatever the umask; fs.ErrExist if something is there, fs.ErrNotExist if its parent is
	// missing.
	Mkdir(path string) error
	// Append opens the file at path to write at its end; an empty one is created
	// where it is missing. Nobody but its owner, or the group that it is shared with,
	// may read or write it.
	Append(path string) (File, error)
	// Create is Append to a new, empty file. What had its name before, and is no
	// directory, loses it.
	Create(path string) (File, error)
	// CreateSigned is Create of a file that nobody but its owner may write to, so that
	// the owner is the author. The group that it is shared with may read it.
	CreateSigned(path string) (File, error)
	// Rename gives a file or a directory another name in its directory, at once:
	// whoever looks finds what had the name before, or this one.
	Rename(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir makes durable what was created, renamed or removed in a directory.
	SyncDir(path string) error

	// Lock waits until nobody else has the lock of the file at path, which is
	// created where it is missing; ErrLocked, with why the wait ended, if somebody
	// has it for too long. The lock of a process that has died is free. With a ctx
	// that is done it is tried once.
	Lock(ctx context.Context, path string) (unlock func(), err error)
}

// Reader is a file that is open for reading. It is used by one goroutine.
type Reader interface {
	io.Reader
	io.Closer

	Size() (int64, error)
}

// File is an open file. It is used by one goroutine.
type File interface {
	io.Writer   // at the end; after an error any part of it may have been written
	io.ReaderAt // of what is visible, durable or not
	io.Closer

	Size() (int64, error)
	Truncate(size int64) error
	// Sync makes what the file contains durable.
	Sync() error
}
