package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/outlet"
	"watari.dev/internal/printable"
	"watari.dev/runner"
	"watari.dev/view"
)

// sleeper is a reader that stalls until its gate opens.
type sleeper struct {
	gate chan struct{}
	text bytes.Buffer
}

func (s *sleeper) Write(p []byte) (int, error) {
	<-s.gate
	return s.text.Write(p)
}

// TestAReaderThatComesBackIsToldWhatItMissed: every line is whole, none is there
// twice, and those that are left out are counted in their place, in both outputs.
func TestAReaderThatComesBackIsToldWhatItMissed(t *testing.T) {
	const turns = 3000
	for output, all := range map[string]int{"text": turns, "json": turns + 1} { // with the status of the first turn
		t.Run(output, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				to := &sleeper{gate: make(chan struct{})}
				out := outlet.New(to, outlet.Options{Missed: missedOf(output)})
				s := &streams{out: printable.NewWriter(out)}
				shown := screenFor(s, engine.Spec{Name: "shop"}, output, nil)
				began := time.Now()
				for i := range turns {
					at := began.Add(time.Duration(i) * time.Millisecond)
					shown.turn(runner.Turn{At: at, Status: engine.Status{Phase: engine.Holding}, Notes: []engine.Note{{Kind: "route", Route: "public", Text: fmt.Sprintf("public: change %d", i)}}})
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("the loop has waited %s", took)
				}
				close(to.gate)
				if !out.Flush(farewell, longFarewell) {
					t.Fatal("it is read, and not everything was written")
				}
				numbers, others := told(t, output, to.text.String())
				if len(numbers) < 1000 || len(numbers)+others != all || !slices.IsSorted(numbers) || numbers[len(numbers)-1] != turns-1 {
					t.Errorf("%d lines are shown and %d said to be missed, of %d", len(numbers), others, all)
				}
			})
		})
	}
}

// told returns which changes are told, and how many other events there are or are
// said to be missed.
func told(t *testing.T, output, text string) (numbers []int, others int) {
	t.Helper()
	var last time.Time
	for line := range strings.Lines(text) {
		var e view.JSONEvent
		if output == "json" {
			if err := json.Unmarshal([]byte(line), &e); err != nil || e.At.Before(last) || e.Phase == "" {
				t.Errorf("%v: %s", err, line)
			}
			last, line = e.At, e.Text
			if e.Kind == "status" {
				others++
				continue
			}
		}
		line = strings.ReplaceAll(line, ",", "")
		var n int
		if i := strings.Index(line, "change "); i >= 0 {
			if _, err := fmt.Sscanf(line[i:], "change %d", &n); err != nil {
				t.Errorf("%v: %s", err, line)
			}
			numbers = append(numbers, n)
		} else if _, err := fmt.Sscanf(line, "%d", &n); err == nil {
			others += n
		} else {
			t.Errorf("a line that is neither: %s", line)
		}
	}
	return numbers, others
}
