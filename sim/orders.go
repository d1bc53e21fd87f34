package sim

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
)

// typed is a command with what was true when its operator typed it.
type typed struct {
	engine.Command
	at      time.Duration
	attempt int
	step    int // index into the plan's
	phase   engine.Phase
	entered int             // how often the store had that phase by then
	shares  []traffic.Share // of the routes, as they were shown
}

// typeIn makes a command about what the store shows.
func (w *world) typeIn(verb engine.Verb) engine.Command {
	w.orders++
	w.outside.offset = w.clock // each command is a process that begins now
	c := w.shown.Bound(engine.Command{ID: "order-" + strconv.Itoa(w.orders), Verb: verb, By: "anna@ops1", At: w.outside.wall()})
	t := typed{Command: c, at: w.now, attempt: max(1, w.shown.Attempt), step: w.shown.Step, phase: w.phase, entered: w.entered[w.phase]}
	for _, r := range w.shown.Routes {
		share := traffic.None
		if r.Seen != nil {
			share = r.Seen.High
		}
		t.shares = append(t.shares, share)
	}
	w.check.typed[c.ID] = t
	return c
}

// order types a command and gives it at once.
func (w *world) order(verb engine.Verb) { w.give(w.typeIn(verb)) }

// give is what the commands of operators do: it is decided at once where nobody runs
// the migration, and handed to whoever does. A rollback is carried out by whoever
// runs it next.
func (w *world) give(c engine.Command) {
	w.record(beat{verb: c.Verb})
	if c.Verb != engine.TakeBack {
		err := w.decideHere(c)
		var locked *store.LockedError
		switch {
		case err == nil:
			return
		case !errors.As(err, &locked) || locked.Dead:
			w.tell("operator", string(c.Verb)+": "+err.Error())
			return
		}
	}
	_ = w.submit(c) // told in the trace
}

// submit leaves a command in the store.
func (w *world) submit(c engine.Command) error {
	w.caller, w.outside.offset = w.outside, w.clock
	err := w.store.Submit(context.Background(), key, store.Command{
		ID: c.ID, Kind: string(c.Verb), By: c.By, At: c.At, Attempt: c.Attempt, Step: c.Step, Situation: c.Situation, Without: strings.Join(c.Without, ","),
	})
	if err != nil {
		w.tell("operator", string(c.Verb)+": "+err.Error())
		return err
	}
	w.tell("operator", string(c.Verb))
	w.check.submitted = append(w.check.submitted, c.ID)
	w.check.hears(c.ID, w.now)
	w.waiting++
	w.at(w.now+time.Second, w.supervise)
	return nil
}

// decideHere lets an operator's terminal answer a command, and tells the checker what
// the store has then, whatever the terminal was told.
func (w *world) decideHere(c engine.Command) error {
	ctx := context.Background()
	w.caller, w.outside.offset = w.outside, w.clock
	_, before, _ := w.store.Load(ctx, key)
	cfg := runner.Config{
		Key: key, Spec: w.plan.Spec, Store: w.store, Holder: store.Holder{ID: c.ID, User: "sim", Host: "here"}, Clock: w.outside, Orders: []engine.Command{c},
	}
	if w.platter == nil && w.brk == nil {
		cfg.Codec = w.ledger
	}
	_, err := runner.Obey(ctx, cfg)
	w.recount()
	record, revision, loaded := w.store.Load(ctx, key)
	if loaded != nil || revision == before {
		return err
	}
	status, decoded := w.decode(record)
	if decoded != nil {
		w.check.fail("a plan can be played", "%v", decoded)
		return decoded
	}
	w.tell("operator", string(c.Verb)+", decided in the terminal")
	w.check.decidedHere(status, record, revision)
	w.at(w.now+time.Second, w.supervise)
	return err
}

// decode reads the status of a record.
func (w *world) decode(record store.Record) (engine.Status, error) {
	if w.platter == nil && w.brk == nil {
		return w.ledger.Decode(record.Status)
	}
	return plainJSON(record.Status)
}

// orderLate types a command that arrives later, as from a terminal that hangs, or from
// an operator who thinks that it was not heard and types it once more. Meanwhile
// things go on.
func (w *world) orderLate(f Fault) {
	verb := []engine.Verb{engine.Pause, engine.Resume, engine.Approve, engine.Retry}[f.Value%4]
	c := w.typeIn(verb)
	w.record(beat{saw: true})
	w.at(w.now+f.Lasts, func() {
		w.record(beat{verb: verb, late: true})
		_ = w.submit(c)
	})
	if f.Value/4%2 == 0 {
		w.order(verb)
	}
	if f.Value/8%2 == 0 {
		w.at(w.now+f.Lasts/2, func() {
			switch {
			case w.phase.Ended():
				w.order(engine.Retry)
			case w.phase == engine.Paused:
				w.order(engine.Resume)
			default:
				w.order(engine.Pause)
			}
		})
	}
}

