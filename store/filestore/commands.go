package filestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
)

const commandSuffix = ".json"

// Submit implements store.Store. It takes no lock: whoever has the lock, or has put
// something in its place, keeps no rollback from being asked for.
func (s *Store) Submit(ctx context.Context, key store.Key, c store.Command) error {
	name, err := commandName(c.ID)
	if err != nil {
		return fmt.Errorf("submit %s to migration %s: %w", c.Kind, key, err)
	}
	if _, _, err := s.Load(ctx, key); errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNewer) {
		return fmt.Errorf("submit %s: %w", c.Kind, err)
	} // a damaged record is the runner's to report: a rollback may still be wanted
	content, err := json.Marshal(c)
	if err == nil {
		err = ready(ctx, key)
	}
	if err != nil {
		return fmt.Errorf("submit %s to migration %s: %w", c.Kind, key, err)
	}
	dir := s.path(key, "")
	err = s.place(dir, name, append(content, '\n'))
	if errors.Is(err, fs.ErrNotExist) { // somebody has moved it away since it was made
		s.forget(dir)
		err = s.place(dir, name, append(content, '\n'))
	}
	if err != nil {
		return fmt.Errorf("submit %s to migration %s: %w", c.Kind, key, err)
	}
	return nil
}

// place puts a command where commands wait. What is there and is no directory of ours
// is moved aside: it must not keep a rollback from being asked for.
func (s *Store) place(dir, name string, content []byte) error {
	waiting := filepath.Join(dir, commandsName)
	for _, path := range []string{s.dir, dir, waiting} {
		if err := s.ensureDir(path); err != nil {
			return err
		}
	}
	err := s.placeIn(waiting, name, content)
	var r *disk.RefusedError
	if !errors.As(err, &r) || r.Path != waiting {
		return err
	}
	if err := s.moveAside(waiting); err != nil {
		return errors.Join(r, err)
	}
	s.forget(dir)
	if err := s.ensureDir(waiting); err != nil {
		return err
	}
	return s.placeIn(waiting, name, content)
}

func (s *Store) placeIn(waiting, name string, content []byte) error {
	path := filepath.Join(waiting, name)
	there, err := s.disk.Exists(path)
	if err != nil {
		return explained(err)
	}
	if there {
		if _, err := s.readCommand(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // somebody else's file has the name
		}
		return explained(s.disk.SyncDir(waiting)) // who submitted it may have died before he did
	}
	p, err := s.prepare(path, content, s.disk.CreateSigned)
	if err == nil {
		err = p.commit()
	}
	if err != nil {
		return err
	}
	return explained(s.disk.SyncDir(waiting))
}

// mostAside bounds how often something was put in the place of commands.
const mostAside = 100

// moveAside gives what is at path another name beside it, and changes nothing else
// of it.
func (s *Store) moveAside(path string) error {
	for n := 1; n <= mostAside; n++ {
		free := fmt.Sprintf("%s.refused-%d", path, n)
		if there, err := s.disk.Exists(free); err != nil || there {
			continue
		}
		return explained(s.disk.Rename(path, free))
	}
	return fmt.Errorf("move %s aside: %d are there already; look at them and remove them", path, mostAside)
}

// errNoID is what is wrong with a file that is JSON and says not whose it is.
var errNoID = errors.New("it has no ID")

// mostRefusals bounds how many files are named that are no commands.
const mostRefusals = 10

// Commands implements store.Store. It neither locks nor writes.
func (s *Store) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	if err := ready(ctx, key); err != nil {
		return nil, err
	}
	if err := s.checkFormat(s.path(key, "")); err != nil {
		return nil, fmt.Errorf("read commands of migration %s: %w", key, err)
	}
	waiting := s.path(key, commandsName)
	names, err := fresh(func() ([]string, error) { return s.disk.ReadDir(waiting) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("read commands of migration %s: %w", key, explained(err))
		if refused(err) {
			err = &store.RefusedError{Err: err}
		}
		return nil, err
	}
	var commands []store.Command
	var errs []error
	for _, name := range names {
		if !strings.HasSuffix(name, commandSuffix) {
			continue
		}
		c, err := s.readCommand(filepath.Join(waiting, name))
		switch {
		case err == nil:
			commands = append(commands, c)
		case !errors.Is(err, fs.ErrNotExist): // else discarded meanwhile
			errs = append(errs, &store.RefusedError{Err: fmt.Errorf("read commands of migration %s: %w", key, err)})
		}
	}
	slices.SortFunc(commands, store.Command.Compare)
	if len(errs) > mostRefusals {
		errs = append(errs[:mostRefusals], &store.RefusedError{Err: fmt.Errorf("and more in %s", waiting)})
	}
	return commands, errors.Join(errs...)
}

// readCommand returns the command in a file. Its author is the file's owner, whatever
// it says, and its file has the name of its ID, so that none is taken for another.
func (s *Store) readCommand(path string) (store.Command, error) {
	file, err := s.readSigned(path, mostCommand)
	if err != nil {
		return store.Command{}, explained(err)
	}
	var c store.Command
	err = json.Unmarshal(file.content, &c)
	if err == nil && c.ID == "" {
		err = errNoID
	}
	if err != nil {
		return store.Command{}, fmt.Errorf("%s is not a command: remove it and give the command again: %w", disk.Shown(path), err)
	}
	if name, err := commandName(c.ID); err != nil || name != filepath.Base(path) {
		return store.Command{}, fmt.Errorf("%s is refused: it says that it is the command %.60q, which has a file of another name; look at it and remove it", disk.Shown(path), c.ID)
	}
	c.Author = file.author.String()
	return c, nil
}

// Discard implements store.Store.
func (s *Store) Discard(ctx context.Context, key store.Key, ids ...string) error {
	if err := ready(ctx, key); err != nil {
		return err
	}
	if len(ids) == 0 || !s.known(key) {
		return nil
	}
	return s.change(ctx, "discard commands of", key, func(dir string) error {
		waiting, asked := filepath.Join(dir, commandsName), false
		var errs []error // what cannot be removed keeps no other
		for _, id := range ids {
			name, err := commandName(id)
			if err != nil {
				continue // was never submitted
			}
			if err := s.disk.Remove(filepath.Join(waiting, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, explained(err))
			}
			asked = true
		}
		if !asked || len(errs) > 0 {
			return errors.Join(errs...)
		}
		// Also if nothing is there any more: who removed it may have died before he did.
		if err := s.disk.SyncDir(waiting); !errors.Is(err, fs.ErrNotExist) {
			return explained(err)
		}
		return nil
	})
}

// maxCommandName keeps names, with what is added while they are written, within
// the 255 bytes that file systems allow (NAME_MAX).
const maxCommandName = 200

// commandName returns the file that the command of this ID is kept in. Different
// IDs have different names, and none leaves the directory.
func commandName(id string) (string, error) {
	name := url.PathEscape(id) + commandSuffix
	if id == "" || len(name) > maxCommandName {
		return "", fmt.Errorf("a command's ID must have 1 to about %d bytes, not %d", maxCommandName-len(commandSuffix), len(id))
	}
	return name, nil
}
