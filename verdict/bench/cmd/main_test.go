package main

import (
	"strings"
	"testing"
)

func TestRunWritesBothTables(t *testing.T) {
	var out, errs strings.Builder
	if err := run([]string{"--seeds", "1"}, &out, &errs); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"; 1 migrations per cell", "of 1 simulated per cell", "| watari, hybrid (default) |"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestRunRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"--seeds", "0"}, {"--seeds", "x"}, {"more"}, {"--no"}} {
		var out, errs strings.Builder
		if err := run(args, &out, &errs); err == nil || out.Len() > 0 {
			t.Errorf("%v: %v, %q", args, err, out.String())
		}
	}
}
