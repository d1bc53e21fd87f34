package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
	"watari.dev/store/filestore/disk"
	"watari.dev/store/filestore/memdisk"
	"watari.dev/store/memstore"
)

var key = store.Key{Name: "shop"}

// memory is the store as one process reaches it.
type memory struct {
	*process
	store.Store
	machine *machine // nil where the store is not on files
	later   []func() // what the store wants to do when nobody waits for it
}

// rest does it, in steps between which the process may die or be frozen.
func (d *memory) rest() {
	for len(d.later) > 0 {
		task := d.later[0]
		d.later = d.later[1:]
		task()
	}
}

// opened returns the store as a process reaches it.
func (p *process) opened() *memory {
	if p.platter == nil {
		return &memory{process: p, Store: p.store}
	}
	m := p.newMachine(p)
	var d disk.Disk = m
	if p.brk != nil && p.brk.Disk != nil {
		d = p.brk.Disk(m)
	}
	out := &memory{process: p, machine: m}
	out.Store = p.openFiles(d, p.wall, func(task func()) { out.later = append(out.later, task) })
	return out
}

var errUnreadable = errors.New("input/output error")

// newStore returns the store that all processes share, as an operator reaches it.
func (w *world) newStore() store.Store {
	if w.brk == nil && w.plan.files() || w.brk != nil && (w.brk.Disk != nil || w.brk.Journal != nil) {
		w.platter = memdisk.New()
		return w.openFiles(terminal{w.platter}, func() time.Time { return w.caller.wall() }, func(task func()) { task() })
	}
	return memstore.New(
		memstore.WithClock(func() time.Time { return w.caller.wall() }),
		memstore.WithAlive(w.holds),
		memstore.WithTrust(trusted),
		memstore.WithFaults(func(op memstore.Op, _ store.Key) memstore.Fault { return w.storeFault(op) }),
	)
}

// holds reports whether the process of a holder lives.
func (w *world) holds(h store.Holder) bool {
	for _, p := range w.running {
		if p.name == h.ID {
			return true
		}
	}
	return false
}

// storeFault is what goes wrong with the store in memory.
func (w *world) storeFault(op memstore.Op) memstore.Fault {
	if op == memstore.Submit || op == memstore.Acquire && !w.conditions[DiskFull].on(w.now) {
		return memstore.None // an operator's terminal; a run that cannot begin
	}
	if w.conditions[DiskFull].on(w.now) {
		w.bite(DiskFull)
		return memstore.FailBefore
	}
	if op != memstore.Save {
		return memstore.None
	}
	switch kind, _ := w.hit(SaveBefore, SaveAfter); kind {
	case SaveBefore:
		w.bite(kind)
		return memstore.FailBefore
	case SaveAfter:
		w.bite(kind)
		w.undone = true
		return memstore.FailAfter
	}
	return memstore.None
}

// enter is the moment before a call of the store.
func (d *memory) enter(ctx context.Context) error {
	d.effect()
	if d.conditions[SlowStore].on(d.now) {
		d.bite(SlowStore)
		if err := d.pass(ctx, time.Duration(d.noise()*float64(2*time.Second))); err != nil {
			return err
		}
	}
	d.caller = d.process
	return nil
}

// Load implements store.Store.
func (d *memory) Load(ctx context.Context, key store.Key) (store.Record, store.Revision, error) {
	if err := d.enter(ctx); err != nil {
		return store.Record{}, 0, err
	}
	if d.conditions[Unreadable].on(d.now) {
		d.bite(Unreadable)
		return store.Record{}, 0, errUnreadable
	}
	d.knows.reread = d.now + 1
	return d.Store.Load(ctx, key)
}

// Save implements store.Store.
func (d *memory) Save(ctx context.Context, key store.Key, prev store.Revision, next store.Record, entries ...store.Entry) (store.Revision, error) {
	if err := d.enter(ctx); err != nil {
		return 0, err
	}
	if d.machine != nil {
		return d.saveFiles(ctx, prev, next, entries)
	}
	if kind, hit := d.hit(TornJournal); hit { // the process dies in the middle of it
		d.bite(kind)
		if d.noise() < 0.5 {
			_ = d.Store.Append(ctx, key, entries...) // some of what it wrote is there
		}
		d.kill()
		d.alive()
	}
	d.undone = false
	revision, err := d.Store.Save(ctx, key, prev, next, entries...)
	d.check.saved(d.process, next, err == nil || d.undone && errors.Is(err, memstore.ErrInjected), err)
	d.effect()
	return revision, err
}

