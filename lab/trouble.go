//go:build linux

package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	labaws "watari.dev/lab/aws"
	"watari.dev/lab/fault"
	"watari.dev/lab/link"
)

// orderBound is how long the supervisor tries to inject one fault or to end it. A
// process is dead and a link is set within milliseconds.
const orderBound = 5 * time.Second

// trouble holds the faults of the sides: kills and partitions. It is a
// fault.Holder.
type trouble struct {
	log     *slog.Logger
	board   *board
	keepers map[string]*keeper
	sides   map[string]*side
	aws     fault.Client // of the ways from the load balancers to pods; without a URL there are none

	mu   sync.Mutex
	held []*held
}

// held is one fault and what it takes to end it.
type held struct {
	fault.Injected
	component string         // that was killed
	heal      chan struct{}  // of a kill: closed to end it early
	over      *time.Timer    // of a partition
	before    map[string]int // of a partition: connections that met earlier ones, by way
}

func newTrouble(b *board, log *slog.Logger, keepers []*keeper, sides map[string]*side, aws fault.Client) *trouble {
	t := &trouble{log: log, board: b, keepers: map[string]*keeper{}, sides: sides, aws: aws}
	for _, k := range keepers {
		t.keepers[k.name] = k
	}
	return t
}

// Inject kills or cuts off.
func (t *trouble) Inject(ctx context.Context, f fault.Fault) (fault.Injected, error) {
	if err := f.Check(); err != nil {
		return fault.Injected{}, err
	}
	if f.AWS != nil {
		return fault.Injected{}, errors.New("faults of AWS are injected into AWS")
	}
	ctx, cancel := context.WithTimeout(ctx, orderBound)
	defer cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.held) >= fault.MaxKept {
		return fault.Injected{}, fault.ErrTooMany
	}
	inject := t.partition
	if f.Kill != nil {
		inject = t.kill
	}
	h, err := inject(ctx, f)
	if err != nil {
		return fault.Injected{}, err
	}
	t.held = append(t.held, h)
	t.log.Warn("injected", "fault", h.ID, "what", f)
	return h.Injected, nil
}

// nextID names the next fault of a kind.
func (t *trouble) nextID(kind string, is func(fault.Fault) bool) string {
	n := 1
	for _, h := range t.held {
		if is(h.Fault) {
			n++
		}
	}
	return fmt.Sprintf("%s-%d", kind, n)
}

func isKill(f fault.Fault) bool      { return f.Kill != nil }
func isPartition(f fault.Fault) bool { return f.Partition != nil }

// kill kills one component and holds it down.
func (t *trouble) kill(ctx context.Context, f fault.Fault) (*held, error) {
	name, err := t.componentOf(*f.Kill)
	if err != nil {
		return nil, err
	}
	if state := t.board.component(name).State; state != Ready {
		return nil, fmt.Errorf("kill %s: it is %s: %w; see watari lab status", name, state, fault.ErrBusy)
	}
	heal, done := make(chan struct{}), make(chan error, 1)
	select {
	case t.keepers[name].kills <- killOrder{hold: f.Kill.For, heal: heal, done: done}:
	case <-ctx.Done():
		return nil, fmt.Errorf("kill %s: it is not ready: %w; see watari lab status", name, fault.ErrBusy)
	}
	if err := <-done; err != nil {
		return nil, err
	}
	now := time.Now()
	h := &held{component: name, heal: heal, Injected: fault.Injected{
		ID: t.nextID("kill", isKill), Fault: f, Began: now, Until: now.Add(f.Kill.For),
		Hits: []fault.Hit{{Service: "process", Action: name, Count: 1}},
	}}
	h.expire(now)
	return h, nil
}

// componentOf names the component that is meant.
func (t *trouble) componentOf(k fault.Kill) (string, error) {
	s, known := t.sides[k.Side]
	if !known {
		return "", fmt.Errorf("the lab has no %s", k.Side)
	}
	names := s.components[k.Component]
	n := max(k.Node, 1)
	if n > len(names) {
		return "", fmt.Errorf("the %s has no %s %d; it has %d", k.Side, k.Component, n, len(names))
	}
	return names[n-1], nil
}

// partition cuts one side off: the supervisor's own ways and the load balancers'.
func (t *trouble) partition(ctx context.Context, f fault.Fault) (*held, error) {
	p := *f.Partition
	s, known := t.sides[p.Side]
	if !known {
		return nil, fmt.Errorf("the lab has no %s", p.Side)
	}
	for _, h := range t.held {
		h.expire(time.Now())
		if h.Lasts() && isPartition(h.Fault) && h.Fault.Partition.Side == p.Side {
			return nil, fmt.Errorf("cut the %s off: %s does already until %s: %w; end it: watari lab fault heal %s",
				p.Side, h.ID, h.Until.Format(time.TimeOnly), fault.ErrBusy, h.ID)
		}
	}
	state := link.Hanging
	if p.How == fault.Reset {
		state = link.Broken
	}
	before, err := t.met(ctx, p.Side)
	if err == nil {
		err = t.setPods(ctx, p.Side, labaws.LinkState{State: state, For: p.For})
	}
	if err != nil {
		return nil, fmt.Errorf("cut the %s off: %w; nothing is cut", p.Side, err)
	}
	s.set(state)
	now := time.Now()
	h := &held{before: before, Injected: fault.Injected{
		ID: t.nextID("partition", isPartition), Fault: f, Began: now, Until: now.Add(p.For),
	}}
	h.over = time.AfterFunc(p.For, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.end(h, fault.Over)
	})
	return h, nil
}

