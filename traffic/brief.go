package traffic

import (
	"fmt"
	"unicode/utf8"
)

// longestText bounds a text that others wrote and that is remembered, in bytes.
const longestText = 2000

// Brief returns text, of one that is too long the beginning and how much is missing:
// what a server says of its failure is remembered, and must not fill the memory.
func Brief(text string) string {
	if len(text) <= longestText {
		return text
	}
	end := longestText
	for end > longestText-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%d more bytes)", text[:end], len(text)-end)
}
