package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"watari.dev/engine"
	"watari.dev/router/metered"
	"watari.dev/store"
	"watari.dev/store/filestore/memdisk"
)

var dawn = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is one plan being played.
type world struct {
	*loop
	plan    Plan
	dice    *rand.Rand
	brk     *Mutant // nil: nothing is broken
	odd     any     // what a mutant keeps between processes
	foreign foreign
	levers  []*lever
	bucket  *bucket
	users   *users
	store   store.Store
	platter *memdisk.Disk // that it is on; nil for a store in memory
	meter   *metered.Meter
	ledger  *ledger
	check   *checker
	caller  *process // of the store, at this moment
	outside *process // an operator's terminal, which is no part of any run
	running []*process

	processes  int
	clock      time.Duration // offset of the wall clock of processes that begin
	conditions [kinds]condition
	armed      []*armed // faults that hit calls
	entered    map[engine.Phase]int
	waiting    int  // commands in the store
	undone     bool // the save that is said to have failed has not
	orders     int
	hasty      bool          // somebody tries again as soon as it is rolled back
	resumed    int           // how often an operator let it go on
	phase      engine.Phase  // that the store has
	shown      engine.Status // that the store has, which is what people see
	calm       time.Duration // when the last disturbance of levers or processes ended
	thawed     time.Duration // when a frozen process went on last
	healed     bool
	healAt     time.Duration

	met     *Coverage
	tracing bool
	trace   []string
	story   []beat
}

// condition is a fault that lasts.
type condition struct {
	until   time.Duration
	value   int
	service int // the only one whose metrics it hits, from 1 on; 0 is all
}

func (c condition) on(now time.Duration) bool { return now < c.until }

// armed is a fault that hits a number of calls.
type armed struct {
	kind Kind
	left int
}

// noise is one throw of the world's dice, 0..1.
func (w *world) noise() float64 { return w.dice.Float64() }

// hit reports which of the kinds hits this call; false if none does.
func (w *world) hit(of ...Kind) (Kind, bool) {
	for _, a := range w.armed {
		for _, k := range of {
			if a.kind == k && a.left > 0 {
				a.left--
				w.disturbed()
				return k, true
			}
		}
	}
	return kinds, false
}

// bite remembers that a fault was met, and in which phase.
func (w *world) bite(k Kind) {
	if w.met != nil {
		w.met.add(k, w.phase)
	}
	switch k {
	case DiskFull, Unreadable, SaveBefore, SaveAfter: // taking back needs no store
		w.check.trouble = w.now
	case ForeignFile, ReaderStalled, NameRefused, RouteGone: // no trouble for whoever trusts no file, waits for no reader, and lets no lever stop another
	default:
		w.disturbed()
	}
	if w.tracing {
		w.tell("fault", k.String())
	}
	w.record(beat{fault: k, bite: true})
}

// disturbed remembers that levers or processes did not do what they should.
func (w *world) disturbed() { w.calm = max(w.calm, w.now) }

// tell adds a line to the trace.
func (w *world) tell(who, what string) {
	if w.tracing {
		w.trace = append(w.trace, fmt.Sprintf("%10s  %-12s %s", clock(w.now), who, what))
	}
}

// newWorld sets the stage of a plan.
func newWorld(l *loop, plan Plan, o Options) *world {
	w := &world{loop: l, plan: plan, brk: o.Mutant, dice: rand.New(rand.NewPCG(plan.Seed, 0x6e6f697365)), entered: map[engine.Phase]int{}, met: o.Coverage, tracing: o.Trace}
	w.ledger = &ledger{}
	w.bucket = &bucket{rate: plan.Account.Rate, burst: plan.Account.Burst, tokens: plan.Account.Burst}
	w.check = newChecker(w)
	for i, l := range plan.Levers {
		w.levers = append(w.levers, w.newLever(i, l))
	}
	w.users = w.newUsers()
	w.store = w.newStore()
	return w
}

// The bounds of a run: of virtual time, and of events, which a world that spins
// would make without end.
const (
	patience   = 4 * time.Minute // how long the world goes on with faults that wait for a phase, before everything is healed
	ending     = 3 * time.Hour   // how long a migration may take to come to its end after that: with few users evidence takes long
	mostEvents = 400_000
)

// play lets the plan happen until the migration has ended, and says what was
// broken.
func (w *world) play() error {
	w.outside = &process{world: w, name: "operator"}
	w.caller = w.outside
	for _, f := range w.plan.Faults {
		if f.Phase == "" {
			w.at(f.After, func() { w.befall(f) })
			w.healAt = max(w.healAt, f.After+f.Lasts)
		}
	}
	w.healAt += patience
	w.at(w.healAt, w.heal)
	w.enter(engine.Pending)
	w.begins()
	w.until = w.healAt + ending
	for w.check.broken == nil && w.step() {
		if w.events > mostEvents {
			w.check.fail("liveness", "the world spins: %d events until %s", w.events, clock(w.now))
		}
	}
	if w.check.broken == nil {
		w.check.finally()
	}
	return w.check.broken
}

// heal ends every fault; from now on the migration must come to its end.
func (w *world) heal() {
	w.healed = true
	w.mendAll()
	w.conditions, w.armed = [kinds]condition{}, nil
	w.putAllBack()
	w.disturbed()
	w.users.change()
	w.tell("world", "everything is healed")
	if a := w.plan.Spec.Gate.Analysis; a != nil && a.Promote { // evidence that is required may take longer than people wait
		w.at(w.now+ending-time.Hour, func() {
			if !w.phase.Ended() {
				w.order(engine.TakeBack)
			}
		})
	}
	w.record(beat{heal: true})
}

