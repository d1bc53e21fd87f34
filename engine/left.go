package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"watari.dev/traffic"
)

// Part is a part of a route that cannot be moved, and why. The other parts of the
// route are watched and taken back all the same.
type Part struct {
	Name  string        `json:"name,omitempty"`  // empty: the whole route
	Why   string        `json:"why"`             // and what to do about it
	Share traffic.Share `json:"share,omitempty"` // what it sends to the target all the same
	Known bool          `json:"known,omitempty"` // Share is; nobody can tell it otherwise
}

// Waiver is an operator's word that taking back is done without a part, or without a
// route, because it is gone for good.
type Waiver struct {
	Name string `json:"name"` // of the part or of the route
	By   string `json:"by"`
}

// Again is when the rest of a route is tried again that could not be taken back.
type Again struct {
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next,omitzero"`
}

// TakingBack reports whether everything is on its way to 0, or there but for what
// cannot be written.
func (p Phase) TakingBack() bool { return p == RollingBack || p == Partial }

// absorbBroken takes over what a reading says of parts that cannot be moved. A
// reading that failed in passing says nothing of them.
func (t *turn) absorbBroken(r *RouteStatus, seen RouteSeen, known bool) {
	gone := seen.Found.State == traffic.Failed && len(seen.Broken) > 0
	if !known && !gone {
		return
	}
	switch lost := newIn(seen.Broken, r.Broken); {
	case len(lost) == 1:
		t.note("route", r.Name, "%s: %s cannot be moved any more: %s", r.Name, lost[0].Name, lost[0].Why)
	case len(lost) > 1:
		t.note("route", r.Name, "%s: %d names cannot be moved any more: %s", r.Name, len(lost), few(lost))
	}
	switch mended := newIn(r.Broken, seen.Broken); {
	case len(mended) == 1:
		t.note("route", r.Name, "%s: %s can be moved again", r.Name, mended[0].Name)
	case len(mended) > 1:
		t.note("route", r.Name, "%s: %d names can be moved again: %s", r.Name, len(mended), fewNames(mended))
	case contains(r.Broken, "") && !contains(seen.Broken, ""):
		t.note("route", r.Name, "%s: it can be moved again", r.Name)
	}
	r.Broken, r.Gone = seen.Broken, gone
}

// newIn returns the names of parts that were not there before. All names of a route may
// come at once, and are told in one line.
func newIn(parts, before []Part) (out []Part) {
	known := map[string]bool{"": true}
	for _, p := range before {
		known[p.Name] = true
	}
	for _, p := range parts {
		if !known[p.Name] {
			out = append(out, p)
		}
	}
	return out
}

// absorbRefused leaves parts out of a reading that could not be written: what they
// show says nothing of the others. One that shows 0 now is none of them any more.
func (r *RouteStatus) absorbRefused(found Found, shares map[string]traffic.Share) Found {
	if len(r.Refused) == 0 {
		return found
	}
	r.Refused = slices.DeleteFunc(slices.Clone(r.Refused), func(p Part) bool {
		share, differs := shares[p.Name]
		return !contains(r.Broken, p.Name) && (differs && share == traffic.None || shares == nil && found.is(traffic.None))
	})
	low, high, some := traffic.All, traffic.None, false
	for name, share := range shares {
		if contains(r.Refused, name) {
			continue
		}
		low, high, some = min(low, share), max(high, share), true
	}
	if some {
		found.Low, found.High = low, high
	}
	return found
}

