package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
	"watari.dev/traffic"
)

// checker states the invariants. It sees the truth, which no part of the product
// does.
type checker struct {
	*world
	broken       error
	steps        int
	endedAt      time.Duration
	unremembered bool            // something was written that the store knows nothing of, so that the next process cannot
	acknowledged store.Revision  // that somebody was told to be saved
	status       json.RawMessage // of that revision
	lines        int             // of the journal, of which somebody was told the same; without those of counts
	requests     int64           // that those of counts add up to
	agreed       time.Duration   // when an operator last agreed to what is there: resume or retry
	consented    time.Duration   // when he had seen it
	started      time.Duration   // when an attempt began, with what it found
	takingAt     time.Duration   // since when everything is being taken back; negative if it is not
	asked        map[string]int  // tries of rises, by process and intent
	heard        map[string]bool // orders that somebody was handed who runs the migration
	trouble      time.Duration   // when the store was in trouble last
	idle         time.Duration   // when nobody ran it last
	promises
}

// knowledge is what a process has been told.
type knowledge struct {
	routes  []reading
	sides   []traffic.BySide[time.Duration] // when each side of each service was known last
	lacks   []lacking                       // what was missing of the target's latencies, of each service
	stepped time.Duration                   // when it decided last
	before  time.Duration                   // and before that
	decided engine.Status
	durable *engine.Status // what of its decisions the store has, whatever it was told
	failing bool           // the last save did, as it was told
	orders  []string       // that it was given, and of which the store does not know yet
	claims  []Violation    // what of its decisions must not be saved
	twice   string         // what it obeyed of them that had been obeyed before
	turned  bool           // it has decided before
	sighted bool           // when it did, it could see the target
	loaded  time.Duration  // when it read the record that it decides by
	reread  time.Duration  // when it read the record last
}

// reading is the last answer about a route.
type reading struct {
	at      time.Duration
	version int
}

const never = time.Duration(-1)

func newChecker(w *world) *checker {
	return &checker{world: w, takingAt: never, agreed: never, consented: never, started: never, asked: map[string]int{}, heard: map[string]bool{}, promises: promises{obeyed: map[string]bool{}, typed: map[string]typed{}, answers: map[string]bool{}, askedAt: map[string]time.Duration{}, conflicts: map[string]bool{}}}
}

// fail remembers the first invariant that does not hold.
func (c *checker) fail(invariant, format string, args ...any) {
	if c.broken == nil {
		c.broken = &Violation{Invariant: invariant, Text: fmt.Sprintf(format, args...), At: c.now}
		c.tell("VIOLATION", c.broken.Error())
	}
}

// step decides for the process, with the engine of the product or a broken one.
func (p *process) step(spec engine.Spec, status engine.Status, seen engine.Observation, now time.Time) (engine.Status, []engine.Intent) {
	decide := engine.Step
	if p.brk != nil && p.brk.Step != nil {
		decide = p.brk.Step
	}
	after, intents := decide(spec, status, seen, now)
	p.check.stepped(p, status, seen, after, intents)
	return after, intents
}

// stepped looks at a decision.
func (c *checker) stepped(p *process, before engine.Status, seen engine.Observation, after engine.Status, intents []engine.Intent) {
	c.steps++
	c.turning(p)
	c.little(p, before)
	if p.knows.loaded != p.knows.reread {
		p.knows.claims = nil // what was decided before it was read again was not
	}
	p.knows.loaded = p.knows.reread
	p.knows.before, p.knows.stepped, p.knows.decided = p.knows.stepped, c.now, after
	seen.Commands = slices.DeleteFunc(slices.Clone(seen.Commands), func(cmd engine.Command) bool { _, done := before.Answered(cmd.ID); return done })
	c.consent(before, after)
	if !p.blind {
		p.knows.claims = append(p.knows.claims, c.answered(before, after)...)
	}
	if c.tracing {
		for _, in := range intents {
			if n, is := in.(engine.Note); is {
				c.tell(p.name, n.Text)
			}
		}
	}
	c.orders(p, seen)
	c.heeded(p, seen)
	if p.blind {
		if !after.Phase.TakingBack() && after.Phase != engine.RolledBack {
			c.fail("a rollback never runs forwards", "%s is %s", p.name, after.Phase)
		}
		return // it goes by a memory of its own
	}
	c.promised(p, before, seen, after, intents)
	c.parts(p, before, seen, after)
	c.policies(p, before, seen, after)
	if before.Phase.Ended() && after.Phase != before.Phase && len(seen.Commands) == 0 {
		c.fail("ends stay ends", "%s became %s without a command", before.Phase, after.Phase)
	}
	if before.Phase != engine.Shifting && after.Phase == engine.Shifting && before.Phase == engine.Pending {
		c.started = c.now
	}
	for _, in := range intents {
		if w, is := in.(engine.Write); is {
			c.intended(p, after, w)
		}
	}
	c.tookBack(before, after, intents)
	c.named(before, after, intents)
	if after.Phase != before.Phase && after.Phase == engine.Complete {
		c.truly(p, traffic.All)
	}
	if after.Phase != before.Phase && after.Phase == engine.RolledBack {
		c.truly(p, traffic.None)
	}
}

