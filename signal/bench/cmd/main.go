// Command bench prints how often faults of the signals make false rollbacks or hide a
// bad target, for each form of the verdict, as Markdown tables for docs/performance.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"watari.dev/signal/bench"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out, errs io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	var o bench.Options
	flags.IntVar(&o.Seeds, "seeds", 200, "migrations of each cell")
	flags.Uint64Var(&o.First, "first", bench.Reported, "first seed; what is tuned is tuned with smaller ones")
	flags.IntVar(&o.Every, "every", 15, "seconds between two scrapes")
	flags.StringVar(&o.Fault, "fault", "", "only faults whose names hold this text")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || o.Seeds < 1 || o.Every < 1 || o.Every > 60 {
		return fmt.Errorf("bench [--seeds N] [--first SEED] [--every SECONDS] [--fault TEXT], with N at least 1 and at most 60 seconds; got %q", args)
	}
	rows, err := bench.Measure(o, func(done, all int) { fmt.Fprintf(errs, "%d of %d\n", done, all) })
	if err != nil {
		return err
	}
	return bench.Write(out, o, rows)
}
