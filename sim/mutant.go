package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/runner"
)

// Mutant is a watari that is broken on purpose, from outside: the production code
// has no switches for it. A simulation that does not find it out is worth nothing.
type Mutant struct {
	Name   string   // what it does, in a few words
	Broken string   // what is broken, in a sentence
	Peer   string   // the issue of another tool in which it happened; empty if there is none
	Breaks []string // the invariants that it breaks; any other violation is not what was looked for

	Step   func(engine.Spec, engine.Status, engine.Observation, time.Time) (engine.Status, []engine.Intent)
	Driver func(*process, router.Driver) router.Driver // wraps one lever as one process reaches it
	Config func(*process, *runner.Config)              // changes what one process runs with
}

// Mutants lists them in a fixed order. Each breaks something that the others do
// not.
func Mutants() []Mutant {
	return slices.Concat(mutantsOfReading(), mutantsOfMemory(), mutantsOfDeciding(), mutantsOfTakingBack(), mutantsOfLevers(), mutantsOfStores())
}

// MutantNamed returns the mutant of a name; an error that lists them if there is
// none.
func MutantNamed(name string) (Mutant, error) {
	names := ""
	for _, m := range Mutants() {
		if m.Name == name {
			return m, nil
		}
		names += "\n  " + m.Name
	}
	return Mutant{}, fmt.Errorf("there is no mutant %q; there are:%s", name, names)
}

// Caught plays seeds until one finds the mutant out: it breaks one of its
// invariants in a plan that the unbroken product plays without breaking any. It
// returns that seed, what was broken, how many seeds were tried, and false if n
// seeds were not enough or ctx ended.
func Caught(ctx context.Context, mutant Mutant, from, n uint64) (seed uint64, broken *Violation, tried uint64, ok bool) {
	var s Simulator
	defer s.Close()
	for seed = from; seed < from+n && ctx.Err() == nil; seed++ {
		tried++
		plan := Draw(seed)
		r := s.Run(ctx, plan, Options{Mutant: &mutant})
		if errors.As(r.Broken, &broken) && slices.Contains(mutant.Breaks, broken.Invariant) && s.Run(ctx, plan, Options{}).Broken == nil {
			return seed, broken, tried, true
		}
	}
	return 0, nil, tried, false
}

// notYet are bugs of other tools that watari cannot have, because it lacks the part
// that they are in, or the world has no such thing. Each becomes a mutant with its
// part.
//
//   - argo-rollouts#3926, #4841 (second half), PR #4867: the side that loses its
//     users is scaled down before the weights apply. There is no scaling yet.
//   - aws-load-balancer-controller#2651: a binding on a shared group deregisters the
//     other environment's targets. There is no handoff yet, and nothing is registered.
//   - aws-load-balancer-controller#1064, #1719: requests to targets that are being
//     deregistered. Nothing is deregistered yet.
//   - AsyncHttpClient#937: kept-alive connections never see the DNS change. Stragglers
//     are not counted yet; the world's users of that kind change no share.
//   - argo-rollouts#2737: one rollout over several clusters. There is one of each side.
//   - external-dns#1698, #5993, #6617, #3141, #4345 and flagger#1857: records and rules
//     that are not the migration's are deleted, taken over or converted. The world's
//     levers hold the two entries of the migration alone; routertest has those.
//   - Flagger: rollback scales the canary to zero in the same tick. As the first.
var _ struct{} // the list above
