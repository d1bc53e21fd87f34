package engine

import (
	"fmt"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// endangered leaves the phase if something speaks against going on: a target
// that is worse or cannot be seen, a part of a route that cannot be moved any more,
// somebody else's hand on a route, the deadline. It returns true if it did.
func (t *turn) endangered() bool {
	if t.degradedOrBlind() {
		return true
	}
	return t.broken() || t.drifting() || t.overdue()
}

// degradedOrBlind takes back, or stops for an operator, when the evidence says
// so. What cannot be judged is not bad by itself: the policy decides.
func (t *turn) degradedOrBlind() bool {
	if !t.spec.Gate.Signals || !t.exposed() {
		return false
	}
	v := t.status.Verdict
	if v.State == Degraded {
		if t.status.Degraded.IsZero() {
			t.status.Degraded = t.now
		}
		t.giveUp("degraded: %s", v.Text)
		return true
	}
	policy := t.spec.Rollback
	if policy.on(v.Why) == UnknownRollsBack && t.unknownFor(v.Why) >= policy.UnknownAfter {
		t.giveUp("the target cannot be judged for %s: %s", policy.UnknownAfter, v.Text)
		return true
	}
	ratio, alone := t.failsAlone()
	switch s := &t.status; {
	case !alone:
		s.BurningAt = time.Time{}
	case s.BurningAt.IsZero():
		s.BurningAt = t.now
	case t.now.Sub(s.BurningAt) >= policy.UnknownAfter:
		s.BurningAt = time.Time{}
		t.giveUp("target fails %s of requests for %s, more than its objective bears, and cannot be compared: %s",
			verdict.Percent(ratio), policy.UnknownAfter, v.Text)
		return true
	}
	return false
}

// failsAlone reports whether the target is seen to fail more than an error budget
// bears while there is nothing to compare it with. To hold it there for as long as the
// source is not known would be to wait for what may never come. It is not for what both
// sides failed when they were compared last.
func (t *turn) failsAlone() (ratio float64, burning bool) {
	if !t.status.Verdict.Why.onlyTarget() {
		return 0, false
	}
	if t.spec.Gate.Analysis == nil || t.status.Shared || !t.status.Evidence.Last.Target.fresh(t.spec.Gate, t.now) {
		return 0, false
	}
	return t.status.Evidence.burning(t.spec.Gate)
}

// unknownFor is how long it has not been known what should be, since this attempt
// gave the target users. That it has none, or no data yet, is nothing while its share
// is still on its way, or while the counts of the time since are.
func (t *turn) unknownFor(why Why) time.Duration {
	since := t.status.BlindAt
	if since.IsZero() {
		return -1
	}
	if since.Before(t.status.Started) {
		since = t.status.Started
	}
	if why == NoTargetData || why == Silent || why == NoTraffic {
		if !t.status.inPlace() || !t.expected() {
			return -1
		}
		if expected := t.status.Reached.Add(t.spec.Gate.lag()); expected.After(since) {
			since = expected
		}
	}
	return t.now.Sub(since)
}

// expected reports whether by its share, and by how many users there are, the
// target should have had enough requests by now to be seen.
func (t *turn) expected() bool {
	s := t.status
	since := t.now.Sub(s.Reached) - t.spec.Gate.lag()
	return s.Evidence.Rate*t.goal().Ratio()*since.Seconds() >= float64(t.spec.Gate.least())
}

// overdue enforces the deadline, which ends when the last step is reached: a
// migration that soaks is where it should be.
func (t *turn) overdue() bool {
	s := t.status
	if t.spec.Deadline <= 0 || s.Started.IsZero() || s.Phase == Soaking || s.Phase == WaitingForApproval && t.lastStep() {
		return false
	}
	if t.now.Sub(s.Started) < t.spec.Deadline {
		return false
	}
	t.giveUp("deadline of %s passed before %s was reached", t.spec.Deadline, t.spec.Steps[len(t.spec.Steps)-1].Share)
	return true
}

// giveUp ends the rise: everything back, or a stop where an operator decides.
func (t *turn) giveUp(format string, args ...any) {
	if !t.spec.Rollback.Manual {
		t.rollBack(format, args...)
		return
	}
	resume := t.status.Phase
	if resume == Paused {
		return
	}
	t.pause(resume, format+"; "+decideManually, args...)
}

// decideManually is what remains to be done where nothing is taken back by itself.
const decideManually = "rollback is manual: take back or resume"

// rollBack begins to take everything back.
func (t *turn) rollBack(format string, args ...any) {
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Want != nil && r.Want.Share != traffic.None {
			r.Want = nil // the read-back of the write that follows would show it
		}
		r.Refused, r.Whole, r.Again = nil, false, Again{}
	}
	t.status.Without = nil
	t.status.Cause = fmt.Sprintf(format, args...)
	t.enter(RollingBack, format, args...)
}

// second rounds what is shown to people.
func second(d time.Duration) time.Duration {
	if d < time.Second {
		return 10 * time.Millisecond
	}
	return time.Second
}
