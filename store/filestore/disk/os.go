package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

const (
	dirMode  = 0o700
	fileMode = 0o600
	lockPoll = 2 * time.Millisecond
)

// OS returns the disk of the operating system.
func OS() Disk { return system{} }

type system struct{}

func (system) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }

func (system) Open(path string) (Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (system) ReadDir(path string) ([]string, error) {
	files, err := os.ReadDir(path)
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names, err
}

func (system) Exists(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (system) Mkdir(path string) error {
	if err := os.Mkdir(path, dirMode); err != nil {
		return err
	}
	return os.Chmod(path, dirMode) // the umask may have taken bits
}

func (system) Append(path string) (File, error) { return open(path, os.O_APPEND) }

func (system) Create(path string) (File, error) { return open(path, os.O_TRUNC) }

func (system) Rename(from, to string) error { return os.Rename(from, to) }

func (system) Remove(path string) error { return os.Remove(path) }

func (system) SyncDir(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Lock opens the file anew each time, so that goroutines exclude each other as
// processes do (flock(2): the lock belongs to the open file description).
func (system) Lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := open(path, 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, LockPatience)
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
			return nil, errors.Join(fmt.Errorf("lock %s: %w: %w", path, ErrLocked, ctx.Err()), f.Close())
		case <-time.After(lockPoll):
		}
	}
}

// file is an open file of the operating system.
type file struct{ *os.File }

// open opens the file at path, created where it is missing.
func open(path string, flags int) (file, error) {
	f, err := os.OpenFile(path, flags|os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return file{}, err
	}
	if info, err := f.Stat(); err == nil && info.Mode().Perm() == fileMode {
		return file{f}, nil
	}
	if err := f.Chmod(fileMode); err != nil {
		return file{}, errors.Join(err, f.Close())
	}
	return file{f}, nil
}

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
