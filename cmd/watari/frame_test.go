package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestFrameIsDrawnOver: a frame goes up by the lines of the one before, clears
// what is below, and no line is as wide as the terminal, or it would wrap.
func TestFrameIsDrawnOver(t *testing.T) {
	width, height := 30, 24
	f := frame{size: func() (int, int) { return width, height }}
	first := string(f.over([]string{"shop   holding", "  share      " + strings.Repeat("ö", 40), "  gate"}, false))
	if strings.Contains(first, "A\x1b[J") || !strings.HasPrefix(first, "\x1b[J") {
		t.Errorf("the first frame draws over something: %q", first)
	}
	for line := range strings.Lines(strings.TrimPrefix(first, "\x1b[J")) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n >= width {
			t.Errorf("%d columns of %d: %q", n, width, line)
		}
	}
	if got, want := string(f.over([]string{"shop   complete"}, true)), "\x1b[3A\x1b[Jshop   complete\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(f.over([]string{"a", "b"}, false)), "\x1b[Ja\nb\n"; got != want {
		t.Errorf("after something else was written: %q, want %q", got, want)
	}
	if got, want := string(f.over(nil, true)), "\x1b[2A\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFrameOnATerminalOfAnotherSize: lines that a narrower terminal has wrapped are
// drawn over as well, and nothing is drawn that would scroll away.
func TestFrameOnATerminalOfAnotherSize(t *testing.T) {
	width, height := 80, 24
	f := frame{size: func() (int, int) { return width, height }}
	f.over([]string{strings.Repeat("x", 75), "short"}, false)
	width = 30
	if got, want := string(f.over([]string{strings.Repeat("y", 75)}, true)), "\x1b[4A\x1b[J"+strings.Repeat("y", 28)+"…\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	height = 4
	if got, want := string(f.over([]string{"1", "2", "3", "4", "5"}, true)), "\x1b[1A\x1b[J1\n2\n3\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	width, height = 3, 1
	f.over([]string{"1", "2"}, true) // too small for anything, and no reason to fail
}
