package scenario

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"watari.dev/view"
)

// Bounds of a sleep.
const (
	// reliefWithin is how long after the end of the sleep another process must have
	// taken over: the lease has ended long before.
	reliefWithin = 15 * time.Second
	// watched is how long the process that has taken over runs before the other one
	// is woken.
	watched = time.Second
	// wakesWithin is how long a woken process may take to find out that it is not
	// needed any more: its longest wait for anything is 12 s.
	wakesWithin = 30 * time.Second
)

// slept is what became of a process that slept longer than its lease.
type slept struct {
	For      time.Duration // from its stop to its waking
	Relieved time.Duration // after which another one had taken over; 0: nobody could
	Woken    time.Time     // zero if it was not, because nobody had taken over
	Ended    time.Time     // zero if it went on after it was woken, and had to be killed
	Code     int           // its exit code
	Wrote    []string      // what it says that it wrote after it was woken
	// Carried is how many writes AWS has carried out between its waking and its end,
	// whoever asked.
	Carried int
	Err     error // of finding that out
}

// sleeper is a "watari run" that was stopped.
type sleeper struct {
	*process
	watari   *watari
	since    time.Time
	lasts    time.Duration
	once     sync.Once
	relieved chan struct{} // closed when another process runs the migration
	became   chan slept    // once
}

// sleep waits for another process to take over from a stopped one, then wakes it
// and sees what it does.
func (w *watari) sleep(ctx context.Context, p *process, lasts time.Duration) *sleeper {
	s := &sleeper{process: p, watari: w, since: time.Now(), lasts: lasts, relieved: make(chan struct{}), became: make(chan slept, 1)}
	go func() { s.became <- s.watch(ctx) }()
	return s
}

func (s *sleeper) relieve() { s.once.Do(func() { close(s.relieved) }) }

func (s *sleeper) isRelieved() bool {
	select {
	case <-s.relieved:
		return true
	default:
		return false
	}
}

func (s *sleeper) watch(ctx context.Context) (became slept) {
	timer := time.NewTimer(s.lasts + reliefWithin)
	defer timer.Stop()
	select {
	case <-s.relieved:
		became.Relieved = time.Since(s.since)
		err := pause(ctx, max(watched, s.lasts-became.Relieved))
		became.For = time.Since(s.since)
		if err == nil {
			s.wake(ctx, &became)
			return became
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	became.For = time.Since(s.since)
	s.end(&became)
	return became
}

// wake lets it go on and watches it until it has ended.
func (s *sleeper) wake(ctx context.Context, became *slept) {
	before, err := s.watari.carried(ctx)
	became.Woken = time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		became.Err = fmt.Errorf("wake watari run: %w", err)
		s.end(became)
		return
	}
	timer := time.NewTimer(wakesWithin)
	defer timer.Stop()
	for open := true; open; {
		select {
		case e, more := <-s.events:
			if open = more; more {
				became.hear(e)
			}
		case <-timer.C:
			s.end(became)
			return
		}
	}
	_ = s.cmd.Wait() // its exit code says it
	became.Ended, became.Code = time.Now(), s.code()
	after, err2 := s.watari.carried(ctx)
	became.Carried = after - before
	if err == nil {
		err = err2
	}
	became.Err = err
}

// hear takes down what a woken process has done. It may say only now what it did
// before it was stopped.
func (b *slept) hear(e view.JSONEvent) {
	if e.Kind == "effect" && e.Effect != nil && e.Effect.Receipt != nil && e.Effect.Receipt.At.After(b.Woken) {
		b.Wrote = append(b.Wrote, e.Text)
	}
}

// end kills it.
func (s *sleeper) end(became *slept) {
	_ = s.cmd.Process.Kill() // it may have ended by itself in this very moment
	for e := range s.events {
		if !became.Woken.IsZero() {
			became.hear(e)
		}
	}
	_ = s.cmd.Wait()
	became.Code = s.code()
}

// carried is how many writes of the levers AWS has carried out.
func (w *watari) carried(ctx context.Context) (int, error) {
	if w.rewritten == nil {
		return 0, nil
	}
	return w.rewritten(ctx)
}