// approveWrongly approves what does not wait, or more often than is meant.
func (w *world) approveWrongly(f Fault) {
	c := w.typeIn(engine.Approve)
	t := w.check.typed[c.ID]
	switch f.Value % 6 {
	case 0: // early, or at the right time
	case 1: // twice at once
		w.order(engine.Approve)
	case 2: // and a moment later
		w.at(w.now+350*time.Millisecond, func() { w.order(engine.Approve) })
	case 3: // while it is paused, which ends a moment later
		w.order(engine.Pause)
		w.at(w.now+f.Lasts, func() { w.order(engine.Approve) })
		w.at(w.now+f.Lasts+time.Second, func() { w.order(engine.Resume) })
	case 4: // of the step before or after
		c.Step += f.Value/6%2*2 - 1
	default: // of another attempt
		c.Attempt += f.Value/6%2*2 - 1
	}
	t.Command = c
	w.check.typed[c.ID] = t
	w.give(c)
}

// decidedHere is told of a status that an operator's terminal has saved.
func (c *checker) decidedHere(after engine.Status, record store.Record, revision store.Revision) {
	before := c.shown
	for _, claim := range c.answered(before, after) {
		c.fail(claim.Invariant, "%s", claim.Text)
	}
	c.consent(before, after)
	c.once(after)
	for _, a := range after.Answers {
		c.obeyed[a.ID] = true
	}
	c.saver, c.savedAt = c.outside, c.now
	if c.platter != nil {
		c.acknowledged, c.status = revision, record.Status
		if lines, requests, err := tallied(c.store); err == nil {
			c.lines, c.requests = lines, requests
		}
	}
	c.shown = after
	if after.Phase != c.phase {
		c.endedAt = c.now
		c.enter(after.Phase)
	}
}

// waited is one wait for an approval, and not the same step's next one.
type waited struct{ attempt, step, entered int }

// fresh returns the answers that a decision has given.
func fresh(before, after engine.Status) (out []engine.Answer) {
	for _, a := range after.Answers {
		if _, had := before.Answered(a.ID); !had {
			out = append(out, a)
		}
	}
	return out
}

// answered states that commands count only for what their operators were shown. What
// is wrong counts once it is saved: nobody goes by the rest.
func (c *checker) answered(before, after engine.Status) (claims []Violation) {
	wrong := func(invariant, text string) {
		claims = append(claims, Violation{Invariant: invariant, Text: text, At: c.now})
	}
	attempt := max(1, before.Attempt)
	for _, a := range fresh(before, after) {
		t, known := c.typed[a.ID]
		if !known || !a.Obeyed {
			continue
		}
		there := t.phase == before.Phase && t.entered == c.entered[t.phase]
		switch {
		case t.Verb != engine.TakeBack && (t.attempt != attempt || t.Attempt != attempt):
			wrong("nothing is obeyed in another attempt", string(t.Verb)+" of attempt "+strconv.Itoa(t.Attempt)+" is obeyed in attempt "+strconv.Itoa(attempt))
		case t.Verb == engine.Approve && (!there || t.phase != engine.WaitingForApproval || t.Step != before.Step+1):
			wrong("an approval is of what was shown", "step "+strconv.Itoa(before.Step+1)+" is approved in "+string(before.Phase)+" by what was typed in "+string(t.phase)+" for step "+strconv.Itoa(t.Step))
		case t.Verb == engine.Resume && (!there || t.phase != engine.Paused):
			wrong("a resume is of what was shown", "it is resumed in "+string(before.Phase)+" by what was typed in "+string(t.phase))
		case t.Verb == engine.Retry && !there:
			wrong("a retry is of what was shown", "it is tried again in "+string(before.Phase)+" by what was typed in "+string(t.phase))
		case t.Verb == engine.Approve:
			c.approvals = append(c.approvals, waited{attempt, before.Step, t.entered})
		}
	}
	return claims
}

// consent remembers what operators agreed to, and when they had seen it.
func (c *checker) consent(before, after engine.Status) {
	for _, a := range fresh(before, after) {
		if !a.Obeyed || a.Verb != engine.Resume && a.Verb != engine.Retry {
			continue
		}
		t, known := c.typed[a.ID]
		c.agreed, c.consented = c.now, c.now
		for i, l := range c.levers { // to what was seen, which need not be what is there
			if l.agreed = l.high(); i < len(after.Routes) && after.Routes[i].Seen != nil {
				l.agreed = after.Routes[i].Seen.High
			}
			if known && a.Verb == engine.Resume && i < len(t.shares) {
				l.agreed, c.consented = t.shares[i], t.at
			}
		}
	}
}

// once states that a command has one answer, and that it stays.
func (c *checker) once(s engine.Status) {
	for _, a := range s.Answers {
		had, has := c.answers[a.ID]
		if has && had != a.Obeyed {
			c.fail("a command is answered once", "%s %s was obeyed: %v, and now: %v", a.Verb, a.ID, had, a.Obeyed)
		}
		c.answers[a.ID] = a.Obeyed
	}
}

// unanswered states that what a process was told has an answer once it has saved.
func (c *checker) unanswered(p *process, s engine.Status) {
	for _, id := range p.knows.orders {
		if _, has := s.Answered(id); !has {
			c.fail("a command is answered once", "%s was handed to %s and has no answer", id, p.name)
		}
	}
}

// approvedNow reports whether somebody has approved the wait that is under way.
func (c *checker) approvedNow(before engine.Status) bool {
	return before.Phase == engine.WaitingForApproval &&
		slices.Contains(c.approvals, waited{max(1, before.Attempt), before.Step, c.entered[engine.WaitingForApproval]})
}
