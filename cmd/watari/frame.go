package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"

	"watari.dev/internal/printable"
)

// frame draws the live view over itself. It is asked in the moment in which a frame
// is shown, because a terminal may have another size by then.
type frame struct {
	size  func() (width, height int) // of the terminal
	drawn []int                      // columns of each line that stands there
}

// The least size that is drawn on; a terminal that does not know its own is given
// the usual one.
const leastColumns, usualColumns, usualRows = 20, 80, 24

// sizeOf returns what asks a terminal how large it is.
func sizeOf(f *os.File) func() (width, height int) {
	return func() (int, int) {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || width <= 0 || height <= 0 {
			return usualColumns, usualRows
		}
		return width, height
	}
}

// over writes the lines, over those that were drawn last if they are the last thing
// on the terminal. Lines are cut to its width, because one that wraps would be drawn
// over wrongly, and to its height, because what has scrolled away cannot be.
func (f *frame) over(lines []string, last bool) []byte {
	width, height := f.size()
	width = max(width, leastColumns)
	var b strings.Builder
	if up := f.rows(width); last && up > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", min(up, height-1))
	}
	b.WriteString("\x1b[J")
	f.drawn = f.drawn[:0]
	for _, line := range lines[:min(len(lines), max(1, height-1))] {
		line = printable.Line(line)
		if r := []rune(line); len(r) >= width {
			line = string(r[:width-2]) + "…"
		}
		f.drawn = append(f.drawn, len([]rune(line)))
		b.WriteString(line + "\n")
	}
	return []byte(b.String())
}

// rows is how many rows the lines take that stand there: a terminal that became
// narrower has wrapped them.
func (f *frame) rows(width int) (n int) {
	for _, columns := range f.drawn {
		n += max(1, (columns+width-1)/width)
	}
	return n
}
