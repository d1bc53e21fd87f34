package sim

import (
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
)

// mutantsOfOrders obey what they must not, or say something else of it.
func mutantsOfOrders() []Mutant {
	return []Mutant{
		{
			Name: "an approval counts for whichever step waits", Broken: "Which step and which wait an approval was typed for is not looked at.",
			Breaks: []string{"an approval is of what was shown"},
			Step:   rebinding(engine.Approve),
		},
		{
			Name: "an approval counts in advance", Broken: "An approval that comes while the step is still held is remembered until it waits.",
			Breaks: []string{"no step without its approval"},
			Step:   approvedIn(func(s engine.Status) bool { return s.Phase == engine.Holding || s.Phase == engine.Soaking }),
		},
		{
			Name: "an approval counts while it is paused", Broken: "A step that is paused while it waits is approved by what comes meanwhile.",
			Breaks: []string{"no step without its approval"},
			Step: approvedIn(func(s engine.Status) bool {
				return s.Phase == engine.Paused && s.Resume == engine.WaitingForApproval
			}),
		},
		{
			Name: "a resume agrees to whatever is found", Broken: "A resume that was typed for one pause ends another one as well.",
			Breaks: []string{"a resume is of what was shown", "nothing is obeyed in another attempt", "intruders are not overwritten upwards", "drift is dealt with as planned"},
			Step:   rebinding(engine.Resume),
		},
		{
			Name: "a retry typed twice is two attempts", Broken: "A retry of an earlier attempt begins another one.",
			Breaks: []string{"nothing is obeyed in another attempt", "a retry is of what was shown"},
			Step:   rebinding(engine.Retry),
		},
		{
			Name: "what was refused is obeyed in the next attempt", Broken: "A command waits until there is an attempt in which it can be obeyed.",
			Breaks: []string{"nothing is obeyed in another attempt"},
			Step:   rebinding(engine.Pause, engine.Resume, engine.Retry),
		},
		{
			Name: "a rollback runs forwards", Broken: "A rollback from another terminal goes on with whatever it finds when it is done.",
			Breaks: []string{"a rollback never runs forwards"},
			Config: func(_ *process, cfg *runner.Config) { cfg.RollbackOnly = false },
		},
		{
			Name: "a refusal is told as obeyed", Broken: "Whoever gave a command is told that it was obeyed, although it was refused.",
			Breaks: []string{"an approval is of what was shown", "a resume is of what was shown", "a retry is of what was shown", "nothing is obeyed in another attempt"},
			Step: remembering(func(_ engine.Status, after *engine.Status, _ time.Time) {
				after.Answers = slices.Clone(after.Answers)
				for i := range after.Answers {
					after.Answers[i].Obeyed = true
				}
			}),
		},
		{
			Name: "a refusal is not told", Broken: "A command that is refused gets no answer, so it stays and is obeyed when it can be.",
			Breaks: []string{"a command is answered once"},
			Step: remembering(func(before engine.Status, after *engine.Status, _ time.Time) {
				after.Answers = slices.DeleteFunc(slices.Clone(after.Answers), func(a engine.Answer) bool { return !a.Obeyed })
			}),
		},
	}
}

// rebinding is an engine for which commands are about what is there when they come.
func rebinding(verbs ...engine.Verb) step {
	return observing(func(status engine.Status, seen *engine.Observation, _ time.Time) {
		for i, c := range seen.Commands {
			if slices.Contains(verbs, c.Verb) {
				c.Step = 0
				seen.Commands[i] = status.Bound(c)
			}
		}
	})
}

// approvedIn is an engine that remembers an approval that came at the wrong time until
// the step waits.
func approvedIn(when func(engine.Status) bool) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		after, intents := engine.Step(spec, status, seen, now)
		came := slices.ContainsFunc(fresh(status, after), func(a engine.Answer) bool { return a.Verb == engine.Approve })
		if when(status) && (came || status.Approved) && after.Attempt == status.Attempt && after.Step == status.Step {
			after.Approved = true
		}
		return after, intents
	}
}
