package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dir is an open directory. What is in it is found from it, not by its path, so that
// nobody can exchange what is above while it is used.
type dir struct {
	*os.File
	policy policy
}

func (d *dir) fd() int { return int(d.Fd()) }

func (d *dir) path(name string) string { return filepath.Join(d.Name(), name) }

func (d *dir) modes() (dirs, files fs.FileMode) {
	if d.policy.shared {
		return sharedDirMode, sharedFileMode
	}
	return dirMode, fileMode
}

// look says what has a name, without opening it: opening a device may do something,
// and a named pipe waits.
func (d *dir) look(name string) (thing, error) {
	var st unix.Stat_t
	if err := again(func() error { return unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
		return thing{}, &fs.PathError{Op: "stat", Path: d.path(name), Err: err}
	}
	return thing{mode: modeOf(uint32(st.Mode)), uid: int(st.Uid), gid: int(st.Gid), links: uint64(st.Nlink), size: st.Size}, nil //nolint:unconvert // their widths differ between systems
}

// open opens what has a name and is what judge takes it for, before and after.
func (d *dir) open(name string, flags int, judge func(string, thing) *RefusedError) (*os.File, thing, error) {
	t, err := d.look(name)
	if err != nil {
		return nil, t, err
	}
	if refused := judge(d.path(name), t); refused != nil {
		return nil, t, refused
	}
	fd, err := d.openat(name, flags)
	if err != nil {
		return nil, t, err
	}
	f := os.NewFile(uintptr(fd), d.path(name)) //nolint:gosec // a descriptor is never negative
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, t, err
	}
	t = thingOf(info)
	if refused := judge(d.path(name), t); refused != nil {
		f.Close()
		return nil, t, refused
	}
	return f, t, nil
}

// leasePatience bounds the wait for whoever has a lease on a file (fcntl(2)), as NFS
// and SMB servers have for their clients: to open it without waiting fails until it
// is given back.
const leasePatience = time.Second

func (d *dir) openat(name string, flags int) (int, error) {
	for until := time.Now().Add(leasePatience); ; time.Sleep(lockPoll) {
		var fd int
		err := again(func() (err error) {
			fd, err = unix.Openat(d.fd(), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
			return err
		})
		if errors.Is(err, unix.EAGAIN) && time.Now().Before(until) {
			continue
		}
		if err == nil {
			err = unix.SetNonblock(fd, false) // it has waited for nobody, and is a plain file or a directory
		}
		if errors.Is(err, unix.ELOOP) { // it was exchanged since it was looked at
			return -1, d.policy.refuseFile(d.path(name), thing{mode: fs.ModeSymlink})
		}
		if err != nil {
			return -1, &fs.PathError{Op: "open", Path: d.path(name), Err: err}
		}
		return fd, nil
	}
}

// openDir opens a directory in this one.
func (d *dir) openDir(name string) (*dir, error) {
	f, _, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY, d.policy.refuseDir)
	if err != nil {
		return nil, err
	}
	return &dir{f, d.policy}, nil
}

// openFile opens a file that is there.
func (d *dir) openFile(name string, flags int) (*os.File, thing, error) {
	f, t, err := d.open(name, flags, d.policy.refuseFile)
	if err != nil {
		return nil, t, err
	}
	if flags&unix.O_RDWR != 0 && t.uid == d.policy.self.uid {
		if err := d.tidy(f, t); err != nil {
			f.Close()
			return nil, t, err
		}
	}
	return f, t, nil
}

// tidy gives a file of this user the mode and the group that it would be created with.
func (d *dir) tidy(f *os.File, t thing) error {
	if d.policy.shared && t.gid != d.policy.gid {
		if err := f.Chown(-1, d.policy.gid); err != nil {
			return err
		}
	}
	if _, mode := d.modes(); t.mode.Perm() != mode {
		return f.Chmod(mode)
	}
	return nil
}

// create makes a file that is not there.
func (d *dir) create(name string, flags int, mode fs.FileMode) (*os.File, error) {
	var fd int
	err := again(func() (err error) {
		fd, err = unix.Openat(d.fd(), name, flags|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, uint32(mode))
		return err
	})
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: d.path(name), Err: err}
	}
	f := os.NewFile(uintptr(fd), d.path(name)) //nolint:gosec // a descriptor is never negative
	if err := d.give(f, mode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// mkdir makes a directory.
func (d *dir) mkdir(name string) error {
	mode, _ := d.modes()
	if err := again(func() error { return unix.Mkdirat(d.fd(), name, uint32(mode.Perm())) }); err != nil {
		return &fs.PathError{Op: "mkdir", Path: d.path(name), Err: err}
	}
	fd, err := d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil && os.Geteuid() != 0 && errors.Is(err, fs.ErrPermission) {
		// The umask has taken the right to read it.
		err = again(func() error { return unix.Fchmodat(d.fd(), name, uint32(mode.Perm()), unix.AT_SYMLINK_NOFOLLOW) })
		if err == nil {
			fd, err = d.openat(name, unix.O_RDONLY|unix.O_DIRECTORY)
		}
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), d.path(name)) //nolint:gosec // a descriptor is never negative
	return errors.Join(d.give(f, mode), f.Close())
}

// give makes what was just created its owner's: root works in somebody's directory as
// that user would, so that nobody is locked out of what is theirs, and what is shared
// is the group's. The umask may have taken bits of the mode.
func (d *dir) give(f *os.File, mode fs.FileMode) error {
	p := d.policy
	switch {
	case p.self.uid == 0 && !p.shared && p.owner != 0:
		if err := f.Chown(p.owner, p.gid); err != nil {
			return err
		}
	case p.shared:
		if err := f.Chown(-1, p.gid); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

func thingOf(info fs.FileInfo) thing {
	t := thing{mode: info.Mode(), size: info.Size()}
	if st, is := info.Sys().(*syscall.Stat_t); is {
		t.uid, t.gid, t.links = int(st.Uid), int(st.Gid), uint64(st.Nlink) //nolint:unconvert // their widths differ between systems
	}
	return t
}

// modeOf is the mode of stat(2) as package fs has it.
func modeOf(mode uint32) fs.FileMode {
	out := fs.FileMode(mode & 0o777)
	for bit, is := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if mode&bit != 0 {
			out |= is
		}
	}
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		out |= fs.ModeDir
	case unix.S_IFLNK:
		out |= fs.ModeSymlink
	case unix.S_IFIFO:
		out |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		out |= fs.ModeSocket
	case unix.S_IFBLK, unix.S_IFCHR:
		out |= fs.ModeDevice
	default:
		out |= fs.ModeIrregular
	}
	return out
}
