// Command watari-sim plays migrations by the million in a simulated world in which
// everything goes wrong that can, and says which promise was broken and what the
// least is that breaks it. It holds flags and wiring only; the world, what goes wrong
// and the invariants are package sim.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/sim"
)

// The exit codes. They are a part of --help.
const (
	exitOK     = 0
	exitBroken = 1
	exitUsage  = 2
)

// garbage is how far the heap may grow between two collections, in percent: plans
// leave much behind and need little, so that the usual 100 takes a third more time.
// GOGC overrules it.
const garbage = 800

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbage)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the second Ctrl-C ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// errBroken says that the report has said what is broken.
var errBroken = errors.New("a promise is broken")

// usage marks a mistake on the command line.
type usage struct{ error }

func (u usage) Unwrap() error { return u.error }

// run is main with an exit code, so that tests can call it.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	root := newRoot(out, errs)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var mistake usage
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errBroken):
		return exitBroken
	case errors.As(err, &mistake):
		fmt.Fprintf(errs, "%v\nHow to use it: watari-sim --help\n", err)
		return exitUsage
	default:
		fmt.Fprintf(errs, "%v\n", err)
		return exitBroken
	}
}

// command is the command line with where it writes to.
type command struct {
	out, errs io.Writer
	from      uint64
	seeds     uint64
	lasts     time.Duration
	seed      uint64
	plan      string
	jobs      int
	most      int
	twice     uint64
	mutant    string
	coverage  bool
	demand    bool
	json      bool
	script    bool
	dir       string

	one, many bool // a seed was named; how many were
}

const help = `watari-sim plays migrations in a simulated world: the engine, the runner and the verdict of
watari, unchanged, between levers that lose replies, signals that go blind, disks that fill up,
clocks that jump, operators and intruders, and processes that are killed between any two effects.
A seed decides all of it, so that the same seed is the same migration to the byte.

Every seed is one complete migration: from its first start, through whatever goes wrong, until
it is complete, taken back, or failed before anything was changed. After every event the
invariants of docs/architecture.md must hold. A plan that breaks one is cut to the least that
still does, and told as a script for engine/testdata.

  watari-sim                              10,000 seeds
  watari-sim --for 2h --from 1000000      as many as there are in two hours, other ones
  watari-sim --seed 4711                  one, with its plan and all that happens
  watari-sim --mutant all                 is every watari that is broken on purpose found out?

Exit codes:
  0  no promise was broken; with --mutant, every mutant was found out
  1  one was, or with 100,000 seeds and more, or --demand-coverage, a fault was never met in a
     phase in which it can be; with --mutant, one was not found out
  2  the command line has mistakes; nothing was played
Ctrl-C ends it with what is known by then.`

// someSeeds are played if nobody says how many, and mutantSeeds for each mutant.
const (
	someSeeds   = 10_000
	mutantSeeds = 100_000
	fullSeeds   = 100_000 // from which on every fault must have been met
)

func newRoot(out, errs io.Writer) *cobra.Command {
	c := &command{out: out, errs: errs}
	root := &cobra.Command{
		Use: "watari-sim", Short: "Look for what breaks a migration, in a simulated world", Long: help,
		SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage{fmt.Errorf("watari-sim takes flags only; got %q", args)}
			}
			return nil
		},
	}
	root.SetOut(out)
	root.SetErr(errs)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage{err} })
	f := root.Flags()
	f.SortFlags = false
	f.Uint64Var(&c.seeds, "seeds", someSeeds, "how many seeds; with --mutant how many at most, for each")
	f.Uint64Var(&c.from, "from", 0, "the first of them")
	f.DurationVar(&c.lasts, "for", 0, "as many seeds as there are in this time, such as 2h")
	f.Uint64Var(&c.seed, "seed", 0, "play this one, and print its plan and everything that happens")
	f.StringVar(&c.plan, "plan", "", "play the plan of this file, as one that was cut is stored")
	f.BoolVar(&c.script, "script", false, "with --seed or --plan: print it as a script for engine/testdata, nothing else")
	f.StringVar(&c.mutant, "mutant", "", "break watari like this one; all: is each found out?")
	f.IntVar(&c.jobs, "jobs", 0, "how many are played at once (default: all cores)")
	f.IntVar(&c.most, "most", 10, "violations after which it stops")
	f.Uint64Var(&c.twice, "check-twice", 1000, "every so many seeds one is played twice and the traces compared; 0: none")
	f.BoolVar(&c.coverage, "coverage", false, "print which fault was met in which phase, and how often")
	f.BoolVar(&c.demand, "demand-coverage", false, "demand that every fault is met wherever it can be; the usual with 100,000 seeds and more")
	f.StringVar(&c.dir, "scripts", filepath.Join(os.TempDir(), "watari-sim"), "where plans and scripts of what was broken are written")
	f.BoolVar(&c.json, "json", false, "print one JSON object")
	root.RunE = func(cmd *cobra.Command, _ []string) error {
		c.one = cmd.Flags().Changed("seed") || c.plan != ""
		c.many = cmd.Flags().Changed("seeds")
		if err := c.mistakes(cmd.Flags().Changed); err != nil {
			return usage{err}
		}
		return c.play(cmd.Context())
	}
	return root
}

// mistakes says what does not belong together, or is out of range.
func (c *command) mistakes(changed func(string) bool) error {
	alone := func(flag string, others ...string) error {
		for _, other := range others {
			if changed(flag) && changed(other) {
				return fmt.Errorf("--%s and --%s do not go together", flag, other)
			}
		}
		return nil
	}
	switch {
	case c.many && c.seeds == 0:
		return errors.New("--seeds 0: at least 1 must be played")
	case changed("for") && c.lasts <= 0:
		return fmt.Errorf("--for %s: it must be longer than nothing", c.lasts)
	case c.jobs < 0:
		return fmt.Errorf("--jobs %d: at least 1, or 0 for all cores", c.jobs)
	case c.most < 1:
		return fmt.Errorf("--most %d: at least 1", c.most)
	case c.script && !c.one:
		return errors.New("--script tells one run: name it with --seed or --plan")
	case c.mutant == "all" && c.one:
		return errors.New("--mutant all tries seeds by itself; name one mutant to play one seed with it")
	}
	many := []string{"seeds", "from", "for", "coverage", "demand-coverage", "check-twice", "jobs", "most"}
	return errors.Join(
		alone("seed", append(many, "plan")...), alone("plan", many...), alone("script", "json"),
		alone("mutant", "for", "coverage", "demand-coverage", "check-twice", "most"),
	)
}

func (c *command) play(ctx context.Context) error {
	var broken *sim.Mutant
	if c.mutant != "" && c.mutant != "all" {
		m, err := sim.MutantNamed(c.mutant)
		if err != nil {
			return usage{err}
		}
		broken = &m
	}
	switch {
	case c.one:
		return c.playOne(ctx, broken)
	case broken != nil:
		return c.hunt(ctx, []sim.Mutant{*broken})
	case c.mutant == "all":
		return c.hunt(ctx, sim.Mutants())
	default:
		return c.playMany(ctx)
	}
}