// List tells of every fault.
func (t *trouble) List(ctx context.Context) ([]fault.Injected, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]fault.Injected, 0, len(t.held))
	for _, h := range t.held {
		h.expire(time.Now())
		if h.Lasts() && isPartition(h.Fault) {
			if err := t.count(ctx, h); err != nil {
				return nil, err
			}
		}
		i := h.Injected
		i.Hits = slices.Clone(h.Hits)
		all = append(all, i)
	}
	return all, nil
}

// Heal ends one fault, and waits until a killed component is ready again.
func (t *trouble) Heal(ctx context.Context, id string) (fault.Injected, error) {
	h, healed, err := t.heal(id)
	if err == nil && healed {
		err = t.awaitReady(ctx, h.component)
	}
	if err != nil {
		return fault.Injected{}, fmt.Errorf("heal %s: %w", id, err)
	}
	return h.Injected, nil
}

// heal ends one fault and says whether it was not over before.
func (t *trouble) heal(id string) (held, bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.held, func(h *held) bool { return h.ID == id })
	if i < 0 {
		return held{}, false, fault.ErrUnknown
	}
	t.held[i].expire(time.Now())
	healed := t.end(t.held[i], fault.Healed)
	return *t.held[i], healed, nil
}

// HealAll ends every fault and waits until every killed component is ready again.
func (t *trouble) HealAll(ctx context.Context) ([]fault.Injected, error) {
	t.mu.Lock()
	var healed []held
	for _, h := range t.held {
		h.expire(time.Now())
		if t.end(h, fault.Healed) {
			healed = append(healed, *h)
		}
	}
	t.mu.Unlock()
	var all []fault.Injected
	var errs []error
	for _, h := range healed {
		errs = append(errs, t.awaitReady(ctx, h.component))
		all = append(all, h.Injected)
	}
	return all, errors.Join(errs...)
}

// awaitReady waits until a component is ready; an empty name is.
func (t *trouble) awaitReady(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyBound)
	defer cancel()
	for {
		c := t.board.component(name)
		if c.State == Ready {
			return nil
		}
		if !sleep(ctx, readyInterval) {
			return fmt.Errorf("%s is %s and not ready: %s", name, c.State, c.Reason)
		}
	}
}

// end ends a fault and says whether it was not over before.
func (t *trouble) end(h *held, why fault.End) bool {
	if !h.Lasts() {
		return false
	}
	h.Ended, h.End = time.Now(), why
	t.log.Info("a fault is over", "fault", h.ID, "why", why)
	if isKill(h.Fault) {
		close(h.heal)
		return true
	}
	h.over.Stop()
	side := h.Fault.Partition.Side
	t.sides[side].set(link.Whole)
	ctx, cancel := context.WithTimeout(context.Background(), orderBound)
	defer cancel()
	err := t.setPods(ctx, side, labaws.LinkState{State: link.Whole})
	if err = errors.Join(err, t.count(ctx, h)); err != nil { // AWS ends it by itself
		t.log.Error("AWS was not told that a fault is over", "fault", h.ID, "error", err)
	}
	return true
}

// expire ends a kill whose time has passed: its keeper knows by itself.
func (h *held) expire(now time.Time) {
	if isKill(h.Fault) && h.Lasts() && !now.Before(h.Until) {
		h.Ended, h.End = h.Until, fault.Over
	}
}

// count takes down how many connections met a partition.
func (t *trouble) count(ctx context.Context, h *held) error {
	met, err := t.met(ctx, h.Fault.Partition.Side)
	if err != nil {
		return err
	}
	h.Hits = nil
	for _, way := range slices.Sorted(maps.Keys(met)) {
		if n := met[way] - h.before[way]; n > 0 {
			h.Hits = append(h.Hits, fault.Hit{Service: "connection", Action: way, Count: n})
		}
	}
	return nil
}

// met returns how many connections met a cut of the side since the start, by way.
func (t *trouble) met(ctx context.Context, side string) (map[string]int, error) {
	met := t.sides[side].met()
	pods, err := t.askPods(ctx, http.MethodGet, side, nil)
	met["pods"] = pods.Met
	return met, err
}

// setPods changes the way from the load balancers to the pods of a side.
func (t *trouble) setPods(ctx context.Context, side string, to labaws.LinkState) error {
	body, err := json.Marshal(to)
	if err != nil {
		return err
	}
	_, err = t.askPods(ctx, http.MethodPut, side, body)
	return err
}

func (t *trouble) askPods(ctx context.Context, method, side string, body []byte) (labaws.LinkState, error) {
	var state labaws.LinkState
	if t.aws.URL == "" {
		return state, nil
	}
	err := t.aws.Do(ctx, method, "/"+side, body, &state)
	return state, err
}

// byBegin orders faults.
func byBegin(a, b fault.Injected) int {
	return cmp.Or(a.Began.Compare(b.Began), cmp.Compare(a.ID, b.ID))
}
