package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	dirMode        = 0o700
	fileMode       = 0o600
	sharedDirMode  = fs.ModeSetgid | 0o770
	sharedFileMode = 0o660
	signedFileMode = 0o640 // of what is shared
	lockPoll       = 2 * time.Millisecond
)

// mostRead bounds what ReadFile reads into memory.
const mostRead = 1 << 30

// OS returns the disk of the operating system for the state directory root, and for
// the directories above it where they are to be made.
func OS(root string) Disk {
	if abs, err := filepath.Abs(root); err == nil { // else it is as good as it was
		root = abs
	}
	return &system{root: filepath.Clean(root), people: newPeople(), self: current}
}

type system struct {
	root   string
	people *people
	self   func() self
	passed atomic.Pointer[fs.FileInfo] // the state directory above which all was found to be in order
}

// current is this process. sudo(8) says who called it.
func current() self {
	me := self{uid: os.Geteuid(), groups: []int{os.Getegid()}, sudo: nobody}
	if groups, err := os.Getgroups(); err == nil { // else those few are all that count
		me.groups = append(me.groups, groups...)
	}
	if uid, err := strconv.Atoi(os.Getenv("SUDO_UID")); err == nil && me.uid == 0 {
		me.sudo = uid
	}
	return me
}

func (s *system) ReadFile(path string) ([]byte, error) { return s.ReadBounded(path, mostRead) }

func (s *system) ReadBounded(path string, most int64) ([]byte, error) {
	b, _, _, err := s.read(path, most)
	return b, err
}

func (s *system) ReadSigned(path string, most int64) ([]byte, Author, error) {
	b, t, p, err := s.read(path, most)
	if err != nil {
		return nil, Author{}, err
	}
	who := s.people.who(t.uid)
	author := Author{UID: t.uid, Name: who.name}
	if t.mode&groupWrites != 0 && (p.shared || t.gid != t.uid) {
		return nil, author, &RefusedError{Path: path, Why: fmt.Sprintf("others than %s may write to it, so it may have been written by any of group %d", author, t.gid), Do: "give the command again and remove it"}
	}
	if p.shared && !p.self.own(t.uid) && t.uid != p.owner && who.left(p.gid) {
		return nil, author, &RefusedError{Path: path, Why: fmt.Sprintf("it is by %s, who is not in group %d that the directory is shared with", author, p.gid), Do: "look at it and remove it"}
	}
	return b, author, nil
}

// read returns what a file contains, and what it is.
func (s *system) read(path string, most int64) ([]byte, thing, policy, error) {
	f, t, p, err := s.openFile(path, unix.O_RDONLY, false)
	if err != nil {
		return nil, t, p, err
	}
	defer f.Close()
	b, err := []byte(nil), error(nil)
	if t.size <= most {
		b, err = io.ReadAll(io.LimitReader(f, most+1))
	}
	if t.size > most || int64(len(b)) > most {
		err = &RefusedError{Path: path, Why: fmt.Sprintf("it has more than %d bytes, which nothing here ever has", most), Do: "look at it and move it away", Err: syscall.EFBIG}
	}
	return b, t, p, err
}

