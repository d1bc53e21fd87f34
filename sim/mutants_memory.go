package sim

import (
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// mutantsOfMemory forget something, or remember it wrongly.
func mutantsOfMemory() []Mutant {
	return []Mutant{
		{
			Name: "late writes forgotten", Broken: "That a write whose reply was lost may still arrive is forgotten.",
			Breaks: []string{"an end is true"},
			Step: remembering(func(_ engine.Status, after *engine.Status, _ time.Time) {
				for i := range after.Routes {
					after.Routes[i].LateUntil = time.Time{}
				}
			}),
		},
		{
			Name: "writes under way forgotten", Broken: "A process that begins does not know what the one before it was writing.",
			Breaks: []string{"nobody is accused wrongly", "killed anywhere, the same end", "an end is true"},
			Step: recalling(func(_ engine.Spec, status *engine.Status, _ time.Time) {
				for i := range status.Routes {
					if status.LastTurn.IsZero() {
						status.Routes[i].Want = nil
					}
				}
			}),
		},
		{
			Name: "orders obeyed again", Broken: "Which orders were obeyed is not remembered, so one that is still there after a restart is obeyed once more.",
			Breaks: []string{"an order is obeyed once"},
			Step:   remembering(func(before engine.Status, after *engine.Status, _ time.Time) { after.Answers = fresh(before, *after) }),
		},
		{
			Name: "held by the clock on the wall", Broken: "Time in which no process watched counts as holding.",
			Breaks: []string{"held and watched"},
			Step: recalling(func(_ engine.Spec, status *engine.Status, now time.Time) {
				if status.Phase == engine.Holding || status.Phase == engine.Soaking {
					status.Held = max(status.Held, now.Sub(status.Reached))
				}
			}),
		},
		{
			Name: "restart counts as a turn", Broken: "The first turn of a process adds an interval to the hold.",
			Peer:   "Flagger (a restart ticks at once and so shortens the soak)",
			Breaks: []string{"held and watched"},
			Step: recalling(func(spec engine.Spec, status *engine.Status, now time.Time) {
				if status.LastTurn.IsZero() && !status.Reached.IsZero() {
					status.LastTurn = now.Add(-spec.Gate.Interval)
				}
			}),
		},
		{
			Name: "blind time is held", Broken: "Time in which nobody could see the target counts as holding.",
			Breaks: []string{"held and watched"},
			Step:   recalling(func(_ engine.Spec, status *engine.Status, _ time.Time) { status.Verdict = engine.Verdict{} }),
		},
		{
			Name: "hold goes on from step to step", Broken: "What was held of a step counts for the next one.",
			Breaks: []string{"held and watched"},
			Step: remembering(func(before engine.Status, after *engine.Status, _ time.Time) {
				if after.Holds > before.Holds {
					after.Held = before.Held
				}
			}),
		},
		{
			Name: "approved once, approved for ever", Broken: "The approval of one step counts for the next one.",
			Breaks: []string{"no step without its approval"},
			Step: remembering(func(before engine.Status, after *engine.Status, _ time.Time) {
				after.Approved = after.Approved || before.Approved
			}),
		},
		{
			Name: "tries not counted", Broken: "A rise that is refused is tried again for ever, also where that does not help.",
			Breaks: []string{"bounded retries"},
			Step:   triesForEver,
		},
		{
			Name: "no back-off", Broken: "What was refused is asked again at once, without a pause.",
			Breaks: []string{"a pause between tries"},
			Step: remembering(func(_ engine.Status, after *engine.Status, _ time.Time) {
				for i := range after.Routes {
					if w := after.Routes[i].Want; w != nil {
						w.NextTry = time.Time{}
					}
				}
			}),
		},
		{
			Name: "somebody else's change is adopted", Broken: "What is read becomes what was written, whoever made it so.",
			Breaks: []string{"the intruder is named", "intruders are not overwritten upwards", "never above the step", "an end is true"},
			Step:   adopting,
		},
	}
}

// recalling is an engine that begins with another status. What change is given may
// be changed, apart from what lies behind pointers.
func recalling(change func(engine.Spec, *engine.Status, time.Time)) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		status.Routes = slices.Clone(status.Routes)
		change(spec, &status, now)
		return engine.Step(spec, status, seen, now)
	}
}

// remembering is an engine that ends with another status.
func remembering(change func(before engine.Status, after *engine.Status, now time.Time)) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		after, intents := engine.Step(spec, status, seen, now)
		change(status, &after, now)
		return after, intents
	}
}

// triesForEver is an engine that begins to count anew each time, and for which
// being denied is like being refused.
func triesForEver(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
	refused := routesAs(func(_ engine.Status, r *engine.RouteSeen, _ string, _ time.Time) {
		if r.Result != nil && r.Result.Outcome == engine.Denied {
			result := *r.Result
			result.Outcome = engine.Refused
			r.Result = &result
		}
		r.Fatal = false
	})
	after, intents := refused(spec, status, seen, now)
	for i := range after.Routes {
		if w := after.Routes[i].Want; w != nil {
			w.Tries = 0
		}
	}
	return after, intents
}

// adopting is an engine for which a settled route is what it shows.
func adopting(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
	status.Routes = slices.Clone(status.Routes)
	for i := range status.Routes {
		r := &status.Routes[i]
		found, known := seen.Routes[r.Name].Found.Get()
		if known && found.Low == found.High && r.Want == nil && r.Written != nil && r.Written.Settled && found.High > traffic.None {
			adopted := *r.Written
			adopted.Share = found.High
			r.Written = &adopted
		}
	}
	return engine.Step(spec, status, seen, now)
}