// partly takes over that a write has brought all of a route to 0 but some parts.
// What is there counts from when it was written; parts that are found broken once
// more change nothing about that. Where a reading has shown something else since, it
// counts from now: what a reading shows that is late is no reason to write again at once.
func (t *turn) partly(r *RouteStatus, res Result) {
	again, known := r.Again, slices.Equal(r.Refused, res.Left)
	names := namesOf(res.Left)
	w := r.Written
	stands := w != nil && w.ID != "" && r.Want.High == traffic.None && w.Wanted == traffic.None && !res.Changed && !r.Want.Doubt && within(w.Left, names)
	if stands {
		w.Left, r.Want, r.Trouble = names, nil, ""
	} else {
		t.done(r, Written{ID: r.Want.ID, Wanted: traffic.None, Share: traffic.None, Token: res.Token, Note: res.Note, At: t.now, Left: names})
	}
	r.Refused, r.Whole = res.Left, false
	again.Tries++
	r.Again = Again{Tries: again.Tries, Next: t.now.Add(backOff(again.Tries))}
	if !known {
		t.note("write", r.Name, "%s: 0 %% written, but not to %s", r.Name, few(res.Left))
	}
}

// wholly takes over that nothing of a route could be taken back, and that trying
// again helps only once somebody has mended it.
func (t *turn) wholly(r *RouteStatus, res Result) {
	r.Whole, r.Refused = true, res.Left
	if len(r.Refused) == 0 {
		p := Part{Why: res.Err}
		if r.Seen != nil && !r.Unread {
			p.Share, p.Known = r.Seen.High, true
		}
		r.Refused = []Part{p}
	}
}

// Left returns the parts of a route that are not taken back because they cannot be,
// without those that an operator has left out.
func (s Status) Left(r RouteStatus) (left []Part) {
	for _, p := range slices.Concat(r.Broken, r.Refused) {
		if !contains(left, p.Name) && !s.waived(r, p.Name) {
			left = append(left, p)
		}
	}
	return left
}

// Unfinished reports whether taking back is under way and cannot be done before
// somebody mends what is left, or leaves it out.
func (s Status) Unfinished() bool {
	return s.Phase.TakingBack() && slices.ContainsFunc(s.Routes, func(r RouteStatus) bool { return len(s.Left(r)) > 0 })
}

func (t *turn) left(r *RouteStatus) []Part { return t.status.Left(*r) }

// waived reports whether an operator has left a part out. That counts for one that
// reading shows to be gone, or to be something else, and never for one that is known
// to send users to the target.
func (s Status) waived(r RouteStatus, name string) bool {
	i := slices.IndexFunc(r.Broken, func(p Part) bool { return p.Name == name })
	if i < 0 || r.Broken[i].Known && r.Broken[i].Share > traffic.None {
		return false
	}
	_, is := s.waiver(r, name)
	return is
}

func (s Status) waiver(r RouteStatus, name string) (Waiver, bool) {
	i := slices.IndexFunc(s.Without, func(w Waiver) bool { return w.Name == r.Name || name != "" && w.Name == name })
	if i < 0 {
		return Waiver{}, false
	}
	return s.Without[i], true
}

// leftOut reports whether a whole route is gone and an operator has left it out.
func (t *turn) leftOut(r *RouteStatus) bool {
	return r.Gone && !slices.ContainsFunc(r.Broken, func(p Part) bool { return !t.status.waived(*r, p.Name) })
}

// covered reports whether what was written stands for every part of the route but
// those that an operator has left out.
func (t *turn) covered(r *RouteStatus) bool {
	return r.Written != nil && !slices.ContainsFunc(r.Written.Left, func(name string) bool { return !t.status.waived(*r, name) })
}

// restIsBack reports whether everything of the route is at 0, settled and read back,
// but what cannot be written.
func (t *turn) restIsBack(r *RouteStatus) bool {
	if r.Whole {
		return true
	}
	w := r.Written
	return w != nil && w.Wanted == traffic.None && w.Settled && r.Drift == nil && (r.Want == nil || r.Want.Share == traffic.None) &&
		r.Seen != nil && r.Seen.High == traffic.None && !r.Gone
}

// broken stops for an operator when a part of a route cannot be moved any more:
// nothing rises, the rest is watched, and a bad target is still taken back.
func (t *turn) broken() bool {
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; len(t.seen.Routes[r.Name].Broken) > 0 {
			t.pause(t.status.Phase, "route %s cannot be moved as a whole any more: %s; nothing rises, and the rest is watched and taken back if the target is worse; put it back and resume, or rollback takes the rest back",
				r.Name, few(r.Broken))
			return true
		}
	}
	return false
}

