package runner

import (
	"slices"
	"sync"

	"watari.dev/engine"
)

// looks are the questions to the world that are under way. The loop starts and
// collects them; each is a task of its own that ends with its deadline.
type looks struct {
	tasks Group

	mu       sync.Mutex
	routes   []*lookup
	counting bool // a count is under way
	counts   []engine.Interval
	countErr error
}

// lookup is one look at a route.
type lookup struct {
	name     string
	seen     engine.RouteSeen
	answered bool
	outdated bool // the route was written to meanwhile; what it saw says nothing of that
}

func (l *looks) of(name string) int {
	return slices.IndexFunc(l.routes, func(u *lookup) bool { return u.name == name })
}

// start looks at a route unless somebody is looking already.
func (l *looks) start(name string, look func() engine.RouteSeen) {
	l.mu.Lock()
	busy := l.of(name) >= 0
	u := &lookup{name: name}
	if !busy {
		l.routes = append(l.routes, u)
	}
	l.mu.Unlock()
	if busy {
		return
	}
	l.tasks.Go(func() {
		seen := look()
		l.mu.Lock()
		defer l.mu.Unlock()
		u.seen, u.answered = seen, true
	})
}

// startCount counts unless somebody is counting already.
func (l *looks) startCount(count func() ([]engine.Interval, error)) {
	l.mu.Lock()
	busy := l.counting
	l.counting = true
	l.mu.Unlock()
	if busy {
		return
	}
	l.tasks.Go(func() {
		counts, err := count()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.counts, l.countErr, l.counting = append(l.counts, counts...), err, false
	})
}

// busy reports whether something has not answered yet.
func (l *looks) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counting || slices.ContainsFunc(l.routes, func(u *lookup) bool { return !u.answered })
}

// outdate throws away what is seen of a route by a look that is under way.
func (l *looks) outdate(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := l.of(name); i >= 0 {
		l.routes[i].outdated = true
	}
}

// collect returns what was seen of the routes since it was called last.
func (l *looks) collect() map[string]engine.RouteSeen {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]engine.RouteSeen{}
	for _, u := range l.routes {
		if u.answered && !u.outdated {
			out[u.name] = u.seen
		}
	}
	l.routes = slices.DeleteFunc(l.routes, func(u *lookup) bool { return u.answered })
	return out
}

// counted returns what was counted since it was called last.
func (l *looks) counted() ([]engine.Interval, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts, err := l.counts, l.countErr
	l.counts, l.countErr = nil, nil
	return counts, err
}
