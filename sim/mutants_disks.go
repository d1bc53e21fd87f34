package sim

import (
	"strings"

	"watari.dev/store/filestore/disk"
)

// mutantsOfDisks keep files as if there were no power cuts.
func mutantsOfDisks() []Mutant {
	return []Mutant{
		{
			Name: "names are not flushed", Broken: "A record that has got its name is taken for durable without flushing the directory.",
			Breaks: []string{"what is saved stays saved"},
			Disk:   func(d disk.Disk) disk.Disk { return nameless{d} },
		},
		{
			Name: "contents are not flushed", Broken: "A record gets its name before it is flushed.",
			Breaks: []string{"what is saved stays saved"},
			Disk:   func(d disk.Disk) disk.Disk { return unflushed{d} },
		},
		{
			Name: "named before it is flushed", Broken: "A record is flushed after it has got its name, but before anybody is told.",
			Breaks: []string{"what is saved stays saved"},
			Disk:   func(d disk.Disk) disk.Disk { return &tardy{Disk: d} },
		},
		{
			Name: "saved in place", Broken: "A record is written over the one before.",
			Breaks: []string{"what is saved stays saved", "liveness"},
			Disk:   func(d disk.Disk) disk.Disk { return inPlace{d} },
		},
	}
}

// nameless flushes no directory.
type nameless struct{ disk.Disk }

func (nameless) SyncDir(string) error { return nil }

// unflushed flushes no file that replaces another.
type unflushed struct{ disk.Disk }

func (d unflushed) Create(path string) (disk.File, error) {
	f, err := d.Disk.Create(path)
	return lazy{f}, err
}

type lazy struct{ disk.File }

func (lazy) Sync() error { return nil }

// tardy flushes a file when it has its name.
type tardy struct {
	disk.Disk
	newest disk.File
}

func (d *tardy) Create(path string) (disk.File, error) {
	f, err := d.Disk.Create(path)
	d.newest = f
	return lazy{f}, err
}

func (d *tardy) SyncDir(path string) error {
	if err := d.Disk.SyncDir(path); err != nil || d.newest == nil {
		return err
	}
	return d.newest.Sync()
}

// inPlace writes at once where it should write beside.
type inPlace struct{ disk.Disk }

const beside = ".tmp"

func (d inPlace) Create(path string) (disk.File, error) {
	return d.Disk.Create(strings.TrimSuffix(path, beside))
}

func (d inPlace) Rename(from, to string) error {
	if strings.TrimSuffix(from, beside) == to {
		return nil
	}
	return d.Disk.Rename(from, to)
}
