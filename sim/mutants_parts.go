package sim

import (
	"context"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// mutantsOfParts deal wrongly with a part of what is moved that cannot be moved.
func mutantsOfParts() []Mutant {
	return []Mutant{
		{
			Name: "one bad name stops the batch", Broken: "A name that cannot be written keeps all others of its route from being taken back.",
			Breaks: []string{"one bad part stops no other"},
			Driver: func(p *process, d router.Driver) router.Driver { return &strict{d, p} },
		},
		{
			Name: "partial is rolled back", Broken: "Everything that can be written is at 0, and that is called rolled back.",
			Breaks: []string{"an end is true", "an end is read back"},
			Step: stepping(func(_ engine.Status, _ engine.Observation, after *engine.Status, intents []engine.Intent) []engine.Intent {
				if after.Phase != engine.Partial {
					return intents
				}
				after.Phase = engine.RolledBack
				return slices.DeleteFunc(intents, isWake)
			}),
		},
		{
			Name: "a gone route ends the watch", Broken: "A process that finds a route gone ends, whatever the other routes send to the target.",
			Breaks: []string{"nobody stops watching"},
			Step: stepping(func(_ engine.Status, seen engine.Observation, _ *engine.Status, intents []engine.Intent) []engine.Intent {
				if seesGone(seen) {
					return slices.DeleteFunc(intents, isWake)
				}
				return intents
			}),
		},
		{
			Name: "waits for a gone route", Broken: "While a route is gone nothing is asked of the others either.",
			Breaks: []string{"one bad part stops no other", "rollback at once"},
			Step: stepping(func(before engine.Status, seen engine.Observation, after *engine.Status, intents []engine.Intent) []engine.Intent {
				if !seesGone(seen) && !slices.ContainsFunc(before.Routes, func(r engine.RouteStatus) bool { return r.Gone }) {
					return intents
				}
				return slices.DeleteFunc(intents, func(in engine.Intent) bool { _, is := in.(engine.Write); return is })
			}),
		},
		{
			Name: "what is left is forgotten", Broken: "What cannot be written is tried once, and not again.",
			Breaks: []string{"rollback in time", "liveness"},
			Step: stepping(func(_ engine.Status, _ engine.Observation, after *engine.Status, intents []engine.Intent) []engine.Intent {
				if after.Phase == engine.Partial {
					for i := range after.Routes {
						if r := &after.Routes[i]; r.Again.Tries > 0 {
							r.Again = engine.Again{Tries: 7, Next: after.LastTurn.Add(15 * time.Second)}
						}
					}
				}
				return intents
			}),
		},
		{
			Name: "what is gone is left out unasked", Broken: "A part that is gone is left out of a rollback, and nobody has said so.",
			Breaks: []string{"nothing is left out unasked", "an end is true", "an end is read back"},
			Step: func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
				after, intents := engine.Step(spec, status, seen, now)
				for _, r := range after.Routes {
					if after.Phase.TakingBack() && len(r.Broken) > 0 && len(after.Without) == 0 {
						after.Without = []engine.Waiver{{Name: r.Name, By: "nobody"}}
					}
				}
				return after, intents
			},
		},
		{
			Name: "nobody says what is left", Broken: "That something is left is said, and not what.",
			Breaks: []string{"what is left is named"},
			Step: stepping(func(_ engine.Status, _ engine.Observation, after *engine.Status, intents []engine.Intent) []engine.Intent {
				if after.Phase == engine.Partial {
					after.Reason = "not everything is taken back"
				}
				return intents
			}),
		},
	}
}

// stepping is the engine with its decisions changed.
func stepping(change func(before engine.Status, seen engine.Observation, after *engine.Status, intents []engine.Intent) []engine.Intent) func(engine.Spec, engine.Status, engine.Observation, time.Time) (engine.Status, []engine.Intent) {
	return func(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
		after, intents := engine.Step(spec, status, seen, now)
		intents = change(status, seen, &after, intents)
		return after, intents
	}
}

func isWake(in engine.Intent) bool {
	_, is := in.(engine.Wake)
	return is
}

func seesGone(seen engine.Observation) bool {
	for _, r := range seen.Routes {
		if r.Found.State == traffic.Failed && len(r.Broken) > 0 {
			return true
		}
	}
	return false
}

// strict refuses a write as a whole while one name cannot be written.
type strict struct {
	router.Driver
	process *process
}

func (d *strict) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	for _, l := range d.process.levers {
		if bad, is := l.badName(); is && l.ref.Name == c.Route.Name {
			return router.Receipt{}, &router.Error{Op: "sim: set weights", On: l.ref.Names[bad], Kind: router.ErrNotFound, Effect: router.EffectNothing}
		}
	}
	return d.Driver.Write(ctx, c)
}
