package sim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
)

// promises are the invariants about what a step is left on and what operators ask
// for.
type promises struct {
	obeyed    map[string]bool  // orders of which the store knows that they were obeyed
	submitted []string         // orders that the store has taken
	typed     map[string]typed // what operators have typed
	answers   map[string]bool  // whether a command was obeyed, as the store knows
	approvals []waited         // waits that somebody has approved while they lasted

	askedAt   map[string]time.Duration // when a process asked for a write last
	conflicts map[string]bool          // writes that were refused, with the version that they rested on

	hold    int           // number of the hold that is looked at
	held    time.Duration // how much of it was watched
	reached time.Duration // when it began

	told []lacked // of each service, of its target's latencies

	saver   *process      // who has saved last
	savedAt time.Duration // and when
}

// promised looks at a decision.
func (c *checker) promised(p *process, before engine.Status, seen engine.Observation, after engine.Status, intents []engine.Intent) {
	c.ordered(p, before, seen, after, intents)
	c.watched(p, before, after)
	c.manual(before, after, seen)
	c.misnamed(before, after)
	if after.Step > before.Step || before.Phase != engine.Complete && after.Phase == engine.Complete {
		c.left(p, before, after)
		c.leftTimed(p, before)
	}
	if after.Verdict.State == engine.Degraded && before.Verdict.State != engine.Degraded {
		c.accused(after)
	}
}

// orders remembers what a process was told to do.
func (c *checker) orders(p *process, seen engine.Observation) {
	for _, order := range seen.Commands {
		p.knows.orders = append(p.knows.orders, order.ID)
	}
}

// ordered states that what operators ask for is done once, and taking back at once.
func (c *checker) ordered(p *process, before engine.Status, seen engine.Observation, after engine.Status, intents []engine.Intent) {
	fresh := 0
	for _, order := range seen.Commands {
		if !c.obeyed[order.ID] {
			fresh++
		}
	}
	told := 0
	for _, in := range intents {
		if n, is := in.(engine.Note); is && n.Kind == "command" {
			told++
		}
	}
	if told > fresh && len(seen.Commands) > 0 {
		p.knows.twice = fmt.Sprintf("%d orders are obeyed, %d are new", told, fresh)
	}
	if n := len(seen.Commands); n > 0 && fresh == n && seen.Commands[n-1].Verb == engine.TakeBack && !after.Phase.TakingBack() && after.Phase != engine.RolledBack {
		c.fail("taking back is obeyed", "%s was told to take back and is %s", p.name, after.Phase)
	}
	if before.Phase == engine.Paused && after.Phase != engine.Paused && !after.Phase.TakingBack() && after.Phase != engine.RolledBack && len(seen.Commands) == 0 {
		c.fail("paused until an operator speaks", "it became %s without one", after.Phase)
	}
	if before.Phase.TakingBack() && !after.Phase.TakingBack() && after.Phase != engine.RolledBack &&
		!slices.ContainsFunc(seen.Commands, func(o engine.Command) bool { return o.Verb == engine.Retry }) {
		c.fail("ends stay ends", "taking back became %s", after.Phase)
	}
}

// watched adds up how much of a hold somebody watched who could see the target.
func (c *checker) watched(p *process, before, after engine.Status) {
	holding := before.Phase == engine.Holding || before.Phase == engine.Soaking
	if k := &p.knows; holding && after.Holds == c.hold && k.turned && k.sighted {
		c.held += min(c.now-k.before, 10*time.Second)
	}
	if after.Holds > c.hold { // a process that was overtaken is in an earlier one
		if !before.Reasserting { // else it goes on where the share was last seen in place
			c.held = 0
		}
		c.hold, c.held, c.reached = after.Holds, min(c.held, after.Held), c.now
	}
	gate := c.plan.Spec.Gate
	p.knows.turned = true
	p.knows.sighted = !gate.Signals || c.late() > 0 || c.now-c.sawLast(p).Target < max(gate.Window/2, slowest(c.plan.Signals))+answering
}

// answering is how long a source of counts may take to answer.
const answering = 5 * time.Second

// late is how much longer answers of the metrics take now, or did until a moment
// ago. What is asked for is not missed before it could have come.
func (c *checker) late() time.Duration {
	if c.now < c.conditions[SlowData].until+3*answering {
		return answering
	}
	return 0
}

// slowest is how long the slowest signal may have nothing new.
func slowest(signals []Signal) (long time.Duration) {
	for _, s := range signals {
		long = max(long, 3*s.Every)
	}
	return long
}

// left states on what a step is left: it was held and watched, the target had
// enough requests, and who must approve has.
func (c *checker) left(p *process, before, after engine.Status) {
	step, gate := c.plan.Spec.Steps[before.Step], c.plan.Spec.Gate
	if !after.Started.Equal(before.Started) {
		return // it begins where the levers are
	}
	slack := time.Millisecond
	if c.thawed >= c.reached-gate.Interval && c.thawed > 0 { // who has just woken up takes the last thing that he saw for one turn
		slack += gate.Interval + answering
	}
	if c.held < step.Hold-slack {
		c.fail("held and watched", "step %d is left after %s of %s", before.Step+1, clock(c.held), step.Hold)
	}
	if step.Approval && !c.approvedNow(before) { // who was overtaken cannot save it
		p.knows.claims = append(p.knows.claims, Violation{"no step without its approval", fmt.Sprintf("step %d is left and nobody has approved this wait", before.Step+1), c.now})
	}
	since := max(0, c.reached-gate.Interval-slowest(c.plan.Signals)-c.late()) // what was counted last may reach that far back
	got := c.users.sums(c.now).requests.Target - c.users.sums(since).requests.Target
	if services := float64(max(1, len(names(c.plan.Signals)))); gate.Signals && got*services+services < float64(gate.MinRequests) {
		c.fail("a step is left on evidence", "step %d is left, the target got %.0f of %d requests", before.Step+1, got*services, gate.MinRequests)
	}
}

