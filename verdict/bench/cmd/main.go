// Command bench prints how soon our policies and those of other tools find a
// regression, and how often they roll back for nothing, as Markdown tables for
// docs/performance.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"watari.dev/verdict/bench"
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
	seeds := flags.Int("seeds", bench.Full.Runs, "migrations to simulate for each regression; a third as many days for each quiet world")
	quick := flags.Bool("quick", false, "a first look in seconds: few migrations and days")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *seeds < 1 {
		return fmt.Errorf("bench [--seeds N] [--quick], with N at least 1; got %q", args)
	}
	options := bench.Options{Runs: *seeds, Days: max(1, *seeds/3)}
	if *quick {
		options = bench.Quick
	}
	if _, err := bench.Measure(options).WriteTo(out); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}
