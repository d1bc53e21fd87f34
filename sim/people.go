package sim

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/router/paced"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/store/memstore"
	"watari.dev/traffic"
)

// main is what the process does: the loop of the product, with the world behind
// its interfaces.
func (p *process) main(ctx context.Context) error {
	if p.blind {
		return p.takeBack(ctx)
	}
	if p.phase.Ended() && p.waiting == 0 {
		return nil // as the command does: there is nothing to run
	}
	_, err := runner.Run(ctx, p.config(p.opened()))
	p.farewell()
	return err
}

func (p *process) config(s store.Store) runner.Config {
	cfg := runner.Config{
		Key: key, Spec: p.plan.Spec, Record: json.RawMessage(`{}`), Routes: map[string]runner.Route{},
		Store: s, Holder: store.Holder{ID: p.name, User: "sim", Host: "here", PID: p.number},
		RollbackOnly: p.blind, TakeOver: p.blind || p.healed || p.plan.People.TakeOver, Clock: p, Step: p.step,
	}
	if p.platter == nil && p.brk == nil {
		cfg.Codec = p.ledger
	}
	if !p.blind && p.plan.Spec.Gate.Signals {
		cfg.Signals = p.signals()
	}
	pacer := paced.NewPacer(p.wall)
	for _, l := range p.levers {
		d := pacer.Wrap(p.meter.Wrap("sim", p.witnessed(l.ref.Name, &driver{p, l})))
		if b := p.brk; b != nil && b.Driver != nil {
			d = b.Driver(p, d)
		}
		cfg.Routes[l.ref.Name] = runner.Route{Ref: l.ref, Driver: d}
	}
	p.speaks(&cfg)
	if b := p.brk; b != nil && b.Config != nil {
		b.Config(p, &cfg)
	}
	p.overheard(&cfg)
	return cfg
}

// takeBack is "watari rollback -f FILE": it takes back by itself where nobody can
// be asked to, and without the store where that cannot be used.
func (p *process) takeBack(ctx context.Context) error {
	order := p.shown.Bound(engine.Command{ID: p.name, Verb: engine.TakeBack, By: "bob@there", At: p.wall()})
	if p.submit(order) != nil {
		p.tell(p.name, "cannot leave the order in the store")
	}
	shared := store.Store(p.opened())
	for range 120 {
		cfg := p.config(shared)
		cfg.Orders = []engine.Command{order}
		_, err := runner.Run(ctx, cfg)
		var unsaved *runner.UnsavedError
		switch {
		case errors.Is(err, store.ErrLocked):
			p.Sleep(ctx, time.Second)
			if p.phase == engine.RolledBack {
				return nil
			}
		case err == nil, errors.As(err, &unsaved), ctx.Err() != nil, errors.Is(err, store.ErrLost), errors.Is(err, store.ErrConflict):
			return err
		default:
			shared = memstore.New(memstore.WithClock(p.wall))
		}
	}
	return errors.New("gave up watching")
}

// begins starts what somebody starts.
func (w *world) begins() { w.spawn("run", false) }

// ended is told when a process is no more: somebody starts it again, as long as
// there is something to run.
func (w *world) ended(p *process) {
	for i, q := range w.running {
		if q == p {
			w.running = append(w.running[:i:i], w.running[i+1:]...)
			break
		}
	}
	w.at(w.now+max(w.plan.People.Restart, 500*time.Millisecond), w.supervise)
}

func (w *world) supervise() {
	if len(w.running) == 0 && (!w.phase.Ended() || w.waiting > 0) {
		w.spawn("run", false)
	}
}

