package engine_test

import (
	"strings"
	"testing"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// TestWhatWasRestoredStaysAnEnd: an order to take back changes nothing once the
// target's records are the only ones, and says so; it is obeyed where the source
// kept everything, and the attempt after that one remembers nothing of it.
func TestWhatWasRestoredStaysAnEnd(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	spec := engine.Spec{Name: "shop", Routes: []engine.RouteSpec{{Name: "partners"}}, Steps: []engine.StepSpec{{Share: traffic.All}}}
	for _, c := range []struct {
		phase engine.Phase
		keep  traffic.Side
		verb  engine.Verb
		want  engine.Phase
		says  string
	}{
		{engine.Complete, traffic.Target, engine.TakeBack, engine.Complete, "refused: partners has simple records since ana@ops1 restored it"},
		{engine.Complete, traffic.NoSide, engine.TakeBack, engine.RollingBack, ""},
		{engine.RolledBack, traffic.Source, engine.TakeBack, engine.RollingBack, ""},
		{engine.RolledBack, traffic.Source, engine.Retry, engine.Pending, ""},
	} {
		r := engine.RouteStatus{Name: "partners"}
		if c.keep != traffic.NoSide {
			r.Restored = &engine.Restored{Keep: c.keep, By: "ana@ops1", At: now, Done: true}
		}
		before := engine.Status{Phase: c.phase, Attempt: 1, Situation: 1, Routes: []engine.RouteStatus{r}}
		after, intents := engine.Step(spec, before, engine.Observation{Commands: []engine.Command{before.Bound(engine.Command{ID: "1", Verb: c.verb, By: "bob@ops2", At: now})}}, now)
		said, writes := "", 0
		for _, in := range intents {
			switch in := in.(type) {
			case engine.Note:
				said += in.Text + "\n"
			case engine.Write:
				writes++
			}
		}
		if after.Phase != c.want || !strings.Contains(said, c.says) {
			t.Errorf("%s after a restore on the %s, %s: it is %s, said\n%s", c.phase, c.keep, c.verb, after.Phase, said)
		}
		if c.want == engine.Complete && writes > 0 {
			t.Errorf("%d writes, and nothing can be taken back", writes)
		}
		if c.verb == engine.Retry && after.Routes[0].Restored != nil {
			t.Errorf("the new attempt remembers %+v", after.Routes[0].Restored)
		}
	}
}
