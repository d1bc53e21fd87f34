package runner

import (
	"sync"

	"watari.dev/engine"
)

// looks are the questions to the world that are under way. The loop starts and
// collects them; each runs in a goroutine of its own that ends with its
// deadline.
type looks struct {
	done  chan struct{} // one token for something that has answered
	wg    *sync.WaitGroup
	mu    *sync.Mutex
	state *lookState
}

type lookState struct {
	routes   map[string]*lookup
	counting bool // a count is under way
	counts   []engine.Interval
	countErr error
}

// lookup is one look at a route.
type lookup struct {
	seen     engine.RouteSeen
	answered bool
	outdated bool // the route was written to meanwhile; what it saw says nothing of that
}

func newLooks(routes int) looks {
	return looks{done: make(chan struct{}, routes+1), wg: &sync.WaitGroup{}, mu: &sync.Mutex{}, state: &lookState{routes: map[string]*lookup{}}}
}

// start looks at a route unless somebody is looking already.
func (l looks) start(name string, look func() engine.RouteSeen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.routes[name] != nil {
		return
	}
	u := &lookup{}
	l.state.routes[name] = u
	l.wg.Go(func() {
		seen := look()
		l.mu.Lock()
		u.seen, u.answered = seen, true
		l.mu.Unlock()
		l.tell()
	})
}

// startCount counts unless somebody is counting already.
func (l looks) startCount(count func() ([]engine.Interval, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.counting {
		return
	}
	l.state.counting = true
	l.wg.Go(func() {
		counts, err := count()
		l.mu.Lock()
		l.state.counts, l.state.countErr, l.state.counting = append(l.state.counts, counts...), err, false
		l.mu.Unlock()
		l.tell()
	})
}

func (l looks) tell() {
	select {
	case l.done <- struct{}{}:
	default: // somebody was told already
	}
}

// busy reports whether something has not answered yet.
func (l looks) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.counting {
		return true
	}
	for _, u := range l.state.routes {
		if !u.answered {
			return true
		}
	}
	return false
}

// outdate throws away what is seen of a route by a look that is under way.
func (l looks) outdate(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.state.routes[name]; u != nil {
		u.outdated = true
	}
}

// collect returns what was seen of the routes since it was called last.
func (l looks) collect() map[string]engine.RouteSeen {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]engine.RouteSeen{}
	for name, u := range l.state.routes {
		if !u.answered {
			continue
		}
		delete(l.state.routes, name)
		if !u.outdated {
			out[name] = u.seen
		}
	}
	return out
}

// counted returns what was counted since it was called last.
func (l looks) counted() ([]engine.Interval, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts, err := l.state.counts, l.state.countErr
	l.state.counts, l.state.countErr = nil, nil
	return counts, err
}

// wait returns when nothing is under way any more.
func (l looks) wait() { l.wg.Wait() }
