package engine

import (
	"fmt"
	"strings"
	"time"

	"watari.dev/traffic"
)

// Restored is what an operator has made of a route of a migration that had ended:
// it got back the form that it had before it was converted. Where everything stays
// on the target, there is nothing left that could be taken back.
type Restored struct {
	Keep traffic.Side `json:"keep"` // that has everything
	By   string       `json:"by"`
	At   time.Time    `json:"at"`   // when it was begun
	Done bool         `json:"done"` // it was carried out; without, nobody knows how far it got
}

// Final returns the routes that cannot be taken back any more, because they were
// restored with everything on the target.
func (s Status) Final() (routes []RouteStatus) {
	for _, r := range s.Routes {
		if r.Restored != nil && r.Restored.Keep == traffic.Target {
			routes = append(routes, r)
		}
	}
	return routes
}

// WhyFinal says why the migration cannot be taken back any more and what can be done
// instead; empty if it can be.
func (s Status) WhyFinal(name string) string {
	final := s.Final()
	if len(final) == 0 {
		return ""
	}
	names, last, done := make([]string, 0, len(final)), final[0].Restored, true
	for _, r := range final {
		names, done = append(names, r.Name), done && r.Restored.Done
		if r.Restored.At.After(last.At) {
			last = r.Restored
		}
	}
	text := fmt.Sprintf("%s has simple records since %s restored it at %s", strings.Join(names, ", "), last.By, last.At.Format(time.RFC3339))
	if !done {
		text = fmt.Sprintf("%s has begun to restore %s at %s, and it is not finished (finish it: watari restore %s)", last.By, strings.Join(names, ", "), last.At.Format(time.RFC3339), name)
	}
	return text + "; the source's weighted records are gone, so nothing can be taken back. To send users back: let the names answer by hand what the source's records did (the journal has what was deleted), " +
		"or begin a new migration with source and target exchanged, convert: true and another name"
}
