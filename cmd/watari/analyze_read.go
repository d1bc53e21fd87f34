package main

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/analyze"
	"watari.dev/engine"
	"watari.dev/internal/bounded"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/store"
	"watari.dev/verdict"
	"watari.dev/view"
)

// counted is what is analysed, and the settings that belong to it.
type counted struct {
	recording analyze.Recording
	config    verdict.Config
	note      string // about the whole, for people
}

// read finds the counts. Settings of the file come before those that a migration
// ran with.
func (f *analyzeFlags) read(cmd *cobra.Command, args []string, file *plan.Plan) (counted, error) {
	var in counted
	var err error
	switch {
	case len(args) == 1:
		in, err = f.readJournal(cmd, args[0])
	case f.csv != "":
		in.recording, err = readCSV(cmd, f.csv)
	default:
		in.recording, err = f.past.read(cmd, file, f.itself && !f.halves)
	}
	if err != nil {
		return in, err
	}
	if file != nil {
		in.config = analysisOf(*file)
	}
	return in, nil
}

// analysisOf returns the settings of a plan; the defaults where it has none.
func analysisOf(p plan.Plan) verdict.Config {
	if a := p.Spec.Gate.Analysis; a != nil {
		return *a
	}
	return verdict.Config{}.WithDefaults()
}

// readJournal takes an attempt of a remembered migration.
func (f *analyzeFlags) readJournal(cmd *cobra.Command, name string) (counted, error) {
	s, err := f.state.open()
	if err != nil {
		return counted{}, err
	}
	key := store.Key{Name: name}
	p, status, err := recall(cmd.Context(), s, key)
	if err != nil {
		return counted{}, err
	}
	cfg := analysisOf(p)
	entries := func() iter.Seq2[store.Entry, error] { return s.Journal(cmd.Context(), key) }
	attempts, err := analyze.Journal(name, entries, cfg.Services)
	if err != nil {
		return counted{}, err
	}
	n := f.attempt
	if n == 0 {
		n = len(attempts)
	}
	if n < 1 || n > len(attempts) {
		return counted{}, usage{fmt.Errorf("--attempt %d: migration %s has counts of %d; the first is 1", f.attempt, name, len(attempts))}
	}
	in := counted{recording: attempts[n-1], config: cfg}
	if len(attempts) > 1 {
		in.recording.Name = fmt.Sprintf("%s, attempt %d of %d", name, n, len(attempts))
	}
	if n == len(attempts) {
		in.note = happened(status)
	}
	return in, nil
}

// happened says what became of the attempt that is analysed.
func happened(s engine.Status) string {
	text := map[engine.Phase]string{
		engine.RolledBack: "it was rolled back", engine.RollingBack: "it is being rolled back", engine.Partial: "it is partly rolled back", engine.Complete: "it is complete",
		engine.Failed: "it failed before anything was changed", engine.WaitingForApproval: "it waits for approval",
	}[s.Phase]
	if text == "" {
		text = "it is " + strings.ToLower(string(s.Phase))
	}
	if !s.Since.IsZero() {
		text += " since " + s.Since.Format("2006-01-02 15:04:05")
	}
	if s.Cause != "" {
		text += ": " + s.Cause
	}
	return "what happened   " + text
}

func readCSV(cmd *cobra.Command, path string) (analyze.Recording, error) {
	from := bounded.Until(cmd.Context(), cmd.InOrStdin())
	name := "standard input"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return analyze.Recording{}, fmt.Errorf("read the table of counts: %w", err)
		}
		defer file.Close()
		from, name = file, path
	}
	r, err := analyze.CSV(from, name)
	var mistakes *analyze.Mistakes
	if errors.As(err, &mistakes) {
		return r, usage{err}
	}
	return r, err
}

// tellEvery is how long somebody waits before he wants to know how far it is.
const tellEvery = 2 * time.Second

// progress tells how far it is to who waits for long.
func progress(w io.Writer, what string) func(done, all int) {
	told := time.Now()
	return func(done, all int) {
		if now := time.Now(); now.Sub(told) >= tellEvery && done < all {
			told = now
			printable.Fprintf(w, "%s: %s of %s hours are read\n", what, view.Count(int64(done)), view.Count(int64(all)))
		}
	}
}
