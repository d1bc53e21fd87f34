package ownership

import (
	"sync"
	"time"
)

// Believed is how long an answer holds.
const Believed = 5 * time.Minute

// Memory keeps an answer for each lever. The zero value is empty and ready.
type Memory[T any] struct {
	mu      sync.Mutex
	answers map[string]answer[T]
}

type answer[T any] struct {
	value T
	at    time.Time
}

// Get returns the last answer about a lever, and whether it still holds. One that
// does not should be asked for again.
func (m *Memory[T]) Get(lever string, now time.Time) (T, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, known := m.answers[lever]
	return a.value, known && now.Sub(a.at) < Believed
}

// Put remembers an answer, and that nobody could give one as well.
func (m *Memory[T]) Put(lever string, value T, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(lever, answer[T]{value, now})
}

// Keep makes the last answer about a lever, or that there is none, hold from now
// on. A driver calls it when it takes traffic back.
func (m *Memory[T]) Keep(lever string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(lever, answer[T]{m.answers[lever].value, now})
}

func (m *Memory[T]) put(lever string, a answer[T]) {
	if m.answers == nil {
		m.answers = map[string]answer[T]{}
	}
	m.answers[lever] = a
}
