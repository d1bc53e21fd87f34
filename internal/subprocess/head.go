package subprocess

import (
	"bytes"
	"io"
)

// Head keeps what is written up to Max bytes, and calls Full beyond that.
type Head struct {
	Max  int
	Full func()

	buffer bytes.Buffer
	over   bool
}

// Write implements io.Writer.
func (h *Head) Write(p []byte) (int, error) {
	if h.over || h.buffer.Len()+len(p) > h.Max {
		h.over = true
		h.Full()
		return 0, io.ErrShortWrite
	}
	return h.buffer.Write(p)
}

// Over reports whether more than Max bytes were written.
func (h *Head) Over() bool { return h.over }

// Bytes are those that were written.
func (h *Head) Bytes() []byte { return h.buffer.Bytes() }
