package engine

import (
	"fmt"
	"time"

	"watari.dev/traffic"
)

// absorbRoute takes over what was seen of one route: first what became of the
// write, then what the data plane shows, then whether it settled.
func (t *turn) absorbRoute(r *RouteStatus) {
	seen := t.seen.Routes[r.Name]
	lost := t.absorbResult(r, seen.Result)
	found, known := t.read(r.Name)
	if seen.Found.State != traffic.Unknown {
		r.Local = seen.Local
	}
	if seen.Found.State == traffic.Failed {
		r.Unread = true
		if !r.Whole || len(seen.Broken) == 0 { // else it is named with what is left
			t.trouble(r, "cannot be read: "+seen.Found.Err)
		}
	}
	t.absorbBroken(r, seen, known)
	if !known {
		return
	}
	found = r.absorbRefused(found, seen.Shares)
	r.Seen, r.Unread = &found, false
	if r.Want == nil && seen.Settled.State != traffic.Failed {
		r.Trouble = ""
	}
	if r.Want == nil || !lost {
		t.absorbFound(r)
		t.absorbSettlement(r, seen.Settled)
		return
	}
	t.resolveLost(r)
}

// absorbResult takes over what became of the write. It returns true if nobody
// knows: the reply was lost, or the process that asked died before it could
// tell.
func (t *turn) absorbResult(r *RouteStatus, res *Result) bool {
	w := r.Want
	if w == nil {
		return false
	}
	if res == nil || res.ID != w.ID {
		if w.Open {
			w.Open = false
			t.doubt(r) // asked by a process that died before it could tell
		}
		return true
	}
	w.Open = false
	switch res.Outcome {
	case Accepted:
		t.done(r, Written{ID: w.ID, Wanted: w.Share, Share: res.Share, Token: res.Token, Note: res.Note, At: t.now})
		t.note("write", r.Name, "%s: %s written%s", r.Name, res.Share, inBrackets(res.Note))
	case Held:
		w.NextTry, w.Held = t.now.Add(heldPause), true
		if res.RetryAt.After(w.NextTry) {
			w.NextTry = res.RetryAt
		}
		if r.Unread { // which has said why already
			break
		}
		text := w.Share.String() + " not written yet: " + res.Err
		if r.Trouble == "" { // once, however long it lasts
			t.note("write", r.Name, "%s: %s", r.Name, text)
		}
		r.Trouble = text
	case Refused:
		t.failed(r, res.Err)
		t.note("write", r.Name, "%s: %s not written: %s", r.Name, w.Share, res.Err)
	case Partly:
		t.partly(r, *res)
	case Denied:
		told := r.Whole && w.Share == traffic.None // once, however long it lasts
		t.failed(r, res.Err)
		w.Tries = max(w.Tries, riseTries)
		if w.Share == traffic.None {
			t.wholly(r, *res)
		}
		if !told {
			t.note("write", r.Name, "%s: %s not written: %s", r.Name, w.Share, res.Err)
		}
	default:
		t.failed(r, res.Err)
		t.doubt(r)
		t.note("write", r.Name, "%s: reply to writing %s was lost, reading back: %s", r.Name, w.Share, res.Err)
		return true
	}
	return false
}

// doubt remembers that a write may have been carried out, or may yet arrive.
func (t *turn) doubt(r *RouteStatus) {
	r.Want.Doubt = true
	r.LateUntil = t.now.Add(lateGrace)
}

// failed schedules the next try.
func (t *turn) failed(r *RouteStatus, why string) {
	r.Want.Tries++
	r.Want.NextTry = t.now.Add(backOff(r.Want.Tries))
	r.Trouble = why
}

// done replaces the wish by what was written.
func (t *turn) done(r *RouteStatus, w Written) {
	if r.Seen != nil {
		w.Before = r.Seen.High
	}
	if r.Written != nil { // which may be newer than what was seen
		w.Before = max(w.Before, r.Written.Share)
	}
	if r.Want != nil {
		w.Over = r.Want.Over
	}
	r.replaced()
	r.Written, r.Want, r.Drift, r.Agreed, r.Trouble = &w, nil, nil, nil, ""
	r.Refused, r.Whole, r.Again = nil, false, Again{}
	r.LookAt = t.now
}

