package aws

import (
	"sync"
	"time"
)

// slow does calls after a while, each after its own.
type slow struct {
	mu      sync.Mutex
	ended   chan struct{} // closed by end
	over    bool
	running sync.WaitGroup
}

func newSlow() *slow { return &slow{ended: make(chan struct{})} }

// do calls act after d, and then after. What is not due when it ends never acts.
func (s *slow) do(d time.Duration, act, after func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		after()
		return
	}
	s.running.Go(func() {
		defer after()
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			act()
		case <-s.ended:
		}
	})
}

// end drops what is not due and waits for what is being done.
func (s *slow) end() {
	s.mu.Lock()
	if !s.over {
		s.over = true
		close(s.ended)
	}
	s.mu.Unlock()
	s.running.Wait()
}
