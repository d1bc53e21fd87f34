package sim

import (
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// mutantsOfTakingBack fail where it counts: on the way back.
func mutantsOfTakingBack() []Mutant {
	return []Mutant{
		{
			Name: "takes back a turn later", Broken: "The turn that decides to take back writes nothing; the next one does.",
			Breaks: []string{"rollback at once"},
			Step: intending(func(_ engine.Spec, before engine.Status, _ engine.Observation, _ engine.Status, w *engine.Write) bool {
				return !w.Urgent || before.Phase == engine.RollingBack
			}),
		},
		{
			Name: "takes back the first route", Broken: "Only the first route is taken back.",
			Breaks: []string{"rollback at once", "rollback in time", "liveness"},
			Step: intending(func(spec engine.Spec, _ engine.Status, _ engine.Observation, _ engine.Status, w *engine.Write) bool {
				return !w.Urgent || w.Route == spec.Routes[0].Name
			}),
		},
		{
			Name: "takes back one after the other", Broken: "A route is taken back when those before it are back.",
			Breaks: []string{"rollback at once"},
			Step: intending(func(_ engine.Spec, _ engine.Status, _ engine.Observation, after engine.Status, w *engine.Write) bool {
				if !w.Urgent {
					return true
				}
				first := slices.IndexFunc(after.Routes, func(r engine.RouteStatus) bool { return r.Want != nil })
				return after.Routes[first].Name == w.Route
			}),
		},
		{
			Name: "compares while taking back", Broken: "Taking back is refused where somebody else was at the route.",
			Peer:   "argo-rollouts#3779 (stuck in a race with another controller)",
			Breaks: []string{"rollback needs the router alone"},
			Step: intending(func(_ engine.Spec, _ engine.Status, _ engine.Observation, after engine.Status, w *engine.Write) bool {
				if seen := statusOf(after, w.Route).Seen; w.Urgent && seen != nil {
					w.IfVersion = seen.Version
				}
				return true
			}),
		},
		{
			Name: "reads before it takes back", Broken: "A route that cannot be read is not taken back.",
			Breaks: []string{"rollback at once", "rollback in time"},
			Step: intending(func(_ engine.Spec, _ engine.Status, seen engine.Observation, _ engine.Status, w *engine.Write) bool {
				return !w.Urgent || seen.Routes[w.Route].Found.State == traffic.Known
			}),
		},
		{
			Name: "waits for metrics to take back", Broken: "While the metrics are blind nothing is taken back.",
			Breaks: []string{"rollback at once"},
			Step: intending(func(spec engine.Spec, _ engine.Status, _ engine.Observation, after engine.Status, w *engine.Write) bool {
				return !w.Urgent || !spec.Gate.Signals || after.Evidence.Last.Target.State != traffic.Failed
			}),
		},
		{
			Name: "gives up taking back", Broken: "A route that could not be taken back six times is left as it is.",
			Breaks: []string{"rollback in time", "liveness"},
			Step: intending(func(_ engine.Spec, _ engine.Status, _ engine.Observation, after engine.Status, w *engine.Write) bool {
				want := statusOf(after, w.Route).Want
				return !w.Urgent || want.Tries < 6
			}),
		},
		{
			Name: "abort leaves the weight", Broken: "Taking back ends without writing anything.",
			Peer:   "argo-rollouts#4841",
			Breaks: []string{"an end is true", "an end is read back"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				if after.Phase == engine.RollingBack {
					after.Phase, after.Since = engine.RolledBack, now
					intents = nil
				}
				return after, intents
			},
		},
		{
			Name: "begins again after taking back", Broken: "What was taken back is tried again without an operator.",
			Peer:   "the courier of terraform-provider-eksctl (rollback is not terminal)",
			Breaks: []string{"ends stay ends"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				if after.Phase != engine.RolledBack || !status.Phase.TakingBack() {
					return after, intents
				}
				again := after.Bound(engine.Command{ID: "itself-" + now.String(), Verb: engine.Retry, By: "watari", At: now})
				after, more := engine.Step(spec, after, engine.Observation{Commands: []engine.Command{again}}, now)
				return after, append(intents, more...)
			},
		},
		{
			Name: "paused is paused", Broken: "While it is paused an order to take back is not obeyed.",
			Breaks: []string{"taking back is obeyed"},
			Step: observing(func(status engine.Status, seen *engine.Observation, _ time.Time) {
				if status.Phase == engine.Paused {
					seen.Commands = slices.DeleteFunc(seen.Commands, func(c engine.Command) bool { return c.Verb == engine.TakeBack })
				}
			}),
		},
		{
			Name: "pauses taking back", Broken: "An order to pause stops taking back half-way.",
			Breaks: []string{"ends stay ends", "rollback in time"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				pauses := slices.ContainsFunc(seen.Commands, func(c engine.Command) bool { return c.Verb == engine.Pause })
				if pauses && status.Phase == engine.RollingBack && after.Phase == engine.RollingBack {
					after.Phase, after.Resume, after.Since = engine.Paused, engine.RollingBack, now
					intents = slices.DeleteFunc(intents, func(in engine.Intent) bool { _, is := in.(engine.Write); return is })
				}
				return after, intents
			},
		},
	}
}
