package accesslog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// stream is a log that comes by itself.
type stream struct {
	from io.Reader
	name string // for messages

	mu    sync.Mutex
	ended error
	done  chan struct{}
}

// open reads in the background.
func (t *stream) open(s *Source) {
	t.done = make(chan struct{})
	go func() {
		defer close(t.done)
		err := t.readAll(s)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended = err
	}()
}

// readAll reads to the end and says why it came.
func (t *stream) readAll(s *Source) error {
	var lines splitter
	buffer := make([]byte, pieceSize)
	for {
		n, err := t.from.Read(buffer)
		s.read(func(count func([]byte)) { lines.feed(buffer[:n], count) })
		switch {
		case errors.Is(err, io.EOF):
			s.read(lines.end)
			return fmt.Errorf("%s has ended at %s: start what writes it again, and then this", t.name, clock(s.now()))
		case err != nil:
			s.read(lines.end)
			return err
		}
	}
}

func (t *stream) look(context.Context, *Source) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// close ends the reading. A stream that cannot be closed ends when it ends.
func (t *stream) close() {
	closer, is := t.from.(io.Closer)
	if !is || t.from == os.Stdin { // it is not ours to close, and closing does not end a read of it
		return
	}
	_ = closer.Close()
	<-t.done
}
