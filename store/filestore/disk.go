package filestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	dirMode  = 0o700
	fileMode = 0o600

	// lockPatience bounds the wait for the lock of one change, which others hold
	// for some flushes of a disk only.
	lockPatience = 10 * time.Second
	lockPoll     = 2 * time.Millisecond
)

// explained adds to an error of the file system what to do about it.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; nothing was changed, make room and run again", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run as the user who owns it", err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w; choose a directory that can be written", err)
	default:
		return err
	}
}

// ensureDir creates dir and what is above it where they are missing.
func ensureDir(dir string) error {
	err := os.Mkdir(dir, dirMode)
	if errors.Is(err, fs.ErrNotExist) {
		if err = ensureDir(filepath.Dir(dir)); err == nil {
			err = os.Mkdir(dir, dirMode)
		}
	}
	switch {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return explained(err)
	}
	if err := os.Chmod(dir, dirMode); err != nil { // the umask may have taken bits
		return explained(err)
	}
	return syncDir(filepath.Dir(dir))
}

// openPrivate opens the file at path, created where it is missing.
func openPrivate(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|os.O_CREATE, fileMode)
	if err != nil {
		return nil, explained(err)
	}
	if info, err := f.Stat(); err == nil && info.Mode().Perm() == fileMode {
		return f, nil
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(explained(err), f.Close())
	}
	return f, nil
}

// syncDir makes what was created, renamed or removed in dir durable.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return explained(err)
	}
	return explained(errors.Join(f.Sync(), f.Close()))
}

// lock waits until nobody else holds the lock file at path. Each call opens the
// file anew, so that goroutines exclude each other as processes do (flock(2): the
// lock belongs to the open file description).
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := openPrivate(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = f.Close() }, nil // closing unlocks, and nothing was written to it
		case !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR):
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("lock %s: another process is changing the migration: %w", path, ctx.Err()), f.Close())
		case <-time.After(lockPoll):
		}
	}
}
