package v1alpha1

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing that is wrong in what a user wrote.
type Mistake struct {
	File     string // as it was named to Load; "standard input"; empty for an object that came from no file
	Document int    // counted from 1, without empty ones; 0 where the mistake is the file's
	Line     int    // of the file, counted from 1; 0 if there is none to name
	Field    string // path such as spec.steps[1].share; empty for a whole document
	Message  string // what is wrong and what would be right
}

// String writes the mistake as one line, without its file.
func (m Mistake) String() string {
	var place []string
	if m.Document > 0 {
		place = append(place, fmt.Sprintf("document %d", m.Document))
	}
	if m.Line > 0 {
		place = append(place, fmt.Sprintf("line %d", m.Line))
	}
	text := m.Message
	if m.Field != "" {
		text = m.Field + ": " + text
	}
	if len(place) > 0 {
		text = strings.Join(place, ", ") + ": " + text
	}
	return text
}

// Mistakes is the error that lists everything that is wrong, in the order of the
// files and of their lines. It is never empty when returned as an error.
type Mistakes []Mistake

// Error writes one block per file: its name, the number of mistakes, and one
// line for each.
func (ms Mistakes) Error() string { return strings.Join(ms.Words(), "\n") }

// Words returns the lines of Error. What files hold may stand in each.
func (ms Mistakes) Words() (lines []string) {
	for start := 0; start < len(ms); {
		end := start
		for end < len(ms) && ms[end].File == ms[start].File {
			end++
		}
		head := counted(end-start, "mistake")
		if ms[start].File != "" {
			head = ms[start].File + ": " + head
		}
		lines = append(lines, head)
		for _, m := range ms[start:end] {
			lines = append(lines, "  "+m.String())
		}
		start = end
	}
	return lines
}

// sorted orders the mistakes of each file by line; files keep their order.
func (ms Mistakes) sorted(files []string) Mistakes {
	slices.SortStableFunc(ms, func(a, b Mistake) int {
		return cmp.Or(
			cmp.Compare(slices.Index(files, a.File), slices.Index(files, b.File)),
			cmp.Compare(a.Document, b.Document),
			cmp.Compare(a.Line, b.Line))
	})
	return ms
}

// orNil returns ms as an error, nil if there is nothing to tell.
func (ms Mistakes) orNil() error {
	if len(ms) == 0 {
		return nil
	}
	return ms
}

func counted(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