// attend makes an operator answer where one is waited for.
func (w *world) attend(p engine.Phase) {
	entered := w.entered[p]
	if w.hasty && p == engine.RolledBack { // before the terminal that asked for it has seen that
		w.hasty = false
		w.at(w.now+100*time.Millisecond, func() { w.order(engine.Retry) })
	}
	verb := engine.Approve
	switch {
	case p == engine.Paused && (w.plan.People.Rollback || w.resumed >= 2): // enough is enough
		verb = engine.TakeBack
	case p == engine.Paused:
		verb = engine.Resume
	case p == engine.Partial && w.plan.People.Rollback:
		w.at(w.now+2*w.plan.People.Answer, func() {
			if w.phase == p && w.entered[p] == entered {
				w.leaveOut()
			}
		})
		return
	case p != engine.WaitingForApproval:
		return
	}
	w.at(w.now+w.plan.People.Answer, func() {
		if w.phase == p && w.entered[p] == entered {
			if verb == engine.Resume {
				w.resumed++
			}
			w.order(verb)
			w.attend(p)
		}
	})
}

// befallPeople lets somebody do something; false if the fault is of another sort.
func (w *world) befallPeople(f Fault) bool {
	l := w.levers[f.Route]
	if orders(f.Kind) {
		w.bite(f.Kind) // in the phase that it finds: what nobody runs is decided at once
	}
	switch f.Kind {
	case OrderPause:
		w.order(engine.Pause)
	case OrderResume:
		w.order(engine.Resume)
	case OrderApprove:
		w.order(engine.Approve)
	case OrderRollback:
		w.order(engine.TakeBack)
	case OrderRetry:
		w.order(engine.Retry)
	case OrderTwice:
		verbs := []engine.Verb{engine.Pause, engine.Resume, engine.Approve, engine.TakeBack, engine.Retry}
		w.order(verbs[f.Value%5])
		w.order(verbs[f.Value/5%5])
	case ApprovalTwice:
		w.approveWrongly(f)
	case OrderLate:
		w.orderLate(f)
	case RollbackHere:
		w.hasty = f.Value == 0
		w.spawn("rollback", true)
	case Raise:
		w.intrude(l, "terraform", min(traffic.All, max(traffic.Share(f.Value), l.high()+500)))
	case Lower:
		w.intrude(l, "terraform", max(traffic.None, min(traffic.Share(f.Value), l.low()-500)))
	case Reapply:
		w.intrude(l, "terraform", traffic.None)
	case Touch:
		l.version++
		l.remember()
		l.past[len(l.past)-1].owned, l.past[len(l.past)-1].writer = true, "a controller"
	case Fight:
		w.fight(f, w.now+f.Lasts)
	case ForeignFile:
		w.befallForeign(f) // which bites where it finds a store
		return true
	default:
		return false
	}
	if !orders(f.Kind) {
		w.bite(f.Kind)
	}
	return true
}

// orders reports whether a fault is an operator's command.
func orders(k Kind) bool {
	return slices.Contains([]Kind{OrderPause, OrderResume, OrderApprove, OrderRollback, OrderRetry, OrderTwice, RollbackHere, ApprovalTwice, OrderLate}, k)
}

// fight is a controller that writes its own weight again and again.
func (w *world) fight(f Fault, until time.Duration) {
	if w.healed || w.now > until {
		return
	}
	w.intrude(w.levers[f.Route], "external-dns", traffic.Share(f.Value))
	w.at(w.now+5*time.Second, func() { w.fight(f, until) })
}

// intrude writes a share behind the migration's back.
func (w *world) intrude(l *lever, who string, share traffic.Share) {
	parts := make([]router.Pair, len(l.parts))
	for i := range parts {
		parts[i] = router.Express(share, l.MaxWeight)
	}
	same := true
	for i := range parts {
		same = same && parts[i] == l.parts[i]
	}
	if same {
		return
	}
	// What looks like what we asked for, rounded, is nobody's intrusion.
	between := l.asked > traffic.None && l.asked < traffic.All // the ends are never rounded
	ours := share == l.asked || between && share < l.asked && share+w.plan.Spec.Routes[l.index()].Granularity > l.asked
	l.set(who, !ours, parts)
	l.intruded = w.now
	w.disturbed()
	w.record(beat{intruder: who, route: l.ref.Name, share: share})
}
