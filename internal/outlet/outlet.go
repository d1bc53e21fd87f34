package outlet

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// The bounds of what waits for a reader: some minutes of the busiest log.
const (
	mostLines = 1000
	mostBytes = 1 << 20
)

// Tasks are how an outlet does something while its caller goes on. The goroutines
// of the process are the default; a simulation brings its own.
type Tasks interface {
	// Go begins a task.
	Go(task func())
	// Wait returns when a task has ended since it returned last, when d has passed,
	// or when ctx is done.
	Wait(ctx context.Context, d time.Duration)
}

// Options of an outlet. The zero value is an outlet with the usual bounds.
type Options struct {
	Lines int // that wait at most; default 1,000
	Bytes int // that wait at most; default 1 MiB
	// Missed writes what is said in the place of lines that nobody was shown, before
	// the next message, which is empty if there is none; the default is a sentence.
	Missed func(lines int, next []byte) []byte
	// OnFailure is told when a message cannot be written, once until one can again.
	// It must not wait.
	OnFailure func(error)
	Tasks     Tasks            // nil is goroutines
	Now       func() time.Time // nil is time.Now
}

// Outlet is an io.Writer that never waits for its reader. All methods may be called
// by several goroutines.
type Outlet struct {
	to io.Writer
	o  Options

	mu      sync.Mutex
	waiting []message // oldest first
	lines   int       // of those that wait
	bytes   int
	missed  int  // lines that were dropped and of which nobody was told yet
	writing bool // a task is writing
	written int  // messages, those that could not be written too
	stuck   int  // written when Flush gave up last; -1 if it has not
	failing bool // the last message could not be written
	torn    bool // it was written in part
	over    bool // the last thing that was written is a frame
}

// message is what is written as a whole.
type message struct {
	text  []byte
	frame Frame // nil for text
}

// Frame writes a frame in the moment in which it is shown. over reports whether the
// last thing that was written is the frame before it, so that it can be drawn over.
type Frame func(over bool) []byte

// Missed is the sentence about lines that nobody was shown.
func Missed(lines int) string {
	if lines == 1 {
		return "1 line was not shown, because nobody read it; the journal has everything"
	}
	return fmt.Sprintf("%d lines were not shown, because nobody read them; the journal has everything", lines)
}

