package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/traffic"
)

// OnDrift is the policy for routes that somebody else has changed.
type OnDrift string

// The policies: stop and say who it was, which the zero value does as well; or
// write again what was written, where that takes users from the target.
const (
	DriftHolds     OnDrift = "hold"
	DriftReasserts OnDrift = "reassert"
)

// ReassertMost is how often a route is written again in one attempt, or since an
// operator resumed. Whoever changes it once more does so all the time, and two who
// write against each other leave the users in between.
const ReassertMost = 3

// reassertWithin is how long writing again may take until an operator is asked:
// about what riseTries take.
const reassertWithin = 30 * time.Second

// keepPast is how many earlier writes of a route are remembered, to know them
// again.
const keepPast = 8

// Past is a write of ours that another one has replaced.
type Past struct {
	Share traffic.Share `json:"share"`
	At    time.Time     `json:"at,omitzero"`
}

// drifting deals with routes that somebody else has changed, and reports whether
// there are any: it writes them again, or stops for an operator.
func (t *turn) drifting() bool {
	r := t.drifted()
	if r == nil {
		return false
	}
	why := ""
	if t.spec.OnDrift == DriftReasserts {
		var held *RouteStatus
		if held, why = t.notAgain(); held == nil {
			t.writeAgain()
			return true
		}
		r, why = held, "; "+why
	}
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; r.again() && !r.Want.Open && !r.Want.Doubt {
			r.Want = nil // nothing of it is under way
		}
	}
	t.pause(t.status.Phase, "%s%s%s", t.intrusion(r), why, t.wayOn(r))
	return true
}

// notAgain returns the first route that somebody else has changed and that may
// not be written again without an operator, and why; nil if all of them may. What
// would raise the share of any part of a route never may.
func (t *turn) notAgain() (*RouteStatus, string) {
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Drift == nil {
			continue
		}
		switch w := r.Written; {
		case w == nil || w.ID == "":
			return r, "nothing of ours was there that could be written again"
		case r.Seen.Low < w.Wanted, r.Seen.is(w.Share): // who has put back what we wrote before may have taken back what we wrote since
			return r, "it is not raised again without an operator"
		case r.again() && (r.Want.Tries >= riseTries || t.now.Sub(r.Want.Asked) >= reassertWithin):
			return r, "it could not be written again" + colon(r.Trouble)
		case !r.again() && r.Reasserted >= ReassertMost:
			return r, fmt.Sprintf("it was written again %d times and changed each time", r.Reasserted)
		}
	}
	return nil, ""
}

// again reports whether the wish of a route is to write again what was written.
func (r *RouteStatus) again() bool {
	return r.Want != nil && r.Written != nil && r.Drift != nil && r.Want.Share == r.Written.Wanted
}

// writeAgain asks for what was written, on every route that somebody else has
// changed and that this very turn has read. The hold goes on where it was when
// the route was last seen to be ours; its evidence begins anew.
func (t *turn) writeAgain() {
	held, names := t.status.Held, []string(nil)
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Drift == nil {
			continue
		}
		held, names = min(held, r.OursHeld), append(names, r.Name)
		if !t.freshlyRead(r.Name) || t.asked(r.Name) {
			continue
		}
		if !r.again() {
			r.Reasserted++
			proof, remedy := r.Known()
			t.note("route", r.Name, "%s: %s is written again (%d of at most %d times)%s; %s", r.Name, r.Written.Wanted, r.Reasserted, ReassertMost, colon(proof), remedy)
		}
		t.ask(r, r.Written.Wanted, r.Seen.Version, false)
	}
	t.status.Held = held
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		r.OursHeld = min(r.OursHeld, held)
	}
	why := "writing again what somebody else changed: " + strings.Join(names, ", ")
	if t.status.Phase == Shifting {
		t.reason("%s", why)
		return
	}
	t.status.Reasserting = true
	t.enter(Shifting, "%s", why)
}

// seenOurs remembers that a reading showed what we wrote.
func (t *turn) seenOurs(r *RouteStatus) {
	r.OursHeld = max(r.OursHeld, t.status.Held-max(0, t.now.Sub(r.Seen.At)))
}

// replaced remembers what was written before another write replaces it.
func (r *RouteStatus) replaced() {
	if r.Written == nil || r.Written.ID == "" {
		return
	}
	r.Past = append(slices.Clone(r.Past), Past{Share: r.Written.Share, At: r.Written.At})
	if extra := len(r.Past) - keepPast; extra > 0 {
		r.Past = slices.Delete(r.Past, 0, extra)
	}
}

// intrusion says what happened to a route, how it is known who did it, and what
// keeps it from happening again.
func (t *turn) intrusion(r *RouteStatus) string {
	proof, remedy := r.Known()
	return "route " + r.Name + ": " + r.foreign() + colon(proof) + "; " + remedy
}

// foreign says what somebody else made of the route.
func (r *RouteStatus) foreign() string {
	text := r.Intruder() + " changed it to " + r.Seen.shares() + ", "
	if r.Written == nil {
		return strings.TrimSuffix(text, ", ")
	}
	if r.Written.ID == "" {
		text += "it was " + r.Written.Share.String() + " at "
	} else {
		text += "we wrote " + r.Written.Share.String() + " at "
	}
	text += r.Written.At.Format(time.TimeOnly)
	if r.Seen.Weights != "" {
		text += " (weights now: " + r.Seen.Weights + ")"
	}
	return text
}

// Intruder names who changed the route as well as the data plane and the value
// tell.
func (r *RouteStatus) Intruder() string {
	o := r.Seen.Owner
	switch {
	case o != nil && o.Sure == traffic.Surely:
		return o.Name
	case r.LateUntil.After(r.Seen.At):
		return "somebody else, or a write of ours whose reply was lost,"
	case o == nil:
		return "somebody else"
	case o.Sure == traffic.Probably, r.backAtOriginal():
		return "probably " + o.Name
	default:
		return "somebody else, perhaps " + o.Name + ","
	}
}

// Known says how it is known who changed the route, and what keeps it from being
// changed again.
func (r *RouteStatus) Known() (proof, remedy string) {
	var proofs []string
	remedy = "find out who writes it, and stop that"
	o := r.Seen.Owner
	if earlier, is := r.backAtPast(); is {
		proofs = append(proofs, "it is back at what we wrote at "+earlier.At.Format(time.TimeOnly)+", as when an older process of ours still runs or a write arrives late")
		remedy = "see who else runs this migration"
	}
	if r.backAtOriginal() {
		proofs = []string{"it is back at what it was before the migration"}
		remedy = "do not apply it while the migration runs"
		if o == nil {
			proofs[0] += ", as when a configuration is applied again (Terraform, CloudFormation, a Git controller)"
		}
	}
	if o != nil {
		if o.Proof != "" {
			proofs = append([]string{o.Proof}, proofs...)
		}
		if o.Remedy != "" {
			remedy = o.Remedy
		}
	}
	return strings.Join(proofs, ", and "), remedy
}

// backAtOriginal reports whether the route is what it was before the first write:
// to the weight, where weights are known.
func (r *RouteStatus) backAtOriginal() bool {
	return r.Original != nil && r.Original.Low == r.Seen.Low && r.Original.High == r.Seen.High && r.Original.Weights == r.Seen.Weights
}

// backAtPast returns the latest earlier write of ours that the route shows.
func (r *RouteStatus) backAtPast() (Past, bool) {
	for _, p := range slices.Backward(r.Past) {
		if r.Seen.is(p.Share) {
			return p, true
		}
	}
	return Past{}, false
}
