package v1alpha1

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the one node of a document, or the line inside the document
// and what is wrong with its syntax.
func parseYAML(text []byte) (node *yaml.Node, line int, wrong string) {
	if line := directiveLine(text); line > 0 {
		return nil, line, "YAML directives such as %YAML are not supported: remove the line"
	}
	if line, wrong := tooMuch(text); wrong != "" {
		return nil, line, wrong
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		line, wrong = explainSyntax(err, text)
		return nil, line, wrong
	}
	if len(document.Content) != 1 {
		return nil, 1, "there is no object here: write an Environment or a Migration"
	}
	if n := tooDeep(document.Content[0], deepest); n != nil {
		return nil, n.Line, fmt.Sprintf("it is nested more than %d levels deep: an Environment or a Migration is far flatter", deepest)
	}
	return document.Content[0], 0, ""
}

// tooMuch refuses a document with more values than a file of ours can have, before
// memory is spent on them. Each value needs at least one of these signs.
func tooMuch(text []byte) (line int, wrong string) {
	nodes := 0
	for part := range bytes.Lines(text) {
		line++
		for i, c := range part {
			switch c {
			case '\n', ',', ':', '[', '{':
				nodes++
			case '-', '?':
				if i+1 < len(part) && part[i+1] == ' ' {
					nodes++
				}
			}
		}
		if nodes > mostNodes {
			return line, fmt.Sprintf("it holds more than %d values: split it", mostNodes)
		}
	}
	return 0, ""
}

// tooDeep returns the first node below the deepest level that is read.
func tooDeep(n *yaml.Node, levels int) *yaml.Node {
	if levels == 0 {
		return n
	}
	for _, below := range n.Content {
		if found := tooDeep(below, levels-1); found != nil {
			return found
		}
	}
	return nil
}

// directiveLine returns the line of a directive before any content, 0 if there
// is none.
func directiveLine(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		switch {
		case bytes.HasPrefix(line, []byte{'%'}):
			return number
		case !blank(line):
			return 0
		}
	}
	return 0
}

var syntaxLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)

// explainSyntax turns an error of the YAML library, which has no type for it,
// into a line of the document and a message that says what would be right.
func explainSyntax(err error, text []byte) (line int, message string) {
	line, reason := 1, err.Error()
	if parts := syntaxLine.FindStringSubmatch(strings.SplitN(reason, "\n", 2)[0]); parts != nil {
		if n, err := strconv.Atoi(parts[1]); err == nil {
			line = n
		}
		reason = parts[2]
	}
	lines := bytes.Split(text, []byte{'\n'})
	line = min(max(line, 1), len(lines))
	// The library names the line before or after the one that it stumbled over.
	for n := max(line-1, 1); n <= min(line+1, len(lines)); n++ {
		if tabIndented(lines[n-1]) {
			return n, "a tab at the beginning of the line: YAML is indented with spaces"
		}
	}
	return line, fmt.Sprintf("not YAML: %s; %s", reason, syntaxAdvice(reason))
}

func tabIndented(line []byte) bool {
	indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]
	return bytes.IndexByte(indent, '\t') >= 0
}

// syntaxAdvice says what helps against the usual mistakes.
func syntaxAdvice(reason string) string {
	for _, known := range []struct{ part, advice string }{
		{"mapping values are not allowed", "look for a missing line break, or put a text that holds \": \" in quotes"},
		{"did not find expected key", "look at the indentation of this line and of those above it"},
		{"did not find expected '-' indicator", "look at the indentation: the items of a list begin in one column"},
		{"did not find expected ',' or '}'", "look for a missing comma or brace, and put a text that holds braces in quotes"},
		{"did not find expected ',' or ']'", "look for a missing comma or bracket, and put a text that holds brackets in quotes"},
		{"could not find expected ':'", "look for a missing colon, or put a text of several lines in quotes"},
		{"unexpected end of stream", "look for a quote or bracket that is never closed"},
		{"unknown anchor", "write the value out: anchors and aliases are not supported"},
		{"cannot start any token", "put a text that begins with such a character in quotes"},
		{"control characters are not allowed", "remove the invisible character, which is not in ASCII"},
	} {
		if strings.Contains(reason, known.part) {
			return known.advice
		}
	}
	return "look at this line and the one above it"
}
