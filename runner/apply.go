package runner

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/store"
)

// apply carries out the writes in parallel, those that take a share back first.
// A write that has begun is finished within its bound even if ctx ends: cutting
// it would only make its outcome unknown.
func (r *run) apply(ctx context.Context, writes []engine.Write) []Effect {
	slices.SortStableFunc(writes, urgentFirst)
	effects := make([]Effect, len(writes))
	var wg sync.WaitGroup
	for i, w := range writes {
		wg.Go(func() { effects[i] = r.write(ctx, w) })
	}
	wg.Wait()
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

func (r *run) write(ctx context.Context, w engine.Write) Effect {
	began := time.Now()
	effect := Effect{Write: w, Result: engine.Result{ID: w.ID, At: began}}
	// Nothing may rise after the lease has ended. Taking back is right whoever
	// holds it.
	bound := r.Write
	if left := time.Until(r.lease.Expires()); !w.Urgent {
		bound = min(bound, left)
	}
	if bound <= 0 {
		effect.Result.Outcome, effect.Result.Err = engine.Refused, "the lease has ended, nothing was written"
		return effect
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	route, known := r.Routes[w.Route]
	if !known {
		effect.Result.Outcome, effect.Result.Err = engine.Denied, "the plan has no such route"
		return effect
	}
	receipt, err := route.Driver.Write(ctx, router.Change{ID: w.ID, Route: route.Ref, Share: w.Share, IfVersion: w.IfVersion})
	effect.Took = time.Since(began)
	if err != nil {
		effect.Result.Outcome, effect.Result.Err = outcome(err), err.Error()
		return effect
	}
	effect.Receipt = &receipt
	effect.Result.Outcome, effect.Result.Share = engine.Accepted, receipt.Share
	effect.Result.Token, effect.Result.Note, effect.Result.At = receipt.Token, receipt.Note, receipt.At
	return effect
}

// outcome says what a failed write means to the engine. What may have happened
// counts as lost, whatever the error.
func outcome(err error) engine.Outcome {
	if router.EffectOf(err) != router.EffectNothing {
		return engine.Lost
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
	"phase": "decision", "command": "command", "verdict": "observation", "route": "observation", "write": "observation",
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
		data, err := json.Marshal(e)
		if err != nil {
			data = nil // the sentence stands on its own
		}
		out = append(out, store.Entry{At: time.Now(), Kind: "effect", Text: e.Sentence(), Data: data})
	}
	if len(out) == 0 {
		return
	}
	// What was done must be in the journal even if ctx has ended meanwhile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.Deadline)
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
	case engine.Lost:
		return text + "nobody knows: " + e.Result.Err
	default:
		return text + e.Result.Err
	}
}