// intended looks at a write that was decided.
func (c *checker) intended(p *process, after engine.Status, w engine.Write) {
	c.paced(p, w)
	if w.Urgent {
		if w.Share != traffic.None {
			c.fail("never above the step", "an urgent write asks for %s", w.Share)
		}
		if w.IfVersion != "" {
			c.fail("rollback needs the router alone", "taking back %s rests on %s of it", w.Route, w.IfVersion)
		}
		return
	}
	if goal := c.plan.Spec.Steps[max(0, after.Step)].Share; w.Share > goal {
		c.fail("never above the step", "%s is asked for %s, the step's share is %s", w.Route, w.Share, goal)
	}
}

// tookBack states that the decision to take back is carried out at once, and
// begins to watch how long it takes.
func (c *checker) tookBack(before, after engine.Status, intents []engine.Intent) {
	if !after.Phase.TakingBack() {
		if after.Phase != before.Phase {
			c.takingAt = never
		}
		return
	}
	if before.Phase.TakingBack() {
		return
	}
	for _, r := range after.Routes {
		exposed := r.Written != nil && r.Written.Share > 0 || r.Seen != nil && r.Seen.High > 0
		if exposed && !slices.ContainsFunc(intents, func(in engine.Intent) bool {
			w, is := in.(engine.Write)
			return is && w.Route == r.Name && w.Share == traffic.None
		}) {
			c.fail("rollback at once", "taking back was decided without a write to %s", r.Name)
		}
	}
	since := c.now
	c.takingAt = since
	c.at(since+wayBack, func() { c.backBy(since) })
}

// wayBack is how long taking back may take at most once the levers answer and
// somebody runs it: one try that hangs (12 s), the longest wait before the next
// (15 s), a turn in between, and what a late write makes necessary again.
const wayBack = 12*time.Second + 15*time.Second + latest + 10*time.Second

// backBy states that everything is back in time.
func (c *checker) backBy(since time.Duration) {
	if c.takingAt != since || since == never || !c.phase.TakingBack() {
		return
	}
	if due := c.calm + wayBack; due > c.now || len(c.running) == 0 {
		c.at(max(due, c.now+time.Second), func() { c.backBy(since) })
		return
	}
	again := false
	for _, l := range c.levers {
		for n, part := range l.parts {
			switch {
			case l.stuck(n):
				again = true
			case part.Share() == traffic.None:
			case l.stuck(l.broken.which) || slices.ContainsFunc(c.levers, func(o *lever) bool { return o.stuck(o.broken.which) }):
				c.fail("one bad part stops no other", "part %d of %s is at %s, %s after the levers answered again", n, l.ref.Name, part.Share(), clock(c.now-max(c.calm, since)))
			default:
				c.fail("rollback in time", "%s is at %s, %s after the levers answered again", l.ref.Name, l.high(), clock(c.now-max(c.calm, since)))
			}
		}
	}
	if again {
		c.at(c.now+wayBack, func() { c.backBy(since) })
	}
}

