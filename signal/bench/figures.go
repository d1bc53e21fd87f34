package bench

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
)

// Options say how much is played.
type Options struct {
	Seeds int    // migrations per cell
	First uint64 // the first seed
	Every int    // seconds between two scrapes
	Fault string // only faults whose names hold this
}

// Reported is the first seed of figures that are told to others. Those below are for
// whoever tries things out.
const Reported = 1_000_001

// Row is one fault with one target.
type Row struct {
	Case
	Counts []map[Outcome]int // by form
}

// Measure plays everything. progress is told of each row that is done.
func Measure(o Options, progress func(done, all int)) ([]Row, error) {
	player, err := newPlayer(o.Every)
	if err != nil {
		return nil, err
	}
	rows := rowsOf(o)
	for i := range rows {
		if rows[i].Counts, err = player.many(rows[i].Case, o); err != nil {
			return nil, fmt.Errorf("%s, %s: %w", rows[i].Fault.Name, rows[i].Target.Name, err)
		}
		progress(i+1, len(rows))
	}
	return rows, nil
}

// rowsOf are the cases: each fault with a good target and with those that fail;
// faults of latency with one that is slow as well.
func rowsOf(o Options) (out []Row) {
	for _, f := range Faults() {
		if !strings.Contains(f.Name, o.Fault) {
			continue
		}
		for _, t := range []Target{Good, Fails, FailsTwo, IsSlow} {
			if t.Slow == 0 || f.Latency || f.Name == "none" {
				out = append(out, Row{Case: Case{Fault: f, Target: t, Every: o.Every}})
			}
		}
	}
	return out
}

// many plays a case with all seeds, on all processors.
func (p *player) many(c Case, o Options) ([]map[Outcome]int, error) {
	outcomes, errs := make([][]Outcome, o.Seeds), make([]error, o.Seeds)
	work := make(chan int)
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := range work {
				outcomes[i], errs[i] = p.play(c, o.First+uint64(i))
			}
		})
	}
	for i := range o.Seeds {
		work <- i
	}
	close(work)
	all.Wait()
	counts := make([]map[Outcome]int, len(Forms))
	for form := range counts {
		counts[form] = map[Outcome]int{}
		for i, of := range outcomes {
			if errs[i] != nil {
				return nil, fmt.Errorf("seed %d: %w", o.First+uint64(i), errs[i])
			}
			counts[form][of[form]]++
		}
	}
	return counts, nil
}

// Write writes the rows as Markdown tables, one for each target.
func Write(w io.Writer, o Options, rows []Row) error {
	var b strings.Builder
	for _, t := range []Target{Good, Fails, FailsTwo, IsSlow} {
		table(&b, o, t, rows)
	}
	faults(&b, rows)
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, o Options, t Target, rows []Row) {
	some := false
	for _, r := range rows {
		if r.Target.Name != t.Name {
			continue
		}
		if !some {
			some = true
			fmt.Fprintf(b, "%s\n\n| fault |", heading(o, t))
			for _, form := range Forms {
				fmt.Fprintf(b, " %s |", form)
			}
			b.WriteString("\n|---|" + strings.Repeat("---|", len(Forms)) + "\n")
		}
		fmt.Fprintf(b, "| %s |", r.Fault.Name)
		for _, c := range r.Counts {
			fmt.Fprintf(b, " %s |", cell(t, c))
		}
		b.WriteString("\n")
	}
	if some {
		b.WriteString("\n")
	}
}

func heading(o Options, t Target) string {
	if !t.Bad() {
		return fmt.Sprintf("**The target is %s.** False rollbacks of %d migrations (and how many were *not known*).", t.Name, o.Seeds)
	}
	return fmt.Sprintf("**The target %s.** Of %d migrations, how many were *healthy* after %d minutes of it (and how many *not known*); the others were rolled back.", t.Name, o.Seeds, (lasts-faultAt)/60)
}

// cell is what is wrong first.
func cell(t Target, c map[Outcome]int) string {
	wrong := c[RolledBack]
	if t.Bad() {
		wrong = c[Healthy]
	}
	if c[NotKnown] == 0 {
		return fmt.Sprint(wrong)
	}
	return fmt.Sprintf("%d (%d)", wrong, c[NotKnown])
}

func faults(b *strings.Builder, rows []Row) {
	last := ""
	for _, r := range rows {
		if r.Fault.Name != last {
			last = r.Fault.Name
			fmt.Fprintf(b, "- %s: %s\n", last, r.Fault.Text)
		}
	}
}
