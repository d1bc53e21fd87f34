package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"
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

// ensureDir creates dir and what is above it where they are missing, and makes
// their names durable.
func (s *Store) ensureDir(dir string) error {
	if _, done := s.flushed.Load(dir); done {
		return nil
	}
	err := s.disk.Mkdir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = s.ensureDir(filepath.Dir(dir)); err == nil {
			err = s.disk.Mkdir(dir)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return explained(err)
	}
	return s.flushName(dir)
}

// flushName makes durable that path is the name of what is there, once in the life
// of the Store: who made it may have died before he did. That goes for all
// directories above as well, but not for those that cannot be read, or are on file
// systems that flush no directories: nobody made those for us.
func (s *Store) flushName(path string) error {
	parent := filepath.Dir(path)
	if _, done := s.flushed.Load(path); done || parent == path {
		return nil
	}
	err := s.disk.SyncDir(parent)
	switch {
	case slices.ContainsFunc([]error{fs.ErrPermission, syscall.EROFS, syscall.EINVAL, syscall.ENOTSUP}, func(kind error) bool { return errors.Is(err, kind) }):
		return nil
	case err != nil:
		return explained(err)
	}
	if err := s.flushName(parent); err != nil {
		return err
	}
	s.flushed.Store(path, true)
	return nil
}
