package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/analyze"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/traffic"
	"watari.dev/verdict"
)

// analyzeFlags say what to analyse, with which settings, and what to make of it.
type analyzeFlags struct {
	state    *stateFlags
	file     fileFlags
	settings settingFlags
	past     pastFlags

	csv     string
	attempt int

	itself, halves bool
	share          string
	horizon        time.Duration

	plot, output string
}

func newAnalyze(state *stateFlags) *cobra.Command {
	f := &analyzeFlags{state: state}
	cmd := &cobra.Command{
		Use:     "analyze [NAME]",
		GroupID: "migrate",
		Short:   "What the verdict would have said of recorded counts; changes nothing",
		Long: `Asks what the analysis would have said of counts that were recorded: when it would
have rolled back, when each step had proven good enough, how sure that is, and what
the evidence was before and after each change of the share. So settings can be tried
on yesterday's data. It ends with 3 if the target would have been rolled back. The
fixed limits of a gate are not asked, only the comparison.

With --against-itself the source is compared with itself: whatever is found then is
a false alarm. It says how often that happens, how long errors stay together, and
which lines to write into the file.

Counts come from the journal of a migration (NAME), from a table (--csv), or from a
Prometheus server (--prometheus, or -f for the one of a file).

A table's first line names its columns:
` + analyze.Columns,
		Example: `  watari analyze shop
  watari analyze shop --unit 2m --alpha 0.1%
  watari analyze --csv counts.csv --plot counts.svg
  watari analyze -f shop.yaml --last 7d --against-itself
  watari analyze --prometheus http://prometheus:9090 --last 2h --source eks-1-33 --target eks-1-36 \
    --requests 'http_requests_total{cluster="${environment}"}' \
    --errors 'http_requests_total{cluster="${environment}",code=~"5.."}' \
    --latency 'http_request_duration_seconds_bucket{cluster="${environment}"}' --share-at '2026-05-04T14:10:00Z=10%'`,
		Args: atMostOne,
		RunE: f.run,
	}
	flags := cmd.Flags()
	flags.StringVar(&f.csv, "csv", "", "table of counts; - is standard input")
	flags.IntVar(&f.attempt, "attempt", 0, "which attempt of the migration (default the last one)")
	flags.BoolVar(&f.itself, "against-itself", false, "compare the source with itself: how often would it cry wolf?")
	flags.BoolVar(&f.itself, "calibrate", false, "the same as --against-itself")
	flags.BoolVar(&f.halves, "halves", false, "with --against-itself: both sides of the data are halves of the source")
	flags.StringVar(&f.share, "share", "", "with --against-itself: share that the target will have (default the file's first step, else 10%)")
	flags.DurationVar(&f.horizon, "horizon", verdict.DefaultHorizon, "with --against-itself: length of one migration")
	flags.StringVar(&f.plot, "plot", "", "draw the evidence into this SVG file")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json")
	f.file.register(cmd)
	f.settings.register(flags)
	f.past.register(flags)
	return cmd
}

func (f *analyzeFlags) run(cmd *cobra.Command, args []string) error {
	if err := f.check(args); err != nil {
		return err
	}
	file, err := f.loadFile(cmd)
	if err != nil {
		return err
	}
	in, err := f.read(cmd, args, file)
	if err != nil {
		return err
	}
	cfg, err := f.settings.apply(in.config)
	if err != nil {
		return err
	}
	if f.itself {
		return f.calibrate(cmd, in.recording, cfg, file)
	}
	return f.replay(cmd, in, cfg)
}