// named states that an intruder is named when he is found.
func (c *checker) named(before, after engine.Status, intents []engine.Intent) {
	for i, r := range after.Routes {
		if r.Drift == nil || i < len(before.Routes) && before.Routes[i].Drift != nil || r.Drift.Owner == nil {
			continue
		}
		if !slices.ContainsFunc(intents, func(in engine.Intent) bool {
			n, is := in.(engine.Note)
			return is && strings.Contains(n.Text, r.Drift.Owner.Name)
		}) {
			c.fail("the intruder is named", "%s was changed by %s and nobody says so", r.Name, r.Drift.Owner.Name)
		}
	}
}

// truly states what Complete and RolledBack say: every lever has the share, it was
// read in this turn, it has settled, and nothing is on its way that changes it.
func (c *checker) truly(p *process, share traffic.Share) {
	c.caller = p
	if holder, _, held, err := c.store.Holder(context.Background(), key); err == nil && held && holder.ID != p.name {
		return // who was overtaken says nothing: he cannot save it
	}
	for i, l := range c.levers {
		known := p.knows.reading(i)
		if share == traffic.None && c.waived(p, l) && l.stuck(l.broken.which) {
			continue // what is gone, an operator has left out
		}
		if known.at == never || c.now-known.at > c.moment(i) {
			c.fail("an end is read back", "%s is said without having read %s", p.knows.decided.Phase, l.ref.Name)
			continue
		}
		if !l.foreign && l.by != p && l.changed > known.at || c.conditions[StaleRead].on(c.now) && known.version != l.version {
			continue // another process of ours did it after it was read, or after what a stale read shows
		}
		if l.foreign && known.version != l.version {
			continue // somebody else did it after it was read, or after what a stale read shows
		}
		if !l.is(share) {
			c.fail("an end is true", "%s is said while %s is at %s", p.knows.decided.Phase, l.ref.Name, l.describe())
		}
		if l.intruded > 0 && c.now-l.intruded < time.Minute {
			continue // what was seen before and after it looks the same
		}
		if met := c.users.shares[i]; met != share.Ratio() && l.honest(p) {
			c.fail("an end is settled", "%s is said while users of %s still meet %.2f", p.knows.decided.Phase, l.ref.Name, met)
		}
		if met := c.users.lagged[i]; met != share.Ratio() && c.now < l.used+l.Cached && l.honest(p) {
			c.fail("an end is settled", "%s is said while users of %s who have an older answer still meet %.2f", p.knows.decided.Phase, l.ref.Name, met)
		}
		if share == traffic.None && l.pending > 0 && c.clock == 0 { // a clock that was set knows nothing of how long ago a write was sent
			c.fail("an end is true", "%s is said while a write that raises %s is under way", p.knows.decided.Phase, l.ref.Name)
		}
	}
}

// moment is how old a reading of a route may be that something is said or done on:
// ten seconds, how long a look at it may take, and the end of a turn.
func (c *checker) moment(i int) time.Duration {
	return 11*time.Second + c.plan.Spec.Routes[i].LookEvery + max(time.Second, c.plan.Spec.Gate.Interval)
}

// leaseOf is how long a process may act on what it has decided.
const leaseOf = 15 * time.Second

// reading returns the last answer about a route.
func (k *knowledge) reading(i int) reading {
	if i < len(k.routes) {
		return k.routes[i]
	}
	return reading{at: never, version: -1}
}

func (c *checker) read(p *process, l *lever, s state) {
	for len(p.knows.routes) < len(c.levers) {
		p.knows.routes = append(p.knows.routes, reading{at: never, version: -1})
	}
	p.knows.routes[l.index()] = reading{at: c.now, version: s.version}
}

func (c *checker) counted(p *process, service int, target bool, r traffic.Reading[traffic.Counts]) {
	if r.State != traffic.Known {
		return
	}
	if target {
		c.untimed(p, service, r.Value)
	}
	for len(p.knows.sides) <= service {
		p.knows.sides = append(p.knows.sides, traffic.BySide[time.Duration]{})
	}
	if target {
		p.knows.sides[service].Target = c.now
	} else {
		p.knows.sides[service].Source = c.now
	}
}

// unsaved is how much of a hold a process may lose when it dies.
const unsaved = 5 * time.Second

