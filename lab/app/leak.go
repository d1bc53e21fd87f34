package app

import (
	"context"
	"sync"
	"time"
)

const (
	leakTick = 100 * time.Millisecond
	leakMax  = 1 << 30 // bytes; the lab's machine has other things to do
	pageSize = 4096
)

// leak is memory that is held and never given back, as long as the process lives.
type leak struct {
	mu    sync.Mutex
	held  [][]byte
	bytes int64
	debt  int64 // byte-nanoseconds that were too few for a byte so far
}

// grow adds what rate bytes per second make in elapsed, up to leakMax.
func (l *leak) grow(rate int64, elapsed time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	due := l.debt + rate*int64(elapsed)
	n := due / int64(time.Second)
	l.debt = due % int64(time.Second)
	if n = min(n, leakMax-l.bytes); n <= 0 {
		return
	}
	block := make([]byte, n)
	for i := 0; i < len(block); i += pageSize {
		block[i] = 1 // memory that is never touched is never resident
	}
	l.held = append(l.held, block)
	l.bytes += n
}

// size returns how many bytes are held.
func (l *leak) size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.bytes
}

// run lets the leak grow at the rate that is asked for, until ctx ends.
func (l *leak) run(ctx context.Context, rate func() int64) {
	ticker := time.NewTicker(leakTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if r := rate(); r > 0 {
				l.grow(r, leakTick)
			}
		}
	}
}
