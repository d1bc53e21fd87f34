package engine

import (
	"fmt"

	"watari.dev/traffic"
)

// pending waits until every route is read and the signal sees users, records what is there, and begins. A route that already sends users to
// the target is not lowered behind their backs: an operator says what to do.
func (t *turn) pending() {
	for _, r := range t.status.Routes {
		if seen := t.seen.Routes[r.Name]; seen.Fatal {
			t.enter(Failed, "route %s %s; nothing was changed", r.Name, r.Trouble)
			return
		}
		if len(t.seen.Routes[r.Name].Broken) > 0 {
			t.enter(Failed, "route %s cannot be moved as a whole: %s; nothing was changed", r.Name, few(r.Broken))
			return
		}
	}
	e := t.status.Evidence
	users := !t.spec.Gate.Signals || e.usersSeen() && e.fresh(t.spec.Gate, false, t.now)
	if r := t.unread(0); r != nil {
		// Looking again at once is for a begin that lacks nothing else.
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown && (users || r.Seen == nil)
		if r.Seen == nil || users {
			t.reason("route %s was not read yet%s", r.Name, colon(r.Trouble))
		}
		return
	}
	t.recordOriginals()
	if live := t.live(); live != nil && live.Seen.High > t.status.LiveAgreed {
		t.pause(Pending, "%s", t.liveShare(live))
		return
	}
	if !users {
		t.reason("waiting: %s", t.usersMissing())
		return
	}
	t.status.Step = t.firstStep()
	t.status.Started = t.now
	if t.spec.Gate.Signals && t.spec.Gate.Analysis != nil {
		s := t.test()
		t.judge.Start(s, t.now)
	}
	t.enter(Shifting, "step %d of %d, %s", t.status.Step+1, len(t.spec.Steps), t.goal())
}

// liveShare says what a route sends to the target before anything was begun.
func (t *turn) liveShare(r *RouteStatus) string {
	return fmt.Sprintf("route %s already sends %s to %s; resume goes on from the step at or above that, rollback takes it to 0 %%", r.Name, r.Seen.shares(), t.spec.Target)
}

// recordOriginals remembers what each route looked like before the first write,
// and takes it as the state that nobody else may change from now on.
func (t *turn) recordOriginals() {
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Original == nil {
			r.Original = copied(r.Seen)
			t.note("route", r.Name, "%s: found at %s%s", r.Name, r.Seen.shares(), inBrackets(r.Seen.Weights))
		}
		r.Agreed = nil
		if r.Seen.Low != r.Seen.High {
			r.Agreed = copied(r.Seen)
		} else {
			if w := r.Written; w == nil || w.Share != r.Seen.High {
				r.Written = t.adopted(r.Seen.High)
			}
		}
		r.Drift = nil
	}
}

// adopted is a share that somebody else has written and that the migration goes on
// from. Nobody knows when that was, so it settles as if it had been now; where the
// target has nobody there is nothing to settle.
func (t *turn) adopted(share traffic.Share) *Written {
	w := &Written{Wanted: share, Share: share, Before: share, At: t.now}
	if share == traffic.None {
		w.Settled, w.SettledAt = true, t.now
	}
	return w
}

// live returns the route that sends the most users to the target, nil if none does.
func (t *turn) live() (most *RouteStatus) {
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Seen != nil && r.Seen.High > traffic.None && (most == nil || r.Seen.High > most.Seen.High) {
			most = r
		}
	}
	return most
}

// firstStep is the first whose share is not below what is live.
func (t *turn) firstStep() int {
	high := traffic.None
	for _, r := range t.status.Routes {
		if r.Seen != nil {
			high = max(high, r.Seen.High)
		}
	}
	for i, s := range t.spec.Steps {
		if s.Share >= high {
			return i
		}
	}
	return len(t.spec.Steps) - 1
}

// usersMissing says why the signal does not show what a rise needs.
func (t *turn) usersMissing() string {
	last := t.status.Evidence.Last
	for _, side := range []struct {
		name  string
		state SideState
	}{{t.spec.Source, last.Source}, {t.spec.Target, last.Target}} {
		switch {
		case side.name == t.spec.Target && !t.served():
		case side.state.State == traffic.Failed:
			return "the signal" + side.state.of() + " cannot be read: " + side.state.Err
		case side.state.State == traffic.Unknown:
			return "the signal" + side.state.of() + " has no data of " + side.name + colon(side.state.Err)
		}
	}
	return "the signal saw no request in " + t.spec.Gate.Window.String()
}

func colon(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}
