package bounded

import (
	"bytes"
	"io"
)

// Lines reads from r, and fails with an *Error when a line is longer than l allows.
// With quoted, a newline between double quotes does not end a line, as in CSV.
func Lines(r io.Reader, l Limit, quoted bool) io.Reader {
	return &lines{from: r, limit: l, quoted: quoted}
}

type lines struct {
	from   io.Reader
	limit  Limit
	quoted bool

	length int64 // of the line so far
	inside bool  // of quotes
	err    error
}

// Read implements io.Reader.
func (r *lines) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.from.Read(p)
	if !r.within(p[:n]) {
		n, err = 0, r.limit.exceeded()
	}
	r.err = err
	return n, err
}

// within reports whether no line got too long by piece.
func (r *lines) within(piece []byte) bool {
	for len(piece) > 0 {
		end := bytes.IndexByte(piece, '\n')
		part := piece
		if end >= 0 {
			part = piece[:end]
		}
		if r.quoted && bytes.Count(part, []byte{'"'})%2 == 1 {
			r.inside = !r.inside
		}
		r.length += int64(len(part))
		if end >= 0 && r.inside {
			r.length++
		}
		if r.length > r.limit.Bytes {
			return false
		}
		if end < 0 {
			return true
		}
		if !r.inside {
			r.length = 0
		}
		piece = piece[end+1:]
	}
	return true
}