// names lists the services that are counted.
func names(signals []Signal) (out []string) {
	for _, s := range signals {
		if !slices.Contains(out, s.Service) {
			out = append(out, s.Service)
		}
	}
	return out
}

// paced states that a write that was refused is not asked for again at once. What was
// decided before the record was read again was not, and so was not asked for.
func (c *checker) paced(p *process, w engine.Write) {
	who := p.name + w.ID
	if last, asked := c.askedAt[who]; asked && last >= p.knows.reread && c.now-last < pause && c.agreed < last {
		c.fail("a pause between tries", "%s is asked for again after %s", w.ID, clock(c.now-last))
	}
	c.askedAt[who] = c.now
}

// refused states that a write that was refused because the route has changed is
// not tried again with the version that it was refused with, once a newer one was
// read.
func (c *checker) refused(p *process, l *lever, w router.Change) {
	id := p.name + w.ID + w.IfVersion
	if known := p.knows.reading(l.index()); c.conflicts[id] && w.IfVersion != "v"+strconv.Itoa(known.version) {
		c.fail("a conflict is read again", "%s rests on %s of %s again, v%d was read since", w.ID, w.IfVersion, l.ref.Name, known.version)
	}
	c.conflicts[id] = true
}

// pause is the least that lies between two tries of a write.
const pause = 400 * time.Millisecond

// misnamed states that nobody is said to have changed a route that nobody but the
// migration has, in plans in which no write of its own can come late.
func (c *checker) misnamed(before, after engine.Status) {
	if !c.calmPlan() || c.unremembered {
		return
	}
	for i, r := range after.Routes {
		fresh := r.Drift != nil && (i >= len(before.Routes) || before.Routes[i].Drift == nil)
		if l := c.levers[i]; fresh && !slices.ContainsFunc(l.past, func(s state) bool { return s.owned }) {
			c.fail("nobody is accused wrongly", "%s is said to have been changed by somebody else", r.Name)
		}
	}
}

// calmPlan reports whether no fault of the plan changes where it ends.
func (c *checker) calmPlan() bool {
	return !slices.ContainsFunc(c.plan.Faults, func(f Fault) bool { return !slices.Contains(harmless, f.Kind) && !c.borne(f) })
}

// accused states that a target that has never failed a request, and never was
// slow, is not called degraded.
func (c *checker) accused(after engine.Status) {
	if sum := c.users.sums(c.now); sum.errors.Target == 0 && sum.slowTarget == 0 {
		c.fail("a good target is not accused", "%q, and it has failed no request", after.Verdict.Text)
	}
}

// manual states that nobody but an operator takes back where the plan says so.
func (c *checker) manual(before, after engine.Status, seen engine.Observation) {
	if before.Phase.TakingBack() || !after.Phase.TakingBack() || !c.plan.Spec.Rollback.Manual {
		return
	}
	if !slices.ContainsFunc(seen.Commands, func(o engine.Command) bool { return o.Verb == engine.TakeBack }) {
		c.fail("manual means an operator", "it takes back by itself: %s", after.Reason)
	}
}

// remembered is told of a status that is durable now.
func (c *checker) remembered(p *process, status json.RawMessage) {
	if p.knows.twice != "" { // what is not saved, nobody goes by
		c.fail("an order is obeyed once", "%s", p.knows.twice)
	}
	for _, claim := range p.knows.claims {
		c.fail(claim.Invariant, "%s", claim.Text)
	}
	p.knows.claims = nil
	c.unanswered(p, p.knows.decided)
	c.once(p.knows.decided)
	for _, id := range p.knows.orders {
		c.obeyed[id] = true
	}
	p.knows.orders = nil
	if c.saver != nil && c.saver != p && c.savedAt > p.knows.loaded {
		c.fail("nobody saves over another", "%s saves over what %s has saved since it was read", p.name, c.saver.name)
	}
	c.saver, c.savedAt = p, c.now
	if c.brk == nil {
		return
	}
	// A broken store may remember something else than what was decided last.
	var kept engine.Status
	if json.Unmarshal(status, &kept) == nil {
		p.knows.durable = &kept
	}
}

// borne reports whether a fault is waited for, so that it changes nothing about where
// the migration ends: a stranger's command, a clock that is off, expired credentials once
// it has begun, and what can be seen where the plan says to hold.
func (c *checker) borne(f Fault) bool {
	if f.Kind == ClockOff {
		return true
	}
	if f.Kind == SignedOut {
		return f.Phase != "" && f.Phase != engine.Pending
	}
	if f.Kind == ForeignFile && (c.platter == nil || f.Value < asForeignFile) {
		return true // a command that nobody obeys
	}
	policy := c.plan.Spec.Rollback
	for _, do := range policy.Kinds {
		if do == engine.UnknownRollsBack {
			return false
		}
	}
	return policy.OnUnknown != engine.UnknownRollsBack && slices.Contains([]Kind{Blind, Gap, SlowData, Untimed, OtherBuckets}, f.Kind)
}

// lostOrder states that every order was obeyed in the end, or refused.
func (c *checker) lostOrder() {
	for _, id := range c.submitted {
		if !c.obeyed[id] {
			c.fail("no order is lost", "%s was taken by the store and never obeyed", id)
		}
	}
}
