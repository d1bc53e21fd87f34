package runner

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
)

// apply carries out the writes in parallel, those that take a share back first.
// A write that has begun is finished within its bound even if ctx ends: cutting
// it would only make its outcome unknown.
func (r *run) apply(ctx context.Context, writes []engine.Write, decided time.Time) []Effect {
	slices.SortStableFunc(writes, urgentFirst)
	effects := make([]Effect, len(writes))
	tasks := r.Clock.Group()
	for i, w := range writes {
		tasks.Go(func() { effects[i] = r.write(ctx, w, decided) })
	}
	tasks.WaitAll()
	for _, e := range effects {
		r.results[e.Write.Route] = e.Result
		r.looking.outdate(e.Write.Route)
	}
	return effects
}

func urgentFirst(a, b engine.Write) int {
	switch {
	case a.Urgent == b.Urgent:
		return 0
	case a.Urgent:
		return -1
	default:
		return 1
	}
}

// fence returns when the right to carry out a write ends: with the lease, and for
// a rise also when what it was decided on is no longer what was just seen. Only
// taking back while the store remembers nothing has no end: then nobody can know
// whose lease it is, and no share may stay because of that. Zero is no end.
func (r *run) fence(w engine.Write, decided time.Time) time.Time {
	end := r.lease.Expires()
	switch stale := decided.Add(r.Lease); {
	case w.Urgent && r.failed:
		return time.Time{}
	case !w.Urgent && stale.Before(end):
		return stale
	}
	return end
}

func (r *run) write(ctx context.Context, w engine.Write, decided time.Time) Effect {
	began := r.Clock.Now()
	effect := Effect{Write: w, Result: engine.Result{ID: w.ID, At: began}}
	bound, end := r.Write, r.fence(w, decided)
	if !end.IsZero() {
		bound = min(bound, left(began, end))
	}
	if bound <= 0 {
		effect.Result.Outcome, effect.Result.Err = engine.Held, "the right to write ended at "+end.Format(time.TimeOnly)+", before it was sent; nothing was written"
		return effect
	}
	ctx, cancel := r.Clock.Timeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	route, known := r.Routes[w.Route]
	if !known {
		effect.Result.Outcome, effect.Result.Err = engine.Denied, "the plan has no such route"
		return effect
	}
	receipt, err := route.Driver.Write(ctx, router.Change{ID: w.ID, Route: route.Ref, Share: w.Share, IfVersion: w.IfVersion, NotAfter: end.Round(0)})
	effect.Took = r.Clock.Now().Sub(began)
	if err != nil {
		effect.Result.Outcome, effect.Result.Err = outcome(err), err.Error()
		effect.Result.RetryAt, _ = router.HeldBack(err)
		if local(err) {
			effect.Result.RetryAt = r.Clock.Now().Add(signInPause)
		}
		partly(&effect.Result, receipt, err)
		return effect
	}
	effect.Receipt = &receipt
	effect.Result.Outcome, effect.Result.Share = engine.Accepted, receipt.Share
	effect.Result.Token, effect.Result.Note, effect.Result.At = receipt.Token, receipt.Note, receipt.At
	return effect
}

// signInPause is how long to wait before a write is asked for again that nobody was
// signed in for, or that this machine's clock was too wrong for.
const signInPause = 5 * time.Second

// local reports whether an operation failed for a reason of this machine's own, which
// says nothing of the route: nobody is signed in, or its clock is off.
func local(err error) bool {
	return errors.Is(err, router.ErrSignedOut) || errors.Is(err, router.ErrClockOff)
}

// outcome says what a failed write means to the engine. What may have happened
// counts as lost, whatever the error.
func outcome(err error) engine.Outcome {
	if router.EffectOf(err) != router.EffectNothing {
		return engine.Lost
	}
	if errors.Is(err, router.ErrHeldBack) || errors.Is(err, router.ErrExpired) || local(err) {
		return engine.Held
	}
	for _, kind := range []error{router.ErrDenied, router.ErrNotFound, router.ErrNotOwned, router.ErrInexact} {
		if errors.Is(err, kind) {
			return engine.Denied
		}
	}
	return engine.Refused
}

// entries turns decisions and commands into lines of the journal.
func entries(notes []engine.Note, seen engine.Observation, now time.Time) []store.Entry {
	var out []store.Entry
	for _, n := range notes {
		out = append(out, store.Entry{At: now, Kind: journalKind[n.Kind], Text: n.Text, Data: noteData(n, seen)})
	}
	return append(out, counted(seen, now)...)
}

// counted keeps every interval, so that another verdict can be tried on what was
// seen: "watari analyze".
func counted(seen engine.Observation, now time.Time) []store.Entry {
	if len(seen.Counts) == 0 {
		return nil
	}
	data, err := json.Marshal(map[string]any{"intervals": seen.Counts})
	if err != nil {
		return nil // nothing that was decided depends on it
	}
	return []store.Entry{{At: now, Kind: store.Counts, Data: data}}
}

// journalKind maps what the engine notes to what a journal line is: something
// observed, or something decided.
var journalKind = map[string]string{
	"phase": "decision", "command": "command", "verdict": "observation", "route": "observation", "write": "observation", "note": "observation",
}

// noteData keeps what the sentence was made of: the reading behind a remark on a
// route, the commands that were obeyed.
func noteData(n engine.Note, seen engine.Observation) json.RawMessage {
	var data any
	switch {
	case n.Route != "":
		data = map[string]any{"route": n.Route, "seen": seen.Routes[n.Route]}
	case n.Kind == "verdict", n.Kind == "phase":
		return nil // the counts of the turn have a line of their own
	default:
		data = map[string]any{"commands": seen.Commands}
	}
	b, err := json.Marshal(data)
	if err != nil {
		return nil // the sentence stands on its own
	}
	return b
}

// journalEffects appends what was done to the world, with its receipts. The
// journal is no condition of anything: what it does not take is said in the log.
func (r *run) journalEffects(ctx context.Context, effects []Effect) {
	var out []store.Entry
	for _, e := range effects {
		last, told := r.told[e.Write.Route]
		r.told[e.Write.Route] = e.Result
		if told && len(e.Result.Left) > 0 && last.Outcome == e.Result.Outcome && slices.Equal(last.Left, e.Result.Left) {
			e.Result.Left = nil // the line before has them: what is left may be tried for days
		}
		data, err := json.Marshal(e)
		if err != nil {
			data = nil // the sentence stands on its own
		}
		out = append(out, store.Entry{At: r.Clock.Now(), Kind: "effect", Text: e.Sentence(), Data: data})
	}
	if len(out) == 0 {
		return
	}
	// What was done must be in the journal even if ctx has ended meanwhile.
	ctx, cancel := r.Clock.Timeout(context.WithoutCancel(ctx), r.Deadline)
	defer cancel()
	if err := r.Store.Append(ctx, r.Key, out...); err != nil {
		r.Log.Warn("done, but not in the journal", "effects", out, "err", err)
	}
}

// Sentence says what was asked of a route and what became of it.
func (e Effect) Sentence() string {
	text := e.Write.Route + ": asked for " + e.Write.Share.String() + ": "
	switch e.Result.Outcome {
	case engine.Accepted:
		return text + e.Result.Share.String() + " written in " + e.Took.Round(time.Millisecond).String()
	case engine.Partly:
		return text + "not written to all of it: " + e.Result.Err
	case engine.Lost:
		return text + "nobody knows: " + e.Result.Err
	default:
		return text + e.Result.Err
	}
}
