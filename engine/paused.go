package engine

// pause stops every rise until an operator resumes.
func (t *turn) pause(resume Phase, format string, args ...any) {
	t.status.Resume = resume
	t.enter(Paused, format, args...)
}

// paused writes nothing, names somebody who changes a route meanwhile, and still
// takes back a target that is worse.
func (t *turn) paused() {
	if r := t.drifted(); r != nil && t.foreign && t.status.Since.Before(t.now) && t.status.Resume != Pending {
		t.reason("%s; resume writes %s again, rollback takes everything back", t.intrusion(r), t.goal())
	}
	if t.exposed() && !t.status.Started.IsZero() && !t.spec.Rollback.Manual {
		t.degradedOrBlind()
	}
}
