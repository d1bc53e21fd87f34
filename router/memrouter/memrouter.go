package memrouter

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"watari.dev/router"
	"watari.dev/traffic"
)

// Config says what kind of data plane it is.
type Config struct {
	Features router.Features  // MaxWeight 0 means 999; the rest is returned as it is and kept
	Now      func() time.Time // nil means time.Now
}

// Router is a router.Driver in memory.
type Router struct {
	config Config

	mu     sync.Mutex
	levers map[string]*lever
	faults map[Op][]*Fault
	calls  map[Op]int
}

// lever is what one Ref.ID holds.
type lever struct {
	parts   []router.Part
	version int
	writer  string
	written []written // oldest first; what new connections see depends on it
	broken  map[string]breakage
}

// written is the state of a lever from a moment on.
type written struct {
	at    time.Time
	parts []router.Part
}

// New returns a data plane without routes.
func New(config Config) *Router {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Features.MaxWeight == 0 {
		config.Features.MaxWeight = 999
	}
	return &Router{config: config, levers: map[string]*lever{}, faults: map[Op][]*Fault{}, calls: map[Op]int{}}
}

// Add creates the lever of route with the given weights in each of its parts, as
// if it had been there for ever. It replaces a lever of the same ID.
func (r *Router) Add(route router.Ref, weights ...router.Weight) {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := route.Names
	if len(names) == 0 {
		names = []string{""}
	}
	l := &lever{writer: creator}
	for _, name := range names {
		l.parts = append(l.parts, sided(route, router.Part{Name: name, Weights: slices.Clone(weights)}))
	}
	l.written = []written{{parts: cloned(l.parts)}}
	r.levers[route.ID] = l
}

// Remove deletes the lever of route.
func (r *Router) Remove(route router.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.levers, route.ID)
}

// Set changes one entry in every part of route, as somebody else would do it
// behind the driver's back. An entry that is not there is added. It reports
// whether there is such a route.
func (r *Router) Set(route router.Ref, by, entry string, weight int64) bool {
	return r.set(route, by, entry, weight, func(string) bool { return true })
}

// SetPart is Set for the part of one name.
func (r *Router) SetPart(route router.Ref, by, name, entry string, weight int64) bool {
	return r.set(route, by, entry, weight, func(n string) bool { return n == name })
}

func (r *Router) set(route router.Ref, by, entry string, weight int64, in func(name string) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.levers[route.ID]
	if !ok {
		return false
	}
	for i := range l.parts {
		if in(l.parts[i].Name) {
			l.parts[i] = sided(route, put(l.parts[i], entry, weight))
		}
	}
	l.commit(by, r.config.Now())
	return true
}

// Parts returns the present weights of route without any fault and without
// counting as a call; nil if there is no such route.
func (r *Router) Parts(route router.Ref) []router.Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.levers[route.ID]
	if !ok {
		return nil
	}
	return sidedAll(route, l.parts)
}

// Effective returns the weights that new connections use now: those of the last
// change that is older than Features.Propagation.
func (r *Router) Effective(route router.Ref) []router.Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	l, ok := r.levers[route.ID]
	if !ok {
		return nil
	}
	now := r.config.Now()
	for i := len(l.written) - 1; i > 0; i-- {
		if w := l.written[i]; !now.Before(w.at.Add(r.config.Features.Propagation)) {
			l.written = slices.Delete(l.written, 0, i) // what lies before can never be used again
			return sidedAll(route, w.parts)
		}
	}
	return sidedAll(route, l.written[0].parts)
}

// Calls returns how often op was called, failed calls included.
func (r *Router) Calls(op Op) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[op]
}

// commit makes the parts the state from now on.
func (l *lever) commit(by string, now time.Time) {
	l.version++
	l.writer = by
	l.written = append(l.written, written{at: now, parts: cloned(l.parts)})
}

func (l *lever) versionText() string { return "v" + strconv.Itoa(l.version) }

// put returns p with entry at weight.
func put(p router.Part, entry string, weight int64) router.Part {
	p.Weights = slices.Clone(p.Weights)
	for i := range p.Weights {
		if p.Weights[i].Entry == entry {
			p.Weights[i].Weight = weight
			return p
		}
	}
	p.Weights = append(p.Weights, router.Weight{Entry: entry, Weight: weight})
	return p
}

// sided returns a copy of p whose sides and share are those of route.
func sided(route router.Ref, p router.Part) router.Part {
	p.Weights = slices.Clone(p.Weights)
	for i := range p.Weights {
		p.Weights[i].Side = sideOf(route, p.Weights[i].Entry)
	}
	have, _ := split(p)
	p.Share = have.Share()
	return p
}

func sidedAll(route router.Ref, parts []router.Part) (out []router.Part) {
	for _, p := range parts {
		out = append(out, sided(route, p))
	}
	return out
}

func cloned(parts []router.Part) []router.Part {
	parts = slices.Clone(parts)
	for i := range parts {
		parts[i].Weights = slices.Clone(parts[i].Weights)
	}
	return parts
}

func sideOf(route router.Ref, entry string) traffic.Side {
	switch entry {
	case route.Source:
		return traffic.Source
	case route.Target:
		return traffic.Target
	default:
		return traffic.NoSide
	}
}

// split returns the weights of both sides and the sum of everybody else's.
func split(p router.Part) (have router.Pair, others int64) {
	for _, w := range p.Weights {
		switch w.Side {
		case traffic.Source:
			have.Source = w.Weight
		case traffic.Target:
			have.Target = w.Weight
		default:
			others += w.Weight
		}
	}
	return have, others
}

func on(route router.Ref) string { return fmt.Sprintf("%q", route.ID) }
