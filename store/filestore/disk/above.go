package disk

import (
	"io/fs"
	"os"
	"path/filepath"
)

// checkAbove refuses a state directory that anybody could have put where it is. root
// is what was opened; nil if it is yet to be made. As sshd(8) with StrictModes does,
// it goes up to "/", by the real path: a directory in which every user may write must
// have the sticky bit, and what is below it on the way must be root's or the user's
// own. Whoever may write to a directory above by being its owner, or in its group,
// can take the state directory away, but what they put in its place is refused.
func (s *system) checkAbove(root fs.FileInfo) error {
	if passed := s.passed.Load(); root != nil && passed != nil && os.SameFile(*passed, root) {
		return nil
	}
	start := s.root
	if root == nil {
		start = filepath.Dir(s.root)
	}
	at, err := filepath.EvalSymlinks(start)
	if err != nil {
		return err
	}
	below, owned := at, true
	for first := true; ; first = false {
		info, err := os.Lstat(at)
		if err != nil {
			return err
		}
		t := thingOf(info)
		switch {
		case first && root != nil && !os.SameFile(info, root):
			return &RefusedError{Path: s.root, Why: "it was replaced while it was opened", Do: "run again"}
		case first && root != nil: // judged by the policy
		case t.mode&othersWrite != 0 && t.mode&fs.ModeSticky == 0:
			return &RefusedError{Path: s.root, Why: "every user may write in " + at + " above it, and so replace it",
				Do: "chmod +t " + at + " (or o-w), or name another directory with --state"}
		case t.mode&othersWrite != 0 && !owned:
			return &RefusedError{Path: s.root, Why: "every user may make directories in " + at + ", and " + below + " is somebody else's",
				Do: "name another directory with --state"}
		}
		below, owned = at, s.self().own(t.uid)
		if at == filepath.Dir(at) {
			break
		}
		at = filepath.Dir(at)
	}
	if root != nil {
		s.passed.Store(&root)
	}
	return nil
}
