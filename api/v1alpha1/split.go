package v1alpha1

import (
	"bytes"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// maxFile bounds what is read of one file, in bytes: far more than 100 routes of
// 1,000 names need.
const maxFile = 16 << 20

const (
	maxFiles      = 64 << 20 // of all files of one command together
	mostFiles     = 1000     // in a directory
	mostDocuments = 1000     // in a file
	mostMistakes  = 1000     // after which nobody needs to know of more
	mostItems     = 10_000   // in a list
	mostNodes     = 1 << 20  // in a document: each takes a hundred times the memory of its text
	deepest       = 100      // level of a document
)

// chunk is the text of one document and the number of lines before it.
type chunk struct {
	text []byte
	skip int
}

// A document marker cannot occur inside of a scalar (YAML 1.2.2, section 9.1.2),
// so lines alone tell documents apart, even where one of them does not parse.
var marker = regexp.MustCompile(`^(---|\.\.\.)([ \t\r]|$)`)

// splitDocuments returns the documents of a file that hold anything.
func splitDocuments(data []byte) []chunk {
	var chunks []chunk
	current, line := chunk{}, 0
	finish := func() {
		if !blank(current.text) {
			chunks = append(chunks, current)
		}
	}
	for rest := data; len(rest) > 0; line++ {
		text := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 {
			text = rest[:end+1]
		}
		rest = rest[len(text):]
		if marker.Match(bytes.TrimRight(text, "\n")) {
			finish()
			current = chunk{skip: line}
			if text[0] == '.' {
				current.skip++
				continue
			}
		}
		current.text = append(current.text, text...)
	}
	finish()
	return chunks
}

// blank reports whether a document holds nothing but its marker and comments.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		line = bytes.TrimPrefix(line, []byte("---"))
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}

// decodeText strips a byte order mark and returns what is wrong with the
// encoding, and on which line.
func decodeText(data []byte) (text []byte, line int, wrong string) {
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		return nil, 1, "the file is UTF-16: save it as UTF-8"
	}
	data = bytes.TrimPrefix(data, []byte{0xEF, 0xBB, 0xBF})
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return nil, 1 + bytes.Count(data[:i], []byte{'\n'}), "not UTF-8: save the file as UTF-8"
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7F {
			return nil, 1 + bytes.Count(data[:i], []byte{'\n'}),
				fmt.Sprintf("the invisible control character %U: remove it, or name a text file", r)
		}
		i += size
	}
	return data, 0, ""
}
