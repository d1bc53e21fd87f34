package memstore

import (
	"context"
	"fmt"
	"time"

	"watari.dev/store"
)

// grant is a lease as the store sees it; number 0 is none.
type grant struct {
	number  int64
	holder  store.Holder
	expires time.Time
}

type lease struct {
	store   *Store
	key     store.Key
	number  int64
	ttl     time.Duration
	expires time.Time // guarded by store.mu
}

// Acquire implements store.Store.
func (s *Store) Acquire(ctx context.Context, key store.Key, holder store.Holder, ttl time.Duration, takeOver bool) (store.Lease, error) {
	if ttl <= 0 || holder.ID == "" {
		return nil, fmt.Errorf("acquire the lease of migration %s: it needs a holder's ID and a duration above zero", key)
	}
	var l *lease
	err := s.change(ctx, Acquire, key, func(m *migration) error {
		now := s.now()
		if g := m.lease; g.number > 0 && now.Before(g.expires) && g.holder.ID != holder.ID {
			dead := !s.alive(g.holder)
			if !dead || !takeOver {
				return &store.LockedError{Key: key, Holder: g.holder, Expires: g.expires, Dead: dead, Kind: store.ErrLocked}
			}
		}
		s.leases++
		m.lease = grant{number: s.leases, holder: holder, expires: now.Add(ttl)}
		l = &lease{store: s, key: key, number: s.leases, ttl: ttl, expires: m.lease.expires}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Holder implements store.Store.
func (s *Store) Holder(ctx context.Context, key store.Key) (store.Holder, time.Time, bool, error) {
	var g grant
	err := s.read(ctx, key, func(m *migration) error {
		if m != nil && m.lease.number > 0 && s.now().Before(m.lease.expires) {
			g = m.lease
		}
		return nil
	})
	return g.holder, g.expires, g.number > 0, err
}

// Renew implements store.Lease.
func (l *lease) Renew(ctx context.Context) error {
	return l.store.change(ctx, Renew, l.key, func(m *migration) error {
		if g := m.lease; g.number != l.number {
			if g.number == 0 {
				return store.ErrLost
			}
			return &store.LockedError{Key: l.key, Holder: g.holder, Expires: g.expires, Dead: !l.store.alive(g.holder), Kind: store.ErrLost}
		}
		m.lease.expires = l.store.now().Add(l.ttl)
		l.expires = m.lease.expires
		return nil
	})
}

// Expires implements store.Lease.
func (l *lease) Expires() time.Time {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.expires
}

// Release implements store.Lease.
func (l *lease) Release(ctx context.Context) error {
	return l.store.change(ctx, Release, l.key, func(m *migration) error {
		if m.lease.number == l.number {
			m.lease = grant{}
		}
		return nil
	})
}
