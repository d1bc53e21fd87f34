package sim

import (
	"maps"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/traffic"
)

// mutantsOfReading take what was seen for something else.
func mutantsOfReading() []Mutant {
	return []Mutant{
		{
			Name: "lost is written", Broken: "A write whose reply was lost is taken for done.",
			Breaks: []string{"an end is true", "an end is settled"},
			Step:   routesAs(lostIs(engine.Accepted)),
		},
		{
			Name: "lost is refused", Broken: "A write whose reply was lost is taken for not done, so its late effect is somebody else's.",
			Breaks: []string{"nobody is accused wrongly", "an end is true", "killed anywhere, the same end"},
			Step:   routesAs(lostIs(engine.Refused)),
		},
		{
			Name: "failed read is the last one", Broken: "Where a read fails, what was read before it counts.",
			Breaks: []string{"no rise on the unknown", "an end is read back", "an end is true"},
			Step:   routesAs(lastInsteadOf(traffic.Failed)),
		},
		{
			Name: "no read is the last one", Broken: "Where nothing was read in this turn, what was read before it counts.",
			Breaks: []string{"no rise on the unknown", "an end is read back", "an end is true"},
			Step:   routesAs(lastInsteadOf(traffic.Unknown)),
		},
		{
			Name: "unread is unsettled", Broken: "A route that this machine's clock or credentials keep from being read counts as one that does not settle.",
			Breaks: []string{"killed anywhere, the same end"},
			Step:   routesAs(func(_ engine.Status, r *engine.RouteSeen, _ string, _ time.Time) { r.Local = false }),
		},
		{
			Name: "age of a read ignored", Broken: "A reading counts as one of this turn, however long ago it was made.",
			Breaks: []string{"no rise on the unknown", "an end is read back"},
			Step: routesAs(func(_ engine.Status, r *engine.RouteSeen, _ string, now time.Time) {
				if r.Found.State == traffic.Known {
					r.Found.At = now
				}
			}),
		},
		{
			Name: "written is believed", Broken: "What was written and has settled is not compared with what is read.",
			Peer:   "ACK#2907, terraform-aws-alb#409",
			Breaks: []string{"an end is true", "intruders are not overwritten upwards", "the intruder is named"},
			Step:   routesAs(believeWritten),
		},
		{
			Name: "no data is zero", Broken: "A side without data counts as one without requests.",
			Breaks: []string{"no rise on the unknown", "held and watched"},
			Step:   counting(func(r *traffic.Reading[traffic.Counts]) { zeroInsteadOf(traffic.Unknown, r) }),
		},
		{
			Name: "unreachable is zero", Broken: "A source of data that cannot be reached counts as one that saw no requests.",
			Breaks: []string{"no rise on the unknown", "held and watched"},
			Step:   counting(func(r *traffic.Reading[traffic.Counts]) { zeroInsteadOf(traffic.Failed, r) }),
		},
		{
			Name: "no data is failure", Broken: "A target without data counts as one that fails every request.",
			Peer:   "argo-rollouts#1466, argo-rollouts#1905, flagger#1353",
			Breaks: []string{"a good target is not accused"},
			Step:   countingTarget(func(r traffic.Reading[traffic.Counts]) bool { return r.State != traffic.Known }, 1),
		},
		{
			Name: "no requests is failure", Broken: "A target without requests, whose error ratio is NaN, counts as one that fails.",
			Peer:   "argo-rollouts#1466, flagger#1353",
			Breaks: []string{"a good target is not accused"},
			Step:   countingTarget(idle, 1),
		},
		{
			Name: "no requests is success", Broken: "A target without requests, whose error ratio is NaN, counts as one that does well.",
			Peer:   "argo-rollouts (NaN meets a failure condition)",
			Breaks: []string{"a step is left on evidence"},
			Step:   countingTarget(idle, 0),
		},
		{
			Name: "sides swapped", Broken: "The source's counts are the target's, and the other way round.",
			Breaks: []string{"a bad target is found", "a good target is not accused", "a step is left on evidence", "liveness"},
			Step: observing(func(_ engine.Status, seen *engine.Observation, _ time.Time) {
				for i := range seen.Counts {
					in := &seen.Counts[i]
					in.Source, in.Target = in.Target, in.Source
				}
			}),
		},
	}
}

