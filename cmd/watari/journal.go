package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"watari.dev/runner"
	"watari.dev/store/filestore"
)

// journalFlags say how much of a migration's journal is kept. They are a run's: who
// only gives a command, or takes back, makes nobody's journal smaller.
type journalFlags struct {
	detail time.Duration
	bound  bytesFlag
}

func (f *journalFlags) register(flags *pflag.FlagSet) {
	f.bound = filestore.DefaultBound
	flags.DurationVar(&f.detail, "journal-detail", filestore.DefaultDetail, "how long the journal keeps every count as it was; in what is older, a minute's counts away from any decision become one")
	flags.Var(&f.bound, "journal-bound", "how large the journal may be: older counts are merged further or dropped before it is larger, decisions last; 1MiB or more")
}

// check refuses what cannot be meant.
func (f *journalFlags) check() error {
	if f.detail <= 0 {
		return usage{fmt.Errorf("--journal-detail %s: must be more than 0", f.detail)}
	}
	return nil
}

// options returns the store's options. What is wrong with the journal alone is told to
// say.
func (f *journalFlags) options(say func(error)) []filestore.Option {
	return []filestore.Option{
		filestore.WithJournal(filestore.Journal{Detail: f.detail, Bound: int64(f.bound), Merge: runner.MergeCounts}),
		filestore.WithReport(say),
	}
}

// keepsAll keeps a journal as it is, but for compressing what is closed.
func keepsAll() filestore.Option {
	return filestore.WithJournal(filestore.Journal{Detail: math.MaxInt64, Bound: math.MaxInt64})
}

// bytesFlag is a number of bytes, written as 64MiB or 1GiB.
type bytesFlag int64

const leastBound = 1 << 20

var byteUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String implements pflag.Value.
func (b *bytesFlag) String() string {
	for _, u := range byteUnits {
		if n := int64(*b); n >= u.bytes && n%u.bytes == 0 {
			return fmt.Sprint(n/u.bytes, u.name)
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Set implements pflag.Value.
func (b *bytesFlag) Set(text string) error {
	unit := int64(1)
	digits := text
	for _, u := range byteUnits {
		if before, is := strings.CutSuffix(text, u.name); is {
			unit, digits = u.bytes, before
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	switch {
	case err != nil || n < 0 || n > math.MaxInt64/unit:
		return fmt.Errorf("no size such as 64MiB or 1GiB")
	case n*unit < leastBound:
		return fmt.Errorf("must be 1MiB or more")
	}
	*b = bytesFlag(n * unit)
	return nil
}

// Type implements pflag.Value.
func (*bytesFlag) Type() string { return "size" }