// resolveLost decides what became of a write that is not known to be done, from
// what the route shows now, which is the truth. If it shows the state before, or
// a part of the names changed, the write is due again. Anything else is somebody
// else's, unless the write takes a share back: that is due until 0 is there,
// whoever put it there.
func (t *turn) resolveLost(r *RouteStatus) {
	w, seen := r.Want, r.Seen
	same := seen.Low == w.Low && seen.High == w.High
	switch {
	case w.Share == traffic.None && len(r.Broken)+len(r.Refused) > 0: // which no reading shows to be at 0
		// due again
	case seen.is(w.Share) && (w.Doubt || w.Share == traffic.None), w.Doubt && t.roundedTo(r):
		t.done(r, Written{ID: w.ID, Wanted: w.Share, Share: seen.High, At: t.now, Note: FoundByReading})
		t.note("write", r.Name, "%s: found at %s when read back", r.Name, seen.High)
	case w.Share == traffic.None, same && !(w.Doubt && changed(w.Over, seen)):
		// due again
	case w.Doubt && seen.Low != seen.High && seen.Low >= min(w.Low, w.Share) && seen.High <= max(w.High, w.Share):
		t.trouble(r, fmt.Sprintf("only a part of the names has %s yet", w.Share)) // due again
	case same && r.Written != nil:
		// It looks as it did before the write, and is not what was there before it:
		// somebody else put that there, maybe over what we wrote.
		r.Want, r.Drift = nil, copied(seen)
		t.note("route", r.Name, "%s: %s", r.Name, r.foreign())
		t.foreign = true
	case r.Written != nil:
		r.Want = nil
		t.absorbFound(r)
	}
}

// roundedTo reports whether the route shows what a lever makes of the wish that
// cannot express it. The ends of a migration are always expressed exactly, and
// what was there before the wish is nobody's rounding.
func (t *turn) roundedTo(r *RouteStatus) bool {
	w, seen := r.Want, r.Seen
	return w.Share > traffic.None && w.Share < traffic.All && seen.Low == seen.High && seen.High < w.Share &&
		seen.High+t.specOf(r.Name).Granularity > w.Share && (seen.Low != w.Low || seen.High != w.High)
}

// absorbFound compares what the route shows with what was written last. A
// difference that is not the write on its way is somebody else's.
func (t *turn) absorbFound(r *RouteStatus) {
	w := r.Written
	if w == nil {
		t.stillAgreed(r)
		return
	}
	if r.Seen.is(w.Share) {
		if r.Drift != nil {
			t.note("route", r.Name, "%s: is at %s again", r.Name, w.Share)
		}
		r.Drift = nil
		t.seenOurs(r)
		return
	}
	if t.onItsWay(r) {
		return
	}
	if r.Drift == nil || r.Drift.Version != r.Seen.Version || r.Drift.High != r.Seen.High {
		t.note("route", r.Name, "%s: %s", r.Name, r.foreign())
		t.foreign = true
	}
	r.Drift = copied(r.Seen)
}

// stillAgreed finds what somebody else has made of a route since an operator agreed to
// write over what it showed.
func (t *turn) stillAgreed(r *RouteStatus) {
	shown := r.Agreed
	if r.Drift != nil {
		shown = r.Drift
	}
	if r.Agreed == nil || shown.Low == r.Seen.Low && shown.High == r.Seen.High {
		return
	}
	t.note("route", r.Name, "%s: %s", r.Name, r.foreign())
	r.Drift, t.foreign = copied(r.Seen), true
}

// onItsWay reports whether the difference may be the last write becoming
// visible, shortly after it: what was there before it, or some parts of either.
func (t *turn) onItsWay(r *RouteStatus) bool {
	w := r.Written
	low, high := min(w.Before, w.Share), max(w.Before, w.Share)
	mixed := r.Seen.Low != r.Seen.High || !changed(w.Over, r.Seen)
	return !w.Settled && t.now.Sub(w.At) < readGrace && r.Seen.Low >= low && r.Seen.High <= high && mixed
}

func (f *Found) shares() string {
	if f.Low == f.High {
		return f.High.String()
	}
	return f.Low.String() + " to " + f.High.String()
}

func (t *turn) absorbSettlement(r *RouteStatus, seen traffic.Reading[Settlement]) {
	w := r.Written
	if w == nil || w.Settled || r.Want != nil {
		return
	}
	s, known := seen.Get()
	if !known {
		if seen.State == traffic.Failed {
			t.trouble(r, "cannot tell whether it settled: "+seen.Err)
		}
		return
	}
	w.Pending, w.Due = s.Pending, s.At
	if s.Done && r.Seen.is(w.Share) {
		w.Settled, w.SettledAt, w.Pending = true, t.now, ""
		since := "the write"
		if w.ID == "" {
			since = "it was found"
		}
		t.note("route", r.Name, "%s: %s read back and settled (%s after %s)", r.Name, w.Share, t.now.Sub(w.At).Round(time.Millisecond), since)
	}
}

