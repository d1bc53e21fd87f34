package engine

import (
	"fmt"

	"watari.dev/traffic"
)

// holding watches a step's share until it was held long enough and the target
// was seen to be healthy with enough requests, then goes on.
func (t *turn) holding() {
	if t.endangered() || !t.heldEnough() {
		return
	}
	if t.stepWhole() && t.spec.Steps[t.step()].Approval {
		t.await(fmt.Sprintf("%s held for %s", t.goal(), t.spec.Steps[t.step()].Hold))
		return
	}
	t.next()
}

// heldEnough reports whether the step may be left, and says what it waits for.
// It is also what Complete rests on, so everything must have been read a moment ago,
// and after the hold had ended.
func (t *turn) heldEnough() bool {
	// What is counted in the last part of the hold is known that much later.
	hold := t.spec.Steps[t.step()].Hold + t.spec.Gate.lag()
	if left := hold - t.status.Held; left > 0 {
		t.reason("%s left%s", left.Round(second(left)), t.unknownNote())
		return false
	}
	if !t.healthyEnough() || !t.convinced() {
		return false
	}
	if r := t.brokenRoute(); r != nil {
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown
		t.reason("held long enough, but route %s cannot be moved as a whole: %s", r.Name, few(r.Broken))
		return false
	}
	if r := t.unread(hold); r != nil {
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown
		t.reason("route %s was not read%s", r.Name, colon(r.Trouble))
		return false
	}
	return t.allReached(t.goal())
}

// healthyEnough reports whether the evidence of this step allows to go on.
func (t *turn) healthyEnough() bool {
	if !t.spec.Gate.Signals {
		return true
	}
	v, e := t.status.Verdict, t.status.Evidence
	switch {
	case v.State != Healthy:
		t.reason("held long enough, but the target is %s", v.sentence())
		return false
	case e.InStep < t.spec.Gate.least():
		t.reason("held long enough, but the target got only %d of %d requests in this step", e.InStep, t.spec.Gate.least())
		return false
	case !e.fresh(t.spec.Gate, true, t.now):
		t.reason("held long enough, but %s", t.usersMissing())
		return false
	}
	return true
}

func (t *turn) unknownNote() string {
	v := t.status.Verdict
	if !t.spec.Gate.Signals || v.State != NotKnown {
		return ""
	}
	if v.Why.blind() {
		return ", not counting: " + v.Text
	}
	return ", " + v.Text
}

// next goes to the next step, or to what an adaptive ramp makes of it.
func (t *turn) next() {
	if a := t.spec.Gate.Analysis; a != nil && a.Adaptive && t.spec.Gate.Signals {
		t.climb()
		return
	}
	t.status.Step++
	t.enter(Shifting, "step %d of %d, %s", t.status.Step+1, len(t.spec.Steps), t.goal())
}
