package main

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"watari.dev/engine"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/store"
)

// refuseFinal returns why the migration cannot be taken back any more, because
// restore has made simple records of its names; nil if it can be. Where restore was
// begun and is not known to be done, the levers say whether anything was deleted:
// if nothing was, that it was begun is forgotten. What the store cannot say is no
// reason not to take back.
func (t *takingBack) refuseFinal(ctx context.Context, routes map[string]runner.Route) error {
	_, status, err := recall(ctx, t.store, t.key)
	why := status.WhyFinal(t.key.Name)
	if err != nil || why == "" {
		return nil //nolint:nilerr // the levers are tried without the store
	}
	for _, r := range status.Final() {
		if r.Restored.Done || !untouched(ctx, routes[r.Name], *r.Restored) {
			return t.refused(why)
		}
	}
	return t.forgetRestore(ctx)
}

// refused says that nothing can be rolled back any more.
func (t *takingBack) refused(why string) error {
	return &refusedError{verb: engine.TakeBack, key: t.key, why: why}
}

// untouched reports whether no name of a route was made simple. One that is gone, or
// that somebody has changed since, keeps none of the others from being taken back.
func untouched(ctx context.Context, route runner.Route, r engine.Restored) bool {
	restorer, is := route.Driver.(router.Restorer)
	if !is {
		return false
	}
	names, err := patiently(ctx, func() ([]router.Restoration, error) { return restorer.Restorable(ctx, route.Ref, r.Keep) })
	_, standing := router.LeftOf(err)
	return (err == nil || standing) && !slices.ContainsFunc(names, func(n router.Restoration) bool { return len(n.Deletes) == 0 })
}

// forgetRestore forgets that a restore was begun that has deleted nothing. Whoever
// holds the lease may be just that restore.
func (t *takingBack) forgetRestore(ctx context.Context) (err error) {
	lease, err := t.store.Acquire(ctx, t.key, holder(), restoreLease, true)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
		defer cancel()
		err = errors.Join(err, lease.Release(release))
	}()
	record, revision, err := t.store.Load(ctx, t.key)
	if err != nil {
		return err
	}
	var status engine.Status
	if err := json.Unmarshal(record.Status, &status); err != nil {
		return err
	}
	for i := range status.Routes {
		if r := status.Routes[i].Restored; r != nil && !r.Done {
			status.Routes[i].Restored = nil
		}
	}
	if record.Status, err = json.Marshal(status); err != nil {
		return err
	}
	_, err = t.store.Save(ctx, t.key, revision, record, store.Entry{
		At: time.Now(), Kind: "note", Text: "a restore was begun and has deleted nothing; it is forgotten, because everything is to be taken back",
	})
	return err
}
