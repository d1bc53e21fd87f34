package sim

import (
	"context"
	"encoding/json"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"watari.dev/engine"
	"watari.dev/store"
)

// stranger is who gives commands without being let in.
const stranger = "mallory@nowhere"

func trusted(author string) bool { return author != stranger }

// foreign is what strangers have put into the store.
type foreign struct {
	orders  []store.Command // that they have given
	planted []*plant        // in the place of the store's own files
}

// plant is a file of a stranger in the place of one of the store's.
type plant struct {
	name string
	undo func() (unchanged bool)
}

// exchanged are the files of the store that a stranger's may take the place of; segment
// is the one of the journal that is written.
var exchanged = []string{"record.json", segment, "lease.json", "lock", "journal"}

const segment = "journal/NUMBER.jsonl"

// Values of a foreign file: below asForeignFile it is a command, and which one; from
// there on which file it takes the place of, where the store is on files.
const (
	asForeignFile = 5
	foreignValues = asForeignFile + 5
)

// befallForeign lets a stranger put a file into the store.
func (w *world) befallForeign(f Fault) {
	if f.Value >= asForeignFile && w.platter != nil {
		w.exchange(exchanged[(f.Value-asForeignFile)%len(exchanged)], f.Lasts)
		return
	}
	verbs := []engine.Verb{engine.TakeBack, engine.Pause, engine.Resume, engine.Approve, engine.Retry}
	order := store.Command{ID: "foreign-" + strconv.Itoa(len(w.foreign.orders)), Kind: string(verbs[f.Value%asForeignFile]), By: stranger, At: w.outside.wall()}
	w.caller = w.outside
	if w.hide(order) == nil {
		w.foreign.orders = append(w.foreign.orders, order)
		w.bite(ForeignFile)
		w.at(w.now+time.Second, w.supervise)
	}
}

// hide puts a stranger's command among the others.
func (w *world) hide(order store.Command) error {
	if w.platter == nil {
		return w.store.Submit(context.Background(), key, order)
	}
	content, err := json.Marshal(order)
	if err != nil {
		return err
	}
	dir := path.Join(stateDir, key.Name, "commands")
	_ = w.platter.Mkdir(dir) // is there, or cannot be: then nothing can be put there either
	_, err = w.platter.Plant(path.Join(dir, order.ID+".json"), "it is "+stranger+"'s", content)
	return err
}

// exchange puts a stranger's file in the place of one of the store's, until somebody
// finds it and puts the file back.
func (w *world) exchange(name string, lasts time.Duration) {
	if name == segment {
		name = w.lastSegment()
	}
	content, err := json.Marshal(map[string]any{"format": 1, "revision": 1000, "spec": nil, "status": nil, "token": stranger})
	if err != nil || w.planted(name) {
		return
	}
	undo, err := w.platter.Plant(path.Join(stateDir, key.Name, name), "it is "+stranger+"'s", append(content, '\n'))
	if err != nil {
		return // there is no directory yet
	}
	p := &plant{name, undo}
	w.foreign.planted = append(w.foreign.planted, p)
	w.bite(ForeignFile)
	w.at(w.now+lasts, func() { w.putBack(p) })
}

// lastSegment returns the name of the segment of the journal that is written.
func (w *world) lastSegment() string {
	names, _ := w.platter.ReadDir(path.Join(stateDir, key.Name, "journal")) // there is none yet, and nothing is planted
	last := segment
	for _, name := range names {
		if strings.HasSuffix(name, ".jsonl") {
			last = path.Join("journal", name)
		}
	}
	return last
}

func (w *world) planted(name string) bool {
	return slices.ContainsFunc(w.foreign.planted, func(p *plant) bool { return p.name == name })
}

// putBack ends it, and states that nobody has written to the stranger's file.
func (w *world) putBack(p *plant) {
	i := slices.Index(w.foreign.planted, p)
	if i < 0 {
		return
	}
	w.foreign.planted = slices.Delete(w.foreign.planted, i, i+1)
	if !p.undo() {
		w.check.fail("nothing foreign is changed", "somebody has written to the file that a stranger put in the place of %s", p.name)
	}
	w.check.trouble = w.now
}

func (w *world) putAllBack() {
	for len(w.foreign.planted) > 0 {
		w.putBack(w.foreign.planted[0])
	}
}

// isForeign reports whether a stranger has given the command.
func (w *world) isForeign(id string) bool { return strings.HasPrefix(id, "foreign-") }

// hearing is how long an operator may wait until whoever runs the migration has heard
// a command, where nothing else is in the way: a write that hangs (12 s), a look, a
// turn, and as much again for the one that began just before.
const hearing = 40 * time.Second

// heeded states what strangers may not do: be obeyed, or keep an operator from being
// heard.
func (c *checker) heeded(p *process, seen engine.Observation) {
	for _, order := range seen.Commands {
		c.heard[order.ID] = true
		if c.isForeign(order.ID) {
			c.fail("a stranger is not obeyed", "%s is told to %s by %s", p.name, order.Verb, stranger)
		}
	}
}

// hears watches that a command is heard in time.
func (c *checker) hears(id string, since time.Duration) {
	c.at(since+hearing, func() { c.heardBy(id, since) })
}

// listening returns how many processes run that hear what is in the store: who rolls
// back by the levers alone has a store of its own.
func (w *world) listening() (n int) {
	for _, p := range w.running {
		if !p.blind {
			n++
		}
	}
	return n
}

func (c *checker) heardBy(id string, since time.Duration) {
	if c.heard[id] || c.obeyed[id] || c.listening() == 0 && c.phase.Ended() {
		return
	}
	if due := max(since, c.calm, c.trouble, c.idle) + hearing; due > c.now || c.listening() == 0 {
		c.at(max(due, c.now+time.Second), func() { c.heardBy(id, since) })
		return
	}
	c.fail("an operator is heard", "%s was submitted %s ago, and nobody has heard it", id, clock(c.now-since))
}
