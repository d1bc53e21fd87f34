package disk

import (
	"errors"
	"os/user"
	"slices"
	"strconv"
	"sync"
	"time"
)

// The bounds of asking the system's user database, which may be a server elsewhere.
const (
	askPatience = time.Second // how long an answer is waited for
	answerLasts = time.Minute // how long one is kept
	mostPeople  = 1000        // of whom answers are kept
)

// person is what the user database says of a user.
type person struct {
	name   string
	groups []int // nil where it does not say
}

// errNobody says that the user database has no such user.
var errNobody = errors.New("no such user")

// people asks the user database, never for long and never twice at a time.
type people struct {
	lookup func(uid int) (person, error)
	mu     sync.Mutex
	asked  map[int]*answer
}

type answer struct {
	at     time.Time
	there  chan struct{} // closed when it is there
	person person        // empty if nothing is known
}

func newPeople() *people { return &people{lookup: lookup, asked: map[int]*answer{}} }

// who returns what is known of a user; the zero value where nothing is, or where the
// database does not answer in time.
func (p *people) who(uid int) person {
	now := time.Now()
	p.mu.Lock()
	a := p.asked[uid]
	if a == nil || now.Sub(a.at) > answerLasts && a.answered() {
		if len(p.asked) >= mostPeople {
			clear(p.asked)
		}
		a = &answer{at: now, there: make(chan struct{})}
		p.asked[uid] = a
		go func() {
			defer close(a.there)
			a.person, _ = p.lookup(uid) // who is not found has no name
		}()
	}
	p.mu.Unlock()
	patience := time.NewTimer(max(0, askPatience-now.Sub(a.at)))
	defer patience.Stop()
	select {
	case <-a.there:
		return a.person
	case <-patience.C:
	}
	select { // it may have been there all along
	case <-a.there:
		return a.person
	default:
		return person{}
	}
}

func (a *answer) answered() bool {
	select {
	case <-a.there:
		return true
	default:
		return false
	}
}

// left reports whether the user database knows a user and that it is not in a group.
func (p person) left(gid int) bool { return p.groups != nil && !slices.Contains(p.groups, gid) }

// lookup asks the system (getpwuid_r(3), getgrouplist(3)).
func lookup(uid int) (person, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return person{}, errors.Join(errNobody, err)
	}
	found := person{name: u.Username}
	ids, err := u.GroupIds()
	if err != nil {
		return found, nil //nolint:nilerr // the name is known all the same
	}
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			found.groups = append(found.groups, gid)
		}
	}
	return found, nil
}
