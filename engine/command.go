package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Obey answers commands and does nothing else: nothing was looked at, no time has
// passed, and no phase goes on. It is for a migration that nobody runs; what it
// decides is carried out by the next process that does. A rollback is not for it,
// because that has to be carried out at once.
func Obey(spec Spec, status Status, commands []Command, now time.Time) (Status, []Note) {
	t := turn{spec: spec, status: status.clone(), now: now, unwatched: true}
	t.seen.Commands = commands
	t.complement()
	t.absorbCommands()
	var notes []Note
	for _, in := range t.intents {
		if n, is := in.(Note); is {
			notes = append(notes, n)
		}
	}
	return t.status, notes
}

// Bound returns c as a command about what s shows: this attempt, this step, and the
// phase or finding that the operator has before his eyes. A step that c names stays.
func (s Status) Bound(c Command) Command {
	c.Attempt, c.Situation = max(1, s.Attempt), max(1, s.Situation)
	if c.Step == 0 {
		c.Step = s.Step + 1
	}
	return c
}

// absorbCommands answers what operators asked for, each command once.
func (t *turn) absorbCommands() {
	for _, c := range t.seen.Commands {
		if _, done := t.status.Answered(c.ID); done || t.unwatched && c.Verb == TakeBack {
			continue
		}
		at := len(t.intents)
		text, obeyed := t.obey(c)
		a := Answer{ID: c.ID, Verb: c.Verb, By: c.By, Obeyed: obeyed, Text: text, At: t.now}
		t.status.Answers = append(t.status.Answers, a)
		t.intents = slices.Insert(t.intents, at, Intent(Note{Kind: "command", Text: a.Sentence()}))
	}
	if len(t.seen.Commands) > 0 {
		t.forgetAnswers()
	}
}

// obey carries out one command and says what that means, or why it is refused.
func (t *turn) obey(c Command) (text string, obeyed bool) {
	switch c.Verb {
	case Pause:
		return t.obeyPause(c)
	case Resume:
		return t.obeyResume(c)
	case Approve:
		return t.obeyApprove(c)
	case TakeBack:
		return t.obeyTakeBack(c)
	case Retry:
		return t.obeyRetry(c)
	default:
		return "there is no such command", false
	}
}

// elsewhere says that a command was given for another attempt, or for none that is
// known; empty if it was given for this one.
func (t *turn) elsewhere(c Command) string {
	switch {
	case c.Attempt == 0 || c.Situation == 0:
		return "it does not say what it is about, as commands of an older watari do not; give it again with this one"
	case c.Attempt != t.status.Attempt:
		return fmt.Sprintf("it was given for attempt %d, and this is attempt %d", c.Attempt, t.status.Attempt)
	default:
		return ""
	}
}

// obeyPause stops the rise. That is the careful direction, so within its attempt a
// pause counts whatever has happened since it was typed.
func (t *turn) obeyPause(c Command) (string, bool) {
	if why := t.elsewhere(c); why != "" && c.Attempt != 0 {
		return why, false
	}
	switch p := t.status.Phase; {
	case p.Ended():
		return "nothing moves that could be paused: " + t.stands(), false
	case p.TakingBack():
		return "a rollback is never paused", false
	case p == Paused:
		return "it is paused already: " + t.status.Reason, false
	}
	found := ""
	if r := t.drifted(); r != nil {
		found = "; " + t.intrusion(r) + t.wayOn(r)
	}
	t.pause(t.status.Phase, "paused by %s; the share stays%s", c.By, found)
	return "the share stays at " + t.status.Share().String(), true
}

