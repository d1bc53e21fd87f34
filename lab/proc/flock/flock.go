//go:build linux

// Package flock locks a file against other processes. The lock belongs to the
// open file, so the kernel releases it when its holder ends, however it ends:
// a lock is never stale and never has to be broken. The file itself stays.
package flock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrHeld says that another holder has the lock.
var ErrHeld = errors.New("held by another process")

// A Lock is held until Unlock or the end of the process.
type Lock struct{ file *os.File }

// Try takes the lock on the file at path, which it creates if there is none, or
// returns ErrHeld.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrHeld
	}
	if err == nil {
		err = writeHolder(file)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &Lock{file}, nil
}

// retryInterval is how often Wait asks again.
const retryInterval = 50 * time.Millisecond

// Wait takes the lock, waiting for its holder until ctx is done. It calls
// waiting once, with the number of the holder's process (0 if unknown), when it
// has to wait.
func Wait(ctx context.Context, path string, waiting func(holder int)) (*Lock, error) {
	lock, err := Try(path)
	if err == nil || !errors.Is(err, ErrHeld) {
		return lock, err
	}
	waiting(readHolder(path))
	ticker := time.NewTicker(retryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", path, ctx.Err())
		case <-ticker.C:
		}
		lock, err := Try(path)
		if err == nil || !errors.Is(err, ErrHeld) {
			return lock, err
		}
	}
}

// Unlock releases the lock.
func (l *Lock) Unlock() error { return l.file.Close() }

func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// readHolder returns the number of the process that says it holds the lock. It
// is for people to read; nothing acts upon it.
func readHolder(path string) int {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return 0
	}
	return pid
}
