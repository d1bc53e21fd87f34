package sim

import (
	"slices"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// policies states that what the plan leaves to its author is done as he says: when
// time is up, when the target cannot be judged, when somebody else writes.
func (c *checker) policies(p *process, before engine.Status, seen engine.Observation, after engine.Status) {
	if after.Phase.TakingBack() && !before.Phase.TakingBack() {
		c.reasoned(p, after)
	}
	if len(seen.Commands) == 0 && before.Phase == after.Phase {
		c.goesOn(p, after)
	}
}

// reasoned states that the reason for which everything is taken back is one.
func (c *checker) reasoned(p *process, after engine.Status) {
	spec, lasted := c.plan.Spec, p.wall().Sub(after.Started)
	switch {
	case strings.HasPrefix(after.Cause, "deadline"):
		if spec.Deadline == 0 || lasted < spec.Deadline {
			c.fail("the deadline is the plan's", "%q after %s", after.Cause, clock(lasted))
		}
	case strings.Contains(after.Cause, "cannot be judged"):
		policy := spec.Rollback
		asked := policy.OnUnknown == engine.UnknownRollsBack
		for _, do := range policy.Kinds {
			asked = asked || do == engine.UnknownRollsBack
		}
		if !asked || lasted < policy.UnknownAfter {
			c.fail("not knowing is dealt with as planned", "%q after %s", after.Cause, clock(lasted))
		}
	}
}

// goesOn states that nothing goes on that the plan wants ended.
func (c *checker) goesOn(p *process, after engine.Status) {
	spec := c.plan.Spec
	rising := after.Phase == engine.Shifting || after.Phase == engine.Holding
	drifting := slices.ContainsFunc(after.Routes, func(r engine.RouteStatus) bool { return r.Drift != nil })
	if lasted := p.wall().Sub(after.Started); rising && !drifting && spec.Deadline > 0 && !after.Started.IsZero() && lasted >= spec.Deadline && c.clock == 0 {
		c.fail("the deadline is the plan's", "%s goes on after %s of %s", after.Phase, clock(lasted), spec.Deadline)
	}
	watching := (after.Phase == engine.Holding || after.Phase == engine.Soaking) && after.Evidence.Rate > 0 // else nobody knows whether it should have users
	policy := spec.Rollback
	holds := slices.ContainsFunc(unknowns, func(why engine.Why) bool {
		do, has := policy.Kinds[why]
		return has && do == engine.UnknownHolds
	})
	if !watching || drifting || !spec.Gate.Signals || policy.OnUnknown != engine.UnknownRollsBack || holds {
		return
	}
	unseen := c.now - max(c.sawLast(p).Target, p.began, c.thawed, c.reached)
	if bound := policy.UnknownAfter + spec.Gate.Window + 3*spec.Gate.Interval + slowest(c.plan.Signals) + c.late() + 20*time.Second; unseen > bound {
		c.fail("not knowing is dealt with as planned", "%s goes on, the target was seen %s ago", after.Phase, clock(unseen))
	}
}

// unknowns are what a plan can say something else about than about not knowing at
// all.
var unknowns = []engine.Why{engine.NoTargetData, engine.Silent, engine.Missplit}

// welcome reports whether a share is what was wanted, whoever wrote it while nobody
// knew what became of our own write.
func (c *checker) welcome(p *process, l *lever) bool {
	d := p.knows.durable
	return d != nil && slices.ContainsFunc(d.Routes, func(r engine.RouteStatus) bool {
		return r.Name == l.ref.Name && r.Written != nil && r.Written.Note == engine.FoundByReading && r.Written.Share == l.high()
	})
}

// corrected states that what somebody else has written is written over as the plan
// says: by an operator's word, or downwards and a few times only.
func (c *checker) corrected(p *process, l *lever, w router.Change) {
	known := p.knows.reading(l.index())
	if !l.foreign || known.version != l.version || l.changed <= max(c.consented, c.started) || l.high() == l.agreed || w.Share == traffic.None {
		return
	}
	if c.welcome(p, l) {
		return
	}
	if c.plan.Spec.OnDrift != engine.DriftReasserts {
		c.fail("drift is dealt with as planned", "%s is sent %s over %s's %s, and the plan holds", l.ref.Name, w.Share, l.writer, l.describe())
	}
	if l.corrected != w.ID {
		l.corrected = w.ID
		l.corrections++
	}
	if l.corrections > engine.ReassertMost && c.agreed < 0 {
		c.fail("drift is dealt with as planned", "%s is written again for the %dth time", l.ref.Name, l.corrections)
	}
}
