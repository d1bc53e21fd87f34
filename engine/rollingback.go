package engine

import "watari.dev/traffic"

// rollingBack brings every route to 0 and needs nothing but the router: it
// writes whatever the signals, the clusters or even the reads say, and tries
// until it is done.
func (t *turn) rollingBack() {
	done := true
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if t.takenBack(r) {
			continue
		}
		done = false
		if r.Want == nil && r.Drift == nil && r.Written != nil && r.Written.ID != "" && r.Written.Wanted == traffic.None {
			continue // written, waiting for it to settle
		}
		r.Drift = nil
		t.ask(r, traffic.None, "", true)
	}
	t.reason("%s; %s", t.status.Cause, t.waitingFor(traffic.None))
	if done {
		t.enter(RolledBack, "0 %% on every route, settled and read back; %s", t.status.Cause)
	}
}

// takenBack reports whether the route sends nobody to the target: this very
// turn reads so, what was written has settled, and no write that raises it may
// still arrive.
func (t *turn) takenBack(r *RouteStatus) bool {
	return r.reached(traffic.None) && t.freshlyRead(r.Name) && !r.LateUntil.After(t.now)
}
