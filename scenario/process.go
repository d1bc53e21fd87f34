package scenario

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"watari.dev/view"
)

// watari's documented exit codes that are no failure of a scenario: not always.
const (
	exitError      = 1 // something did not work
	exitRolledBack = 3 // the migration was taken back
	exitLocked     = 5 // somebody else runs it
)

// strike is a blow to "watari run".
type strike struct {
	blow  blow
	lasts time.Duration // of a sleep
}

// run runs "watari run" to its end and folds its events. onEvent is called for
// each. Whatever strikes the process, a new one is started at once, which is what
// a user would do.
func (w *watari) run(ctx context.Context, out io.Writer, strikes <-chan strike, onEvent func(view.JSONEvent)) (a attempt, err error) {
	var sleepers []*sleeper
	defer func() {
		for _, s := range sleepers {
			a.Slept = append(a.Slept, <-s.became)
		}
	}()
	for {
		p, err := w.start(ctx, out)
		if err != nil {
			return a, err
		}
		hit, err := p.follow(strikes, func(e view.JSONEvent) {
			for _, s := range sleepers {
				s.relieve()
			}
			a.fold(e)
			onEvent(e)
		})
		if err != nil {
			return a, err
		}
		switch {
		case hit.blow == killed:
			a.Kills++
			fmt.Fprintln(out, "  "+view.Event(time.Now(), "watari run was killed with kill -9; a new one goes on"))
			continue
		case hit.blow.sleeps():
			fmt.Fprintln(out, "  "+view.Event(time.Now(), "watari run was stopped; another one waits for the end of its lease"))
			sleepers = append(sleepers, w.sleep(ctx, p, hit.lasts))
			continue
		}
		refused := p.code() == exitLocked && waiting(sleepers)
		if !refused {
			p.words.speak()
		}
		if p.code() == exitError && !p.begun && a.Refused < w.patience {
			a.Refused++
			refused = true
		}
		if !refused {
			return a, p.failure(w.path)
		}
		if err := pause(ctx, time.Second); err != nil {
			return a, err
		}
	}
}

// waiting reports whether nobody has taken over from one that sleeps.
func waiting(sleepers []*sleeper) bool {
	return len(sleepers) > 0 && !sleepers[len(sleepers)-1].isRelieved()
}

// pause lets time pass, unless ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// process is one "watari run".
type process struct {
	cmd    *exec.Cmd
	events chan view.JSONEvent // closed when it says no more
	read   chan error          // of reading them, once
	err    error               // of waiting for its end
	begun  bool                // it has said something
	words  *words              // what it says to people
}

func (w *watari) start(ctx context.Context, out io.Writer) (*process, error) {
	p := &process{
		cmd:    w.command(ctx, "run", "-f", w.file, "-o", "json", "--take-over"),
		events: make(chan view.JSONEvent), read: make(chan error, 1), words: &words{to: out},
	}
	p.cmd.Stderr = p.words
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", w.path, err)
	}
	go func() { defer close(p.events); p.read <- readEvents(pipe, p.events) }()
	return p, nil
}

// follow hands out the events until the process has ended or sleeps, and returns
// what it was struck by.
func (p *process) follow(strikes <-chan strike, onEvent func(view.JSONEvent)) (hit strike, err error) {
	for {
		select {
		case e, more := <-p.events:
			if !more {
				p.err = p.cmd.Wait()
				return hit, nil
			}
			p.begun = true
			p.words.speak()
			onEvent(e)
		case hit = <-strikes:
			strikes = nil // one is enough
			signal := os.Kill
			if hit.blow.sleeps() {
				signal = syscall.SIGSTOP
			}
			if err := p.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				return hit, err
			}
			if hit.blow.sleeps() {
				p.drain(onEvent)
				return hit, nil
			}
		}
	}
}

// quiet is how long a stopped process must have said nothing for everything that
// it had said to be read.
const quiet = 200 * time.Millisecond

// drain hands out what a stopped process had said.
func (p *process) drain(onEvent func(view.JSONEvent)) {
	for {
		timer := time.NewTimer(quiet)
		select {
		case e, more := <-p.events:
			timer.Stop()
			if !more {
				return
			}
			onEvent(e)
		case <-timer.C:
			return
		}
	}
}

// code is the exit code of a process that has ended; -1 if a signal ended it.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// failure is why a process that has ended has failed; nil if it has not. A
// migration that was taken back is none.
func (p *process) failure(path string) error {
	if err := <-p.read; err != nil {
		return err
	}
	if p.err == nil || p.code() == exitRolledBack {
		return nil
	}
	return fmt.Errorf("%s run: %w", path, p.err)
}

// words are kept back until the process does something: one that only finds that
// somebody else runs the migration has nothing to tell.
type words struct {
	mu     sync.Mutex
	to     io.Writer
	kept   bytes.Buffer
	spoken bool
}

// Write implements io.Writer.
func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spoken {
		return w.to.Write(p)
	}
	return w.kept.Write(p)
}

// speak hands out what was kept back, and from now on everything at once.
func (w *words) speak() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spoken = true
	_, _ = w.kept.WriteTo(w.to) // who cannot be told cannot be told that either
}

func readEvents(r io.Reader, events chan<- view.JSONEvent) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e view.JSONEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			// A process that was killed may leave half a line; anything else is
			// reported by the caller.
			return fmt.Errorf("read the events of watari run: %w: %.200s", err, lines.Text())
		}
		events <- e
	}
	return lines.Err()
}
