package bounded

import (
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Sizes of limits.
const (
	KiB = 1 << 10
	MiB = 1 << 20
	GiB = 1 << 30
)

// Limit is the bound of one thing that comes from outside.
type Limit struct {
	What  string // as messages name it, with who sent it: "the file shop.yaml"
	Bytes int64
	Do    string // what to do when it is longer
}

// Error says that something from outside is longer than its bound. Nothing of it
// may be used.
type Error struct {
	What  string // as in Limit
	Limit string // such as "64 MiB"
	Do    string
}

// Error says what is too long, the bound, and what to do.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s is longer than %s and was not used", e.What, e.Limit)
	if e.Do != "" {
		text += ": " + e.Do
	}
	return text
}

func (l Limit) exceeded() error { return &Error{What: l.What, Limit: Size(l.Bytes), Do: l.Do} }

// Size writes a number of bytes as people say it.
func Size(n int64) string {
	switch {
	case n >= GiB && n%GiB == 0:
		return fmt.Sprintf("%d GiB", n/GiB)
	case n >= MiB && n%MiB == 0:
		return fmt.Sprintf("%d MiB", n/MiB)
	case n >= KiB && n%KiB == 0:
		return fmt.Sprintf("%d KiB", n/KiB)
	default:
		return fmt.Sprintf("%d bytes", n)
	}
}

// Reader reads from r, and fails with an *Error when there is more than l allows.
func Reader(r io.Reader, l Limit) io.Reader { return &reader{from: r, limit: l, left: l.Bytes} }

type reader struct {
	from  io.Reader
	limit Limit
	left  int64
	err   error
}

// Read implements io.Reader. Beyond the bound it reads one byte, to learn whether
// there is one.
func (r *reader) Read(p []byte) (int, error) {
	if r.err != nil || len(p) == 0 {
		return 0, r.err
	}
	if int64(len(p)) > r.left+1 {
		p = p[:r.left+1]
	}
	n, err := r.from.Read(p)
	if int64(n) > r.left {
		n, err = int(r.left), r.limit.exceeded()
	}
	r.left -= int64(n)
	r.err = err
	return n, err
}

// All reads everything that r has, or returns an *Error.
func All(r io.Reader, l Limit) ([]byte, error) { return io.ReadAll(Reader(r, l)) }

// File reads a file. It must be a regular one: a pipe or a device may never end, or
// never begin.
func File(path string, l Limit) ([]byte, error) {
	if err := Regular(path, l); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return All(f, l)
}

// Regular returns an error unless path is a regular file within l. It is for files
// that a library reads, which does so right afterwards.
func Regular(path string, l Limit) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %s and no regular file: write what it holds into a file", kindOf(info.Mode()))}
	case info.Size() > l.Bytes:
		return l.exceeded()
	}
	return nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	default:
		return "a device"
	}
}

// Secret is the bound of a file with credentials: a token, a key or certificates.
func Secret(path string) Limit {
	return Limit{What: "the file " + path, Bytes: MiB, Do: "name the file that holds the credentials"}
}
