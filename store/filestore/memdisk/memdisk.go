// Package memdisk is a disk in memory that can lose its power: what was not flushed
// is then there, or missing, or there in a part, as whoever tests decides. It keeps
// the promises of package disk and none that a file system does not give: a flush of
// a file says nothing about its name, names become durable in their order in one
// directory and in no order across two, and of what was written to a file any
// sectors may be there. It is for tests and for the simulation, and never waits but
// for a lock.
package memdisk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"watari.dev/store/filestore/disk"
)

// Op names something that changes a disk.
type Op string

// The operations, each before it happens.
const (
	Mkdir     Op = "mkdir"
	Open      Op = "open" // of a file that is created or made empty by it; others change nothing
	Write     Op = "write"
	WriteRest Op = "write the rest" // one half is written
	Truncate  Op = "truncate"
	Sync      Op = "sync"
	Rename    Op = "rename"
	Remove    Op = "remove"
	SyncDir   Op = "sync directory"
	Lock      Op = "lock"
	Unlock    Op = "unlock" // cannot fail
)

// Disk is the disk, as one process reaches it. Its methods may be called from several
// goroutines.
type Disk struct {
	before   func(op Op, path string) error
	trusting bool // nothing is refused
	*platter
}

// platter is what all who reach a disk share.
type platter struct {
	mu    sync.Mutex
	root  *node
	locks map[string]chan struct{} // closed when the lock is free again
}

var _ disk.Disk = (*Disk)(nil)

// New returns a disk that is empty but for its root, "/".
func New() *Disk {
	return &Disk{func(Op, string) error { return nil }, false, &platter{root: newDir(), locks: map[string]chan struct{}{}}}
}

// WithFaults returns the same disk as a process reaches it for which things go wrong:
// decide is asked before each operation, and nil is nothing. It is not called with
// anything locked, so it may end the goroutine, or never return, as a process does
// that dies there.
func (d *Disk) WithFaults(decide func(op Op, path string) error) *Disk {
	return &Disk{decide, d.trusting, d.platter}
}

// node is a file or a directory.
type node struct {
	// Of a directory, nil otherwise.
	names, durableNames map[string]*node
	renamed             []entries // since it was flushed, in order

	// Of a file. Bytes are only ever added, and what is cut is a copy, so both may share
	// them.
	content, durable []byte

	foreign string // why it is refused; empty for what is ours
}

// entries are names that change at once; nil is a name that goes.
type entries map[string]*node

func newDir() *node { return &node{names: map[string]*node{}, durableNames: map[string]*node{}} }

func (n *node) isDir() bool { return n.names != nil }

func (n *node) change(e entries) {
	apply(n.names, e)
	n.renamed = append(n.renamed, e)
}

func apply(names map[string]*node, e entries) {
	for name, n := range e {
		if n == nil {
			delete(names, name)
		} else {
			names[name] = n
		}
	}
}

// find returns what is at a path, or why nothing is. What is refused is returned with
// why it is.
func (d *Disk) find(at string) (*node, error) {
	n, rest := d.root, strings.Trim(path.Clean(at), "/")
	for rest != "" {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if !n.isDir() {
			return nil, syscall.ENOTDIR
		}
		if n = n.names[name]; n == nil {
			return nil, syscall.ENOENT
		}
		if n.foreign != "" && !d.trusting {
			err := &disk.RefusedError{Path: strings.TrimSuffix(path.Clean(at), "/"+rest), Why: n.foreign, Do: "look at it and remove it"}
			if rest != "" {
				n = nil
			}
			return n, err
		}
	}
	return n, nil
}

func failed(op Op, at string, why error) error {
	if refused := (*disk.RefusedError)(nil); errors.As(why, &refused) {
		return refused // already says all
	}
	return &fs.PathError{Op: string(op), Path: at, Err: why}
}

// dirAt returns the directory at a path.
func (d *Disk) dirAt(at string) (*node, error) {
	n, err := d.find(at)
	if err == nil && !n.isDir() {
		err = syscall.ENOTDIR
	}
	return n, err
}

// fileAt returns the file at a path.
func (d *Disk) fileAt(at string) (*node, error) {
	n, err := d.find(at)
	if err == nil && n.isDir() {
		err = syscall.EISDIR
	}
	return n, err
}

// ReadFile implements disk.Disk.
func (d *Disk) ReadFile(at string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.fileAt(at)
	if err != nil {
		return nil, failed("read", at, err)
	}
	return bytes.Clone(n.content), nil
}

