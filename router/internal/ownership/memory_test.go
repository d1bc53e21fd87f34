package ownership

import (
	"testing"
	"time"
)

func TestMemory(t *testing.T) {
	var m Memory[string]
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	expect := func(when, lever, value string, holds bool) {
		t.Helper()
		if got, ok := m.Get(lever, now); got != value || ok != holds {
			t.Errorf("%s: %s is %q, holds %v; want %q, %v", when, lever, got, ok, value, holds)
		}
	}
	expect("at first", "a", "", false)
	m.Put("a", "terraform", now)
	m.Put("b", "", now)
	expect("just asked", "a", "terraform", true)
	expect("just asked", "b", "", true)
	now = now.Add(Believed - 1)
	expect("before it ends", "a", "terraform", true)
	now = now.Add(1)
	expect("after it has ended", "a", "terraform", false)
	m.Keep("a", now)
	m.Keep("c", now)
	expect("taken back", "a", "terraform", true)
	expect("taken back, never asked", "c", "", true)
	expect("another one", "b", "", false)
}
