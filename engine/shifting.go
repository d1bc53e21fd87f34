package engine

import (
	"slices"

	"watari.dev/traffic"
)

// shifting brings every route to the step's share. All of them are asked in the
// same turn; the step is reached when all have settled and been read back.
func (t *turn) shifting() {
	if t.endangered() {
		return
	}
	goal := t.goal()
	for i := range t.status.Routes {
		if why := t.cannotRise(&t.status.Routes[i]); why != "" {
			t.giveUp("route %s does not reach %s: %s", t.status.Routes[i].Name, goal, why)
			return
		}
	}
	if t.allReached(goal) {
		t.reach()
		return
	}
	may := t.mayRise()
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Want == nil && r.Written != nil && r.Written.Wanted == goal {
			continue
		}
		if may && r.shows() || t.lowers(r, goal) {
			t.ask(r, goal, r.Seen.Version, false)
		}
	}
	if may {
		t.reason("%s", t.waitingFor(goal))
	}
}

// shows reports whether the route shows what it is known to have, so that a rise
// starts from there. What does not yet may be our last write on its way, or somebody
// else's hand; a wish that is tried again has been looked into already.
func (r *RouteStatus) shows() bool {
	return r.Want != nil || r.Written == nil || r.Seen.is(r.Written.Share)
}

// lowers reports whether writing the goal raises no part of the route, as where
// somebody else has put more there: that wants no evidence.
func (t *turn) lowers(r *RouteStatus, goal traffic.Share) bool {
	return t.freshlyRead(r.Name) && r.Seen.Low >= goal && r.Seen.High > goal
}

// cannotRise says why a route will not get where it should, if so.
func (t *turn) cannotRise(r *RouteStatus) string {
	switch {
	case r.Want != nil && r.Want.Tries >= riseTries:
		return r.Trouble
	case r.Written == nil || r.Written.Settled || r.Want != nil || r.Written.ID == "":
		return ""
	}
	within := t.specOf(r.Name).SettleWithin
	waited := t.now.Sub(r.Written.At)
	if r.Unread && r.Trouble == "" || r.Local {
		return "" // this process has had no answer yet: it may have settled while nobody watched
	}
	if within > 0 && (waited > within && !r.Written.Due.After(t.now) || waited > 3*within) {
		return "written, but not settled within " + within.String() + colon(r.Written.Pending)
	}
	return ""
}

// mayRise reports whether shares may go up now: every route was read in this
// very turn, and somebody can see both sides.
func (t *turn) mayRise() bool {
	if !t.rising() {
		return true
	}
	if e := t.status.Evidence; t.spec.Gate.Signals && (!e.fresh(t.spec.Gate, t.served(), t.now) || !e.usersSeen()) {
		t.reason("not rising: %s", t.usersMissing())
		return false
	}
	if v, lacks := t.untimed(t.status.Verdict.Analysis); lacks && v.Why.blind() && (v.Why != NoTargetLatency || t.served()) {
		t.reason("not rising: %s", v.Text)
		return false
	}
	if v := t.status.Verdict; t.spec.Gate.Analysis != nil && t.served() && v.State == NotKnown && v.Why != NoTraffic && v.Why != TooFew {
		t.reason("not rising: %s", v.Text)
		return false
	}
	if r := t.brokenRoute(); r != nil {
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown
		t.reason("route %s cannot be moved as a whole: %s", r.Name, few(r.Broken))
		return false
	}
	if r := t.unread(0); r != nil {
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown
		t.reason("route %s was not read%s", r.Name, colon(r.Trouble))
		return false
	}
	return true
}

// rising reports whether a write that raises a share is still to be asked.
func (t *turn) rising() bool {
	goal := t.goal()
	for _, r := range t.status.Routes {
		if r.Want != nil || r.Written == nil || r.Written.Wanted != goal {
			return true
		}
	}
	return false
}

// served reports whether the target is getting users, as far as it is known. A first
// rise that was refused or lost gives it none, and so no counts to wait for before it
// is tried again.
func (t *turn) served() bool {
	return slices.ContainsFunc(t.status.Routes, func(r RouteStatus) bool {
		return r.Written != nil && r.Written.Share > traffic.None || r.Seen != nil && r.Seen.High > traffic.None
	})
}

// exposed reports whether the target may be getting users.
func (t *turn) exposed() bool { return t.status.Share() > traffic.None }

func (t *turn) allReached(goal traffic.Share) bool {
	for i := range t.status.Routes {
		if !t.status.Routes[i].reached(goal) {
			return false
		}
	}
	return true
}

func (t *turn) waitingFor(goal traffic.Share) string {
	for _, r := range t.status.Routes {
		switch {
		case r.Want != nil && r.Trouble != "":
			return "route " + r.Name + ": " + r.Trouble + ", trying again"
		case r.Local && r.Trouble != "":
			return "route " + r.Name + ": " + r.Trouble
		case r.Want != nil:
			return "writing " + goal.String()
		case r.Written != nil && !r.Written.Settled && r.Written.Pending != "":
			return "route " + r.Name + " at " + r.Written.Share.String() + ": " + r.Written.Pending
		}
	}
	return "waiting for the routes to settle at " + goal.String()
}

// reach begins the hold of the step.
func (t *turn) reach() {
	t.status.Reached, t.status.Evidence.InStep = t.now, 0
	t.status.Holds++
	hold := t.spec.Steps[t.step()].Hold
	if t.status.Reasserting {
		t.status.Reasserting = false
		t.enter(Holding, "%s on every route again, held for %s of %s so far", t.goal(), t.status.Held.Round(second(t.status.Held)), hold)
		return
	}
	t.status.Held = 0
	for i := range t.status.Routes {
		t.status.Routes[i].OursHeld = 0
	}
	if t.lastStep() {
		t.enter(Soaking, "%s on every route, soaking for %s", t.goal(), hold)
		return
	}
	t.enter(Holding, "%s on every route, holding for %s", t.goal(), hold)
}
