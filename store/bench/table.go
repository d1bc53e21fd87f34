package bench

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Write writes the results as a Markdown table.
func Write(w io.Writer, results []Result) error {
	var b strings.Builder
	row := func(what string, of func(Result) string) {
		fmt.Fprintf(&b, "| %s |", what)
		for _, r := range results {
			fmt.Fprintf(&b, " %s |", of(r))
		}
		b.WriteString("\n")
	}
	row("", func(r Result) string { return r.Size.String() })
	b.WriteString("|---|" + strings.Repeat("---|", len(results)) + "\n")
	row("lines of the journal, as they are written", func(r Result) string { return size(r.Lines/int64(r.Lasts.Hours())) + " an hour" })
	row("the journal in full detail, closed segments compressed", func(r Result) string {
		return fmt.Sprintf("%s, %s an hour", size(r.Before), size(r.Before/int64(r.Lasts.Hours())))
	})
	row("the same when all of it is older than the detail is kept: minutes", func(r Result) string {
		return fmt.Sprintf("%s, %s an hour", size(r.After), size(r.After/int64(r.Lasts.Hours())))
	})
	row("record, plan (written once)", func(r Result) string { return size(r.Record) + ", " + size(r.Plan) })
	row("saves of the record", func(r Result) string {
		return fmt.Sprintf("%.2f a second, %s an hour", float64(r.Saves)/r.Lasts.Seconds(), size(r.Records/int64(r.Lasts.Hours())))
	})
	row("memory of the runner's heap, at most", func(r Result) string { return size(int64(r.Heap)) })
	row("`watari status`", func(r Result) string { return command(r.Status) })
	row("`watari analyze`, full detail", func(r Result) string { return command(r.Analyze) })
	row("`watari analyze`, merged", func(r Result) string { return command(r.AnalyzeAfter) })
	row("what a rollback waits for before it is sent (lease and record saved): half, longest", func(r Result) string { return delay(r.Alone) })
	row("the same while `watari analyze` runs", func(r Result) string { return delay(r.Beside) })
	row("simulated in", func(r Result) string { return r.Took.Round(time.Second).String() })
	_, err := io.WriteString(w, b.String())
	return err
}

func size(n int64) string {
	switch {
	case n >= 10<<20:
		return fmt.Sprintf("%d MB", (n+500_000)/1_000_000)
	case n >= 1_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
}

func command(c Command) string {
	if c.Took == 0 {
		return "not run"
	}
	return fmt.Sprintf("%s (%s of work), %s of memory", c.Took.Round(10*time.Millisecond), c.Worked.Round(10*time.Millisecond), size(c.Memory))
}

func delay(d Delay) string {
	if d.Most == 0 {
		return "not run"
	}
	return fmt.Sprintf("%s, %s", d.Half.Round(100*time.Microsecond), d.Most.Round(100*time.Microsecond))
}
