package memstore

import (
	"encoding/json"
	"errors"
	"sync"
	"testing"

	"watari.dev/store"
	"watari.dev/store/storetest"
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Subject {
		clock := storetest.NewClock()
		var dead sync.Map
		return storetest.Subject{
			Store: New(WithClock(clock.Now), WithAlive(func(h store.Holder) bool { _, gone := dead.Load(h.ID); return !gone })),
			Clock: clock,
			Bury:  func(h store.Holder) { dead.Store(h.ID, true) },
		}
	})
}

func TestFaults(t *testing.T) {
	key := store.Key{Name: "shop"}
	next := store.Record{Spec: json.RawMessage(`1`), Status: json.RawMessage(`2`)}
	for _, c := range []struct {
		fault Fault
		saved store.Revision
	}{{FailBefore, 0}, {FailAfter, 1}} {
		fault := c.fault
		s := New(WithFaults(func(op Op, _ store.Key) Fault {
			if op == Save {
				return fault
			}
			return None
		}))
		if _, err := s.Save(t.Context(), key, 0, next, store.Entry{Text: "x"}); !errors.Is(err, ErrInjected) {
			t.Errorf("fault %d: %v", c.fault, err)
		}
		fault = None
		_, revision, err := s.Load(t.Context(), key)
		if revision != c.saved || errors.Is(err, store.ErrNotFound) != (c.saved == 0) {
			t.Errorf("fault %d: revision %d, %v", c.fault, revision, err)
		}
		if _, err := s.Save(t.Context(), key, c.saved, next); err != nil {
			t.Errorf("the store must go on after fault %d: %v", c.fault, err)
		}
	}
}
