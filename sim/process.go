package sim

import (
	"context"
	"slices"
	"strconv"
	"time"

	"watari.dev/internal/outlet"
	"watari.dev/runner"
)

// process is one run of the runner, as "watari run" or "watari rollback -f" is.
// What it calls outside of itself are its effects; it can be killed or frozen
// between any two.
type process struct {
	*world
	name   string
	number int
	tasks  []*task // that have not ended
	dead   bool
	over   bool          // Run has returned
	frozen time.Duration // nothing of it runs before
	began  time.Duration
	offset time.Duration // of its wall clock from the true time
	cancel context.CancelFunc
	blind  bool           // takes back with the levers alone
	screen *outlet.Outlet // what people are shown; nil before it says anything
	logged *outlet.Outlet // what it logs

	effects  int // so far
	moment   time.Duration
	rush     int // effects in this moment
	dieAt    int // effect at which it is killed; 0 is never
	cutAt    int // effect at which the power goes; 0 is never
	freezeAt int // effect at which it is frozen for freeze; 0 is never
	freeze   time.Duration

	knows knowledge
}

// alive ends the running task if its process was killed, and keeps it from going
// on while it is frozen.
func (p *process) alive() {
	if p.dead {
		panic(killed{})
	}
	for p.frozen > p.now {
		p.sleepUntil(p.frozen)
	}
}

// effect is the moment before and after anything that the process does to the
// world.
func (p *process) effect() {
	p.alive()
	p.effects++
	p.hurry()
	if p.effects == p.dieAt {
		p.bite(Kill)
		p.kill()
		panic(killed{})
	}
	if p.effects == p.cutAt {
		p.bite(PowerCut)
		p.powerCut()
		panic(killed{})
	}
	if p.effects == p.freezeAt {
		p.bite(Freeze)
		p.freezeUntil(p.now + p.freeze)
		p.alive()
	}
}

// mostAtOnce is how much a process may do in one moment: a turn has some twenty
// effects, and a world in which no call takes time makes a few turns of one moment.
const mostAtOnce = 1000

// hurry ends a process that goes on and on while no time passes.
func (p *process) hurry() {
	if p.moment != p.now {
		p.moment, p.rush = p.now, 0
	}
	if p.rush++; p.rush > mostAtOnce {
		p.check.fail("liveness", "%s spins: %d effects in one moment", p.name, p.rush)
		p.kill()
		panic(killed{})
	}
}

func (p *process) freezeUntil(when time.Duration) {
	p.frozen = max(p.frozen, when)
	p.calm, p.thawed = max(p.calm, p.frozen), max(p.thawed, p.frozen)
	p.tell(p.name, "frozen until "+clock(p.frozen))
}

// kill ends the process without a word. What is under way to the world arrives.
func (p *process) kill() {
	if p.dead || p.over {
		return
	}
	p.dead = true
	p.tell(p.name, "killed")
	p.disturbed()
	for _, t := range p.tasks {
		if t.waiting {
			p.wakeAt(t, p.now)
		}
	}
	p.ended(p)
}

// interrupt is Ctrl-C.
func (p *process) interrupt() {
	if p.dead || p.over {
		return
	}
	p.tell(p.name, "interrupted")
	p.disturbed()
	p.cancel()
	for _, t := range p.tasks {
		if t.waiting {
			p.wakeAt(t, p.now)
		}
	}
}

func (p *process) forget(t *task) {
	if i := slices.Index(p.tasks, t); i >= 0 {
		p.tasks = slices.Delete(p.tasks, i, i+1)
	}
}

// wall is what the process's clock shows.
func (p *process) wall() time.Time { return dawn.Add(p.now + p.offset) }

// Now, Sleep, Timeout and Group implement runner.Clock.
func (p *process) Now() time.Time { return p.wall() }

// Sleep implements runner.Clock.
func (p *process) Sleep(ctx context.Context, d time.Duration) {
	if ctx.Err() == nil {
		p.sleepUntil(p.now + d)
		p.alive()
	}
}

// Timeout implements runner.Clock.
func (p *process) Timeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	at := p.wall().Add(d)
	if earlier, has := ctx.Deadline(); has && earlier.Before(at) {
		at = earlier
	}
	return &deadline{Context: ctx, process: p, at: at}, func() {}
}

// Group implements runner.Clock.
func (p *process) Group() runner.Group { return &group{process: p} }

// deadline is a context that ends by virtual time.
type deadline struct {
	context.Context
	process *process
	at      time.Time
}

func (c *deadline) Deadline() (time.Time, bool) { return c.at, true }

func (c *deadline) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !c.process.wall().Before(c.at) {
		return context.DeadlineExceeded
	}
	return nil
}

// pass lets d pass for a call, and returns why it was given up if it was.
func (p *process) pass(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	until := p.now + d
	if at, has := ctx.Deadline(); has {
		until = min(until, p.now+at.Sub(p.wall()))
	}
	for p.now < until && ctx.Err() == nil {
		p.sleepUntil(until)
		p.alive()
	}
	return ctx.Err()
}

// group implements runner.Group.
type group struct {
	process *process
	running int
	ended   bool // a task has, since Wait returned last
	waiter  *task
}

func (g *group) Go(work func()) {
	g.running++
	g.process.begin(g.process, func() {
		defer g.end()
		work()
	})
}

func (g *group) end() {
	g.running--
	g.ended = true
	if g.waiter != nil {
		g.process.wakeAt(g.waiter, g.process.now)
	}
}

func (g *group) Wait(ctx context.Context, d time.Duration) {
	p := g.process
	p.alive()
	if !g.ended && ctx.Err() == nil && d > 0 {
		g.waiter = p.task
		p.wakeAt(p.task, p.now+d)
		p.loop.wait()
		g.waiter = nil
	}
	g.ended = false
}

func (g *group) WaitAll() {
	p := g.process
	p.alive()
	for g.running > 0 {
		g.waiter = p.task
		p.loop.wait()
		g.waiter = nil
	}
}

// spawn begins a process.
func (w *world) spawn(kind string, blind bool) {
	w.processes++
	p := &process{world: w, name: kind + " " + strconv.Itoa(w.processes), number: w.processes, began: w.now, offset: w.clock, blind: blind}
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	w.running = append(w.running, p)
	if !blind && w.listening() == 1 {
		w.check.idle = w.now
	}
	w.tell(p.name, "starts")
	w.begin(p, func() {
		defer cancel()
		err := p.main(ctx)
		p.over = true
		p.check.stops(p, err)
		p.silence()
		if err != nil {
			p.tell(p.name, "ends: "+err.Error())
		} else {
			p.tell(p.name, "ends")
		}
		p.ended(p)
	})
}

func clock(d time.Duration) string { return d.Round(time.Millisecond).String() }
