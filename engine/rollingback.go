package engine

import "watari.dev/traffic"

// rollingBack brings every route to 0 and needs nothing but the router: it
// writes whatever the signals, the clusters or even the reads say, and tries
// until it is done. It is done in a turn that reads 0 on every route, after what
// was written has settled, and when no write that raises one may still arrive.
func (t *turn) rollingBack() {
	done := true
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if !t.leftAlone(r) {
			r.Drift = nil
			t.ask(r, traffic.None, "", true)
		}
		late := r.Seen == nil || r.LateUntil.After(r.Seen.At) // what is shown was asked for too early to show it
		done = done && r.reached(traffic.None) && !late
	}
	t.reason("%s; %s", t.status.Cause, t.waitingFor(traffic.None))
	if !done {
		return
	}
	if r := t.unread(0); r != nil {
		t.again = t.seen.Routes[r.Name].Found.State == traffic.Unknown
		return
	}
	t.enter(RolledBack, "0 %% on every route, settled and read back; %s", t.status.Cause)
}

// leftAlone reports whether the route needs no write to be taken back: 0 was
// written, or it never had anything else and reads so now.
func (t *turn) leftAlone(r *RouteStatus) bool {
	if !r.reached(traffic.None) && !r.settling(traffic.None) {
		return false
	}
	newer := r.Seen != nil && (r.Written.ID == "" || r.Seen.At.After(r.Written.At))
	if newer && r.Seen.High > traffic.None && !t.onItsWay(r) {
		return false // a part of a write whose reply was lost, or somebody else's
	}
	_, read := t.read(r.Name)
	return r.Written.ID != "" || read && !r.LateUntil.After(t.now)
}