// little states that hardly any of what a process has watched is lost with it.
func (c *checker) little(p *process, now engine.Status) {
	d := p.knows.durable
	if d == nil || p.blind || p.knows.failing || d.Phase != now.Phase || d.Holds != now.Holds {
		return
	}
	if lost := now.Held - d.Held; lost > unsaved {
		c.fail("little is lost with a process", "%s of the hold are not saved", clock(lost))
	}
}

// sawLast returns when each side was known last: of all services, the one that was
// seen least.
func (c *checker) sawLast(p *process) (least traffic.BySide[time.Duration]) {
	for i, sides := range p.knows.sides {
		if i == 0 {
			least = sides
		}
		least.Source, least.Target = min(least.Source, sides.Source), min(least.Target, sides.Target)
	}
	if len(p.knows.sides) < len(names(c.plan.Signals)) {
		return traffic.BySide[time.Duration]{}
	}
	return least
}

// saved is told what became of a save.
func (c *checker) saved(p *process, record store.Record, durable bool, err error) {
	p.knows.failing = err != nil
	if !durable {
		return
	}
	status := p.knows.decided
	p.knows.durable = &status
	c.remembered(p, record.Status)
	c.shown = *p.knows.durable
	if status.Phase != c.phase {
		c.endedAt = c.now
		c.enter(status.Phase)
	}
}

// survived states that everything that somebody was told to be saved is there after
// a power cut. What nobody was told may be gone.
func (c *checker) survived() {
	c.saver = nil
	c.recount()
	record, revision, err := c.store.Load(context.Background(), key)
	if errors.Is(err, store.ErrNotFound) && c.acknowledged == 0 {
		return
	}
	var status engine.Status
	if err == nil {
		err = json.Unmarshal(record.Status, &status)
	}
	if err != nil {
		c.fail("what is saved stays saved", "%v", err)
		return
	}
	if revision < c.acknowledged || revision == c.acknowledged && !bytes.Equal(record.Status, c.status) {
		c.fail("what is saved stays saved", "revision %d was saved, %d is there", c.acknowledged, revision)
	}
	c.tally()
	for id := range c.obeyed {
		_, c.obeyed[id] = status.Answered(id)
	}
	for id := range c.answers {
		if _, there := status.Answered(id); !there {
			delete(c.answers, id)
		}
	}
	c.shown = status
	if status.Phase != c.phase {
		c.enter(status.Phase)
	}
}

// tried counts the tries of a rise that a driver is asked for. An operator who
// resumes gives it new ones.
func (c *checker) tried(p *process, w router.Change) {
	if w.Share == traffic.None {
		return
	}
	id := p.name + w.ID
	if c.asked[id]++; c.asked[id] > engine.TryBounds().RiseTries && c.agreed < 0 {
		c.fail("bounded retries", "%s is tried for the %dth time", w.ID, c.asked[id])
	}
}

// sent looks at a write in the moment in which it leaves the process.
func (c *checker) sent(p *process, l *lever, w router.Change) {
	if c.tracing {
		c.tell(p.name, fmt.Sprintf("sends %s to %s (%s)", w.Share, l.ref.Name, w.ID))
	}
	c.fenced(p, l, w)
	if w.Share > traffic.None {
		c.rises(p, l, w)
	}
}

// fenced states that only who holds the lease writes. Who takes back may do it
// while the store cannot say who holds it.
func (c *checker) fenced(p *process, l *lever, w router.Change) {
	c.unremembered = c.unremembered || p.knows.failing
	if w.Share == traffic.None && (p.blind || p.knows.failing) {
		return
	}
	if c.clock != 0 {
		return // where clocks do not agree about when a lease ends, the store's revisions keep two from writing
	}
	if c.planted("lease.json") {
		return // the lease is where nobody can see it
	}
	c.caller = p
	holder, _, held, err := c.store.Holder(context.Background(), key)
	if err != nil || !held || holder.ID != p.name {
		c.fail("fencing", "%s sends %s to %s, the lease is %q's", p.name, w.Share, l.ref.Name, holder.ID)
	}
}

