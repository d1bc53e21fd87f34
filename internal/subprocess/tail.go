package subprocess

import (
	"regexp"
	"strings"

	"watari.dev/internal/printable"
)

const (
	// maxKept is how much is kept of the end of what a program writes.
	maxKept = 4096
	// maxQuoted is how much of that a message has.
	maxQuoted = 400
)

// Tail keeps the end of what is written.
type Tail struct {
	kept []byte
	cut  bool // the beginning is gone
}

// Write implements io.Writer.
func (t *Tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxKept; over > 0 {
		t.kept, t.cut = append(t.kept[:0], t.kept[over:]...), true
	}
	return len(p), nil
}

// sequences are those that colour a terminal, move its cursor or name its window
// (ECMA-48: control sequences, and commands that end with ST or, in xterm, BEL).
var sequences = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b[ -/]*[0-~]")

// Quoted is the end of it as one line of a message, which begins at a line's beginning
// where there is room.
func (t *Tail) Quoted() string {
	var lines []string
	left := maxQuoted
	all := t.lines()
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		line := printable.Line(strings.ToValidUTF8(strings.TrimSpace(all[i]), "?"))
		if line == "" {
			continue
		}
		if len(line) > left && len(lines) > 0 {
			break
		}
		if len(line) > left {
			line = "..." + strings.ToValidUTF8(line[len(line)-left:], "")
		}
		lines = append([]string{line}, lines...)
		left -= len(line)
	}
	return strings.Join(lines, " / ")
}

// lines are masked. Where the beginning of one is gone, what is left of its first word
// may be the end of a secret, and is left out: such a line is shown from the middle of
// what is kept on, if it is the only one.
func (t *Tail) lines() []string {
	text := strings.ReplaceAll(sequences.ReplaceAllString(string(t.kept), ""), "\r", "\n")
	if t.cut {
		text = strings.TrimRight(text, "\n")
		if _, after, more := strings.Cut(text, "\n"); more {
			text = after
		} else {
			_, text, _ = strings.Cut(text[len(text)/2:], " ")
			text = "..." + text
		}
	}
	return strings.Split(Mask(text), "\n")
}
