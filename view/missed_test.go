package view_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/view"
)

// TestMissedEventsHaveTheTimeOfTheNext: who reads events finds them in order, and
// each with its phase.
func TestMissedEventsHaveTheTimeOfTheNext(t *testing.T) {
	at, now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 13, 0, 0, 0, time.UTC)
	var next bytes.Buffer
	turn := runner.Turn{At: at, Status: engine.Status{Phase: engine.Holding, Step: 1}, Notes: []engine.Note{{Kind: "route", Text: "public: it is"}}}
	if err := view.JSON(&next, turn, false); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		events int
		next   []byte
		want   view.JSONEvent
	}{
		{1234, next.Bytes(), view.JSONEvent{At: at, Kind: "missed", Phase: engine.Holding, Step: 2, Text: "1,234 events were left out here, because nobody read fast enough; the journal has everything"}},
		{1, nil, view.JSONEvent{At: now, Kind: "missed", Text: "1 event was left out here, because nobody read fast enough; the journal has everything"}},
	} {
		line := view.Missed(c.events, c.next, now)
		var got view.JSONEvent
		if err := json.Unmarshal(line, &got); err != nil || got != c.want || bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
			t.Errorf("%v: %s\nwant %+v", err, line, c.want)
		}
	}
}
