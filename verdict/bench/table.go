package bench

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// WriteTo writes the figures in Markdown.
func (f Figures) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	f.found(&b)
	f.wrong(&b)
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// found writes how soon regressions are found.
func (f Figures) found(b *strings.Builder) {
	fmt.Fprintf(b, "Median seconds until the rollback / median failed requests of the target until then; %d migrations per cell, the same for all\n", f.Options.Runs)
	fmt.Fprintf(b, "policies; %d requests/s, %s on the target, the source fails %s. Never: fewer than half of them rolled back within %d h.\n\n",
		usualRate, percent(usualShare), percent(usualRatio), patience/3600)
	b.WriteString("| policy |")
	for _, ratio := range f.Regressions {
		fmt.Fprintf(b, " target fails %s |", percent(ratio))
	}
	rule(b, len(f.Regressions))
	for p, name := range f.Policies {
		fmt.Fprintf(b, "| %s |", name)
		for _, cell := range f.Found[p] {
			fmt.Fprintf(b, " %s |", cell)
		}
		b.WriteString("\n")
	}
}

// String writes a cell of the table.
func (f Found) String() string {
	if !math.IsInf(f.Seconds, 1) {
		return fmt.Sprintf("%.0f / %.0f", f.Seconds, f.Harmed)
	}
	if f.Decided.K == 0 {
		return "never"
	}
	return fmt.Sprintf("never (%s did)", percent(f.Decided.ratio()))
}

// wrong writes how often a target is taken back that is not worse.
func (f Figures) wrong(b *strings.Builder) {
	fmt.Fprintf(b, "\nDays (24 h) with a rollback although the target is not worse, of %d simulated per cell, with the exact %.0f %% confidence interval.\n\n",
		f.Options.Days, 100*confidence)
	b.WriteString("| policy |")
	for _, world := range f.Worlds {
		fmt.Fprintf(b, " %s |", world.Name)
	}
	rule(b, len(f.Worlds))
	for p, name := range f.Policies {
		fmt.Fprintf(b, "| %s |", name)
		for _, r := range f.False[p] {
			fmt.Fprintf(b, " %s |", r)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n")
	for _, world := range f.Worlds {
		fmt.Fprintf(b, "- %s: %s\n", world.Name, world.Text)
	}
}

// String writes a rate with what its confidence interval leaves open.
func (r Rate) String() string {
	low, high := r.Interval()
	switch {
	case r.K == 0:
		return fmt.Sprintf("0 %% (to %s)", percent(high))
	case r.K == r.N:
		return fmt.Sprintf("100 %% (from %s)", percent(low))
	default:
		return fmt.Sprintf("%s (%s to %s)", percent(r.ratio()), percent(low), percent(high))
	}
}

func rule(b *strings.Builder, columns int) {
	b.WriteString("\n|---|" + strings.Repeat("---|", columns) + "\n")
}

func (r Rate) ratio() float64 { return float64(r.K) / float64(r.N) }

// percent writes a ratio with two digits.
func percent(ratio float64) string {
	switch p := 100 * ratio; {
	case p >= 10 || p == 0:
		return fmt.Sprintf("%.0f %%", p)
	default:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", p), ".0") + " %"
	}
}
