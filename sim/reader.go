package sim

import (
	"context"
	"log/slog"
	"time"

	"watari.dev/engine"
	"watari.dev/internal/outlet"
	"watari.dev/runner"
)

// reader is whoever reads what a process says: quick, until it stalls.
type reader struct{ *process }

// Write implements io.Writer.
func (r reader) Write(text []byte) (int, error) {
	for r.conditions[ReaderStalled].on(r.now) {
		r.bite(ReaderStalled)
		r.sleepUntil(r.conditions[ReaderStalled].until)
		r.alive()
	}
	return len(text), nil
}

// speaks shows turns and logs as the command does, through the outlets of the
// product.
func (p *process) speaks(cfg *runner.Config) {
	p.screen = outlet.New(reader{p}, outlet.Options{Lines: 20, Tasks: p.Group(), Now: p.Now})
	p.logged = outlet.New(reader{p}, outlet.Options{Lines: 20, Tasks: p.Group(), Now: p.Now})
	cfg.OnTurn = func(t runner.Turn) {
		for _, n := range t.Notes {
			_, _ = p.screen.Write([]byte(n.Text + "\n"))
		}
		p.screen.Draw(func(bool) []byte { return []byte(t.Status.Reason) })
	}
	cfg.Log = slog.New(journalist{p.logged})
}

// journalist writes the message of a log line and nothing else.
type journalist struct {
	to interface{ Write([]byte) (int, error) }
}

func (journalist) Enabled(context.Context, slog.Level) bool { return true }

func (j journalist) Handle(_ context.Context, r slog.Record) error {
	_, err := j.to.Write([]byte(r.Message + "\n"))
	return err
}

func (j journalist) WithAttrs([]slog.Attr) slog.Handler { return j }
func (j journalist) WithGroup(string) slog.Handler      { return j }

// overheard states that showing and logging take no time, whatever is put there.
func (p *process) overheard(cfg *runner.Config) {
	show, log := cfg.OnTurn, cfg.Log.Handler()
	cfg.OnTurn = func(t runner.Turn) {
		began := p.now
		show(t)
		p.check.unhindered(p, began)
	}
	cfg.Log = slog.New(stopwatch{log, p})
}

// stopwatch is a log of which it is known how long a line takes.
type stopwatch struct {
	slog.Handler
	process *process
}

// Handle implements slog.Handler.
func (w stopwatch) Handle(ctx context.Context, r slog.Record) error {
	began := w.process.now
	err := w.Handler.Handle(ctx, r)
	w.process.check.unhindered(w.process, began)
	return err
}

// unhindered states that the loop has not waited since began, unless its process
// was frozen.
func (c *checker) unhindered(p *process, began time.Duration) {
	if waited := c.now - began; waited > 0 && p.frozen <= began {
		c.fail("nobody waits for a reader", "%s has waited %s for whoever reads what it says", p.name, clock(waited))
	}
}

// The most that a process which ends waits for those who read.
const (
	farewell     = time.Second
	longFarewell = 10 * time.Second
)

// farewell is the end of the command.
func (p *process) farewell() {
	began := p.now
	p.screen.Flush(farewell, longFarewell)
	p.logged.Flush(farewell, longFarewell)
	if waited := p.now - began; waited > 2*farewell && p.frozen <= began {
		p.check.fail("nobody waits for a reader", "%s has ended and waits %s for whoever reads what it says", p.name, clock(waited))
	}
}

// silence ends who still waits for the reader of a process that has ended, as the
// end of a process does.
func (p *process) silence() {
	p.dead = true
	for _, t := range p.tasks {
		if t.waiting {
			p.wakeAt(t, p.now)
		}
	}
}

// turning states that a process which runs goes on deciding: nothing that it asks or
// tells anybody keeps it for longer than its writes and the store may.
func (c *checker) turning(p *process) {
	k := &p.knows
	gap := c.now - k.stepped
	if !k.turned || p.frozen > k.stepped || c.now < c.conditions[SlowStore].until+c.plan.Spec.Gate.Interval+slowestTurn {
		return
	}
	if bound := c.plan.Spec.Gate.Interval + slowestTurn; gap > bound {
		c.fail("the watch goes on", "%s decides again after %s", p.name, clock(gap))
	}
}

// slowestTurn is the longest of what a turn waits for besides its interval: its
// writes, and a turn of the looks.
var slowestTurn = runner.WriteWithin() + runner.TurnWithin(engine.Spec{}) + 5*time.Second
