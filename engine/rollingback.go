package engine

import (
	"time"

	"watari.dev/traffic"
)

// rollingBack brings every route to 0 and needs nothing but the router: it
// writes whatever the signals, the clusters or even the reads say, and tries
// until it is done. It is done in a turn that reads 0 on every route, after what
// was written has settled, and when no write that raises one may still arrive.
// A part that cannot be written keeps no other one; while such parts are all that
// is left, the phase is Partial.
func (t *turn) rollingBack() {
	done, rest, some := true, true, false // everything is back; everything that can be; anything
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if t.leftOut(r) {
			r.Want = nil
			done = done && !r.LateUntil.After(t.now) && !r.Local // what nobody can look at may be back
			continue
		}
		if !t.leftAlone(r) && !t.asked(r.Name) {
			r.Drift = nil
			t.ask(r, traffic.None, "", true)
		}
		late := r.Seen == nil || r.LateUntil.After(r.Seen.At) // what is shown was asked for too early to show it
		back := r.reached(traffic.None) && t.covered(r) && !late
		left := len(t.left(r)) > 0
		done = done && back && !left
		rest = rest && (back || (left || t.status.Phase == Partial) && t.restIsBack(r))
		some = some || !r.Whole && !r.Gone
	}
	if r := t.unreadBack(); done && r != nil {
		done, t.again = false, t.seen.Routes[r.Name].Found.State == traffic.Unknown
	}
	t.tellRest(done, rest && some)
	if !done {
		return
	}
	t.enter(RolledBack, "0 %% on every route, settled and read back%s; %s", t.without(), t.status.Cause)
}

// tellRest says what is missing, and enters or leaves Partial.
func (t *turn) tellRest(done, rest bool) {
	left := t.allLeft()
	waits := t.waitingFor(traffic.None)
	switch phase := t.status.Phase; {
	case left == "" && phase == Partial && !done:
		t.enter(RollingBack, "nothing is left that cannot be written; %s; %s", waits, t.status.Cause)
	case left == "":
		t.reason("%s; %s", t.status.Cause, waits)
	case rest && !done && phase != Partial:
		t.enter(Partial, "not everything is taken back, and somebody must mend the rest: %s; it is tried again until it is done; %s", left, t.status.Cause)
	case rest && !done:
		t.reason("not everything is taken back, and somebody must mend the rest: %s; it is tried again until it is done; %s", left, t.status.Cause)
	case phase == Partial:
		t.enter(RollingBack, "%s; %s; cannot be taken back: %s", t.status.Cause, waits, left)
	default:
		t.reason("%s; %s; cannot be taken back: %s", t.status.Cause, waits, left)
	}
}

// unreadBack is unread without routes that an operator has left out.
func (t *turn) unreadBack() *RouteStatus {
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; !t.leftOut(r) && !t.freshlyRead(r.Name) && !t.asGoodAsRead(r) {
			return r
		}
	}
	return nil
}

// leftAlone reports whether the route needs no write to be taken back: 0 was
// written, or it never had anything else and reads so now. What could not be written
// is tried again with pauses.
func (t *turn) leftAlone(r *RouteStatus) bool {
	if w := r.Written; r.Want == nil && w != nil && w.ID != "" && w.Wanted == traffic.None {
		if since := t.now.Sub(w.At); since >= 0 && since < backAgain {
			return true // what shows something else by now may be a stale reading
		}
	}
	if !r.reached(traffic.None) && !r.settling(traffic.None) {
		return false
	}
	newer := r.Seen != nil && (r.Written.ID == "" || r.Seen.At.After(r.Written.At))
	if newer && r.Seen.High > traffic.None && !t.onItsWay(r) {
		return false // a part of a write whose reply was lost, or somebody else's
	}
	if len(t.left(r)) > 0 || !t.covered(r) {
		wait := r.Again.Next.Sub(t.now)
		return wait > 0 && wait <= backOff(r.Again.Tries)
	}
	_, read := t.read(r.Name)
	return r.Written.ID != "" || read && !r.LateUntil.After(t.now)
}

// backAgain is how long after an accepted write of 0 the next one is sent at the
// earliest: readings that are stale would have it sent again and again.
const backAgain = time.Second
