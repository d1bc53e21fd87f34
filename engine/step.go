package engine

import (
	"fmt"
	"slices"
	"time"

	"watari.dev/traffic"
	"watari.dev/verdict"
)

// maxPasses bounds the phases that one turn may go through.
const maxPasses = 12

// Step decides everything. It takes what the user wants, what is remembered,
// what was seen since the last turn and the time, and returns what to remember
// and what to do. The caller saves the new status before it does any of it.
func Step(spec Spec, status Status, seen Observation, now time.Time) (Status, []Intent) {
	t := turn{spec: spec, status: status.clone(), seen: seen, now: now}
	t.absorbRoutes()
	t.absorbCounts()
	t.findings()
	t.absorbCommands()
	for range maxPasses {
		before := t.status.Phase
		t.phase()
		if t.status.Phase == before {
			break
		}
	}
	t.status.LastTurn = now
	t.wake()
	return t.status, t.intents
}

// absorbRoutes begins the turn, and takes over what was seen of the routes.
func (t *turn) absorbRoutes() {
	t.begin()
	for i := range t.status.Routes {
		t.absorbRoute(&t.status.Routes[i])
	}
}

// turn is the state of one call of Step.
type turn struct {
	spec    Spec
	status  Status
	seen    Observation
	now     time.Time
	intents []Intent
	judge   *verdict.Test // what compares the two sides; nil until it is used
	foreign bool          // somebody else's change of a route was found in this turn
	// unwatched: commands are answered, and nobody has looked at anything else
	unwatched bool
	again     bool // another turn is wanted at once, with a look at every route
}

// begin completes the status, and adds to the hold the time that was really
// watched.
func (t *turn) begin() {
	s := &t.status
	t.complement()
	watched := t.now.Sub(s.LastTurn)
	if !s.LastTurn.IsZero() && watched > 0 && watched <= max(maxTurn, 2*t.interval()) && t.counting() {
		s.Held += watched
	}
}

// complement fills in what a status that was never used, or is of an older version,
// lacks.
func (t *turn) complement() {
	s := &t.status
	s.Situation = max(1, s.Situation)
	s.answersOfOld()
	if s.Phase == "" {
		s.Phase, s.Since, s.Attempt = Pending, t.now, 1
	}
	if s.Holds == 0 && !s.Reached.IsZero() {
		s.Holds = 1 // a status of before holds were counted
	}
	for _, r := range t.spec.Routes {
		if !slices.ContainsFunc(s.Routes, func(have RouteStatus) bool { return have.Name == r.Name }) {
			s.Routes = append(s.Routes, RouteStatus{Name: r.Name})
		}
	}
	s.Routes = slices.DeleteFunc(s.Routes, func(have RouteStatus) bool {
		return !slices.ContainsFunc(t.spec.Routes, func(r RouteSpec) bool { return r.Name == have.Name })
	})
}

// counting reports whether passing time counts as holding: the share is in
// place and somebody can see the target.
func (t *turn) counting() bool {
	s := t.status
	blind := t.spec.Gate.Signals && s.Verdict.Why.blind()
	return (s.Phase == Holding || s.Phase == Soaking) && !blind
}

func (t *turn) phase() {
	switch t.status.Phase {
	case Pending:
		t.pending()
	case Shifting:
		t.shifting()
	case Holding:
		t.holding()
	case WaitingForApproval:
		t.waitingForApproval()
	case Paused:
		t.paused()
	case RollingBack, Partial:
		t.rollingBack()
	case Soaking:
		t.soaking()
	case RolledBack, Complete, Failed:
		// Only an operator's command leaves an end.
	}
}

// enter changes the phase and says so.
func (t *turn) enter(p Phase, format string, args ...any) {
	t.status.Phase, t.status.Since, t.status.Approved = p, t.now, false
	t.status.Situation++
	t.reason(format, args...)
	text := string(p)
	if t.status.Reason != "" {
		text += ": " + t.status.Reason
	}
	t.note("phase", "", "%s", text)
}

// reason says why the phase is what it is or what it waits for.
func (t *turn) reason(format string, args ...any) {
	t.status.Reason = fmt.Sprintf(format, args...)
}

func (t *turn) note(kind, route, format string, args ...any) {
	t.intents = append(t.intents, Note{Kind: kind, Route: route, Text: fmt.Sprintf(format, args...)})
}

func (t *turn) absorbCounts() {
	if !t.spec.Gate.Signals {
		return
	}
	s := &t.status
	counts := t.placed()
	used := make([]Interval, 0, len(counts))
	for _, in := range counts {
		used = append(used, t.used(in))
	}
	s.Evidence.Alone = s.inPlace() && t.goal() >= traffic.All
	before := slices.Clone(s.Evidence.Services)
	s.Evidence.absorb(t.spec.Gate, used, s.Holds, t.now)
	t.tellNotes(before)
	s.Verdict = t.conclude(judge(t.spec.Gate, s.Evidence, t.now), t.analyse(counts))
	if !s.Verdict.Why.onlyTarget() && s.Verdict.Why != NoData && s.Verdict.Why != Unreachable {
		s.Shared = s.Verdict.Why == Shared
	}
	patient := t.spec.Rollback.on(s.Verdict.Why) != UnknownRollsBack
	switch {
	case !s.Verdict.Why.blind() && patient:
		s.BlindAt = time.Time{}
	case s.BlindAt.IsZero(), s.BlindPatiently && !patient:
		// What was only held for is no reason to take back at once for something else.
		s.BlindAt = t.now
	}
	s.BlindPatiently = patient
	t.tell()
}