// obeyResume goes on. Where somebody else changed a route the operator now has
// seen it and wants the step's share written again: what is there becomes the
// state that the next write starts from. What he has not seen he does not agree to.
func (t *turn) obeyResume(c Command) (string, bool) {
	if why := t.elsewhere(c); why != "" {
		return why, false
	}
	if t.status.Phase != Paused {
		return "nothing is paused: " + t.stands(), false
	}
	if c.Situation != t.status.Situation {
		return "it is paused for something else now, look again: " + t.status.Reason, false
	}
	resume := t.status.Resume
	if live := t.live(); resume == Pending && live != nil {
		t.status.LiveAgreed = live.Seen.High
	}
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		if r.Want != nil {
			r.Want.Tries, r.Want.NextTry = 0, time.Time{}
		}
		r.Reasserted = 0
		if r.Drift == nil {
			continue
		}
		t.status.Reasserting = false
		r.Written, r.Agreed = t.adopted(r.Drift.High), nil
		if r.Drift.Low != r.Drift.High {
			r.Written, r.Agreed = nil, r.Drift
		}
		r.Drift = nil
		if resume != Pending { // which finds out by itself where to begin
			resume = Shifting
		}
	}
	if t.status.Verdict.State == Degraded && t.spec.Gate.Analysis != nil {
		// Who resumes has seen it. What was found is not found again; what comes is.
		test := t.test()
		t.judge.Anew(test, t.now)
		t.status.Evidence.Intervals = nil
		why, text := t.status.Evidence.unseen(t.spec.Gate, t.now) // who cannot see still cannot
		if why == "" {
			why, text = Unclear, "the evidence begins anew"
		}
		t.status.Verdict = Verdict{State: NotKnown, Why: why, Text: text}
	}
	t.status.Resume, t.status.Degraded = "", time.Time{}
	if resume == WaitingForApproval {
		t.await("resumed by " + c.By)
	} else {
		t.enter(resume, "resumed by %s", c.By)
	}
	return "it goes on, " + resume.words(), true
}

// obeyTakeBack is never refused while anything can be rolled back: whoever asks for it
// wants nobody on the target, and a rollback that was meant for an earlier attempt costs
// this one no request.
func (t *turn) obeyTakeBack(c Command) (string, bool) {
	if why := t.status.WhyFinal(t.spec.Name); why != "" {
		return why, false
	}
	text := "it is being rolled back already"
	if !t.status.Phase.TakingBack() {
		text = "everything goes back to " + t.spec.Source
		if c.Attempt != 0 && c.Attempt != t.status.Attempt {
			text += fmt.Sprintf(", though it was given for attempt %d", c.Attempt)
		}
		t.rollBack("asked for by %s", c.By)
	}
	if why := t.leaveOut(c); why != "" {
		return why, false
	}
	if len(c.Without) > 0 {
		text += ", without " + strings.Join(c.Without, " and ")
	}
	return text, true
}

// obeyRetry begins a new attempt after an end that was not Complete.
func (t *turn) obeyRetry(c Command) (string, bool) {
	if why := t.elsewhere(c); why != "" {
		return why, false
	}
	if p := t.status.Phase; p != RolledBack && p != Failed {
		return "there is nothing to try again: " + t.stands(), false
	}
	if c.Situation != t.status.Situation {
		return "it has been rolled back once more since; look again, and retry then", false
	}
	old := t.status
	t.status = Status{
		Attempt: old.Attempt + 1, Answers: old.Answers, Situation: old.Situation, Sequence: old.Sequence, Holds: old.Holds,
		LastTurn: old.LastTurn, Routes: old.Routes,
	}
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		r.Want, r.Written, r.Drift, r.Agreed, r.Trouble = nil, nil, nil, nil, ""
		r.Past, r.Reasserted, r.OursHeld = nil, 0, 0
		r.Restored = nil // it is converted again when it rises
		r.Broken, r.Gone, r.Refused, r.Whole, r.Again = nil, false, nil, false, Again{}
	}
	t.status.Evidence.Last, t.status.Evidence.Services = old.Evidence.Last, old.Evidence.Services
	t.enter(Pending, "attempt %d, asked for by %s", t.status.Attempt, c.By)
	return fmt.Sprintf("attempt %d begins", t.status.Attempt), true
}

// stands says in a few words where the migration is.
func (t *turn) stands() string { return t.spec.Name + " is " + t.status.Phase.words() }

// words are what people call a phase.
func (p Phase) words() string {
	switch p {
	case Pending:
		return "pending"
	case Shifting:
		return "shifting"
	case Holding:
		return "holding"
	case WaitingForApproval:
		return "waiting for approval"
	case Paused:
		return "paused"
	case RollingBack:
		return "rolling back"
	case Partial:
		return "partly rolled back"
	case RolledBack:
		return "rolled back"
	case Soaking:
		return "soaking"
	case Complete:
		return "complete"
	case Failed:
		return "failed"
	default:
		return "not begun"
	}
}
