package sim

import (
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// mutantsOfDeciding decide what they must not, on the way to the target.
func mutantsOfDeciding() []Mutant {
	return []Mutant{
		{
			Name: "rises without comparing", Broken: "A rise is written over whatever is there by now.",
			Breaks: []string{"a rise is compared"},
			Step: intending(func(_ engine.Spec, _ engine.Status, _ engine.Observation, _ engine.Status, w *engine.Write) bool {
				if !w.Urgent {
					w.IfVersion = ""
				}
				return true
			}),
		},
		{
			Name: "one step ahead", Broken: "The share that is written is that of the next step.",
			Breaks: []string{"never above the step"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				spec.Steps = slices.Clone(spec.Steps)
				for i := range len(spec.Steps) - 1 {
					spec.Steps[i].Share = spec.Steps[i+1].Share
				}
				return engine.Step(spec, status, seen, now)
			},
		},
		{
			Name: "intruder not named", Broken: "That a route was changed is said, and not by whom.",
			Breaks: []string{"the intruder is named"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				for i, in := range intents {
					if n, is := in.(engine.Note); is {
						n.Text = strings.NewReplacer("terraform", "somebody", "external-dns", "somebody").Replace(n.Text)
						intents[i] = n
					}
				}
				return after, intents
			},
		},
		{
			Name: "goes on by itself", Broken: "Ten seconds after it was paused it goes on without an operator.",
			Breaks: []string{"paused until an operator speaks"},
			Step: observing(func(status engine.Status, seen *engine.Observation, now time.Time) {
				if status.Phase == engine.Paused && now.Sub(status.Since) > 10*time.Second {
					seen.Commands = append(seen.Commands, status.Bound(engine.Command{ID: "itself-" + now.String(), Verb: engine.Resume, By: "watari", At: now}))
				}
			}),
		},
		{
			Name: "tries again while paused", Broken: "A rise that was refused is tried again although it is paused.",
			Breaks: []string{"no rise but in Shifting"},
			Step:   triesWhilePaused,
		},
		{
			Name: "one request is enough", Broken: "A step is left as soon as the target has had a request and not failed it.",
			Breaks: []string{"a step is left on evidence"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Gate.MinRequests, spec.Gate.StepRequests = 1, 1
			}),
		},
		{
			Name: "steps are not held", Broken: "A step is left as soon as the target is seen to be healthy.",
			Breaks: []string{"held and watched"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Steps = slices.Clone(spec.Steps)
				for i := range spec.Steps {
					spec.Steps[i].Hold = 0
				}
			}),
		},
		{
			Name: "approvals ignored", Broken: "Nobody is asked before a step is left.",
			Breaks: []string{"no step without its approval"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Steps = slices.Clone(spec.Steps)
				for i := range spec.Steps {
					spec.Steps[i].Approval = false
				}
			}),
		},
		{
			Name: "an outage of the metrics takes back", Broken: "Not knowing takes everything back, although the plan says to hold.",
			Peer:   "Argo Rollouts (consecutiveErrorLimit), Flagger (provider errors are failed)",
			Breaks: []string{"killed anywhere, the same end", "not knowing is dealt with as planned"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Rollback.OnUnknown, spec.Rollback.Kinds, spec.Rollback.UnknownAfter = engine.UnknownRollsBack, nil, 3*time.Second
			}),
		},
		{
			Name: "limit of errors ignored", Broken: "A target that fails is compared with nothing and held to no limit.",
			Breaks: []string{"a bad target is found"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Gate.MaxErrorRatio, spec.Gate.Analysis = 1, nil
			}),
		},
		{
			Name: "holds for ever", Broken: "Not knowing holds, although the plan says to take back.",
			Breaks: []string{"not knowing is dealt with as planned"},
			Step: wanting(func(spec *engine.Spec) {
				spec.Rollback.OnUnknown, spec.Rollback.Kinds = engine.UnknownHolds, nil
			}),
		},
		{
			Name: "deadline forgotten", Broken: "It goes on although the deadline of the plan has passed.",
			Breaks: []string{"the deadline is the plan's"},
			Step:   wanting(func(spec *engine.Spec) { spec.Deadline = 0 }),
		},
		{
			Name: "deadline comes early", Broken: "It gives up when half of the plan's deadline has passed.",
			Breaks: []string{"the deadline is the plan's"},
			Step:   wanting(func(spec *engine.Spec) { spec.Deadline /= 2 }),
		},
		{
			Name: "writes over whoever it is", Broken: "What somebody else has raised is written back, although the plan says to hold.",
			Breaks: []string{"drift is dealt with as planned"},
			Step:   wanting(func(spec *engine.Spec) { spec.OnDrift = engine.DriftReasserts }),
		},
		{
			Name: "takes back where an operator should", Broken: "It takes back by itself although the plan leaves that to an operator.",
			Breaks: []string{"manual means an operator"},
			Step:   wanting(func(spec *engine.Spec) { spec.Rollback.Manual = false }),
		},
		{
			Name: "complete when written", Broken: "Everything is said to be complete as soon as the last step is reached.",
			Breaks: []string{"held and watched"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				if after.Phase == engine.Soaking {
					after.Phase, after.Since = engine.Complete, now
					intents = slices.DeleteFunc(intents, func(in engine.Intent) bool { _, is := in.(engine.Wake); return is })
				}
				return after, intents
			},
		},
	}
}

// wanting is an engine with another wish.
func wanting(change func(*engine.Spec)) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		change(&spec)
		return engine.Step(spec, status, seen, now)
	}
}

// intending is an engine of whose writes only those are left that keep says yes
// to; it may change them. A write that is not made is not waited for: the next turn
// is a second later.
func intending(keep func(spec engine.Spec, before engine.Status, seen engine.Observation, after engine.Status, w *engine.Write) bool) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		after, intents := engine.Step(spec, status, seen, now)
		out, left := intents[:0], false
		for _, in := range intents {
			switch w := in.(type) {
			case engine.Write:
				if !keep(spec, status, seen, after, &w) {
					left = true
					continue
				}
				in = w
			case engine.Wake:
				if earliest := now.Add(time.Second); left && w.At.Before(earliest) {
					w.At = earliest
					in = w
				}
			}
			out = append(out, in)
		}
		return after, out
	}
}

func triesWhilePaused(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
	after, intents := engine.Step(spec, status, seen, now)
	if after.Phase != engine.Paused || status.Phase != engine.Paused {
		return after, intents
	}
	for i := range after.Routes {
		r := &after.Routes[i]
		if r.Want == nil || r.Want.Share == traffic.None || r.Want.Open || r.Want.NextTry.After(now) || r.Seen == nil {
			continue
		}
		r.Want.Open = true
		intents = append(intents, engine.Write{ID: r.Want.ID, Route: r.Name, Share: r.Want.Share, IfVersion: r.Seen.Version})
	}
	return after, intents
}
