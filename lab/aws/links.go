package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"watari.dev/lab/fault"
	"watari.dev/lab/link"
)

// Links are the ways from the load balancers to the pods of each network. The
// lab's supervisor cuts them as a part of a partition.
type Links struct {
	ways map[string]*way // by name
}

// way leads to the pods of one network.
type way struct {
	pods netip.Prefix
	link *link.Link

	mu   sync.Mutex
	heal *time.Timer // makes it whole again; nil while it is
}

// newLinks returns whole links; networks are the addresses that pods report, by
// name.
func newLinks(networks map[string]string) (*Links, error) {
	l := &Links{ways: map[string]*way{}}
	for name, text := range networks {
		pods, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", name, err)
		}
		l.ways[name] = &way{pods: pods, link: link.New()}
	}
	return l, nil
}

// through returns a dial function whose connections go over the link of their
// network.
func (l *Links) through(dial link.Dial) link.Dial {
	dials := map[string]link.Dial{}
	for name, w := range l.ways {
		dials[name] = w.link.Through(dial)
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if to, err := netip.ParseAddrPort(address); err == nil {
			for name, w := range l.ways {
				if w.pods.Contains(to.Addr()) {
					return dials[name](ctx, network, address)
				}
			}
		}
		return dial(ctx, network, address)
	}
}

// LinkState is the body of PUT /_lab/links/NAME, and its answer.
type LinkState struct {
	State link.State    `json:"state"`
	For   time.Duration `json:"for,omitempty"` // until it is whole again by itself; needed unless it is
	Met   int           `json:"met"`           // connections that met a cut since the start; ignored in requests
}

func (s LinkState) check() error {
	cut := s.State == link.Hanging || s.State == link.Broken
	if !cut && s.State != link.Whole {
		return fmt.Errorf("there is no state %q; there are: %s, %s, %s", s.State, link.Whole, link.Hanging, link.Broken)
	}
	if cut && (s.For <= 0 || s.For > fault.MaxFor) {
		return fmt.Errorf("for %s: give a duration up to %s", s.For, fault.MaxFor)
	}
	return nil
}

// set changes one link, and lets it be whole again when its time has passed.
func (l *Links) set(name string, to LinkState) (LinkState, error) {
	w, known := l.ways[name]
	if !known {
		return LinkState{}, l.unknown(name)
	}
	if err := to.check(); err != nil {
		return LinkState{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.heal != nil {
		w.heal.Stop()
		w.heal = nil
	}
	w.link.Set(to.State)
	if to.State != link.Whole {
		var timer *time.Timer
		timer = time.AfterFunc(to.For, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.heal == timer { // nobody has set it anew
				w.heal = nil
				w.link.Set(link.Whole)
			}
		})
		w.heal = timer
	}
	return LinkState{State: w.link.State(), Met: w.link.Met()}, nil
}

// close makes every link whole, so that nothing waits any more.
func (l *Links) close() {
	for name := range l.ways {
		_, _ = l.set(name, LinkState{State: link.Whole}) // known, and always possible
	}
}

// get tells of one link.
func (l *Links) get(name string) (LinkState, error) {
	w, known := l.ways[name]
	if !known {
		return LinkState{}, l.unknown(name)
	}
	return LinkState{State: w.link.State(), Met: w.link.Met()}, nil
}

func (l *Links) unknown(name string) error {
	return fmt.Errorf("there is no network %q; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(l.ways)), ", "))
}

// serve answers PUT and GET of one link.
func (l *Links) serve(w http.ResponseWriter, r *http.Request) {
	now, err := l.ask(w, r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(now) // a caller that left is nobody to tell
}

func (l *Links) ask(w http.ResponseWriter, r *http.Request) (LinkState, error) {
	name := r.PathValue("name")
	if r.Method == http.MethodGet {
		return l.get(name)
	}
	var to LinkState
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&to); err != nil {
		return LinkState{}, err
	}
	return l.set(name, to)
}
