//go:build linux

package node

import "strings"

// expand replaces $(NAME) as Kubernetes does in commands, arguments and
// environment values: $$ is a dollar sign, and a reference to a name that lookup
// does not know stays as it is. (Kubernetes API reference, Container.command.)
func expand(s string, lookup func(name string) (string, bool)) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '$' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		switch s[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(s[i+2:], ')')
			if end < 0 {
				out.WriteByte('$')
				continue
			}
			name := s[i+2 : i+2+end]
			if value, ok := lookup(name); ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			i += 2 + end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

// expandAll expands every word against the given environment.
func expandAll(words []string, env map[string]string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = expand(w, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
	}
	return out
}
