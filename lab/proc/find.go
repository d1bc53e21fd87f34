//go:build linux

package proc

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// An Identity tells one process from every other that has or will have the same
// number.
type Identity struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks after boot (proc(5), field starttime)
}

// Found is a living process that carries the mark of a lab.
type Found struct {
	Identity
	Component string    // the component that it is or comes from; empty if its environment does not say
	Command   string    // the kernel's name of it, at most 15 bytes
	Parent    int       // number of the parent
	Since     time.Time // when it started
}

// String names the process for people.
func (f Found) String() string {
	return fmt.Sprintf("%s (pid %d)", cmp.Or(f.Component, f.Command, "process"), f.PID)
}

// Find returns the living processes of the caller's user that carry the mark of
// lab, an absolute directory, ordered by start. The calling process and its
// ancestors are left out, so that a shell in which somebody set the mark is
// never taken for a part of the lab.
func Find(lab string) ([]Found, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for processes of the lab %s: %w", lab, err)
	}
	boot, err := readBootTime()
	if err != nil {
		return nil, fmt.Errorf("look for processes of the lab %s: %w", lab, err)
	}
	spared := readAncestors(os.Getpid())
	var found []Found
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || spared[pid] {
			continue
		}
		if f, ok := readMarked(pid, lab); ok {
			f.Since = startedAt(boot, f.Start)
			found = append(found, f)
		}
	}
	slices.SortFunc(found, func(a, b Found) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.PID, b.PID))
	})
	return found, nil
}

// Alive reports whether the process id lives and carries the mark of lab.
func Alive(lab string, id Identity) bool {
	f, ok := readMarked(id.PID, lab)
	return ok && f.Identity == id
}

// sameProcess reports whether the process id lives, whatever its environment
// shows.
func sameProcess(id Identity) bool {
	s, err := readStat(id.PID)
	return err == nil && s.start == id.Start && !s.ended()
}

// Self returns the identity of the calling process.
func Self() (Identity, error) {
	s, err := readStat(os.Getpid())
	if err != nil {
		return Identity{}, fmt.Errorf("read the start time of this process: %w", err)
	}
	return Identity{PID: os.Getpid(), Start: s.start}, nil
}

// readMarked reads process pid; ok is false if it is gone, dead, somebody
// else's or does not carry the mark.
func readMarked(pid int, lab string) (found Found, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	info, err := os.Stat(dir)
	if err != nil || !ownedBySelf(info) {
		return Found{}, false
	}
	before, err := readStat(pid)
	if err != nil || before.ended() || before.kernelThread() {
		return Found{}, false
	}
	environ, err := readEnviron(dir, pid, execBound)
	if err != nil {
		return Found{}, false
	}
	mark, name := readMark(environ)
	if lab == "" || mark != lab {
		return Found{}, false
	}
	after, err := readStat(pid)
	if err != nil || after.start != before.start {
		return Found{}, false // the number changed hands while we read
	}
	return Found{
		Identity:  Identity{PID: pid, Start: before.start},
		Component: name,
		Command:   before.comm,
		Parent:    before.parent,
	}, true
}

const (
	// environInterval is how often an empty environment is read again.
	environInterval = time.Millisecond
	// emptyBound is how long a program that shows its arguments may show an
	// empty environment before we believe it.
	emptyBound = 20 * time.Millisecond
	// execBound is how long a process may be within exec, where it may have to
	// wait for a processor.
	execBound = 200 * time.Millisecond
)

// readEnviron reads the environment of a process. While exec replaces the program
// there is a moment in which the environment and the arguments read as empty:
// after the descriptors are closed by which a parent learns of success and a
// lock is released, and before the new ones are published. So what is empty is
// read again, for bound at most.
func readEnviron(dir string, pid int, bound time.Duration) ([]byte, error) {
	deadline := time.Now().Add(bound)
	for running := false; ; time.Sleep(environInterval) {
		environ, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil || len(environ) > 0 || time.Now().After(deadline) {
			return environ, err
		}
		if s, err := readStat(pid); err != nil || s.ended() {
			return nil, errGone
		}
		arguments, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			return nil, err
		}
		if len(arguments) > 0 && !running { // exec is over
			running, deadline = true, time.Now().Add(emptyBound)
		}
	}
}

func readStat(pid int) (stat, error) {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(content))
}

func readBootTime() (time.Time, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return time.Time{}, err
	}
	return parseBootTime(string(content))
}

// readAncestors returns pid and every parent above it.
func readAncestors(pid int) map[int]bool {
	line := map[int]bool{}
	for pid > 0 && !line[pid] {
		line[pid] = true
		s, err := readStat(pid)
		if err != nil {
			break
		}
		pid = s.parent
	}
	return line
}

// ownedBySelf reports whether a directory of /proc belongs to our user.
func ownedBySelf(info fs.FileInfo) bool {
	sys, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// errGone says that a process ended, or is not the one that was meant.
var errGone = errors.New("gone")
