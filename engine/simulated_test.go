package engine_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"watari.dev/engine"
	"watari.dev/sim"
)

// TestScriptsOfTheSimulation plays what the simulation tells of its runs: each is a
// script of the grammar of TestScenarios, becomes one with outputs when it is
// rewritten, and stays the same then.
func TestScriptsOfTheSimulation(t *testing.T) {
	rewrite := flag.Lookup("rewrite").Value
	if rewrite.String() == "true" {
		t.Skip("only without -rewrite, which it uses itself")
	}
	var s sim.Simulator
	defer s.Close()
	seeds, same := 150, 0 // enough for each kind of line, however the seeds are drawn
	words := map[string]int{}
	for seed := range seeds {
		plan := sim.Draw(uint64(seed))
		r := s.Run(t.Context(), plan, sim.Options{Trace: true})
		script := sim.Script(plan, r)
		path := filepath.Join(t.TempDir(), "seed_"+strconv.Itoa(seed)+".txt")
		if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		flag.Set("rewrite", "true")
		engine.RunScript(t, path)
		flag.Set("rewrite", "false")
		engine.RunScript(t, path)
		played, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if without(string(played)) != without(script) {
			t.Errorf("seed %d: rewriting changed more than the outputs:\n%s", seed, played)
		}
		for line := range strings.Lines(script) {
			if verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); verb != "" {
				words[verb]++
			}
		}
		if last := lastState.FindAllStringSubmatch(string(played), -1); len(last) > 0 && last[len(last)-1][1] == string(r.Phase) {
			same++
		}
	}
	for _, verb := range []string{"spec", "run", "lever", "users", "signal", "intrude", "command", "kill", "away"} {
		if words[verb] == 0 {
			t.Errorf("no script of %d has a %q", seeds, verb)
		}
	}
	// The worlds differ; that most migrations end alike says that the scripts tell
	// what happened.
	t.Logf("%d of %d end in the same phase; %v", same, seeds, words)
	if same < seeds*4/5 {
		t.Errorf("only %d of %d scripts end in the phase that the simulation ended in", same, seeds)
	}
}

var lastState = regexp.MustCompile(`(?m)^(\w+) step \d+  `)

// without returns a script without its outputs.
func without(script string) string {
	var out []string
	output := false
	for line := range strings.Lines(script) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "----":
			output = true
			out = append(out, line)
		case line == "":
			output = false
		case !output:
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
