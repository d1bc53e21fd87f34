package engine

import "fmt"

// waitingForApproval keeps watching until an operator says yes; what was true
// when the hold ended must still be true then.
func (t *turn) waitingForApproval() {
	if t.endangered() || !t.status.Approved || !t.heldEnough() {
		return
	}
	if t.lastStep() {
		t.complete()
		return
	}
	t.next()
}

// await begins to wait for an operator, and tells the command that goes on. Each
// wait has to be approved by itself.
func (t *turn) await(why string) {
	goesOn := "to complete"
	if !t.lastStep() {
		goesOn = "to go on to " + t.spec.Steps[t.step()+1].Share.String()
	}
	t.enter(WaitingForApproval, "%s; %s: watari approve %s --step %d", why, goesOn, t.spec.Name, t.step()+1)
}

// obeyApprove takes an approval of the very wait that was shown: of this attempt, of
// this step, and since it waits without a break. Nothing is approved in advance.
func (t *turn) obeyApprove(c Command) (string, bool) {
	if why := t.elsewhere(c); why != "" {
		return why, false
	}
	s, step := &t.status, t.step()+1
	switch {
	case s.Phase == Paused && s.Resume == WaitingForApproval:
		return fmt.Sprintf("nothing waits for approval: %s is paused; resume it, look at step %d, and approve it then", t.spec.Name, step), false
	case s.Phase != WaitingForApproval:
		return "nothing waits for approval: " + t.stands(), false
	case c.Step != step:
		return fmt.Sprintf("step %d waits for approval, not step %d", step, c.Step), false
	case c.Situation != s.Situation:
		return fmt.Sprintf("step %d waits anew since it was shown; look again, and approve it then", step), false
	case s.Approved:
		return fmt.Sprintf("step %d is approved already", step), false
	case !t.unwatched && t.endangered():
		return "something speaks against it since this moment: " + s.Reason, false
	}
	s.Approved = true
	t.reason("step %d is approved and goes on when nothing speaks against it", step)
	return fmt.Sprintf("step %d of %d (%s)", step, len(t.spec.Steps), t.goal()), true
}
