package engine

// pause stops every rise until an operator resumes.
func (t *turn) pause(resume Phase, format string, args ...any) {
	t.status.Resume = resume
	t.enter(Paused, format, args...)
}

// paused raises nothing, and still takes back a target that is worse.
func (t *turn) paused() {
	if t.exposed() && !t.status.Started.IsZero() && !t.spec.Rollback.Manual {
		t.degradedOrBlind()
	}
}