// New returns an outlet that writes to to, which may block for as long as it likes.
func New(to io.Writer, o Options) *Outlet {
	if o.Lines <= 0 {
		o.Lines = mostLines
	}
	if o.Bytes <= 0 {
		o.Bytes = mostBytes
	}
	if o.Missed == nil {
		o.Missed = func(lines int, _ []byte) []byte { return []byte(Missed(lines) + "\n") }
	}
	if o.OnFailure == nil {
		o.OnFailure = func(error) {}
	}
	if o.Tasks == nil {
		o.Tasks = &goroutines{ended: make(chan struct{}, 1)}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Outlet{to: to, o: o, stuck: -1}
}

// Write implements io.Writer. p is one message: it is shown whole, or dropped and
// counted. Write does not wait and never fails.
func (o *Outlet) Write(p []byte) (int, error) {
	if len(p) > 0 {
		o.put(message{text: bytes.Clone(p)})
	}
	return len(p), nil
}

// Draw shows a frame. One that was not shown yet is replaced by it, and counts as
// nothing that was missed.
func (o *Outlet) Draw(f Frame) { o.put(message{frame: f}) }

func (o *Outlet) put(m message) {
	o.mu.Lock()
	if m.frame != nil {
		o.forgetFrame()
	}
	o.waiting = append(o.waiting, m)
	o.lines, o.bytes = o.lines+m.lines(), o.bytes+len(m.text)
	for o.lines > o.o.Lines || o.bytes > o.o.Bytes {
		o.drop()
	}
	begin := !o.writing
	o.writing = true
	o.mu.Unlock()
	if begin {
		o.o.Tasks.Go(o.drain)
	}
}

// lines is how much of the bound a message takes: text without an end of line is
// one line as well. A frame takes nothing, because there is one at most.
func (m message) lines() int {
	if len(m.text) == 0 {
		return 0
	}
	return max(1, bytes.Count(m.text, []byte{'\n'}))
}

// drop drops the oldest text.
func (o *Outlet) drop() {
	for i, m := range o.waiting {
		if m.frame == nil {
			o.remove(i)
			o.missed += m.lines()
			return
		}
	}
}

func (o *Outlet) forgetFrame() {
	for i, m := range o.waiting {
		if m.frame != nil {
			o.remove(i)
			return
		}
	}
}

func (o *Outlet) remove(i int) {
	m := o.waiting[i]
	o.lines, o.bytes = o.lines-m.lines(), o.bytes-len(m.text)
	o.waiting = append(o.waiting[:i], o.waiting[i+1:]...)
}

// take returns what is to be written next, with how many lines were missed before
// it, and false if nothing is: then the task that writes has ended. That lines were
// missed is said with the next message, or by itself where there is none; where
// writing fails it waits for the next one.
func (o *Outlet) take() (m message, missed int, more bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 && (o.missed == 0 || o.failing) {
		o.writing = false
		return m, 0, false
	}
	missed, o.missed = o.missed, 0
	if len(o.waiting) > 0 {
		m = o.waiting[0]
		o.remove(0)
	}
	return m, missed, true
}

// drain writes what waits. It is the only one that waits for a reader.
func (o *Outlet) drain() {
	o.mu.Lock()
	torn, over := o.torn, o.over
	o.mu.Unlock()
	for {
		m, missed, more := o.take()
		if !more {
			return
		}
		var text []byte
		if torn { // half a line stands there
			text = append(text, '\n')
		}
		if missed > 0 {
			text = append(text, o.o.Missed(missed, m.text)...)
		}
		text = append(text, m.text...)
		if m.frame != nil {
			text = append(text, m.frame(over && len(text) == 0)...)
		}
		n, err := o.to.Write(text)
		torn, over = err != nil && (torn || n > 0), err == nil && m.frame != nil
		o.wrote(m, missed, torn, over, err)
	}
}

// wrote remembers what became of a message. One that could not be written was
// missed, with those of which it should have told.
func (o *Outlet) wrote(m message, missed int, torn, over bool, err error) {
	o.mu.Lock()
	first := err != nil && !o.failing
	o.failing, o.torn, o.over = err != nil, torn, over
	o.written++
	if err != nil {
		o.missed += missed + m.lines()
	}
	o.mu.Unlock()
	if first {
		o.o.OnFailure(err)
	}
}

// Flush waits until everything was written, and reports whether it was. It gives up
// when for still nothing was written, and after whole in any case. Who has given up
// waits no more until something moves: a process that ends may flush several times.
func (o *Outlet) Flush(still, whole time.Duration) bool {
	end := o.o.Now().Add(whole)
	for seen, pause := -1, end; ; {
		o.mu.Lock()
		writing, written, hopeless := o.writing, o.written, o.stuck == o.written
		o.mu.Unlock()
		now := o.o.Now()
		if written != seen {
			seen, pause = written, now.Add(still)
		}
		left := min(pause.Sub(now), end.Sub(now))
		switch {
		case !writing:
			return true
		case hopeless:
			return false
		case left <= 0:
			o.mu.Lock()
			o.stuck = o.written
			o.mu.Unlock()
			return false
		}
		o.o.Tasks.Wait(context.Background(), left)
	}
}

// goroutines are the tasks of a process.
type goroutines struct{ ended chan struct{} }

func (g *goroutines) Go(task func()) {
	go func() {
		task()
		select {
		case g.ended <- struct{}{}:
		default: // who waits was told already
		}
	}()
}

func (g *goroutines) Wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-g.ended:
	}
}