// tell notes a verdict that is another one than was noted last. That a step which
// has just begun has no requests yet is not worth a line.
func (t *turn) tell() {
	s := &t.status
	little := s.Verdict.Why == NoTraffic || s.Verdict.Why == TooFew ||
		s.Verdict.Why == NoTargetData && s.Evidence.Last.Target.KnownAt.IsZero()
	begun := !s.inPlace() || t.now.Sub(s.Reached) < t.spec.Gate.grace()
	if !t.exposed() || s.Told == s.Verdict.String() || little && begun {
		return
	}
	s.Told = s.Verdict.String()
	t.note("verdict", "", "%s", s.Verdict.sentence())
}

func (v Verdict) sentence() string {
	if v.Text == "" {
		return v.String()
	}
	return string(v.State) + ": " + v.Text
}

// heldForAWindow reports whether the whole window lies within the hold of the
// step, so that its share was in place for all of it.
func (t *turn) heldForAWindow() bool {
	switch t.status.Phase {
	case Holding, WaitingForApproval, Soaking:
		return t.now.Sub(t.status.Reached) >= t.spec.Gate.Window+t.spec.Gate.lag()
	default:
		return false
	}
}

// goal is the share that is wanted now.
func (t *turn) goal() traffic.Share { return t.status.Wanted(t.spec) }

func (t *turn) step() int { return min(max(t.status.Step, 0), len(t.spec.Steps)-1) }

// lastStep reports whether everything is wanted on the target.
func (t *turn) lastStep() bool { return t.step() == len(t.spec.Steps)-1 && t.stepWhole() }

// stepWhole reports whether what is wanted is the step's own share, and not one
// that an adaptive ramp stops at before it.
func (t *turn) stepWhole() bool { return t.goal() == t.spec.Steps[t.step()].Share }

func (t *turn) specOf(name string) RouteSpec {
	for _, r := range t.spec.Routes {
		if r.Name == name {
			return r
		}
	}
	return RouteSpec{Name: name}
}

// wake asks for the next turn. Routes are looked at often while something is
// awaited and calmly otherwise; a phase that lacks a reading asks for all of
// them at once.
func (t *turn) wake() {
	if t.status.Phase.Ended() {
		return
	}
	w := Wake{At: t.now.Add(t.interval())}
	again := t.again && !t.refused() // who does not answer is not asked faster
	if again {
		w.At = t.now
	}
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		at := t.lookAt(r)
		if at.Before(w.At) {
			w.At = at
		}
		r.LookAt = at
	}
	for _, r := range t.status.Routes {
		if again || !r.LookAt.After(w.At) {
			w.Look = append(w.Look, r.Name)
		}
	}
	t.intents = append(t.intents, w)
}

// refused reports whether a route could not be read when it was looked at last.
func (t *turn) refused() bool {
	return slices.ContainsFunc(t.status.Routes, func(r RouteStatus) bool {
		return r.Unread || t.seen.Routes[r.Name].Held.After(t.now)
	})
}

func (t *turn) interval() time.Duration {
	if t.spec.Gate.Interval > 0 {
		return t.spec.Gate.Interval
	}
	return time.Second
}

// lookAt says when the route should be read next. A look that is due stays due:
// turns come more often than looks.
func (t *turn) lookAt(r *RouteStatus) time.Time {
	if held := t.seen.Routes[r.Name].Held; held.After(t.now) && held.Sub(t.now) <= longestPause {
		return held
	}
	if t.asked(r.Name) {
		return t.now // what becomes of the write is wanted at once
	}
	if r.Want != nil && r.Want.NextTry.After(t.now) {
		return r.Want.NextTry
	}
	next := t.now.Add(t.lookEvery(r))
	if w := r.Written; w != nil && !w.Settled && w.Due.After(t.now) && w.Due.Before(next) {
		next = w.Due
	}
	if _, known := t.read(r.Name); !known && r.LookAt.After(t.now) && r.LookAt.Before(next) {
		return r.LookAt
	}
	return next
}

// lookEvery is how often the route is read: often while something is awaited,
// calmly otherwise.
func (t *turn) lookEvery(r *RouteStatus) time.Duration {
	every := t.specOf(r.Name).LookEvery
	if every <= 0 {
		every = time.Second
	}
	if t.status.Phase == Partial && (r.Whole || r.Want == nil) && (r.Written == nil || r.Written.Settled) {
		return max(every, lookCalmly) // what is left may take days; each try to write it looks as well
	}
	awaited := t.status.Phase == RollingBack || r.Want != nil || r.Seen == nil || r.Trouble != "" || r.Written != nil && !r.Written.Settled
	awaited = awaited || t.status.Verdict.Why == Missplit // which somebody else's share explains
	if awaited {
		return every
	}
	return max(every, lookCalmly)
}

// asked reports whether this turn writes to the route.
func (t *turn) asked(name string) bool {
	return slices.ContainsFunc(t.intents, func(in Intent) bool {
		w, is := in.(Write)
		return is && w.Route == name
	})
}
