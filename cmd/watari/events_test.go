package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"watari.dev/engine"
	"watari.dev/view"
)

// documentedKinds are those of view.JSONEvent.
var documentedKinds = []string{"phase", "write", "route", "verdict", "command", "effect", "status", "missed"}

// cmdEvents reads a log of events strictly: every line is one event, of a
// documented kind, not before the one above it, with the effects' receipts.
func cmdEvents(ts *testscript.TestScript, neg bool, args []string) {
	wantArgs(ts, neg, args, 2, "events FILE KIND...")
	seen := map[string]bool{}
	var last time.Time
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		decoder := json.NewDecoder(bytes.NewReader([]byte(line)))
		decoder.DisallowUnknownFields()
		var e view.JSONEvent
		if err := decoder.Decode(&e); err != nil {
			ts.Fatalf("%v: %s", err, line)
		}
		switch {
		case !slices.Contains(documentedKinds, e.Kind), e.Phase == "", e.Step < 1, e.At.Before(last), e.Text == "" && e.Kind != "status":
			ts.Fatalf("not an event that is documented: %s", line)
		case e.Kind == "effect" && (e.Effect == nil || e.Effect.Result.Outcome == engine.Accepted && e.Effect.Receipt == nil):
			ts.Fatalf("an effect without its receipt: %s", line)
		}
		seen[e.Kind], last = true, e.At
	}
	for _, kind := range args[1:] {
		if !seen[kind] {
			ts.Fatalf("no event of kind %s; there are: %v", kind, slices.Sorted(maps.Keys(seen)))
		}
	}
}