// enter is told when the store has another phase, and lets happen what waits for
// it.
func (w *world) enter(p engine.Phase) {
	w.phase = p
	w.entered[p]++
	w.record(beat{phase: p})
	w.attend(p)
	if w.healed {
		return
	}
	for _, f := range w.plan.Faults {
		switch {
		case f.Phase != p || f.Nth != w.entered[p]:
		case f.After == 0 && meetsTurn(f.Kind):
			w.befall(f)
		default:
			w.at(w.now+f.After, func() { w.befall(f) })
		}
	}
}

// meetsTurn reports whether a fault that waits for a phase without delay hits the
// very turn that enters it: what hits calls, what ends a process between two effects,
// and rights that end between a look and a write. An event would come after all that
// the turn does without time passing.
func meetsTurn(k Kind) bool {
	return hitsCalls(k) || slices.Contains([]Kind{Kill, PowerCut, Freeze, Overslept, Denied, SignedOut, ClockOff}, k)
}

// befall lets a fault begin.
func (w *world) befall(f Fault) {
	if w.healed {
		return
	}
	w.tell("fault", f.String())
	w.record(beat{begins: &f})
	switch {
	case hitsCalls(f.Kind):
		w.armed = append(w.armed, &armed{kind: f.Kind, left: f.Times})
		return
	case w.befallProcess(f), w.befallPeople(f):
		return
	}
	c := &w.conditions[f.Kind]
	if f.Kind == NameRefused || f.Kind == RouteGone {
		w.breakPart(f)
		return
	}
	c.until, c.value, c.service = max(c.until, w.now+f.Lasts), f.Value, f.Service
	switch f.Kind {
	case TargetWorse, TargetSlow, TargetGone, SourceGone, BothFail, PodsDie, NoUsers, Burst:
		w.bite(f.Kind)
		w.users.change()
		w.at(c.until, w.users.change)
	case Throttled, Denied, SignedOut, ClockOff, ReadError, SlowCalls, SlowSettling, StaleRead, SlowStore:
		w.at(c.until, w.disturbed)
		w.calm = max(w.calm, c.until)
	}
}

// befallProcess lets something happen to the process that runs; false if the fault
// is of another sort.
func (w *world) befallProcess(f Fault) bool {
	switch f.Kind {
	case ClockStep:
		w.clock += time.Duration(f.Value) * time.Second
		w.bite(ClockStep)
		return true
	case Second:
		w.bite(Second)
		w.spawn("run", false)
		return true
	case Kill, Freeze, Overslept, Interrupt, PowerCut:
	default:
		return false
	}
	if len(w.running) == 0 {
		return true
	}
	p := w.running[0]
	switch f.Kind {
	case Kill:
		p.dieAt = p.effects + f.Value
	case PowerCut:
		p.cutAt = p.effects + f.Value
	case Interrupt:
		w.bite(Interrupt)
		p.interrupt()
	case Overslept:
		w.bite(Overslept)
		p.freezeAt, p.freeze = p.effects+f.Value, f.Lasts
		w.at(w.now+f.Lasts/2+2*time.Second, func() { w.spawn("run", false) })
		w.at(w.now+f.Lasts/2+10*time.Second, func() { w.spawn("run", false) })
	default:
		p.freezeAt, p.freeze = p.effects+f.Value, f.Lasts
	}
	return true
}

// errBroken is wrapped by what Run returns for an invariant that does not hold.
var errBroken = errors.New("an invariant is broken")

// Violation is an invariant that did not hold.
type Violation struct {
	Invariant string        // its name
	Text      string        // what was seen
	At        time.Duration // since the start
}

// Error implements error.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s: %s, at %s", v.Invariant, v.Text, clock(v.At))
}

// Unwrap makes it an errBroken.
func (v *Violation) Unwrap() error { return errBroken }

// Options say how a plan is played.
type Options struct {
	Mutant   *Mutant   // what is broken; nil for nothing
	Coverage *Coverage // counts which fault was met when; nil for nobody
	Trace    bool      // keep a line of each thing that happens
}

// Result is what became of a plan.
type Result struct {
	Phase  engine.Phase
	Broken error // a *Violation, or nil
	Took   time.Duration
	Events int64
	Steps  int // of the engine
	Trace  []string
	story  []beat
}

// Text is the trace as one text.
func (r Result) Text() string { return strings.Join(r.Trace, "\n") }

// Simulator plays plans one after the other. It may be used by one goroutine at a
// time; what it keeps between plans are coroutines and memory, nothing that a plan
// could notice.
type Simulator struct {
	loop  loop
	meter *metered.Meter // counts what all plans did
}

// Run plays one plan.
func (s *Simulator) Run(ctx context.Context, plan Plan, o Options) Result {
	l := &s.loop
	l.now, l.last, l.events, l.queue, l.task = 0, 0, 0, l.queue[:0], nil
	if s.meter == nil {
		var err error
		if s.meter, err = metered.NewMeter(prometheus.NewRegistry()); err != nil {
			return Result{Broken: err}
		}
	}
	w := newWorld(l, plan, o)
	w.meter = s.meter
	err := w.play()
	w.leave()
	return Result{Phase: w.phase, Broken: err, Took: w.check.endedAt, Events: l.events, Steps: w.check.steps, Trace: w.trace, story: w.story}
}

// Close ends the coroutines.
func (s *Simulator) Close() { s.loop.close() }

// leave kills what still runs, so that its coroutines can be used again.
func (w *world) leave() {
	w.tracing, w.met = false, nil
	for len(w.running) > 0 {
		w.running[0].kill()
	}
	w.until = 1 << 62
	for len(w.queue) > 0 {
		if e := w.pop(); e.task != nil && e.wait == e.task.wait && e.task.waiting && e.task.process.dead {
			w.resume(e.task)
		}
	}
}
