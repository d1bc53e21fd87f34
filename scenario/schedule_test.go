package scenario

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"watari.dev/api/v1alpha1"
	"watari.dev/engine"
	"watari.dev/lab/fault"
	"watari.dev/traffic"
)

// published are the seeds of "make chaos".
var published = []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}

func TestTheSameSeedDrawsTheSameSchedule(t *testing.T) {
	seen := map[string]uint64{}
	for _, seed := range published {
		text := draw(seed).text()
		if again := draw(seed).text(); again != text {
			t.Errorf("seed %d:\n%s\nand then\n%s", seed, text, again)
		}
		body := strings.Join(draw(seed).lines()[1:], "\n")
		if other, same := seen[body]; same {
			t.Errorf("seeds %d and %d draw the same", seed, other)
		}
		seen[body] = seed
		t.Log(text)
	}
}

// TestNoScheduleAsksTheImpossible holds what is drawn to what is promised of it,
// over many seeds.
func TestNoScheduleAsksTheImpossible(t *testing.T) {
	for seed := range uint64(3000) {
		plan := draw(seed)
		for i, m := range plan.mishaps {
			if why := impossible(m); why != "" {
				t.Fatalf("seed %d, fault %d: %s\n%s", seed, i+1, why, plan.text())
			}
		}
		count := func(attempt int, is func(mishap) bool) (n int) {
			for _, m := range plan.of(attempt) {
				if is(m) {
					n++
				}
			}
			return n
		}
		takesBack := func(m mishap) bool {
			return m.lab.AWS != nil && m.lab.AWS.Action == "ModifyListener" && m.at.phase == written
		}
		if n := count(1, takesBack); n < 1 || n > 2 {
			t.Fatalf("seed %d: taking back is disturbed %d times:\n%s", seed, n, plan.text())
		}
		sleeps := func(m mishap) bool { return m.run.sleeps() }
		if n := count(1, sleeps) + count(2, sleeps); n != 1 {
			t.Fatalf("seed %d: %d processes sleep:\n%s", seed, n, plan.text())
		}
		for what, is := range map[string]func(mishap) bool{
			"watari run is not killed": func(m mishap) bool { return m.run == killed }, "no control plane is hit": mishap.blindsCluster,
		} {
			if count(2, is) == 0 {
				t.Fatalf("seed %d: %s in attempt 2:\n%s", seed, what, plan.text())
			}
		}
	}
}

// impossible says why no tool could survive a mishap where it is drawn, or why it
// makes no sense there.
func impossible(m mishap) string {
	parts := 0
	for _, set := range []bool{m.run != noBlow, m.metrics != "", m.lab != fault.Fault{}} {
		if set {
			parts++
		}
	}
	a := m.lab.AWS
	switch {
	case parts != 1:
		return "it is not one thing"
	case m.lab != fault.Fault{} && m.lab.Check() != nil:
		return m.lab.Check().Error()
	case m.at.attempt == 2 && m.killsPods():
		return "it kills pods in the good attempt"
	case m.at.attempt == 2 && m.blindsCluster() && m.at.share != 500 && m.at.share != traffic.All:
		return "pods are replaced soon after it"
	case m.run.sleeps() && m.lasts <= 15*time.Second:
		return "the process wakes before its lease ends"
	case a == nil:
		return ""
	case a.Times == 0:
		return "it has no end"
	}
	return impossibleCall(m, *a)
}

func impossibleCall(m mishap, a fault.AWS) string {
	write := a.Action == "ModifyListener"
	denied := a.Kind == fault.ExpiredToken || a.Kind == fault.AccessDenied
	rise := write && m.at.phase != written
	i := slices.IndexFunc(demoSteps(), func(s demoStep) bool { return s.share == m.at.share })
	switch {
	case rise && a.Kind == fault.AccessDenied:
		return "a rise that is denied is given up"
	case rise && a.Kind != fault.Throttle && a.Times > 2, a.Kind == fault.Throttle && a.Times > 8:
		return "a rise that fails so often is given up"
	case a.Kind == fault.Late && m.at.attempt == 2 && a.Delay >= 5*time.Second:
		return "the late write finds another share"
	case a.Kind == fault.Late && a.Delay >= 20*time.Second:
		return "nobody waits that long for a write that may be late"
	case !write && denied && m.at.after+a.For > demoSteps()[i].hold:
		return "it reaches into the next rise"
	}
	return ""
}

func TestThePublishedSeedsHaveEverything(t *testing.T) {
	var all []string
	for _, seed := range published {
		for _, m := range draw(seed).mishaps {
			all = append(all, m.kind(), m.kind()+" "+m.side(), string(m.run), string(m.metrics))
		}
	}
	want := []string{
		"watari run killed", string(asleep), string(asleepInWrite), "api-server killed source", "api-server killed target",
		"node killed target", "side cut off target",
	}
	for _, kind := range append(riseKinds(), backKinds()...) {
		want = append(want, "AWS "+string(kind))
	}
	for _, l := range losses {
		want = append(want, string(l.cut))
	}
	for _, w := range want {
		if !slices.Contains(all, w) {
			t.Errorf("no seed of %v has %q", published, w)
		}
	}
	t.Log(slices.Sorted(maps.Keys(countOf(all))))
}

func countOf(all []string) map[string]int {
	n := map[string]int{}
	for _, one := range all {
		n[one]++
	}
	return n
}

func TestAMomentComesOncePhaseAndShareAreRight(t *testing.T) {
	hold := moment{attempt: 2, phase: engine.Holding, share: 2500}
	back := moment{attempt: 1, phase: engine.RollingBack}
	for _, c := range []struct {
		m       moment
		attempt int
		phase   engine.Phase
		share   traffic.Share
		want    bool
	}{
		{hold, 2, engine.Holding, 2500, true}, {hold, 2, engine.Holding, 5000, false}, {hold, 2, engine.Shifting, 2500, false},
		{hold, 1, engine.Holding, 2500, false}, {back, 1, engine.RollingBack, 500, true}, {back, 2, engine.RollingBack, 500, false},
		{moment{attempt: 1, phase: written, share: 500}, 1, written, 500, true},
		{moment{attempt: 1}, 1, "", 0, true}, {moment{attempt: 1}, 1, engine.Shifting, 0, false},
	} {
		if got := c.m.matches(c.attempt, c.phase, c.share); got != c.want {
			t.Errorf("%s at %s %s of attempt %d: %v", c.m, c.phase, c.share, c.attempt, got)
		}
	}
}

func TestTheScheduleKnowsTheStepsOfTheDemo(t *testing.T) {
	values := demoValues()
	values["GATE"] = defaultGate
	text, err := manifest("migration.yaml", values)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := v1alpha1.Parse("migration.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	var steps []demoStep
	for _, s := range doc.Migrations[0].Spec.Steps {
		steps = append(steps, demoStep{traffic.Share(s.Share), s.Hold.Duration})
	}
	if !slices.Equal(steps, demoSteps()) {
		t.Errorf("the demo goes over %v, the schedule over %v", steps, demoSteps())
	}
}
