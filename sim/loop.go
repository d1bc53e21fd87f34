package sim

import (
	"iter"
	"time"
)

// loop is virtual time. Events happen in the order of their time, those of one
// moment in the order in which they were asked for. Tasks are coroutines: one runs
// at a time, until it waits.
type loop struct {
	now    time.Duration // since dawn
	until  time.Duration // nothing happens after it
	last   int64         // number of the newest event
	queue  []event       // a heap
	task   *task         // that runs now; nil between events
	idle   []*task       // coroutines without work
	events int64         // that have happened
}

// event is something that happens at a moment: a call, or a task going on.
type event struct {
	at     time.Duration
	number int64
	do     func()
	task   *task
	wait   int // number of the wait that the task is in
}

func (e event) before(f event) bool { return e.at < f.at || e.at == f.at && e.number < f.number }

// at makes do happen at a moment that is not before now.
func (l *loop) at(when time.Duration, do func()) { l.push(event{at: max(when, l.now), do: do}) }

func (l *loop) push(e event) {
	l.last++
	e.number = l.last
	l.queue = append(l.queue, e)
	for i := len(l.queue) - 1; i > 0; {
		parent := (i - 1) / 2
		if !l.queue[i].before(l.queue[parent]) {
			break
		}
		l.queue[i], l.queue[parent] = l.queue[parent], l.queue[i]
		i = parent
	}
}

func (l *loop) pop() event {
	first := l.queue[0]
	n := len(l.queue) - 1
	l.queue[0], l.queue[n] = l.queue[n], event{}
	l.queue = l.queue[:n]
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < n; child++ {
			if l.queue[child].before(l.queue[least]) {
				least = child
			}
		}
		if least == i {
			return first
		}
		l.queue[i], l.queue[least] = l.queue[least], l.queue[i]
		i = least
	}
}

// step lets the next event happen; false if there is none.
func (l *loop) step() bool {
	if len(l.queue) == 0 || l.queue[0].at > l.until {
		return false
	}
	e := l.pop()
	l.now = e.at
	l.events++
	switch t := e.task; {
	case t == nil:
		e.do()
	case t.wait != e.wait || !t.waiting: // was woken by something else
	case t.process != nil && t.process.frozen > l.now && !t.process.dead:
		e.at = t.process.frozen
		l.push(e)
	default:
		l.resume(t)
	}
	return true
}

// task is a coroutine with work of one process.
type task struct {
	process *process
	work    func()
	next    func() (struct{}, bool)
	end     func()
	yield   func(struct{}) bool
	wait    int
	outer   *task // that started it and goes on when it waits; nil if it was resumed by an event
	waiting bool
}

// killed unwinds the tasks of a process that was killed.
type killed struct{}

// begin runs work of a process until it waits for the first time.
func (l *loop) begin(p *process, work func()) {
	var t *task
	if n := len(l.idle); n > 0 {
		t, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		t = &task{}
		t.next, t.end = iter.Pull(t.run)
	}
	t.process, t.work = p, work
	p.tasks = append(p.tasks, t)
	l.resume(t)
	if l.task != nil {
		l.task.process.alive()
	}
}

// run is the coroutine: one piece of work after the other.
func (t *task) run(yield func(struct{}) bool) {
	t.yield = yield
	for {
		t.do()
		t.work = nil
		if !yield(struct{}{}) {
			return
		}
	}
}

// do does the work; being killed ends it.
func (t *task) do() {
	defer func() {
		if !t.process.dead {
			return // a panic of its own goes on
		}
		if r := recover(); r != nil && r != any(killed{}) {
			panic(r)
		}
	}()
	t.work()
}

func (l *loop) resume(t *task) {
	t.outer, t.waiting = l.task, false
	t.wait++
	l.task = t
	t.next()
	l.task = t.outer
	if t.work == nil {
		t.process.forget(t)
		l.idle = append(l.idle, t)
	}
}

// wait suspends the running task until somebody wakes it.
func (l *loop) wait() {
	t := l.task
	t.waiting = true
	t.yield(struct{}{})
	t.process.alive()
}

// wakeAt makes a task go on at a moment, unless something else wakes it before.
func (l *loop) wakeAt(t *task, when time.Duration) {
	l.push(event{at: max(when, l.now), task: t, wait: t.wait})
}

// sleepUntil lets the running task wait for a moment.
func (l *loop) sleepUntil(when time.Duration) {
	if when <= l.now {
		return
	}
	if l.task.outer == nil && l.events%1024 != 0 && when <= l.until && (len(l.queue) == 0 || l.queue[0].at > when) {
		l.now = when // nothing else happens until then
		l.events++
		return
	}
	l.wakeAt(l.task, when)
	l.wait()
}

// close ends the coroutines.
func (l *loop) close() {
	for _, t := range l.idle {
		t.end()
	}
	l.idle = nil
}
