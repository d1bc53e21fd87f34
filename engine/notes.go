package engine

import (
	"slices"

	"watari.dev/traffic"
)

// tellNotes says once what a signal noted about the counts of a side.
func (t *turn) tellNotes(before []ServiceSeen) {
	for _, s := range t.status.Evidence.Services {
		var was traffic.BySide[SideState]
		if i := slices.IndexFunc(before, func(b ServiceSeen) bool { return b.Name == s.Name }); i >= 0 {
			was = before[i].Last
		}
		of := ""
		if len(t.status.Evidence.Services) > 1 {
			of = " of " + s.Name
		}
		for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
			if note := s.Last.Of(side).Note; note != "" && note != was.Of(side).Note {
				t.note("note", "", "counts of the %s%s: %s", side, of, note)
			}
		}
	}
}

// Notes returns what is noted about the counts of each side, a line each.
func (e *Evidence) Notes() (lines []string) {
	add := func(line string) {
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, side := range []traffic.Side{traffic.Source, traffic.Target} {
		for _, s := range e.Services {
			if note := s.Last.Of(side).Note; note != "" {
				add(side.String() + ": " + note)
			}
		}
	}
	return lines
}