// trouble remembers an error and says it once.
func (t *turn) trouble(r *RouteStatus, text string) {
	if r.Trouble != text {
		t.note("route", r.Name, "%s: %s", r.Name, text)
	}
	r.Trouble = text
}

// ask emits the route's write towards share, as a new wish or as one more try of
// the old one. It does nothing before the next try is due.
func (t *turn) ask(r *RouteStatus, share traffic.Share, version string, urgent bool) {
	if r.Want == nil || r.Want.Share != share {
		t.status.Sequence++
		r.Want = &Wish{ID: fmt.Sprintf("%s/%s/%d", t.spec.Name, r.Name, t.status.Sequence), Share: share, Asked: t.now}
		if r.Seen != nil {
			r.Want.Low, r.Want.High = r.Seen.Low, r.Seen.High
		}
	}
	longest := backOff(r.Want.Tries)
	if r.Want.Held {
		longest = longestPause
	}
	if wait := r.Want.NextTry.Sub(t.now); wait > 0 && wait <= longest {
		return
	}
	r.Want.Open, r.Want.Held = true, false
	if r.Seen != nil && !r.Want.Doubt {
		r.Want.Over = r.Seen.Version
		if r.Written != nil && r.Written.ID != "" && r.Seen.At.Before(r.Written.At) {
			r.Want.Over = "" // nobody has seen what it replaces
		}
	}
	t.intents = append(t.intents, Write{ID: r.Want.ID, Route: r.Name, Share: share, IfVersion: version, Urgent: urgent})
}

// reached reports whether the route has the goal written, read back and settled.
func (r *RouteStatus) reached(goal traffic.Share) bool {
	return r.Want == nil && r.Drift == nil && r.Written != nil && r.Written.Wanted == goal && r.Written.Settled
}

// settling reports whether the goal is written and nothing is to be done but to
// wait.
func (r *RouteStatus) settling(goal traffic.Share) bool {
	return r.Want == nil && r.Drift == nil && r.Written != nil && r.Written.Wanted == goal && !r.Written.Settled
}

// read returns what this very turn has read of the route. A reading that a
// suspended process woke up with says nothing of now.
func (t *turn) read(name string) (Found, bool) {
	reading := t.seen.Routes[name].Found
	found, known := reading.Get()
	// A look may take as long as its route allows, and is heard of at the end of a turn.
	return found, known && t.now.Sub(reading.At) <= maxTurn+t.specOf(name).LookEvery+t.interval()
}

// changed reports whether a route is another one than that of a version.
func changed(version string, seen *Found) bool {
	return version != "" && seen.Version != "" && seen.Version != version
}

// freshlyRead reports whether this very turn has read the route.
func (t *turn) freshlyRead(name string) bool {
	_, known := t.read(name)
	return known
}

// asGoodAsRead reports whether what is known of the route is what it shows now: it
// was read a moment ago, and nothing was asked of it since. Looks at several routes
// hardly ever end in one turn, and to ask all of them once more takes calls from an
// account that may have none left.
func (t *turn) asGoodAsRead(r *RouteStatus) bool {
	if r.Seen == nil || r.Unread || r.Want != nil || r.Written != nil && r.Written.ID != "" && r.Seen.At.Before(r.Written.At) {
		return false
	}
	age := t.now.Sub(r.Seen.At)
	return age >= 0 && age <= freshFor+t.specOf(r.Name).LookEvery
}

// unread returns the first route of which it is not known what it shows now, and
// what it showed when a step had been held for that long. All of them are looked at
// in the next turn then: of those whose looks take long none may get too old
// meanwhile.
func (t *turn) unread(held time.Duration) *RouteStatus {
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; !t.freshlyRead(r.Name) && (!t.asGoodAsRead(r) || r.OursHeld < held) {
			return r
		}
	}
	return nil
}

// drifted returns the first route that somebody else has changed.
func (t *turn) drifted() *RouteStatus {
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; r.Drift != nil {
			return r
		}
	}
	return nil
}

func inBrackets(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}
