package disk

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"syscall"
)

// thing is what is known of a file or a directory before it is used.
type thing struct {
	mode     fs.FileMode
	uid, gid int
	links    uint64
	size     int64
}

// Bits of a mode.
const (
	groupWrites = 0o020
	othersWrite = 0o002
)

// self is the process that asks.
type self struct {
	uid    int
	groups []int
	sudo   int // who became root by sudo(8); nobody if it was not that way
}

const nobody = -1

// policy says who may have made what is in one state directory.
type policy struct {
	self   self
	owner  int  // of the state directory
	gid    int  // its group
	shared bool // with the members of that group
}

// policyOf reads it off the state directory: setgid and writable by the group means
// shared, unless everybody may write in it.
func policyOf(me self, root thing) policy {
	return policy{self: me, owner: root.uid, gid: root.gid,
		shared: root.mode&fs.ModeSetgid != 0 && root.mode&groupWrites != 0 && root.mode&othersWrite == 0}
}

// own reports whether a user is the one who runs this process, root, or who became
// root by sudo.
func (s self) own(uid int) bool { return uid == s.uid || uid == 0 || s.uid == 0 && uid == s.sudo }

func (s self) in(gid int) bool { return s.uid == 0 || slices.Contains(s.groups, gid) }

// trusts reports whether the owner of something in the directory is trusted. In a
// shared directory that is who was let in by the group: the file system gives what
// is made there the directory's group, and only its members can make it.
func (p policy) trusts(t thing) bool {
	return p.self.own(t.uid) || p.shared && (t.gid == p.gid || t.uid == p.owner)
}

// loose reports whether users may write to something whom the policy does not let in.
// A group that has its user's number is that user's private one (useradd(8), -U).
func (p policy) loose(t thing) bool {
	return t.mode&othersWrite != 0 || t.mode&groupWrites != 0 && t.gid != t.uid && !(p.shared && t.gid == p.gid)
}

// refuseRoot returns why the state directory itself is not used; nil if it is.
func (p policy) refuseRoot(path string, t thing) *RefusedError {
	switch {
	case t.mode&othersWrite != 0 && t.mode&fs.ModeSticky == 0:
		return &RefusedError{Path: path, Why: "every user may write in it", Do: "chmod o-w " + Shown(path) + ", or name another directory with --state"}
	case !p.self.own(t.uid) && !p.shared:
		return &RefusedError{Path: path, Why: p.belongs(t), Do: p.another(path, t)}
	case p.shared && !p.self.in(p.gid):
		return &RefusedError{Path: path, Why: fmt.Sprintf("it is shared with group %d, and you are not a member", p.gid), Do: "become one, or name another directory with --state"} // also where it is one's own: nothing could be given to the group
	case !p.shared && t.mode&fs.ModeSticky == 0 && p.loose(t):
		return &RefusedError{Path: path, Why: fmt.Sprintf("group %d may write in it, and it is not shared", t.gid), Do: "chmod g-w " + Shown(path) + "; to share it with the group: chmod 2770 " + Shown(path)}
	}
	return nil
}

// another says what to do about a state directory of somebody else.
func (p policy) another(path string, t thing) string {
	if p.self.uid == 0 {
		return fmt.Sprintf("run as its owner (sudo -u '#%d' watari), give it to root (chown -R root %s), or name another directory with --state", t.uid, path)
	}
	return "name another directory with --state, or have it shared with a group that you are in: chmod 2770 " + Shown(path)
}

func (p policy) belongs(t thing) string { return "it belongs to uid " + strconv.Itoa(t.uid) }

// refuseDir returns why a directory below the state directory is not used; nil if it
// is.
func (p policy) refuseDir(path string, t thing) *RefusedError {
	switch {
	case t.mode.IsRegular():
		return &RefusedError{Path: path, Why: "it is a file, not a directory", Do: "look at it and remove it", Err: syscall.ENOTDIR}
	case !t.mode.IsDir():
		return &RefusedError{Path: path, Why: "it is " + kindOf(t.mode) + ", not a directory", Do: "look at it and remove it"}
	case !p.trusts(t):
		return &RefusedError{Path: path, Why: p.stranger(t), Do: "look at it and move it away"}
	case p.loose(t):
		return &RefusedError{Path: path, Why: "others may write in it", Do: "look at what is in it, then chmod " + p.tight() + " " + Shown(path)}
	}
	return nil
}

// refuseFile returns why a file is not used; nil if it is.
func (p policy) refuseFile(path string, t thing) *RefusedError {
	switch {
	case t.mode.IsDir():
		return &RefusedError{Path: path, Why: "it is a directory, not a file", Do: "look at it and move it away", Err: syscall.EISDIR}
	case !t.mode.IsRegular():
		return &RefusedError{Path: path, Why: "it is " + kindOf(t.mode) + ", not a file", Do: "look at it and remove it"}
	case t.links > 1:
		return &RefusedError{Path: path, Why: fmt.Sprintf("it has %d names (hard links), so it may be somebody else's file", t.links), Do: "put a copy of its own in its place, or remove it"}
	case !p.trusts(t):
		return &RefusedError{Path: path, Why: p.stranger(t), Do: "look at it and remove it; to let others in, share the directory with a group"}
	case p.loose(t):
		return &RefusedError{Path: path, Why: "others may write to it", Do: "look at what is in it, then chmod " + p.tight() + " " + Shown(path)}
	}
	return nil
}

// stranger says whose something is who is not let in.
func (p policy) stranger(t thing) string {
	if p.shared {
		return fmt.Sprintf("%s and to group %d, and the directory is shared with group %d", p.belongs(t), t.gid, p.gid)
	}
	return p.belongs(t) + ", and the directory is not shared"
}

func (p policy) tight() string {
	if p.shared {
		return "o-w"
	}
	return "go-w"
}

// kindOf says what is no plain file.
func kindOf(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeSymlink != 0:
		return "a symbolic link"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	default:
		return "of an unknown kind"
	}
}
