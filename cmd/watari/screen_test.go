package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"watari.dev/engine"
	"watari.dev/router/metered"
	"watari.dev/store"
	"watari.dev/view"
)

// TestErrorsSayWhatCanBeDone: whatever ends a run, the next command is told, and
// no share that somebody else may have changed.
func TestErrorsSayWhatCanBeDone(t *testing.T) {
	var out bytes.Buffer
	spec := engine.Spec{Name: "shop"}
	s := &screen{out: &out, spec: spec, watch: view.NewWatch(spec), file: "shop.yaml"}
	full := errors.New("save migration shop: no space left on device")
	status := engine.Status{Phase: engine.Holding, Routes: []engine.RouteStatus{{Name: "public", Written: &engine.Written{Share: 5000}}}}
	err := s.end(status, full)
	if !errors.Is(err, full) || codeOf(err) != exitError || !strings.Contains(err.Error(), "The share that is remembered is 50 %, and nobody watches it now. Go on: watari run -f shop.yaml   Take back: watari rollback shop") {
		t.Errorf("%v", err)
	}
	for _, gone := range []error{store.ErrLost, store.ErrConflict} {
		err := s.end(status, fmt.Errorf("save migration shop: %w", gone))
		if !errors.Is(err, gone) || strings.Contains(err.Error(), "50 %") || !strings.HasSuffix(err.Error(), "Somebody else has run it since. See where it stands: watari status shop") {
			t.Errorf("%v", err)
		}
	}
	// Before anything was begun, or after the end, there is nothing to add.
	for _, phase := range []engine.Phase{"", engine.Complete} {
		if err := s.end(engine.Status{Phase: phase}, full); err.Error() != full.Error() {
			t.Errorf("%q: %v", phase, err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("errors belong to the caller: %q", out.String())
	}
}

func TestCallsAreCounted(t *testing.T) {
	for _, c := range []struct {
		totals metered.Totals
		want   string
	}{
		{metered.Totals{}, "written 0 times and read 0 times"},
		{metered.Totals{Writes: make([]metered.Write, 1), Calls: map[string]int{"read": 1}}, "written once and read once"},
		{metered.Totals{Writes: make([]metered.Write, 1000), Dropped: 234, Calls: map[string]int{"read": 5678}}, "written 1,234 times and read 5,678 times"},
	} {
		var out bytes.Buffer
		s := &screen{out: &out, totals: func() metered.Totals { return c.totals }}
		s.calls()
		if want := "The levers were " + c.want + " by this process.\n"; out.String() != want {
			t.Errorf("%q, want %q", out.String(), want)
		}
	}
}
