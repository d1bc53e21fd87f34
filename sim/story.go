package sim

import (
	"context"
	"errors"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/traffic"
)

// beat is something that happened, as a scenario script can tell it. Which of the
// fields are set says what it was.
type beat struct {
	at       time.Duration
	begins   *Fault // a fault began to wait for its moment, or for calls to hit
	fault    Kind   // and was met
	bite     bool
	heal     bool
	verb     engine.Verb // an operator wanted something
	saw      bool        // an operator looked, and gives the command later
	late     bool        // the command is about what he saw then
	intruder string      // who wrote share to route
	phase    engine.Phase

	call  call // to the lever of route
	route string
	share traffic.Share
	ended bool  // it came back
	err   error // with this

	arrived bool // route became share, by one of our own writes

	dies  death         // the process ended there
	lasts time.Duration // how long it was frozen
}

// call is a kind of call to a lever.
type call uint8

const (
	noCall call = iota
	readCall
	writeCall
	settleCall
)

// death is the place at which a process is killed.
type death uint8

const (
	anywhere    death = iota
	beforeWrite       // a write was saved, and was not sent
	afterWrite        // a write arrived, and its result was not saved
)

// record adds to the story of a run that is traced.
func (w *world) record(b beat) {
	if !w.tracing {
		return
	}
	b.at = w.now
	if b.bite && (b.fault == Kill || b.fault == Freeze || b.fault == TornJournal) && w.task != nil {
		b.dies, b.lasts = w.place(w.task.process), w.task.process.freeze
	}
	w.story = append(w.story, b)
}

// place is where a process is between what it has decided and what became of it.
func (w *world) place(p *process) death {
	d, where := p.knows.durable, anywhere
	if d == nil {
		return anywhere
	}
	for _, r := range d.Routes {
		if r.Want == nil || !r.Want.Open {
			continue
		}
		arrived, ended := w.written(r.Name, p.knows.stepped)
		switch {
		case ended:
		case arrived:
			return afterWrite
		default:
			where = beforeWrite
		}
	}
	return where
}

// written reports what became of the last write to a route since a moment.
func (w *world) written(route string, since time.Duration) (arrived, ended bool) {
	for _, b := range slices.Backward(w.story) {
		switch {
		case b.at < since:
			return false, false
		case b.route != route:
		case b.arrived:
			arrived = true
		case b.call == writeCall:
			return arrived, b.ended
		}
	}
	return false, false
}

// witness writes down what a lever answers.
type witness struct {
	router.Driver
	world *world
	route string
}

// witnessed returns d, with a witness if the run is traced.
func (w *world) witnessed(route string, d router.Driver) router.Driver {
	if !w.tracing {
		return d
	}
	return &witness{d, w, route}
}

// Read implements router.Driver.
func (n *witness) Read(ctx context.Context, route router.Ref) (router.Snapshot, error) {
	s, err := n.Driver.Read(ctx, route)
	if err != nil {
		n.world.record(beat{call: readCall, route: n.route, ended: true, err: err})
	}
	return s, err
}

// Write implements router.Driver.
func (n *witness) Write(ctx context.Context, c router.Change) (router.Receipt, error) {
	n.world.record(beat{call: writeCall, route: n.route, share: c.Share})
	r, err := n.Driver.Write(ctx, c)
	n.world.record(beat{call: writeCall, route: n.route, share: c.Share, ended: true, err: err})
	return r, err
}

// Settled implements router.Driver.
func (n *witness) Settled(ctx context.Context, receipt router.Receipt) (router.Settlement, error) {
	s, err := n.Driver.Settled(ctx, receipt)
	if err != nil {
		n.world.record(beat{call: settleCall, route: n.route, ended: true, err: err})
	}
	return s, err
}

// throttled reports whether a call was refused for being one too many.
func (b beat) throttled() bool { return b.ended && errors.Is(b.err, router.ErrThrottled) }