// saveFiles saves on files. Whoever dies or is told of an error may have saved all
// the same.
func (d *memory) saveFiles(ctx context.Context, prev store.Revision, next store.Record, entries []store.Entry) (revision store.Revision, err error) {
	d.machine.saving()
	answered := false
	defer func() {
		if !answered {
			d.check.saved(d.process, next, d.there(prev, next), errDied)
		}
	}()
	revision, err = d.Store.Save(ctx, key, prev, next, entries...)
	answered = true
	d.check.saved(d.process, next, err == nil || d.there(prev, next), err)
	if err == nil {
		d.check.acknowledged, d.check.status = revision, next.Status
		d.check.wrote(entries)
	}
	d.effect()
	d.rest()
	return revision, err
}

var errDied = errors.New("died in the middle of it")

// Append implements store.Store.
func (d *memory) Append(ctx context.Context, key store.Key, entries ...store.Entry) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	err := d.Store.Append(ctx, key, entries...)
	if err == nil {
		d.check.wrote(entries)
	}
	d.effect()
	d.rest()
	return err
}

// Commands implements store.Store.
func (d *memory) Commands(ctx context.Context, key store.Key) ([]store.Command, error) {
	d.alive()
	if d.conditions[Unreadable].on(d.now) {
		d.bite(Unreadable)
		return nil, errUnreadable
	}
	if d.waiting == 0 && len(d.foreign.orders) == 0 {
		return nil, nil
	}
	return d.Store.Commands(ctx, key)
}

// Discard implements store.Store.
func (d *memory) Discard(ctx context.Context, key store.Key, ids ...string) error {
	if err := d.enter(ctx); err != nil {
		return err
	}
	defer d.recount()
	err := d.Store.Discard(ctx, key, ids...)
	d.effect()
	return err
}

// Acquire implements store.Store.
func (d *memory) Acquire(ctx context.Context, key store.Key, holder store.Holder, ttl time.Duration, takeOver bool) (store.Lease, error) {
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	lease, err := d.Store.Acquire(ctx, key, holder, ttl, takeOver)
	if err != nil {
		return nil, err
	}
	d.effect()
	return &right{d, lease}, nil
}

// right is a lease as its process reaches it.
type right struct {
	disk  *memory
	lease store.Lease
}

func (r *right) Expires() time.Time { return r.lease.Expires() }

func (r *right) Renew(ctx context.Context) error {
	if err := r.disk.enter(ctx); err != nil {
		return err
	}
	err := r.lease.Renew(ctx)
	if err != nil && !errors.Is(err, store.ErrLost) {
		r.disk.knows.failing = true
	}
	r.disk.effect()
	return err
}

func (r *right) Release(ctx context.Context) error {
	if err := r.disk.enter(ctx); err != nil {
		return err
	}
	return r.lease.Release(ctx)
}

// ledger keeps statuses as they are, and writes the number of each.
type ledger struct{ statuses []engine.Status }

// plainJSON reads a status as the product writes it.
func plainJSON(b json.RawMessage) (s engine.Status, err error) { return s, json.Unmarshal(b, &s) }

// Encode implements runner.Codec.
func (l *ledger) Encode(s engine.Status) (json.RawMessage, error) {
	l.statuses = append(l.statuses, s)
	return strconv.AppendInt(nil, int64(len(l.statuses)-1), 10), nil
}

// Decode implements runner.Codec.
func (l *ledger) Decode(b json.RawMessage) (engine.Status, error) {
	n, err := strconv.Atoi(string(b))
	if err != nil || n < 0 || n >= len(l.statuses) {
		return engine.Status{}, fmt.Errorf("status %s of %d", b, len(l.statuses))
	}
	return l.statuses[n], nil
}
