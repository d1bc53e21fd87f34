package printable

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest bounds one text from outside, in bytes.
const longest = 4096

// Line returns text as one line that shows what it holds: controls, line ends, what
// changes the direction of writing or is not seen, and bytes that are no UTF-8 become
// escapes. Of a text that is too long the beginning stays, and it says how much does
// not. Letters of all languages stay as they are.
func Line(text string) string {
	cut := 0
	if len(text) > longest {
		end := longest
		for end > longest-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text, cut = text[:end], len(text)-end
	}
	text = escaped(text, false)
	if cut > 0 {
		text += fmt.Sprintf("… (%d more bytes)", cut)
	}
	return text
}

// escaped returns text without what isUnsafe names; with layout, line ends and tabs
// stay.
func escaped(text string, layout bool) string {
	at := unsafeIn(text, layout)
	if at < 0 {
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 16)
	b.WriteString(text[:at])
	for rest := text[at:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, rest[0])
		case isUnsafe(r, layout):
			b.WriteString(escape(r))
		default:
			b.WriteString(rest[:size])
		}
		rest = rest[size:]
	}
	return b.String()
}

// unsafeIn returns where the first part of text is that needs an escape; -1 for none.
func unsafeIn(text string, layout bool) int {
	for i, r := range text {
		if isUnsafe(r, layout) {
			return i
		}
		if r == utf8.RuneError {
			if _, size := utf8.DecodeRuneInString(text[i:]); size == 1 {
				return i
			}
		}
	}
	return -1
}

// isUnsafe reports whether a terminal or a reader would be misled by r: controls (Cc),
// format characters (Cf: direction, zero width, tags), separators of lines and
// paragraphs, private ones, and blanks that look like letters or like nothing.
func isUnsafe(r rune, layout bool) bool {
	switch {
	case r >= ' ' && r < 0x7f:
		return false
	case r == '\n' || r == '\t':
		return !layout
	case r < ' ' || r >= 0x7f && r <= 0x9f:
		return true
	case r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0: // fillers of Hangul, which show nothing
		return true
	case r >= 0xfe00 && r <= 0xfe0f || r >= 0xe0100 && r <= 0xe01ef || r == 0x034f: // variation selectors and a joiner, which show nothing
		return true
	default:
		return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co)
	}
}

// escape writes r so that it is valid within JSON's strings as well, where a character
// that JSON permits must be replaced.
func escape(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < ' ':
		return fmt.Sprintf(`\x%02x`, r)
	case r <= 0xffff:
		return fmt.Sprintf(`\u%04x`, r)
	default:
		high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
		return fmt.Sprintf(`\u%04x\u%04x`, high, low)
	}
}
