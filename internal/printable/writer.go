package printable

import (
	"io"
	"slices"
	"sync"
	"unicode/utf8"
)

// Writer lets through no control character but line ends and tabs. Its escapes are
// valid JSON where what they replace was.
type Writer struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte // of a character whose end was not written yet
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer {
	if is, already := w.(*Writer); already {
		return is
	}
	return &Writer{to: w}
}

// Write implements io.Writer. It has written all of p or none that counts.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	data := slices.Concat(w.rest, p)
	end := whole(data)
	safe := escaped(string(data[:end]), true)
	w.rest = append([]byte(nil), data[end:]...)
	if safe == "" {
		return len(p), nil
	}
	if _, err := io.WriteString(w.to, safe); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Control writes what is ours as it is: sequences that move the cursor. Text in it must
// have been made safe by Line.
func (w *Writer) Control(sequence string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, err := io.WriteString(w.to, sequence)
	return err
}

// whole returns how much of data ends with a whole character. What can never become
// one is whole.
func whole(data []byte) int {
	for back := 1; back < utf8.UTFMax && back <= len(data); back++ {
		at := len(data) - back
		if utf8.RuneStart(data[at]) {
			if utf8.FullRune(data[at:]) {
				return len(data)
			}
			return at
		}
	}
	return len(data)
}

// Control writes a sequence of ours to w, through a Writer as it is.
func Control(w io.Writer, sequence string) error {
	if safe, is := w.(*Writer); is {
		return safe.Control(sequence)
	}
	_, err := io.WriteString(w, sequence)
	return err
}

// Below returns the writer below a Writer; any other is returned as it is. What is
// written to it is not made safe.
func Below(w io.Writer) io.Writer {
	if safe, is := w.(*Writer); is {
		return safe.to
	}
	return w
}
