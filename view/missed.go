package view

import (
	"encoding/json"
	"fmt"
	"time"
)

// Missed writes the event that stands in the place of those that nobody read. next
// is the event after it, as JSON; empty if there is none, and then it is of now.
func Missed(events int, next []byte, now time.Time) []byte {
	e := JSONEvent{At: now}
	var after JSONEvent
	if json.Unmarshal(next, &after) == nil {
		e = JSONEvent{At: after.At, Phase: after.Phase, Step: after.Step, Share: after.Share}
	}
	e.Kind, e.Text = "missed", fmt.Sprintf("%s left out here, because nobody read fast enough; the journal has everything", were(events))
	line, err := json.Marshal(e)
	if err != nil {
		return nil // plain data always can
	}
	return append(line, '\n')
}

func were(events int) string {
	if events == 1 {
		return "1 event was"
	}
	return Count(int64(events)) + " events were"
}
