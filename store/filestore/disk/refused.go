package disk

import (
	"fmt"
	"strconv"
)

// RefusedError names what is on a disk and is not used, because somebody who is not
// trusted may have put it there. Nothing of it was read or changed.
type RefusedError struct {
	Path string
	Why  string // a part of a sentence: "it is a symbolic link"
	Do   string // what to do about it
	Err  error  // the errno that fits; nil if none does
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("%s is refused: %s; %s", Shown(e.Path), e.Why, e.Do)
}

// Shown is a path as messages have it: quoted where whoever chose the name has put
// something into it that is no letter.
func Shown(path string) string {
	if quoted := strconv.Quote(path); quoted != `"`+path+`"` {
		return quoted
	}
	return path
}

// Unwrap returns Err.
func (e *RefusedError) Unwrap() error { return e.Err }

// Author is the user whom a file belongs to.
type Author struct {
	UID  int
	Name string // empty where the system has no name for the user, or does not say it in time
}

// String names the author as messages do: anna (uid 1001).
func (a Author) String() string {
	if a.Name == "" {
		return fmt.Sprintf("uid %d", a.UID)
	}
	return fmt.Sprintf("%s (uid %d)", a.Name, a.UID)
}
