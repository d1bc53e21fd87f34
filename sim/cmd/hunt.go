package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"watari.dev/sim"
)

// catch is how a mutant was found out.
type catch struct {
	Mutant    string     `json:"mutant"`
	Broken    string     `json:"broken"`
	Peer      string     `json:"peer,omitempty"`
	Caught    bool       `json:"caught"`
	Tried     uint64     `json:"tried"` // seeds
	Violation *violation `json:"violation,omitempty"`
	at        *sim.Violation
	seed      uint64
	untried   bool // its turn did not come
}

// hunt tries seeds with each of the mutants until it is found out. Of one alone the
// least plan that does is printed as well.
func (c *command) hunt(ctx context.Context, mutants []sim.Mutant) error {
	catches := c.catchAll(ctx, mutants)
	missed := 0
	for i := range catches {
		k := &catches[i]
		if !k.Caught {
			missed++
			continue
		}
		k.Violation = &violation{Seed: k.seed, Invariant: k.at.Invariant, Text: k.at.Text, AtSeconds: k.at.At.Round(time.Millisecond).Seconds()}
	}
	if len(mutants) == 1 && missed == 0 {
		var s sim.Simulator
		defer s.Close()
		if least := c.least(ctx, &s, sim.Draw(catches[0].seed), &mutants[0]); least != nil {
			catches[0].Violation = least
		}
	}
	if c.json {
		if err := c.print(catches); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.out, huntWords(ctx, catches, missed))
	}
	if missed > 0 {
		return errBroken
	}
	return nil
}

// catchAll hunts as many mutants at once as there are jobs.
func (c *command) catchAll(ctx context.Context, mutants []sim.Mutant) []catch {
	most := uint64(mutantSeeds)
	if c.many {
		most = c.seeds
	}
	show := c.shows(0)
	var lock sync.Mutex
	var all sync.WaitGroup
	next, done, told := 0, 0, time.Now()
	out := make([]catch, len(mutants))
	for range min(c.cores(), len(mutants)) {
		all.Go(func() {
			for {
				lock.Lock()
				i := next
				next++
				lock.Unlock()
				if i >= len(mutants) {
					return
				}
				one := catchOne(ctx, mutants[i], c.from, most)
				lock.Lock()
				out[i] = one
				if done++; time.Since(told) >= show.every {
					told = time.Now()
					show.say(fmt.Sprintf("%d of %d mutants", done, len(mutants)))
				}
				lock.Unlock()
			}
		})
	}
	all.Wait()
	show.end()
	return out
}

func catchOne(ctx context.Context, m sim.Mutant, from, most uint64) catch {
	k := catch{Mutant: m.Name, Broken: m.Broken, Peer: m.Peer, untried: ctx.Err() != nil}
	k.seed, k.at, k.Tried, k.Caught = sim.Caught(ctx, m, from, most)
	return k
}

func huntWords(ctx context.Context, catches []catch, missed int) string {
	var b strings.Builder
	if ctx.Err() != nil {
		b.WriteString("Ended before its time; this is what is known.\n")
	}
	for _, k := range catches {
		switch {
		case k.untried:
			fmt.Fprintf(&b, "not tried            %s\n", k.Mutant)
		case k.Caught:
			fmt.Fprintf(&b, "after %6s %-7s %s\n", grouped(int64(k.Tried)), plural(k.Tried, "seed"), k.Mutant)
			fmt.Fprintf(&b, "                     broke %q\n", k.at.Invariant)
		default:
			fmt.Fprintf(&b, "NOT in %6s %-6s %s\n", grouped(int64(k.Tried)), plural(k.Tried, "seed"), k.Mutant)
		}
		if k.Peer != "" {
			fmt.Fprintf(&b, "                     as in %s\n", k.Peer)
		}
	}
	fmt.Fprintf(&b, "\n%d of %d mutants were found out\n", len(catches)-missed, len(catches))
	if len(catches) == 1 {
		fmt.Fprintf(&b, "\n%s\n\n%s", catches[0].Broken, catches[0].Violation.words())
	}
	return b.String()
}

func plural(n uint64, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