// rises looks at a write that raises a share.
func (c *checker) rises(p *process, l *lever, w router.Change) {
	d := p.knows.durable
	if d != nil && w.Share > c.plan.Spec.Steps[d.Step].Share {
		c.fail("never above the step", "%s is sent %s in step %d", l.ref.Name, w.Share, d.Step+1)
	}
	remembered := d != nil && slices.ContainsFunc(d.Routes, func(r engine.RouteStatus) bool {
		return r.Name == l.ref.Name && r.Want != nil && r.Want.ID == w.ID && r.Want.Share == w.Share
	})
	if !remembered {
		c.fail("saved before applied", "%s sends %s to %s, which the store does not know", p.name, w.ID, l.ref.Name)
		return
	}
	c.corrected(p, l, w)
	if w.Share <= l.low() {
		return
	}
	if w.IfVersion == "" {
		c.fail("a rise is compared", "%s is sent %s over whatever is there", l.ref.Name, w.Share)
	}
	if d.Phase != engine.Shifting {
		c.fail("no rise but in Shifting", "%s is sent %s in phase %s", l.ref.Name, w.Share, d.Phase)
	}
	for i, other := range c.levers {
		if k := p.knows.reading(i); k.at == never || c.now-k.at > c.moment(i)+leaseOf {
			c.fail("no rise on the unknown", "%s rises to %s, %s was read %s ago", l.ref.Name, w.Share, other.ref.Name, clock(c.now-k.at))
		}
	}
	c.sighted(p, l, w)
	i := l.index()
	if known := p.knows.reading(i); l.foreign && known.version == l.version && l.changed > max(c.consented, c.started) && l.high() != l.agreed && !c.welcome(p, l) {
		c.fail("intruders are not overwritten upwards", "%s is sent %s over %s's %s", l.ref.Name, w.Share, l.writer, l.describe())
	}
}

// sighted states that nothing rises while nobody can see.
func (c *checker) sighted(p *process, l *lever, w router.Change) {
	gate := c.plan.Spec.Gate
	if !gate.Signals {
		return
	}
	bound, saw := gate.Window+3*gate.Interval+26*time.Second, c.sawLast(p)
	if !p.knows.durable.Evidence.Alone && c.now-saw.Source > bound {
		c.fail("no rise on the unknown", "%s rises to %s, the source was seen %s ago", l.ref.Name, w.Share, clock(c.now-saw.Source))
	}
	if l.low() > traffic.None && c.now-saw.Target > bound {
		c.fail("no rise on the unknown", "%s rises to %s, the target was seen %s ago", l.ref.Name, w.Share, clock(c.now-saw.Target))
	}
}

// arrived is told of a change that our own write made.
func (c *checker) arrived(l *lever, w router.Change, before traffic.Share) {
	if l.high() > w.Share && l.high() > before {
		c.fail("never above the step", "%s became %s, %s was asked for", l.ref.Name, l.high(), w.Share)
	}
}

// harmless are the faults that change nothing about where a migration ends.
var harmless = []Kind{Kill, Interrupt, PowerCut, Second, SaveBefore, SaveAfter, TornJournal, ReplyLost, SlowStore, Burst, Touch}

// finally states what must be true when nothing more happens.
func (c *checker) finally() {
	spec, u := c.plan.Spec, c.plan.Users
	if c.platter != nil {
		c.tally()
	}
	if !c.phase.Ended() {
		c.fail("liveness", "nothing goes wrong any more and it does not end: %s since %s", c.phase, clock(c.endedAt))
		return
	}
	const plenty = 20                                                                              // failed requests of the target: fewer are no evidence of anything
	bad, seen := u.TargetFails > 0.2, max(0, c.endedAt-spec.Gate.Interval-slowest(c.plan.Signals)) // what was counted by then
	if bad && c.users.sums(seen).errors.Target >= plenty && spec.Gate.Signals && spec.Gate.MaxErrorRatio < 1 && !spec.Rollback.Manual && c.phase == engine.Complete {
		c.fail("a bad target is found", "it is complete on a target that fails %.0f %% of its requests", 100*u.TargetFails)
	}
	c.lostOrder()
	if c.calmPlan() && !bad && !u.TargetSlow && u.Warming == 0 && spec.Deadline == 0 && c.bucket.rate == 0 && c.phase != engine.Complete {
		c.fail("killed anywhere, the same end", "nothing speaks against the target, and it is %s", c.phase)
	}
}
