//go:build linux

package lab

import (
	"fmt"
	"slices"
	"time"
)

// Event is a line of progress of Up or Down.
type Event struct {
	Elapsed   time.Duration // since Up or Down was called
	Component string        // empty if it concerns the lab
	State     State         // of the component; empty if Text says it all
	Text      string
}

// String says it in one line.
func (e Event) String() string {
	text := e.Text
	if text == "" {
		text = string(e.State)
	}
	if e.Component == "" {
		return fmt.Sprintf("%6.1fs  %s", e.Elapsed.Seconds(), text)
	}
	return fmt.Sprintf("%6.1fs  %-32s %s", e.Elapsed.Seconds(), e.Component, text)
}

// decideEvents tells what changed between two looks at the components: those
// that are waiting or about to start are left out, which would be noise.
func decideEvents(before, after []ComponentInfo) []Event {
	var events []Event
	for _, now := range after {
		i := slices.IndexFunc(before, func(c ComponentInfo) bool { return c.Name == now.Name })
		if i >= 0 && before[i].State == now.State && before[i].Restarts == now.Restarts {
			continue
		}
		switch now.State {
		case Ready:
			events = append(events, Event{Component: now.Name, State: Ready, Text: fmt.Sprintf("ready after %.1fs", now.ReadyAfter.Seconds())})
		case Restarting, Failed:
			events = append(events, Event{Component: now.Name, State: now.State, Text: fmt.Sprintf("%s: %s", now.State, now.Reason)})
		}
	}
	return events
}
