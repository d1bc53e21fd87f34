package filestore

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"watari.dev/store"
)

// leaseFile is who runs the migration, for every process that can read the disk.
type leaseFile struct {
	Token   string       `json:"token"` // of one Acquire
	Holder  store.Holder `json:"holder"`
	Expires time.Time    `json:"expires"`
	Process process      `json:"process"`
}

// lease is one Acquire's right to run the migration.
type lease struct {
	store *Store
	key   store.Key
	token string
	ttl   time.Duration

	mu      sync.Mutex
	expires time.Time
}

// Acquire implements store.Store. A holder is known to be dead if he ran on this
// host (same name, boot and process namespace) and his process is gone or another
// one has its number by now.
func (s *Store) Acquire(ctx context.Context, key store.Key, holder store.Holder, ttl time.Duration, takeOver bool) (store.Lease, error) {
	if ttl <= 0 || holder.ID == "" {
		return nil, fmt.Errorf("acquire the lease of migration %s: it needs a holder's ID and a duration above zero", key)
	}
	next := leaseFile{Token: rand.Text(), Holder: holder}
	if holder.PID == os.Getpid() {
		next.Process = ownProcess()
	}
	err := s.change(ctx, "acquire the lease of", key, func(dir string) error {
		path, now := filepath.Join(dir, leaseName), s.now()
		there, err := s.readLease(path)
		if err != nil {
			return err
		}
		if there.Token != "" && now.Before(there.Expires) && there.Holder.ID != holder.ID {
			dead := !s.alive(there.Holder, there.Process)
			if !dead || !takeOver {
				return s.lockedBy(key, there, store.ErrLocked)
			}
		}
		next.Expires = now.Add(ttl)
		return s.writeLease(path, next)
	})
	if err != nil {
		return nil, err
	}
	return &lease{store: s, key: key, token: next.Token, ttl: ttl, expires: next.Expires}, nil
}

// Holder implements store.Store. It neither locks nor writes.
func (s *Store) Holder(ctx context.Context, key store.Key) (store.Holder, time.Time, bool, error) {
	if err := ready(ctx, key); err != nil {
		return store.Holder{}, time.Time{}, false, err
	}
	if err := s.checkFormat(s.path(key, "")); err != nil {
		return store.Holder{}, time.Time{}, false, fmt.Errorf("read the lease of migration %s: %w", key, err)
	}
	there, err := s.readLease(s.path(key, leaseName))
	if err != nil || there.Token == "" || !s.now().Before(there.Expires) {
		return store.Holder{}, time.Time{}, false, err
	}
	return there.Holder, there.Expires, true, nil
}

// Renew implements store.Lease.
func (l *lease) Renew(ctx context.Context) error {
	return l.store.change(ctx, "renew the lease of", l.key, func(dir string) error {
		path := filepath.Join(dir, leaseName)
		there, err := l.store.readLease(path)
		switch {
		case err != nil:
			return err
		case there.Token == "":
			return store.ErrLost
		case there.Token != l.token:
			return l.store.lockedBy(l.key, there, store.ErrLost)
		}
		there.Expires = l.store.now().Add(l.ttl)
		if err := l.store.writeLease(path, there); err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.expires = there.Expires
		return nil
	})
}

// Expires implements store.Lease.
func (l *lease) Expires() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.expires
}

// Release implements store.Lease.
func (l *lease) Release(ctx context.Context) error {
	return l.store.change(ctx, "release the lease of", l.key, func(dir string) error {
		path := filepath.Join(dir, leaseName)
		there, err := l.store.readLease(path)
		if err != nil || there.Token != l.token {
			return err
		}
		if err := l.store.disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // NFS says so of what it removes a second time
			return explained(err)
		}
		return explained(l.store.disk.SyncDir(dir))
	})
}

func (s *Store) lockedBy(key store.Key, there leaseFile, kind error) error {
	return &store.LockedError{Key: key, Holder: there.Holder, Expires: there.Expires, Dead: !s.alive(there.Holder, there.Process), Kind: kind}
}

// readLease returns the lease at path; an empty token if there is none.
func (s *Store) readLease(path string) (leaseFile, error) {
	b, err := s.readBounded(path, mostLease)
	if errors.Is(err, fs.ErrNotExist) {
		return leaseFile{}, nil
	}
	if err != nil {
		return leaseFile{}, explained(err)
	}
	var f leaseFile
	if err := json.Unmarshal(b, &f); err != nil || f.Token == "" {
		return leaseFile{}, fmt.Errorf("%s is not a lease: make sure that no watari runs this migration, then remove the file: %w", path, cmp.Or(err, errNoID))
	}
	return f, nil
}

func (s *Store) writeLease(path string, f leaseFile) error {
	b, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return fmt.Errorf("write the lease as JSON: %w", err)
	}
	return s.replaceFile(path, append(b, '\n'))
}