func (s *system) Open(path string) (Reader, error) {
	f, _, _, err := s.openFile(path, unix.O_RDONLY, false)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

func (s *system) ReadDir(path string) ([]string, error) {
	d, err := s.openDir(path)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func (s *system) Exists(path string) (bool, error) {
	var err error
	if names, below := s.below(path); !below || len(names) == 0 {
		_, err = os.Stat(path)
	} else {
		var d *dir
		if d, err = s.openDir(filepath.Dir(path)); err == nil {
			_, err = d.look(filepath.Base(path))
			d.Close()
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (s *system) Mkdir(path string) error {
	if names, below := s.below(path); below && len(names) == 0 {
		if err := s.checkAbove(nil); err != nil {
			return err
		}
	}
	d, err := s.openDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.mkdir(filepath.Base(path))
}

func (s *system) Append(path string) (File, error) {
	f, _, _, err := s.openFile(path, unix.O_RDWR|unix.O_APPEND, true)
	if err != nil {
		return nil, err
	}
	return file{f}, nil
}

// Create gives the name to a new file. What had it before goes, whatever it is and
// whoever made it, but a directory: the name is one of ours, and nothing but the name
// is touched.
func (s *system) Create(path string) (File, error) {
	return s.create(path, func(d *dir) fs.FileMode { _, mode := d.modes(); return mode })
}

func (s *system) CreateSigned(path string) (File, error) {
	return s.create(path, func(d *dir) fs.FileMode {
		if d.policy.shared {
			return signedFileMode
		}
		return fileMode
	})
}

func (s *system) create(path string, modeIn func(*dir) fs.FileMode) (File, error) {
	d, err := s.openDir(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	name := filepath.Base(path)
	for range races {
		if t, err := d.look(name); err == nil && t.mode.IsDir() {
			return nil, d.policy.refuseFile(path, t)
		}
		if err := again(func() error { return unix.Unlinkat(d.fd(), name, 0) }); err != nil && !errors.Is(err, unix.ENOENT) {
			return nil, &fs.PathError{Op: "remove", Path: path, Err: err}
		}
		f, err := d.create(name, unix.O_RDWR|unix.O_APPEND, modeIn(d))
		if errors.Is(err, unix.EEXIST) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return file{f}, nil
	}
	return nil, &fs.PathError{Op: "create", Path: path, Err: unix.EEXIST}
}

func (s *system) Rename(from, to string) error {
	if filepath.Dir(from) != filepath.Dir(to) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: unix.EXDEV}
	}
	d, err := s.openDir(filepath.Dir(from))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := again(func() error { return unix.Renameat(d.fd(), filepath.Base(from), d.fd(), filepath.Base(to)) }); err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

func (s *system) Remove(path string) error {
	d, err := s.openDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := again(func() error { return unix.Unlinkat(d.fd(), filepath.Base(path), 0) }); err != nil {
		return &fs.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

func (s *system) SyncDir(path string) error {
	d, err := s.openDir(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Lock opens the file anew each time, so that goroutines exclude each other as
// processes do (flock(2): the lock belongs to the open file description).
func (s *system) Lock(ctx context.Context, path string) (unlock func(), err error) {
	f, _, _, err := s.openFile(path, unix.O_RDWR, true) // over NFS an exclusive lock needs the right to write
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

// below returns the names on the way from the state directory to a path; false if it
// is not at or below it.
func (s *system) below(path string) ([]string, bool) {
	if abs, err := filepath.Abs(path); err == nil { // else it is as good as it was
		path = abs
	}
	if path == s.root {
		return nil, true
	}
	rest, below := strings.CutPrefix(path, strings.TrimSuffix(s.root, "/")+"/")
	if !below {
		return nil, false
	}
	return strings.Split(rest, "/"), true
}

// openDir opens a directory. The state directory may be a symbolic link, which the
// user has named; below it nothing on the way may be one.
func (s *system) openDir(path string) (*dir, error) {
	names, below := s.below(path)
	if !below {
		return s.openAbove(path)
	}
	d, err := s.openRoot()
	for _, name := range names {
		if err != nil {
			return nil, err
		}
		outer := d
		d, err = outer.openDir(name)
		outer.Close()
	}
	return d, err
}

// openRoot opens the state directory.
func (s *system) openRoot() (*dir, error) {
	d, err := s.openAbove(s.root)
	if err != nil {
		return nil, err
	}
	info, err := d.Stat()
	if err == nil {
		d.policy = policyOf(s.self(), thingOf(info))
		if refused := d.policy.refuseRoot(s.root, thingOf(info)); refused != nil {
			err = refused
		} else {
			err = s.checkAbove(info)
		}
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// openAbove opens a directory that nothing is known of. What is made in it is its
// owner's.
func (s *system) openAbove(path string) (*dir, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	d := &dir{File: os.NewFile(uintptr(fd), path)} //nolint:gosec // a descriptor is never negative
	info, err := d.Stat()
	if err != nil {
		d.Close()
		return nil, err
	}
	t := thingOf(info)
	d.policy = policy{self: s.self(), owner: t.uid, gid: t.gid}
	return d, nil
}

// openFile opens a file below the state directory, created where it is missing if
// create says so, and returns what it is. This is the only place that opens files.
func (s *system) openFile(path string, flags int, create bool) (*os.File, thing, policy, error) {
	if names, below := s.below(path); !below || len(names) == 0 {
		return nil, thing{}, policy{}, &fs.PathError{Op: "open", Path: path, Err: errOutside}
	}
	d, err := s.openDir(filepath.Dir(path))
	if err != nil {
		return nil, thing{}, policy{}, err
	}
	defer d.Close()
	name := filepath.Base(path)
	for range races {
		f, t, err := d.openFile(name, flags)
		if create && errors.Is(err, unix.ENOENT) {
			_, mode := d.modes()
			f, err = d.create(name, flags, mode)
			if errors.Is(err, unix.EEXIST) {
				continue // somebody was faster
			}
		}
		return f, t, d.policy, err
	}
	return nil, thing{}, d.policy, &fs.PathError{Op: "open", Path: path, Err: unix.EEXIST}
}

var errOutside = errors.New("outside of the state directory")

// races is how often something may come and go while it is opened.
const races = 10

// again repeats a call that a signal has interrupted.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// file is an open file of the operating system.
type file struct{ *os.File }

func (f file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
