package engine

// pause stops every rise until an operator resumes.
func (t *turn) pause(resume Phase, format string, args ...any) {
	t.status.Resume = resume
	t.enter(Paused, format, args...)
}

// paused writes nothing, and still takes back a target that is worse.
func (t *turn) paused() {
	if t.exposed() && !t.status.Started.IsZero() && !t.spec.Rollback.Manual {
		t.degradedOrBlind()
	}
}

// findings says what was found in this turn while it was paused. It is said before
// commands are read: an operator agrees to what he was shown, and so each finding
// is a situation of its own.
func (t *turn) findings() {
	s := &t.status
	if s.Phase != Paused {
		return
	}
	if t.paused(); s.Phase != Paused {
		return
	}
	switch r, live := t.drifted(), t.live(); {
	case s.Resume == Pending && live != nil:
		if text := t.liveShare(live); s.Reason != text {
			t.finding("%s", text)
		}
	case s.Resume != Pending && r != nil && t.foreign:
		t.finding("%s%s", t.intrusion(r), t.wayOn(r))
	}
	if t.exposed() && !s.Started.IsZero() && t.spec.Gate.Signals && s.Verdict.State == Degraded && s.Degraded.IsZero() {
		s.Degraded = t.now
		t.finding("degraded: %s; %s", s.Verdict.Text, decideManually)
	}
}

// finding is something new in a pause.
func (t *turn) finding(format string, args ...any) {
	t.reason(format, args...)
	t.status.Situation++
	t.note("phase", "", "%s: %s", t.status.Phase, t.status.Reason)
}

// wayOn says what an operator can do about somebody else's change of a route, and
// which other ones are changed, because he decides about all of them.
func (t *turn) wayOn(said *RouteStatus) string {
	also := ""
	for i := range t.status.Routes {
		if r := &t.status.Routes[i]; r.Drift != nil && r.Seen != nil && r != said {
			also += "; also route " + r.Name + ": " + r.foreign()
		}
	}
	return also + "; resume writes " + t.goal().String() + " again, rollback takes everything back"
}
