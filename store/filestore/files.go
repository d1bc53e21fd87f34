package filestore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// explained adds to an error of the file system what to do about it.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fmt.Errorf("%w; nothing was changed, make room and run again", err)
	case refused(err):
		return err // already says what to do
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run as the user who owns it, or have the directory shared with a group that you are in", err)
	case errors.Is(err, syscall.ESTALE):
		return fmt.Errorf("%w; the file server does not know it any more: look whether it is mounted, then run again", err)
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
// directories above as well; of those above the Store's own, the ones that cannot be
// read, or whose file system flushes no directories, are left as they are.
func (s *Store) flushName(path string) error {
	parent := filepath.Dir(path)
	if _, done := s.flushed.Load(path); done || parent == path {
		return nil
	}
	err := s.disk.SyncDir(parent)
	above := path == s.dir || !strings.HasPrefix(path, s.dir+string(filepath.Separator))
	if above && slices.ContainsFunc([]error{fs.ErrPermission, syscall.EROFS, syscall.EINVAL, syscall.ENOTSUP}, func(kind error) bool { return errors.Is(err, kind) }) {
		err = nil
	}
	if err != nil {
		return explained(err)
	}
	if err := s.flushName(parent); err != nil {
		return err
	}
	s.flushed.Store(path, true)
	return nil
}

// forget makes nothing of what is in dir, and of dir itself, count as durable.
func (s *Store) forget(dir string) {
	s.flushed.Range(func(path, _ any) bool {
		if p := path.(string); p == s.dir || p == dir || strings.HasPrefix(p, dir+string(filepath.Separator)) {
			s.flushed.Delete(p)
		}
		return true
	})
}
