// Command bench writes stores at the limits of a file and of a small migration in
// virtual time, and prints what they cost as a Markdown table for docs/performance.md.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"watari.dev/store/bench"
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
	o := bench.Options{Sizes: []bench.Size{{Services: 20, Routes: 100, Lasts: 24 * time.Hour}, {Services: 1, Routes: 1, Lasts: 7 * 24 * time.Hour}}}
	flags.StringVar(&o.Watari, "watari", "", "the program whose status and analyze are timed")
	flags.StringVar(&o.Dir, "dir", "", "directory on the disk that is measured (default a temporary one)")
	flags.BoolVar(&o.Flush, "fsync", false, "flush the disk while days are simulated, too; it takes that much longer")
	flags.IntVar(&o.Saves, "saves", 200, "how many saves are timed")
	small := flags.Bool("small", true, "the small migration, for seven days")
	limits := flags.Bool("limits", true, "the one at the limits of a file, for a day")
	hours := flags.Int("hours", 0, "simulate so many hours of each instead")
	if err := flags.Parse(args); err != nil {
		return err
	}
	o.Sizes = slices.DeleteFunc(o.Sizes, func(s bench.Size) bool { return s.Services == 1 && !*small || s.Services > 1 && !*limits })
	for i := range o.Sizes {
		if *hours > 0 {
			o.Sizes[i].Lasts = time.Duration(*hours) * time.Hour
		}
	}
	if flags.NArg() > 0 || o.Saves < 1 {
		return fmt.Errorf("bench [--watari PROGRAM] [--dir DIR] [--fsync] [--saves N] [--small=false] [--limits=false] [--hours N], with N at least 1; got %q", args)
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "watari-bench-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // temporary, as it says
		o.Dir = dir
	}
	var results []bench.Result
	for _, size := range o.Sizes {
		fmt.Fprintf(errs, "%s ...\n", size)
		r, err := bench.Measure(o, size)
		if err != nil {
			return fmt.Errorf("%s: %w", size, err)
		}
		results = append(results, r)
	}
	return bench.Write(out, results)
}
