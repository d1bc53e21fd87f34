package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// searched is how many seeds are tried for a mutant that its plan does not find out
// any more; watari-sim tries more.
const searched = 6000

// TestMutantsAreCaught plays for each mutant the plan that found it out when it was
// written, cut to what is needed. Where that finds out nothing any more, because the
// world or the product has become another one, it searches.
func TestMutantsAreCaught(t *testing.T) {
	for _, m := range Mutants() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			var s Simulator
			defer s.Close()
			if plan, has := planAgainst(t, m); has && s.catches(t.Context(), plan, m) != nil {
				return
			}
			seed, broken, tried, ok := Caught(t.Context(), m, 0, searched)
			if !ok {
				t.Fatalf("nothing finds it out in %d seeds: %s", tried, m.Broken)
			}
			t.Logf("seed %d finds it out, %v; go test ./sim -run MutantsAreCaught -update keeps its plan", seed, broken)
			if *update {
				keepPlan(t, &s, m, seed)
			}
		})
	}
}

func planFile(m Mutant) string {
	return filepath.Join("testdata", "mutants", strings.NewReplacer(" ", "-", "'", "", ",", "").Replace(m.Name)+".json")
}

// planAgainst reads the plan that found a mutant out; false if there is none yet.
func planAgainst(t *testing.T, m Mutant) (plan Plan, has bool) {
	t.Helper()
	text, err := os.ReadFile(planFile(m))
	if errors.Is(err, fs.ErrNotExist) {
		return plan, false
	}
	if err == nil {
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(&plan)
	}
	if err != nil {
		t.Fatalf("read %s: %v", planFile(m), err)
	}
	return plan, true
}

// keepPlan writes the least plan that finds a mutant out.
func keepPlan(t *testing.T, s *Simulator, m Mutant, seed uint64) {
	t.Helper()
	plan, _, _ := Shrink(t.Context(), s, Draw(seed), Options{Mutant: &m})
	if s.catches(t.Context(), plan, m) == nil { // what is left of it breaks the unbroken product as well
		plan = Draw(seed)
	}
	text, err := json.MarshalIndent(plan, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(planFile(m)), 0o755)
	}
	if err == nil {
		err = os.WriteFile(planFile(m), append(text, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlansAreOfMutants finds plans whose mutant has another name now.
func TestPlansAreOfMutants(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "mutants", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no plans in testdata/mutants: %v", err)
	}
	of := map[string]bool{}
	for _, m := range Mutants() {
		of[planFile(m)] = true
	}
	for _, file := range files {
		if !of[file] {
			t.Errorf("%s is of no mutant", file)
		}
	}
}

func TestMutantsSayWhatIsBroken(t *testing.T) {
	all := Mutants()
	names := map[string]bool{}
	for _, m := range all {
		if m.Name == "" || names[m.Name] {
			t.Errorf("mutant %q: a name is used once", m.Name)
		}
		names[m.Name] = true
		if !strings.HasSuffix(m.Broken, ".") || len(m.Breaks) == 0 {
			t.Errorf("mutant %q does not say what is broken (%q), or which invariants it breaks", m.Name, m.Broken)
		}
		hooks := 0
		for _, is := range []bool{m.Step != nil, m.Driver != nil, m.Config != nil, m.Disk != nil, m.Journal != nil} {
			if is {
				hooks++
			}
		}
		if hooks != 1 {
			t.Errorf("mutant %q breaks %d parts; one tells what finds it out", m.Name, hooks)
		}
	}
}

func TestMutantNamed(t *testing.T) {
	m, err := MutantNamed("late writes forgotten")
	if err != nil || !slices.Contains(m.Breaks, "an end is true") {
		t.Errorf("MutantNamed returned %+v, %v", m, err)
	}
	if _, err := MutantNamed("late"); err == nil || !strings.Contains(err.Error(), "late writes forgotten") {
		t.Errorf("a name that is not there gave %v, it should list those that are", err)
	}
}

func TestCaughtIsForTheRightReason(t *testing.T) {
	m, err := MutantNamed("takes back a turn later")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, ok := Caught(t.Context(), m, 0, 60); !ok {
		t.Fatal("60 seeds do not find it out")
	}
	m.Breaks = []string{"fencing"}
	if seed, broken, _, ok := Caught(t.Context(), m, 0, 60); ok {
		t.Errorf("seed %d finds it out for another reason: %v", seed, broken)
	}
}
