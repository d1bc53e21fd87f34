package filestore

import (
	"cmp"
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
)

const commandSuffix = ".json"

// Submit implements store.Store.
func (s *Store) Submit(ctx context.Context, key store.Key, c store.Command) error {
	name, err := commandName(c.ID)
	if err != nil {
		return fmt.Errorf("submit %s to migration %s: %w", c.Kind, key, err)
	}
	if _, _, err := s.Load(ctx, key); errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNewer) {
		return fmt.Errorf("submit %s: %w", c.Kind, err)
	} // a damaged record is the runner's to report: a rollback may still be wanted
	content, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("submit %s to migration %s: %w", c.Kind, key, err)
	}
	return s.change(ctx, "submit "+c.Kind+" to", key, func(dir string) error {
		waiting := filepath.Join(dir, commandsName)
		if err := s.ensureDir(waiting); err != nil {
			return err
		}
		path := filepath.Join(waiting, name)
		if there, err := s.disk.Exists(path); err == nil && there {
			return explained(s.disk.SyncDir(waiting)) // who submitted it may have died before he did
		}
		return s.replaceFile(path, append(content, '\n'))
	})
}

// errNoID is what is wrong with a file that is JSON and says not whose it is.
var errNoID = errors.New("it has no ID")

// Commands implements store.Store. It neither locks nor writes.
func (s *Store) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	if err := ready(ctx, key); err != nil {
		return nil, err
	}
	if err := s.checkFormat(s.path(key, "")); err != nil {
		return nil, fmt.Errorf("read commands of migration %s: %w", key, err)
	}
	waiting := s.path(key, commandsName)
	names, err := s.disk.ReadDir(waiting)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read commands of migration %s: %w", key, explained(err))
	}
	var commands []store.Command
	var errs []error
	for _, name := range names {
		if !strings.HasSuffix(name, commandSuffix) {
			continue
		}
		path := filepath.Join(waiting, name)
		b, err := s.disk.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // discarded meanwhile
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read commands of migration %s: %w", key, explained(err)))
			continue
		}
		var c store.Command
		if err := json.Unmarshal(b, &c); err != nil || c.ID == "" {
			errs = append(errs, fmt.Errorf("read commands of migration %s: %s is not a command: remove it and give the command again: %w", key, path, cmp.Or(err, errNoID)))
			continue
		}
		commands = append(commands, c)
	}
	slices.SortFunc(commands, store.Command.Compare)
	return commands, errors.Join(errs...)
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
		for _, id := range ids {
			name, err := commandName(id)
			if err != nil {
				continue // was never submitted
			}
			if err := s.disk.Remove(filepath.Join(waiting, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return explained(err)
			}
			asked = true
		}
		if !asked {
			return nil
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