// brokenRoute returns the first route that has a part which could not be moved when
// it was read last.
func (t *turn) brokenRoute() *RouteStatus {
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; len(r.Broken) > 0 {
			return r
		}
	}
	return nil
}

// allLeft says of every route what is not taken back, in words that justify waking
// somebody; empty if there is nothing.
func (t *turn) allLeft() string {
	var text []string
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if left := t.left(r); len(left) > 0 {
			text = append(text, r.Name+": "+r.howMuch(left)+few(left))
		}
	}
	return strings.Join(text, "; ")
}

// howMuch counts the names that are at 0, where a route has several.
func (r *RouteStatus) howMuch(left []Part) string {
	if r.Seen == nil || r.Whole || r.Gone || left[0].Name == "" || r.Seen.Parts == 0 {
		return ""
	}
	all := r.Seen.Parts
	for _, p := range r.Broken {
		if p.Name != "" {
			all++
		}
	}
	return fmt.Sprintf("%d of %d names at 0 %%, and not ", all-len(left), all)
}

// without names what an operator has left out, and why that was needed.
func (t *turn) without() string {
	var text []string
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		for _, p := range r.Broken {
			if w, is := t.status.waiver(*r, p.Name); is && t.status.waived(*r, p.Name) {
				text = append(text, fmt.Sprintf("%s, left out by %s (%s)", nameOr(p.Name, "route "+r.Name), w.By, p.Why))
			}
		}
	}
	if len(text) == 0 {
		return ""
	}
	return "; without " + strings.Join(text, " and ")
}

// leaveOut takes an operator's word that taking back, which is under way, is done
// without some parts; or says why it is not.
func (t *turn) leaveOut(c Command) (why string) {
	begun := t.status.Since.Before(t.now) || t.status.Phase == Partial
	if why := t.keptAll(c); begun && len(c.Without) > 0 && why != "" {
		return why
	}
	for _, name := range c.Without {
		if !slices.ContainsFunc(t.status.Without, func(w Waiver) bool { return w.Name == name }) {
			t.status.Without = append(slices.Clone(t.status.Without), Waiver{Name: name, By: c.By})
		}
	}
	return ""
}

// keptAll says which of the parts that an operator leaves out cannot be, and why;
// empty if all can.
func (t *turn) keptAll(c Command) string {
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		for _, p := range t.left(r) {
			named := slices.Contains(c.Without, r.Name) || p.Name != "" && slices.Contains(c.Without, p.Name)
			switch {
			case !named:
			case p.Known && p.Share > traffic.None:
				return fmt.Sprintf("%s sends %s to %s and cannot be left out", nameOr(p.Name, "route "+r.Name), p.Share, t.spec.Target)
			case !contains(r.Broken, p.Name):
				return fmt.Sprintf("%s may send users to %s and cannot be left out: %s", nameOr(p.Name, "route "+r.Name), t.spec.Target, p.Why)
			}
		}
	}
	return ""
}

// few names at most three parts with the reason of each and counts the rest.
func few(parts []Part) string {
	var text []string
	for _, p := range parts[:min(3, len(parts))] {
		if p.Name == "" {
			text = append(text, p.Why)
		} else {
			text = append(text, p.Name+" ("+p.Why+")")
		}
	}
	out := strings.Join(text, ", ")
	if more := len(parts) - 3; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// fewNames names at most three parts and counts the rest.
func fewNames(parts []Part) string {
	out := strings.Join(namesOf(parts[:min(3, len(parts))]), ", ")
	if more := len(parts) - 3; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

func contains(parts []Part, name string) bool {
	return slices.ContainsFunc(parts, func(p Part) bool { return p.Name == name })
}

func namesOf(parts []Part) (names []string) {
	for _, p := range parts {
		names = append(names, p.Name)
	}
	return names
}

// within reports whether every one of names is one of of.
func within(names, of []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(of, n) })
}

func nameOr(name, otherwise string) string {
	if name == "" {
		return otherwise
	}
	return name
}
