package scenario

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"watari.dev/lab/kube"
)

// buildWatari compiles the command that the demo runs as a user would.
func buildWatari(t *testing.T) string {
	t.Helper()
	if os.Getenv("WATARI_LAB_TESTS") == "" {
		t.Skip("needs the lab's clusters: run with WATARI_LAB_TESTS=1, as make test does")
	}
	path := filepath.Join(t.TempDir(), "watari")
	build := exec.Command("go", "build", "-o", path, "watari.dev/cmd/watari")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := kube.Build(t.Context(), kube.Options{Progress: func(p kube.Progress) { t.Log(p) }}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDemo plays the main job as "make demo" does.
func TestDemo(t *testing.T) {
	play(t, Options{Seed: 7})
}

// TestDemoKilled kills "watari run" with kill -9 at random moments of both
// attempts; whoever starts it again sees the same end.
func TestDemoKilled(t *testing.T) {
	sum := play(t, Options{Seed: 11, Kills: 10})
	if n := sum.Bad.Kills + sum.Good.Kills; n < 10 {
		t.Errorf("watari run was killed %d times only; the scenario ended before the tenth", n)
	}
}

// TestDemoChaos plays both attempts under the faults of a seed that has a node
// that dies in the bad attempt, and a process that is stopped in the good one
// between its decision and the write.
func TestDemoChaos(t *testing.T) {
	sum := play(t, Options{Seed: 13, Chaos: 49})
	if sum.Chaos == nil || len(sum.Good.Slept) != 1 {
		t.Fatalf("nothing slept: %+v", sum.Good.Slept)
	}
	if came, hits, survived := sum.chaosTotals(); came < 10 || hits < 10 || survived != came {
		t.Errorf("%d faults came, hit %d times, and %d were survived", came, hits, survived)
	}
}

// TestMetricsLost loses the metrics for 90 seconds in every way there is, in the
// middle of a step.
func TestMetricsLost(t *testing.T) {
	play(t, Options{Name: MetricsLost, Seed: 3})
}

// TestSharedOutage breaks the database behind both sides for five minutes in the
// middle of a step.
func TestSharedOutage(t *testing.T) {
	play(t, Options{Name: SharedOutage, Seed: 5})
}

func play(t *testing.T, o Options) Summary {
	t.Helper()
	o.Watari = buildWatari(t)
	o.LabDir = filepath.Join(t.TempDir(), "lab")
	var out strings.Builder
	o.Out = &out
	sum, err := Run(t.Context(), o)
	t.Log(out.String())
	if err != nil {
		t.Errorf("%v\na request was sent %s late at worst; the first failures: %+v", err, sum.Users.MaxLag, sum.Users.Samples)
	}
	return sum
}