// check refuses what does not go together.
func (f *analyzeFlags) check(args []string) error {
	if err := knownOutput(f.output); err != nil {
		return err
	}
	named := 0
	for _, given := range []bool{len(args) == 1, f.csv != "", f.past.given(len(f.file.files) > 0 && len(args) == 0 && f.csv == "")} {
		if given {
			named++
		}
	}
	switch {
	case named == 0:
		return usage{errors.New("say what to analyse: the NAME of a migration, --csv FILE, --prometheus URL, or -f FILE for its own Prometheus")}
	case named > 1:
		return usage{errors.New("choose one of: the NAME of a migration, --csv FILE, --prometheus URL")}
	case f.halves && !f.itself:
		return usage{errors.New("--halves says what --against-itself compares: give both")}
	case f.itself && f.plot != "":
		return usage{errors.New("--plot draws one analysis, and --against-itself makes many: leave one of them out")}
	case f.horizon <= 0:
		return usage{fmt.Errorf("--horizon %s: must be more than 0", f.horizon)}
	}
	return nil
}

// loadFile reads the migration of -f; nil without one.
func (f *analyzeFlags) loadFile(cmd *cobra.Command) (*plan.Plan, error) {
	if len(f.file.files) == 0 {
		return nil, nil
	}
	p, err := f.file.load(cmd)
	return &p, err
}

// replay says what the verdict would have been.
func (f *analyzeFlags) replay(cmd *cobra.Command, in counted, cfg verdict.Config) error {
	r := analyze.Replay(in.recording, in.recording.Settings(cfg))
	if err := in.recording.Err(); err != nil {
		return err
	}
	if f.plot != "" {
		if err := writePlot(f.plot, r); err != nil {
			return err
		}
	}
	out := cmd.OutOrStdout()
	if f.output == "json" {
		if err := writeJSON(out, r); err != nil {
			return err
		}
	} else {
		analyze.Write(out, r)
		if in.note != "" {
			printable.Fprintf(out, "  %s\n", in.note)
		}
		if f.plot != "" {
			printable.Fprintf(out, "  drawn into %s\n", f.plot)
		}
	}
	if r.Degraded() {
		return &ended{exitRolledBack}
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func writePlot(path string, r analyze.Result) error {
	to, err := os.Create(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("draw the evidence: %w; name a file that can be written with --plot", err)
	}
	err = errors.Join(analyze.Plot(to, r), to.Close())
	if err != nil {
		return fmt.Errorf("draw the evidence into %s: %w", path, err)
	}
	return nil
}

// seed makes that the same data always give the same calibration.
const seed = 20

// calibrate compares the source with itself.
func (f *analyzeFlags) calibrate(cmd *cobra.Command, r analyze.Recording, cfg verdict.Config, file *plan.Plan) error {
	if f.halves {
		var err error
		if r, err = r.InMemory(); err != nil {
			return err
		}
	}
	spans, sides := analyze.SourceOf(r), r
	if err := r.Err(); err != nil {
		return err
	}
	if !f.halves {
		share, err := f.shareOf(file)
		if err != nil {
			return err
		}
		sides = analyze.Fold(r.Name, spans, share.Ratio(), rand.New(rand.NewPCG(seed, seed)))
	}
	c := analyze.Calibrate(sides, sides.Settings(cfg), f.horizon)
	c.Folded = !f.halves
	usual, longest := analyze.Bursts(spans)
	c.Bursts = []time.Duration{usual, longest}
	if f.output == "json" {
		return writeJSON(cmd.OutOrStdout(), c)
	}
	analyze.WriteCalibration(cmd.OutOrStdout(), c)
	return nil
}

// usualShare is the share that a calibration takes if nobody says.
const usualShare traffic.Share = 1000

func (f *analyzeFlags) shareOf(file *plan.Plan) (traffic.Share, error) {
	share := usualShare
	if file != nil && len(file.Spec.Steps) > 0 {
		share = file.Spec.Steps[0].Share
	}
	if f.share != "" {
		var err error
		if share, err = traffic.ParseShare(f.share); err != nil {
			return 0, usage{fmt.Errorf("--share: %w", err)}
		}
	}
	if share <= traffic.None || share >= traffic.All {
		if f.share == "" {
			return usualShare, nil // a first step of 100 % has nothing to compare with
		}
		return 0, usage{fmt.Errorf("--share %s: with %s there are no two sides to compare", f.share, share)}
	}
	return share, nil
}