// Open implements disk.Disk.
func (d *Disk) Open(at string) (disk.Reader, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.fileAt(at)
	if err != nil {
		return nil, failed("open", at, err)
	}
	return &reader{file: file{d, n, at}}, nil
}

// ReadBounded implements disk.Disk.
func (d *Disk) ReadBounded(at string, most int64) ([]byte, error) {
	b, err := d.ReadFile(at)
	if err == nil && int64(len(b)) > most {
		return nil, &disk.RefusedError{Path: at, Why: fmt.Sprintf("it has more than %d bytes", most), Do: "look at it and move it away", Err: syscall.EFBIG}
	}
	return b, err
}

// Owner is whose everything is that is not foreign.
var Owner = disk.Author{UID: 1001, Name: "anna"}

// ReadSigned implements disk.Disk.
func (d *Disk) ReadSigned(at string, most int64) ([]byte, disk.Author, error) {
	b, err := d.ReadBounded(at, most)
	return b, Owner, err
}

// ReadDir implements disk.Disk.
func (d *Disk) ReadDir(at string) ([]string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.dirAt(at)
	if err != nil {
		return nil, failed("read", at, err)
	}
	return slices.Sorted(maps.Keys(n.names)), nil
}

// Exists implements disk.Disk.
func (d *Disk) Exists(at string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, err := d.find(at)
	if err != nil && n == nil && !errors.Is(err, fs.ErrNotExist) {
		return false, failed("stat", at, err)
	}
	return n != nil, nil
}

// changing runs change with the directory that a path is in, and the name there,
// unless it goes wrong before.
func (d *Disk) changing(op Op, at string, change func(dir *node, name string) error) error {
	err := d.before(op, at)
	if err == nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		var dir *node
		if dir, err = d.dirAt(path.Dir(at)); err == nil {
			err = change(dir, path.Base(at))
		}
	}
	if err != nil {
		return failed(op, at, err)
	}
	return nil
}

// Mkdir implements disk.Disk.
func (d *Disk) Mkdir(at string) error {
	if there, _ := d.Exists(at); there { // changing says what is wrong otherwise
		return failed(Mkdir, at, syscall.EEXIST)
	}
	return d.changing(Mkdir, at, func(dir *node, name string) error {
		if dir.names[name] != nil {
			return syscall.EEXIST
		}
		dir.change(entries{name: newDir()})
		return nil
	})
}

// Append implements disk.Disk.
func (d *Disk) Append(at string) (disk.File, error) {
	d.mu.Lock()
	n, err := d.fileAt(at)
	d.mu.Unlock()
	if err == nil {
		return &file{d, n, at}, nil
	}
	return d.open(at, false)
}

// Create implements disk.Disk.
func (d *Disk) Create(at string) (disk.File, error) { return d.open(at, true) }

// CreateSigned implements disk.Disk.
func (d *Disk) CreateSigned(at string) (disk.File, error) { return d.Create(at) }