// step is the signature of engine.Step.
type step = func(engine.Spec, engine.Status, engine.Observation, time.Time) (engine.Status, []engine.Intent)

// observing is an engine that sees something else.
func observing(change func(engine.Status, *engine.Observation, time.Time)) step {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		seen.Routes, seen.Counts, seen.Commands = maps.Clone(seen.Routes), slices.Clone(seen.Counts), slices.Clone(seen.Commands)
		change(status, &seen, now)
		return engine.Step(spec, status, seen, now)
	}
}

// routesAs is an engine that sees something else of routes.
func routesAs(change func(status engine.Status, r *engine.RouteSeen, name string, now time.Time)) step {
	return observing(func(status engine.Status, seen *engine.Observation, now time.Time) {
		for _, r := range status.Routes {
			route := seen.Routes[r.Name]
			change(status, &route, r.Name, now)
			seen.Routes[r.Name] = route
		}
	})
}

func counting(change func(*traffic.Reading[traffic.Counts])) step {
	return observing(func(_ engine.Status, seen *engine.Observation, _ time.Time) {
		for i := range seen.Counts {
			change(&seen.Counts[i].Source)
			change(&seen.Counts[i].Target)
		}
	})
}

// countingTarget puts requests in the place of some readings of a target that has
// a share; part of them fail, 0..1.
func countingTarget(instead func(traffic.Reading[traffic.Counts]) bool, part int64) step {
	const requests = 100
	return observing(func(status engine.Status, seen *engine.Observation, _ time.Time) {
		for i := range seen.Counts {
			if in := &seen.Counts[i]; status.Share() > traffic.None && instead(in.Target) {
				in.Target = traffic.KnownAt(traffic.Counts{Requests: requests, Errors: part * requests}, in.To)
			}
		}
	})
}

func idle(r traffic.Reading[traffic.Counts]) bool {
	return r.State == traffic.Known && r.Value.Requests == 0
}

func zeroInsteadOf(state traffic.State, r *traffic.Reading[traffic.Counts]) {
	if r.State == state {
		*r = traffic.Reading[traffic.Counts]{State: traffic.Known, At: r.At}
	}
}

func statusOf(status engine.Status, name string) engine.RouteStatus {
	i := slices.IndexFunc(status.Routes, func(r engine.RouteStatus) bool { return r.Name == name })
	return status.Routes[i]
}

func lostIs(outcome engine.Outcome) func(engine.Status, *engine.RouteSeen, string, time.Time) {
	return func(status engine.Status, r *engine.RouteSeen, name string, _ time.Time) {
		want := statusOf(status, name).Want
		if r.Result == nil || r.Result.Outcome != engine.Lost || want == nil {
			return
		}
		result := *r.Result
		result.Outcome, result.Share = outcome, want.Share
		r.Result = &result
	}
}

func lastInsteadOf(state traffic.State) func(engine.Status, *engine.RouteSeen, string, time.Time) {
	return func(status engine.Status, r *engine.RouteSeen, name string, now time.Time) {
		if last := statusOf(status, name).Seen; last != nil && r.Found.State == state {
			r.Found = traffic.KnownAt(*last, now)
		}
	}
}

func believeWritten(status engine.Status, r *engine.RouteSeen, name string, _ time.Time) {
	was := statusOf(status, name)
	if r.Found.State == traffic.Known && was.Want == nil && was.Written != nil && was.Written.Settled {
		r.Found.Value.Low, r.Found.Value.High = was.Written.Share, was.Written.Share
	}
}
