package fault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Rules holds faults of AWS and says which calls they bite. It is a Holder.
type Rules struct {
	now func() time.Time

	mu    sync.Mutex
	rules []*rule
}

// rule is one injected fault and what it has seen.
type rule struct {
	Injected
	seen int // matching calls, those that passed included
}

// NewRules returns rules by a clock; nil is time.Now.
func NewRules(now func() time.Time) *Rules {
	if now == nil {
		now = time.Now
	}
	return &Rules{now: now}
}

// Bite is what is to go wrong with one call.
type Bite struct {
	ID    string // of the fault
	Kind  Kind
	Delay time.Duration // of Delay and Late
	Off   time.Duration // of Clock
}

// Bite says what goes wrong with a call, which it counts; false lets it pass. The
// service is named as in Services. A clock is none of it: see ClockOff.
func (r *Rules) Bite(service, action string) (Bite, bool) {
	return r.bite(service, action, func(k Kind) bool { return k != Clock })
}

// ClockOff says how far AWS's clock is ahead for a call, which it counts, whether its
// signature is good or not.
func (r *Rules) ClockOff(service, action string) time.Duration {
	b, _ := r.bite(service, action, func(k Kind) bool { return k == Clock })
	return b.Off
}

func (r *Rules) bite(service, action string, of func(Kind) bool) (Bite, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.expire(now)
	for _, rule := range r.rules {
		if !rule.Lasts() || !of(rule.Fault.AWS.Kind) || !rule.Fault.AWS.matches(service, action) {
			continue
		}
		rule.seen++
		if b, bites := decideBite(*rule.Fault.AWS, rule.seen); bites {
			b.ID = rule.ID
			rule.hit(service, action)
			if b.Kind == Late {
				rule.Pending++
			}
			if times := rule.Fault.AWS.Times; times > 0 && rule.Count() >= times {
				rule.end(UsedUp, now)
			}
			return b, true
		}
	}
	return Bite{}, false
}

// decideBite says whether and how a rule bites the n-th call that it matches, from
// 1. It depends on nothing else, so the same calls meet the same faults.
func decideBite(a AWS, n int) (Bite, bool) {
	if n <= a.After {
		return Bite{}, false
	}
	chance := rand.New(rand.NewPCG(a.Seed, uint64(n)))
	if p := a.Probability; p > 0 && p < 1 && chance.Float64() >= p {
		return Bite{}, false
	}
	b := Bite{Kind: a.Kind, Delay: a.Delay, Off: a.Off}
	if a.UpTo > a.Delay {
		b.Delay += time.Duration(chance.Float64() * float64(a.UpTo-a.Delay))
	}
	return b, true
}

// Arrived says that a late effect of a fault has happened, or never will.
func (r *Rules) Arrived(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := r.find(id); i >= 0 {
		r.rules[i].Pending--
	}
}

// expire ends what its time has passed for.
func (r *Rules) expire(now time.Time) {
	for _, rule := range r.rules {
		if rule.Lasts() && !now.Before(rule.Until) {
			rule.end(Over, rule.Until)
		}
	}
}

// Inject adds a rule behind those that are there.
func (r *Rules) Inject(_ context.Context, f Fault) (Injected, error) {
	if err := f.Check(); err != nil {
		return Injected{}, err
	}
	if f.AWS == nil {
		return Injected{}, errors.New("only faults of AWS can be injected here")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rules) >= MaxKept {
		return Injected{}, ErrTooMany
	}
	now := r.now()
	a := *f.AWS
	added := &rule{Injected: Injected{
		ID: fmt.Sprintf("aws-%d", len(r.rules)+1), Fault: Fault{AWS: &a}, Began: now, Until: now.Add(a.lasts()),
	}}
	r.rules = append(r.rules, added)
	return added.copied(), nil
}

// List returns every rule, the oldest first.
func (r *Rules) List(context.Context) ([]Injected, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire(r.now())
	all := make([]Injected, 0, len(r.rules))
	for _, rule := range r.rules {
		all = append(all, rule.copied())
	}
	return all, nil
}

// Heal ends one rule.
func (r *Rules) Heal(_ context.Context, id string) (Injected, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.expire(now)
	i := r.find(id)
	if i < 0 {
		return Injected{}, fmt.Errorf("heal %s: %w", id, ErrUnknown)
	}
	if r.rules[i].Lasts() {
		r.rules[i].end(Healed, now)
	}
	return r.rules[i].copied(), nil
}

// HealAll ends every rule and returns those that it ended.
func (r *Rules) HealAll(context.Context) ([]Injected, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	r.expire(now)
	var healed []Injected
	for _, rule := range r.rules {
		if rule.Lasts() {
			rule.end(Healed, now)
			healed = append(healed, rule.copied())
		}
	}
	return healed, nil
}

func (r *Rules) find(id string) int {
	return slices.IndexFunc(r.rules, func(rule *rule) bool { return rule.ID == id })
}

func (r *rule) end(why End, at time.Time) { r.End, r.Ended = why, at }

func (r *rule) hit(service, action string) { r.Hits = CountHit(r.Hits, service, action) }

// copied is what may leave the lock.
func (r *rule) copied() Injected {
	i := r.Injected
	i.Hits = slices.Clone(i.Hits)
	return i
}

// CountHit adds one hit to a sorted list.
func CountHit(hits []Hit, service, action string) []Hit {
	at, found := slices.BinarySearchFunc(hits, Hit{Service: service, Action: action}, func(a, b Hit) int {
		return cmp.Or(strings.Compare(a.Service, b.Service), strings.Compare(a.Action, b.Action))
	})
	if !found {
		hits = slices.Insert(hits, at, Hit{Service: service, Action: action})
	}
	hits[at].Count++
	return hits
}