func (d *Disk) open(at string, empty bool) (disk.File, error) {
	f := &file{disk: d, path: at}
	err := d.changing(Open, at, func(dir *node, name string) error {
		there, err := d.fileAt(at)
		switch {
		case errors.Is(err, fs.ErrNotExist), err != nil && empty && there != nil && !there.isDir():
			there = &node{}
			dir.change(entries{name: there})
		case err != nil:
			return err
		case empty:
			there.content = nil
		}
		f.node = there
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Rename implements disk.Disk.
func (d *Disk) Rename(from, to string) error {
	return d.changing(Rename, to, func(dir *node, name string) error {
		n, err := d.find(from)
		switch {
		case n == nil:
			return err
		case path.Dir(from) != path.Dir(to):
			return syscall.EXDEV
		}
		dir.change(entries{path.Base(from): nil, name: n})
		return nil
	})
}

// Remove implements disk.Disk.
func (d *Disk) Remove(at string) error {
	d.mu.Lock()
	n, err := d.find(at)
	d.mu.Unlock()
	if n == nil { // and nothing changes
		return failed(Remove, at, err)
	}
	return d.changing(Remove, at, func(dir *node, name string) error {
		if there := dir.names[name]; there == nil || there.isDir() {
			_, err := d.fileAt(at)
			return err
		}
		dir.change(entries{name: nil})
		return nil
	})
}

// SyncDir implements disk.Disk.
func (d *Disk) SyncDir(at string) error {
	return d.changing(SyncDir, at, func(*node, string) error {
		n, err := d.dirAt(at)
		if err == nil {
			n.flush()
		}
		return err
	})
}

func (n *node) flush() {
	for _, e := range n.renamed {
		apply(n.durableNames, e)
	}
	n.renamed = nil
}

// Lock implements disk.Disk.
func (d *Disk) Lock(ctx context.Context, at string) (unlock func(), err error) {
	for {
		unlock, busy, err := d.TryLock(at)
		if err != nil || busy == nil {
			return unlock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("lock %s: %w: %w", at, disk.ErrLocked, ctx.Err())
		case <-busy:
		}
	}
}

// TryLock takes the lock at a path, or returns what is closed when somebody else
// has given it back.
func (d *Disk) TryLock(at string) (unlock func(), busy <-chan struct{}, err error) {
	f, err := d.Append(at)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	err = d.changing(Lock, at, func(*node, string) error {
		if held := d.locks[at]; held != nil {
			busy = held
			return nil
		}
		held := make(chan struct{})
		d.locks[at] = held
		unlock = func() {
			_ = d.before(Unlock, at) // closing a file gives its lock back, whatever else is wrong
			d.release(at, held)
		}
		return nil
	})
	return unlock, busy, err
}

func (d *platter) release(at string, held chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.locks[at] == held { // and not somebody's who has it after a power cut
		delete(d.locks, at)
		close(held)
	}
}

// PowerCut takes the power away and gives it back: locks are free, and of what was
// not flushed there is what choose says. It returns a number from 0 to n-1, and 0
// is what is lost most.
func (d *Disk) PowerCut(choose func(n int) int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for at, held := range d.locks {
		delete(d.locks, at)
		close(held)
	}
	d.root.survive(choose)
}

// survive leaves of a node what is there after a power cut.
func (n *node) survive(choose func(n int) int) {
	if !n.isDir() {
		n.content = survivors(n.durable, n.content, choose)
		n.durable = n.content
		return
	}
	for _, e := range n.renamed[:choose(len(n.renamed)+1)] {
		apply(n.durableNames, e)
	}
	n.names, n.renamed = maps.Clone(n.durableNames), nil
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		n.names[name].survive(choose)
	}
}

// sector is how much of a file is written as a whole, or not.
const sector = 512

// survivors returns what a file contains that contained before when it was flushed,
// and now when the power went: each sector is of the one or of the other, and so is
// the size, or between them.
func survivors(before, now []byte, choose func(n int) int) []byte {
	size := len(before)
	switch choose(3) {
	case 1:
		size = len(now)
	case 2:
		size = min(len(before), len(now)) + choose(max(len(before), len(now))-min(len(before), len(now))+1)
	}
	out := make([]byte, size)
	copy(out, before)
	for at := 0; at < size; at += sector {
		end := min(at+sector, size)
		newer := make([]byte, end-at)
		copy(newer, now[min(at, len(now)):])
		if !bytes.Equal(newer, out[at:end]) && choose(2) == 1 {
			copy(out[at:end], newer)
		}
	}
	return out
}

// file is an open file.
type file struct {
	disk *Disk
	node *node
	path string
}

// Write implements disk.File. What goes wrong before the rest leaves the first half
// written, as a disk does that is full by then.
func (f *file) Write(b []byte) (int, error) {
	half := len(b) / 2
	write := func(part []byte) func(*node, string) error {
		return func(*node, string) error {
			f.node.content = append(f.node.content, part...) // beyond what durable may share
			return nil
		}
	}
	if err := f.disk.changing(Write, f.path, write(b[:half])); err != nil {
		return 0, err
	}
	if err := f.disk.changing(WriteRest, f.path, write(b[half:])); err != nil {
		return half, err
	}
	return len(b), nil
}

// ReadAt implements disk.File.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return bytes.NewReader(f.node.content).ReadAt(b, off)
}

// Size implements disk.File.
func (f *file) Size() (int64, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	return int64(len(f.node.content)), nil
}

// Truncate implements disk.File.
func (f *file) Truncate(size int64) error {
	return f.disk.changing(Truncate, f.path, func(*node, string) error {
		cut := make([]byte, size)
		copy(cut, f.node.content)
		f.node.content = cut
		return nil
	})
}

// Sync implements disk.File.
func (f *file) Sync() error {
	return f.disk.changing(Sync, f.path, func(*node, string) error {
		f.node.durable = f.node.content
		return nil
	})
}

// Close implements disk.File.
func (f *file) Close() error { return nil }

// reader is a file that is open for reading.
type reader struct {
	file
	at int64
}

// Read implements disk.Reader.
func (r *reader) Read(b []byte) (int, error) {
	n, err := r.ReadAt(b, r.at)
	r.at += int64(n)
	return n, err
}
