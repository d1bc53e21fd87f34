package bounded

import (
	"context"
	"io"
)

// Until reads from r until ctx ends, and then returns why it ended. A read that waits,
// as one of a terminal does, is left behind.
func Until(ctx context.Context, r io.Reader) io.Reader {
	return &until{ctx: ctx, from: r, asks: make(chan struct{}), answers: make(chan piece)}
}

type until struct {
	ctx     context.Context
	from    io.Reader
	asks    chan struct{}
	answers chan piece
	begun   bool
	rest    []byte
	err     error
}

// piece is what one read returned.
type piece struct {
	data []byte
	err  error
}

// Read implements io.Reader.
func (u *until) Read(p []byte) (int, error) {
	if len(u.rest) == 0 && u.err == nil {
		u.next()
	}
	if len(u.rest) == 0 {
		return 0, u.err
	}
	n := copy(p, u.rest)
	u.rest = u.rest[n:]
	return n, nil
}

func (u *until) next() {
	if !u.begun {
		u.begun = true
		go u.reads()
	}
	select {
	case u.asks <- struct{}{}:
	case <-u.ctx.Done():
		u.err = context.Cause(u.ctx)
		return
	}
	select {
	case got := <-u.answers:
		u.rest, u.err = got.data, got.err
	case <-u.ctx.Done():
		u.err = context.Cause(u.ctx)
	}
}

// reads reads a piece each time that one is asked for, and ends with ctx at the latest
// when the read that waits has ended.
func (u *until) reads() {
	buffer := make([]byte, 64*KiB)
	for {
		select {
		case <-u.asks:
		case <-u.ctx.Done():
			return
		}
		n, err := u.from.Read(buffer)
		select {
		case u.answers <- piece{buffer[:n], err}:
		case <-u.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}
