package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"golang.org/x/term"

	"watari.dev/engine"
	"watari.dev/sim"
)

// cutAtMost is how many of the violations are cut to their least, one of each
// invariant; the others are named.
const cutAtMost = 10

// playMany plays seeds and prints what became of them.
func (c *command) playMany(ctx context.Context) error {
	seeds, ends := c.seeds, ctx
	if c.lasts > 0 {
		var stop context.CancelFunc
		ends, stop = context.WithTimeout(ctx, c.lasts)
		defer stop()
		if !c.many {
			seeds = 0
		}
	}
	show := c.shows(seeds)
	tally := sim.Sweep{From: c.from, Seeds: seeds, Jobs: c.jobs, Twice: c.twice, Most: c.most, Progress: show.tell, Every: show.every}.Run(ends)
	show.end()
	report := c.reportOf(&tally)
	var s sim.Simulator
	defer s.Close()
	cut := map[string]bool{}
	for _, found := range tally.Found {
		v := &violation{Seed: found.Seed, Invariant: found.Violation.Invariant, Text: found.Violation.Text, AtSeconds: found.Violation.At.Round(time.Millisecond).Seconds()}
		if len(cut) < cutAtMost && !cut[v.Invariant] {
			cut[v.Invariant] = true
			if least := c.least(ctx, &s, sim.Draw(found.Seed), nil); least != nil {
				v = least
			}
		}
		report.Violations = append(report.Violations, v)
	}
	if c.json {
		if err := c.print(report); err != nil {
			return err
		}
	} else {
		fmt.Fprint(c.out, c.words(ctx, report, &tally))
	}
	if len(tally.Found) > 0 || report.Demanded && len(report.Holes) > 0 {
		return errBroken
	}
	return nil
}

// report is what --json prints of many seeds.
type report struct {
	From              uint64                 `json:"from"`
	Seeds             int64                  `json:"seeds"`
	Twice             int64                  `json:"twice"`
	Jobs              int                    `json:"jobs"`
	TookSeconds       float64                `json:"tookSeconds"`
	SeedsPerSecond    float64                `json:"seedsPerSecond"`
	Complete          int64                  `json:"complete"` // migrations that came to their end
	CompletePerSecond float64                `json:"completePerSecond"`
	Ends              map[engine.Phase]int64 `json:"ends"`
	StepsPerSeed      float64                `json:"stepsPerSeed"`
	EventsPerSeed     float64                `json:"eventsPerSeed"`
	VirtualSeconds    float64                `json:"virtualSeconds"`
	Violations        []*violation           `json:"violations"`
	Coverage          *sim.Coverage          `json:"coverage"`
	Holes             []sim.Hole             `json:"holes"`
	Demanded          bool                   `json:"coverageDemanded"`
}

func (c *command) reportOf(t *sim.Tally) *report {
	seconds, seeds := max(t.Took.Seconds(), 1e-9), float64(max(t.Seeds, 1))
	return &report{
		From: c.from, Seeds: t.Seeds, Twice: t.Twice, Jobs: c.cores(), TookSeconds: t.Took.Seconds(),
		SeedsPerSecond: float64(t.Seeds) / seconds, Complete: t.Complete(), CompletePerSecond: float64(t.Complete()) / seconds, Ends: t.Ends,
		StepsPerSeed: float64(t.Steps) / seeds, EventsPerSeed: float64(t.Events) / seeds, VirtualSeconds: t.Virtual.Seconds(),
		Violations: []*violation{}, Coverage: &t.Coverage, Holes: t.Coverage.Holes(), Demanded: c.demand || t.Seeds >= fullSeeds,
	}
}

func (c *command) cores() int {
	if c.jobs > 0 {
		return c.jobs
	}
	return runtime.GOMAXPROCS(0)
}

// words tells a report to people.
func (c *command) words(ctx context.Context, r *report, t *sim.Tally) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	if ctx.Err() != nil {
		b.WriteString("Ended before its time; this is what is known.\n")
	}
	twice := ""
	if r.Twice > 0 {
		twice = fmt.Sprintf("; %s of them twice, to compare the traces", grouped(r.Twice))
	}
	line("seeds", "%s from %s on%s", grouped(r.Seeds), grouped(int64(r.From)), twice)
	line("speed", "%s complete migrations a second, for %s on %d cores", grouped(int64(r.CompletePerSecond)), t.Took.Round(100*time.Millisecond), r.Jobs)
	line("ends", "%s", ends(r))
	line("each", "%.1f steps of the engine, %.0f events", r.StepsPerSeed, r.EventsPerSeed)
	line("their time", "%s, %s times as fast as it would pass", t.Virtual.Round(time.Minute), grouped(int64(r.VirtualSeconds/max(r.TookSeconds, 1e-9))))
	line("coverage", "%s", covered(r))
	line("violations", "%s", grouped(int64(len(r.Violations))))
	for _, v := range r.Violations {
		b.WriteString("\n" + v.words())
	}
	if c.coverage || c.demand {
		b.WriteString("\n" + r.Coverage.Table())
	}
	if r.Demanded && len(r.Holes) > 0 {
		b.WriteString("\nNever met, and could have been:\n")
		for _, h := range r.Holes {
			fmt.Fprintf(&b, "  %s\n", h)
		}
	}
	return b.String()
}

// ends says how migrations ended, the phases in their order.
func ends(r *report) string {
	var parts []string
	for _, p := range sim.Phases() {
		if n := r.Ends[p]; n > 0 {
			text := fmt.Sprintf("%s %s", grouped(n), p)
			if !p.Ended() {
				text += " (no end)"
			}
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

func covered(r *report) string {
	reachable := 0
	for _, k := range sim.Kinds() {
		for _, p := range sim.Phases() {
			if sim.CanMeet(k, p) {
				reachable++
			}
		}
	}
	return fmt.Sprintf("%d of %d pairs of a fault and a phase were met", reachable-len(r.Holes), reachable)
}

// grouped writes a number with commas.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// print writes one JSON object.
func (c *command) print(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return errors.Join(errors.New("write the report"), err)
	}
	return nil
}

// progress is shown calmly: a line every ten seconds, or one line that is
// written anew every second on a terminal.
type progress struct {
	c     *command
	seeds uint64 // 0: as many as there are
	live  bool
	every time.Duration
}

func (c *command) shows(seeds uint64) *progress {
	p := &progress{c: c, seeds: seeds, every: 10 * time.Second}
	if f, is := c.errs.(*os.File); is && term.IsTerminal(int(f.Fd())) {
		p.live, p.every = true, time.Second
	}
	return p
}

func (p *progress) tell(t sim.Tally) {
	of, left := "", ""
	if p.seeds > 0 {
		of = " of " + grouped(int64(p.seeds))
	}
	if p.c.lasts > 0 {
		left = fmt.Sprintf(", %s left", max(0, p.c.lasts-t.Took).Round(time.Second))
	}
	p.say(fmt.Sprintf("%s%s seeds, %.0f a second, %s%s", grouped(t.Seeds), of, float64(t.Seeds)/max(t.Took.Seconds(), 1e-9), violations(len(t.Found)), left))
}

func violations(n int) string {
	if n == 1 {
		return "1 violation"
	}
	return grouped(int64(n)) + " violations"
}

func (p *progress) say(text string) {
	if p.live {
		fmt.Fprint(p.c.errs, "\r"+text+"\033[K")
		return
	}
	fmt.Fprintln(p.c.errs, text)
}

// end leaves the terminal's line empty.
func (p *progress) end() {
	if p.live {
		fmt.Fprint(p.c.errs, "\r\033[K")
	}
}
