package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"watari.dev/sim"
)

// call runs the command and returns its exit code and what it printed.
func call(ctx context.Context, args ...string) (code int, out, errs string) {
	var o, e strings.Builder
	code = run(ctx, args, &o, &e)
	return code, o.String(), e.String()
}

func wants(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
}

func TestManySeeds(t *testing.T) {
	code, out, _ := call(t.Context(), "--seeds", "30", "--from", "100", "--check-twice", "10", "--coverage")
	if code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	wants(t, out, "30 from 100 on; 3 of them twice", "complete migrations a second", "violations   0\n", "killed between effects", "cannot be met there")
}

func TestManySeedsAsJSON(t *testing.T) {
	code, out, _ := call(t.Context(), "--seeds", "30", "--json", "--jobs", "1")
	var r report
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &raw); code != exitOK || err != nil {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	delete(raw, "coverage") // is written, and read by others
	text, err := json.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	ends := int64(0)
	for _, n := range r.Ends {
		ends += n
	}
	if r.Seeds != 30 || r.Complete != 30 || ends != 30 || r.Jobs != 1 || r.StepsPerSeed < 3 || r.EventsPerSeed < 10 || r.Violations == nil || len(r.Holes) == 0 {
		t.Errorf("%+v", r)
	}
}

func TestOneSeed(t *testing.T) {
	code, out, _ := call(t.Context(), "--seed", "7")
	if code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	wants(t, out, "seed      7\n", "steps     ", "run 1        starts", "steps of the engine and")
	code, script, _ := call(t.Context(), "--seed", "7", "--script")
	if code != exitOK || !strings.HasPrefix(script, "# Seed 7, which ended in ") {
		t.Errorf("exit code %d:\n%s", code, script)
	}
	wants(t, script, "\nspec ", "\nroute public ", "\nrun ")
	code, text, _ := call(t.Context(), "--seed", "7", "--json")
	var one oneReport
	if err := json.Unmarshal([]byte(text), &one); code != exitOK || err != nil || one.Plan.Seed != 7 || len(one.Trace) < 5 || one.Violation != nil {
		t.Errorf("exit code %d, %v: %+v", code, err, one)
	}
}

// TestMutant finds one out, and plays the plan that it has stored again.
func TestMutant(t *testing.T) {
	mutants := sim.Mutants()
	i := slices.IndexFunc(mutants, func(m sim.Mutant) bool {
		_, _, _, ok := sim.Caught(t.Context(), m, 0, 20)
		return ok
	})
	if i < 0 {
		t.Fatal("no mutant is found out by twenty seeds")
	}
	m, dir := mutants[i], t.TempDir()
	code, out, _ := call(t.Context(), "--mutant", m.Name, "--scripts", dir)
	if code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	wants(t, out, "1 of 1 mutants were found out", m.Broken, "the least that does, found in ", "again:   watari-sim --plan "+dir)
	plans, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(plans) != 1 {
		t.Fatalf("%v, %v", plans, err)
	}
	code, again, _ := call(t.Context(), "--mutant", m.Name, "--plan", plans[0], "--scripts", dir)
	if code != exitBroken {
		t.Errorf("exit code %d of what was stored:\n%s", code, again)
	}
	wants(t, again, "VIOLATION")
	if code, whole, _ := call(t.Context(), "--plan", plans[0]); code != exitOK {
		t.Errorf("exit code %d of what was stored, of a watari that is whole:\n%s", code, whole)
	}
	script, err := os.ReadFile(strings.TrimSuffix(plans[0], ".json") + ".txt")
	if err != nil || !strings.HasPrefix(string(script), "# Seed ") || !strings.Contains(string(script), " broke ") {
		t.Errorf("%v:\n%s", err, script)
	}
}

func TestMutantsThatAreNotFoundOut(t *testing.T) {
	code, out, _ := call(t.Context(), "--mutant", "all", "--seeds", "1")
	if code != exitBroken {
		t.Errorf("one seed finds all of them out:\n%s", out)
	}
	wants(t, out, "NOT in      1 seed", "mutants were found out")
	code, out, _ = call(t.Context(), "--mutant", "all", "--seeds", "1", "--json")
	var all []catch
	if err := json.Unmarshal([]byte(out), &all); code != exitBroken || err != nil || len(all) != len(sim.Mutants()) || all[0].Mutant != sim.Mutants()[0].Name {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
}

func TestDemandedCoverage(t *testing.T) {
	code, out, _ := call(t.Context(), "--seeds", "5", "--demand-coverage")
	if code != exitBroken {
		t.Errorf("exit code %d: five seeds met everything", code)
	}
	wants(t, out, "Never met, and could have been:", "0!")
}

// TestInterrupted: what is known by then is printed, and that is all.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	for _, args := range [][]string{{"--for", "2h"}, {"--mutant", "all"}} {
		code, out, _ := call(ctx, args...)
		wants(t, out, "Ended before its time")
		if want := map[string]int{"--for": exitOK, "--mutant": exitBroken}[args[0]]; code != want {
			t.Errorf("%v: exit code %d", args, code)
		}
	}
}

func TestTimeIsUp(t *testing.T) {
	code, out, _ := call(t.Context(), "--for", "200ms", "--json", "--check-twice", "0")
	var r struct{ Seeds int }
	if err := json.Unmarshal([]byte(out), &r); code != exitOK || err != nil || r.Seeds == 0 {
		t.Errorf("exit code %d, %v:\n%s", code, err, out)
	}
}

func TestMistakes(t *testing.T) {
	stored := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(stored, []byte(`{"seed": 1, "sed": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(t.TempDir(), "bare.json")
	if err := os.WriteFile(bare, []byte(`{"seed": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, "takes flags only"},
		{[]string{"--sed", "4"}, "unknown flag: --sed"},
		{[]string{"--seeds", "0"}, "at least 1"},
		{[]string{"--seeds", "-4"}, "--seeds"},
		{[]string{"--jobs", "-1"}, "--jobs -1"},
		{[]string{"--most", "0"}, "--most 0"},
		{[]string{"--for", "-1s"}, "--for -1s"},
		{[]string{"--seed", "1", "--seeds", "2"}, "--seed and --seeds do not go together"},
		{[]string{"--seed", "1", "--plan", stored}, "--seed and --plan do not go together"},
		{[]string{"--seed", "1", "--script", "--json"}, "--script and --json"},
		{[]string{"--script"}, "--seed or --plan"},
		{[]string{"--mutant", "nobody"}, `no mutant "nobody"; there are:`},
		{[]string{"--mutant", "all", "--seed", "1"}, "name one mutant"},
		{[]string{"--mutant", "all", "--coverage"}, "--mutant and --coverage"},
		{[]string{"--plan", stored}, `unknown field "sed"`},
		{[]string{"--plan", bare}, "needs one lever for each route"},
		{[]string{"--plan", stored + "x"}, "no such file"},
	} {
		code, out, errs := call(t.Context(), c.args...)
		if code != exitUsage || out != "" || !strings.Contains(errs, c.want) || !strings.Contains(errs, "watari-sim --help") {
			t.Errorf("%v: exit code %d, printed %q and %q, want %q", c.args, code, out, errs, c.want)
		}
	}
}

func TestHelp(t *testing.T) {
	code, out, _ := call(t.Context(), "--help")
	if code != exitOK {
		t.Errorf("exit code %d", code)
	}
	wants(t, out, "Exit codes:", "--demand-coverage", "watari-sim --for 2h")
	for line := range strings.Lines(out) {
		if n := len([]rune(line)); n > 132 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
