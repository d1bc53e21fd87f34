package sim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/store/filestore"
	"watari.dev/store/filestore/disk"
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
	Disk   func(disk.Disk) disk.Disk                   // wraps the disk as one process reaches it; the store is on files then
	// Journal changes how processes keep their journals; the store is on files then.
	Journal func(filestore.Journal) filestore.Journal
}

// Mutants lists them in a fixed order. Each breaks something that the others do
// not.
func Mutants() []Mutant {
	return slices.Concat(mutantsOfReading(), mutantsOfMemory(), mutantsOfDeciding(), mutantsOfTakingBack(), mutantsOfLevers(), mutantsOfStores(), mutantsOfDisks(), mutantsOfTrust(), mutantsOfOrders(), mutantsOfReaders(), mutantsOfParts(), mutantsOfTiming())
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
		if broken = s.catches(ctx, Draw(seed), mutant); broken != nil {
			return seed, broken, tried, true
		}
	}
	return 0, nil, tried, false
}

// catches returns what a mutant breaks in a plan in which the unbroken product
// breaks nothing; nil if that is none of what it should break.
func (s *Simulator) catches(ctx context.Context, plan Plan, mutant Mutant) *Violation {
	broken := violation(s.Run(ctx, plan, Options{Mutant: &mutant}).Broken)
	if broken != nil && slices.Contains(mutant.Breaks, broken.Invariant) && Invariant(s.Run(ctx, plan, Options{}).Broken) == "" {
		return broken
	}
	return nil
}

// Missing is a bug of another tool that watari cannot have, because it lacks the
// part that the bug is in, or because the world has no such thing.
type Missing struct {
	Peer string // its issue
	Why  string // what would have to be there, in a sentence
}

// NotYet lists them. Each becomes a mutant with its part.
func NotYet() []Missing {
	return []Missing{
		{"argo-rollouts#3926, argo-rollouts#4867, Flagger", "The side that loses its users is scaled down before the weights apply; nothing is scaled yet."},
		{"aws-load-balancer-controller#2651", "A binding on a shared group deregisters the targets of the other environment; there is no handoff yet."},
		{"aws-load-balancer-controller#1064, aws-load-balancer-controller#1719", "Requests reach targets that are being deregistered; nothing is deregistered yet."},
		{"AsyncHttpClient#937", "Kept-alive connections never see a change of DNS; stragglers are not counted yet."},
		{"argo-rollouts#2737", "One rollout over several clusters; a migration has one of each side."},
		{"external-dns#1698, external-dns#5993, external-dns#6617", "Records of somebody else are deleted or taken over; the world's levers hold the migration's entries alone, routertest has others."},
		{"external-dns#3141, external-dns#4345", "Simple records become weighted ones; the world's levers are weighted from the start, routertest converts them."},
		{"flagger#1857", "Custom rules of a route are dropped; the world's levers have none, routertest has them."},
	}
}
