package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"watari.dev/internal/printable"
	"watari.dev/plan"
)

// tries says how often the writes of each route are tried; routes of which the same
// is true share the lines.
func tries(w io.Writer, routes []plan.RouteForecast) {
	var kinds []plan.TriesForecast
	for _, r := range routes {
		if !slices.Contains(kinds, r.Tries) {
			kinds = append(kinds, r.Tries)
		}
	}
	head := "tries"
	for _, kind := range kinds {
		var names []string
		for _, r := range routes {
			if r.Tries == kind {
				names = append(names, r.Ref.Name)
			}
		}
		for _, line := range append([]string{strings.Join(names, ", ")}, triesLines(kind)...) {
			printable.Fprintf(w, "  %-10s %s\n", head, line)
			head = ""
		}
	}
}

func triesLines(t plan.TriesForecast) []string {
	then := "everything is taken back"
	if t.Manual {
		then = "you decide"
	}
	try := fmt.Sprintf("a try: %s at most", Span(t.Each))
	if t.Calls > 0 {
		try += ", up to " + plural(t.Calls, "API call")
	}
	if t.Calls > 0 && t.CallTries > 1 {
		try += fmt.Sprintf(", a throttled call up to %d times within %s", t.CallTries, Span(t.CallWaits))
	}
	back := fmt.Sprintf("taking back: until it is done, the next try within %s", Span(t.BackEvery))
	if t.BackTries > 1 {
		back += fmt.Sprintf("; %d attempts a try when somebody else is faster", t.BackTries)
	}
	return []string{
		fmt.Sprintf("a rise: up to %d times within %s, while the route can be read and the credentials are valid; then %s", t.Rise, Span(t.RiseWithin), then), back, try,
	}
}
