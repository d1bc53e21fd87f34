package engine

import (
	"fmt"
	"slices"
	"time"
)

// keepCommands is how many IDs of consumed commands are remembered. The runner
// removes a command once a status that consumed it was saved, so a few would do.
const keepCommands = 64

// absorbCommands carries out what operators asked for, each command once.
func (t *turn) absorbCommands() {
	for _, c := range t.seen.Commands {
		if slices.Contains(t.status.Consumed, c.ID) {
			continue
		}
		t.status.Consumed = append(t.status.Consumed, c.ID)
		text, at := fmt.Sprintf("%s by %s", c.Verb, c.By), len(t.intents)
		if why := t.obey(c); why != "" {
			text += " ignored: " + why
		}
		t.intents = slices.Insert(t.intents, at, Intent(Note{Kind: "command", Text: text}))
	}
	if len(t.seen.Commands) > 0 {
		t.forgetCommands()
	}
}

// forgetCommands drops the IDs of commands that were consumed long ago, but for
// those that are still handed to us: they could not be removed.
func (t *turn) forgetCommands() {
	extra := len(t.status.Consumed) - keepCommands
	if extra <= 0 {
		return
	}
	t.status.Consumed = slices.DeleteFunc(t.status.Consumed, func(id string) bool {
		waits := slices.ContainsFunc(t.seen.Commands, func(c Command) bool { return c.ID == id })
		if waits || extra == 0 {
			return false
		}
		extra--
		return true
	})
}

// obey carries out one command, or says why there is nothing to carry out.
func (t *turn) obey(c Command) string {
	switch c.Verb {
	case Pause:
		return t.obeyPause(c)
	case Resume:
		return t.obeyResume(c)
	case Approve:
		return t.obeyApprove()
	case TakeBack:
		return t.obeyTakeBack(c)
	case Retry:
		return t.obeyRetry(c)
	default:
		return "there is no such command"
	}
}

func (t *turn) obeyPause(c Command) string {
	switch p := t.status.Phase; {
	case p.Ended():
		return "the migration has ended: " + string(p)
	case p.TakingBack():
		return "taking back is never paused"
	case p == Paused:
		return "it is paused already"
	}
	t.pause(t.status.Phase, "paused by %s; the share stays", c.By)
	return ""
}

// obeyResume goes on. Where somebody else changed a route the operator now has
// seen it and wants the step's share written again: what is there becomes the
// state that the next write starts from.
func (t *turn) obeyResume(c Command) string {
	if t.status.Phase != Paused {
		return "it is not paused"
	}
	resume := t.status.Resume
	if resume == Pending && t.live() != nil {
		t.status.AdoptLive = true
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
		r.Written = t.adopted(r.Drift.High)
		if r.Drift.Low != r.Drift.High {
			r.Written = nil
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
		t.status.Verdict, t.status.Degraded = Verdict{State: NotKnown, Why: why, Text: text}, time.Time{}
	}
	t.status.Resume = ""
	t.enter(resume, "resumed by %s", c.By)
	return ""
}

func (t *turn) obeyApprove() string {
	p := t.status.Phase
	if p == Paused {
		p = t.status.Resume // what has not begun has no step yet that could be approved
	}
	if p.Ended() || p.TakingBack() || p == Pending {
		return "nothing waits for approval in phase " + string(p)
	}
	if !t.spec.Steps[t.step()].Approval {
		return "step needs no approval"
	}
	if t.status.Approved {
		return "step is approved already"
	}
	t.status.Approved = true
	return ""
}

func (t *turn) obeyTakeBack(c Command) string {
	if t.status.Phase.TakingBack() {
		return t.leaveOut(c)
	}
	t.rollBack("asked for by %s", c.By)
	return t.leaveOut(c)
}

// obeyRetry begins a new attempt after an end that was not Complete.
func (t *turn) obeyRetry(c Command) string {
	p := t.status.Phase
	if p != RolledBack && p != Failed {
		return "there is nothing to try again in phase " + string(p)
	}
	old := t.status
	t.status = Status{Attempt: old.Attempt + 1, Consumed: old.Consumed, Sequence: old.Sequence, Holds: old.Holds, LastTurn: old.LastTurn, Routes: old.Routes}
	for i := range t.status.Routes {
		r := &t.status.Routes[i]
		r.Want, r.Written, r.Drift, r.Trouble = nil, nil, nil, ""
		r.Past, r.Reasserted, r.OursHeld = nil, 0, 0
		r.Broken, r.Gone, r.Refused, r.Whole, r.Again = nil, false, nil, false, Again{}
	}
	t.status.Evidence.Last, t.status.Evidence.Services = old.Evidence.Last, old.Evidence.Services
	t.enter(Pending, "attempt %d, asked for by %s", t.status.Attempt, c.By)
	return ""
}
