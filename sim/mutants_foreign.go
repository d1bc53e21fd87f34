package sim

import (
	"context"
	"errors"
	"time"

	"watari.dev/store"
	"watari.dev/store/filestore/disk"
	"watari.dev/store/filestore/memdisk"
)

// mutantsOfTrust believe whatever is in a store, or nothing any more once something
// in it is not to be believed.
func mutantsOfTrust() []Mutant {
	return []Mutant{
		{
			Name: "obeys whoever wrote it", Broken: "A command is obeyed whoever has given it, because it says that it is by somebody else.",
			Breaks: []string{"a stranger is not obeyed"},
			Config: storing(func(p *process, s store.Store) store.Store { return &credulous{s, p} }),
		},
		{
			Name: "one bad command hides the others", Broken: "Where one command cannot be trusted, none is read.",
			Breaks: []string{"an operator is heard", "no order is lost", "liveness"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &offended{s} }),
		},
		{
			Name: "removes every command beside a bad one", Broken: "Where one command cannot be trusted, all are removed.",
			Breaks: []string{"an operator is heard", "no order is lost", "liveness"},
			Config: storing(func(_ *process, s store.Store) store.Store { return &thorough{s} }),
		},
		{
			Name: "a bad command delays the others", Broken: "Where one command cannot be trusted, the others wait for two minutes, in case it goes away.",
			Breaks: []string{"an operator is heard"},
			Config: storing(func(p *process, s store.Store) store.Store { return &hesitant{Store: s, process: p} }),
		},
		{
			Name: "trusts every file", Broken: "A file is read whoever has made it.",
			Breaks: []string{"a stranger is not obeyed"},
			Disk:   func(d disk.Disk) disk.Disk { return trusting{d, viewOf(d)} },
		},
		{
			Name: "appends to every file", Broken: "The journal is appended to whoever has put it there.",
			Breaks: []string{"nothing foreign is changed"},
			Disk:   func(d disk.Disk) disk.Disk { return unwary{d, viewOf(d)} },
		},
	}
}

// credulous obeys strangers as well.
type credulous struct {
	store.Store
	process *process
}

func (s *credulous) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	commands, err := s.Store.Commands(ctx, key)
	var refused *store.RefusedError
	if errors.As(err, &refused) {
		return append(commands, s.process.foreign.orders...), nil
	}
	return commands, err
}

// offended reads no command beside a bad one.
type offended struct{ store.Store }

func (s *offended) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	commands, err := s.Store.Commands(ctx, key)
	if err != nil {
		return nil, err
	}
	return commands, nil
}

// hesitant reads commands beside a bad one later.
type hesitant struct {
	store.Store
	process *process
	until   time.Duration
}

func (s *hesitant) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	commands, err := s.Store.Commands(ctx, key)
	switch {
	case err == nil:
		s.until = 0
	case s.until == 0:
		s.until = s.process.now + 2*time.Minute
	}
	if err != nil && s.process.now < s.until {
		return nil, err
	}
	return commands, err
}

// thorough removes what waits beside a bad command.
type thorough struct{ store.Store }

func (s *thorough) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	commands, err := s.Store.Commands(ctx, key)
	var refused *store.RefusedError
	if !errors.As(err, &refused) {
		return commands, err
	}
	for _, c := range commands {
		if failed := s.Discard(ctx, key, c.ID); failed != nil {
			return nil, failed
		}
	}
	return nil, err
}

// viewOf is a process's disk as who trusts everything reaches it.
func viewOf(d disk.Disk) *memdisk.Disk {
	m, is := d.(interface{ Trusting() *memdisk.Disk })
	if !is {
		return memdisk.New() // nothing is found out on it
	}
	return m.Trusting()
}

// trusting reads everything.
type trusting struct {
	disk.Disk
	view *memdisk.Disk
}

func (d trusting) ReadBounded(path string, most int64) ([]byte, error) {
	return d.view.ReadBounded(path, most)
}

func (d trusting) ReadSigned(path string, most int64) ([]byte, disk.Author, error) {
	return d.view.ReadSigned(path, most)
}

// unwary appends to everything.
type unwary struct {
	disk.Disk
	view *memdisk.Disk
}

func (d unwary) Append(path string) (disk.File, error) { return d.view.Append(path) }
