package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"watari.dev/engine"
	"watari.dev/internal/printable"
	"watari.dev/plan"
	"watari.dev/router"
	"watari.dev/runner"
	"watari.dev/store"
	"watari.dev/traffic"
)

// A restore ends well before its lease does, because nothing may be written
// without it. 1,000 names, the most of a route, take seconds.
const (
	restoreLease = 2 * time.Minute
	restoreBound = restoreLease - 15*time.Second
)

// journalBound is how long the journal is waited for once something was done.
const journalBound = 5 * time.Second

func newRestore(state *stateFlags) *cobra.Command {
	return &cobra.Command{
		Use:     "restore NAME",
		GroupID: "operate",
		Short:   "Make converted Route 53 names simple records again",
		Long: `Makes every name of the routes with convert: true a simple record again: the
source's after a rollback, the target's after completion. What the names answer
stays the same. It is refused in any other phase, while somebody runs the migration,
and for a route that does not have everything on that side.

After completion the source's record is deleted with that, so that watari cannot
take the migration back any more.`,
		Example: "  watari restore shop",
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := state.open()
			if err != nil {
				return err
			}
			return restore(cmd, s, store.Key{Name: args[0]})
		},
	}
}

// restore holds the lease while it looks and writes, so that no run begins in
// between. A dead holder is nobody.
func restore(cmd *cobra.Command, s store.Store, key store.Key) (err error) {
	ctx, cancel := context.WithTimeout(cmd.Context(), restoreBound)
	defer cancel()
	if _, _, err := recall(ctx, s, key); err != nil {
		return err // a lease of what is not remembered would leave a directory
	}
	lease, err := s.Acquire(ctx, key, holder(), restoreLease, true)
	if err != nil {
		return err
	}
	defer func() {
		release, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
		defer cancel()
		err = errors.Join(err, lease.Release(release))
	}()
	p, status, err := recall(ctx, s, key)
	if err != nil {
		return err
	}
	keep, err := decideKeep(key.Name, status)
	if err != nil {
		return err
	}
	if err := refuseOrdered(ctx, s, key); err != nil {
		return err
	}
	return restoreRoutes(ctx, cmd, s, key, p, keeping{side: keep, notAfter: lease.Expires()})
}

// keeping is the side that keeps everything, and until when that may be written.
type keeping struct {
	side     traffic.Side
	notAfter time.Time
}

// decideKeep says on which side everything is, where a migration has ended.
func decideKeep(name string, status engine.Status) (traffic.Side, error) {
	switch status.Phase {
	case engine.RolledBack:
		return traffic.Source, nil
	case engine.Complete:
		return traffic.Target, nil
	default:
		return traffic.NoSide, fmt.Errorf("restore %s: it is %s, and names become simple again only after a rollback or when it is complete; nothing was changed; see it: watari status %s, take it back: watari rollback %s",
			name, cmp.Or(status.Phase, engine.Pending), name, name)
	}
}

// refuseOrdered keeps the way back of a migration that somebody has asked to
// take back and nobody has yet.
func refuseOrdered(ctx context.Context, s store.Store, key store.Key) error {
	commands, err := s.Commands(ctx, key)
	if err != nil {
		return err
	}
	for _, c := range commands {
		if c.Kind == string(engine.TakeBack) {
			return fmt.Errorf("restore %s: %s asked to take it back and that is not done yet; nothing was changed; do it: watari rollback %s", key, c.By, key)
		}
	}
	return nil
}

// restoreRoutes restores one route after the other. One that cannot be restored
// keeps none of the others from it.
func restoreRoutes(ctx context.Context, cmd *cobra.Command, s store.Store, key store.Key, p plan.Plan, keep keeping) error {
	c, err := connectBlind(ctx, p)
	if err != nil {
		return err
	}
	asked := fmt.Sprintf("restore with everything on the %s, asked by %s", keep.side, operator())
	if err := s.Append(ctx, key, store.Entry{At: time.Now(), Kind: "command", Text: asked}); err != nil {
		return err
	}
	out, done, missed := cmd.OutOrStdout(), 0, 0
	for _, l := range p.Levers {
		route := c.routes[l.Ref.Name]
		restorer, why := restorerOf(route)
		if restorer == nil {
			printable.Fprintf(out, "%s: left as it is, %s\n", l.Ref.Name, why)
			continue
		}
		entry, ok := restoreRoute(ctx, restorer, route.Ref, keep)
		printable.Fprintln(out, entry.Text)
		if err := journalRestored(ctx, s, key, entry); err != nil {
			return err
		}
		if ok {
			done++
		} else {
			missed++
		}
	}
	if done > 0 && keep.side == traffic.Target {
		printable.Fprintf(out, "The source's records are gone with that: watari cannot take %s back any more.\n", key)
	}
	switch {
	case missed > 0 && cmd.Context().Err() != nil:
		return &ended{exitInterrupted}
	case missed > 0:
		return fmt.Errorf("restore %s: not done for %d of %d routes, for the reasons above; when they are gone: watari restore %s", key, missed, len(p.Levers), key)
	}
	return nil
}

// restorerOf returns nil and why where there is nothing that can be restored.
func restorerOf(r runner.Route) (router.Restorer, string) {
	restorer, can := r.Driver.(router.Restorer)
	switch {
	case !can:
		return nil, "the driver " + r.Ref.Driver + " converts nothing"
	case !r.Ref.Convert:
		return nil, "the route does not have convert: true, so nothing of it was converted"
	default:
		return restorer, ""
	}
}

// restoreRoute restores one route and says what became of it.
func restoreRoute(ctx context.Context, restorer router.Restorer, ref router.Ref, keep keeping) (e store.Entry, ok bool) {
	receipt, err := patiently(ctx, func() (router.Receipt, error) {
		return restorer.Restore(ctx, ref, keep.side, keep.notAfter)
	})
	e = store.Entry{At: time.Now(), Kind: "effect"}
	if err == nil {
		e.Data, err = json.Marshal(receipt)
	}
	if err != nil {
		e.Text = fmt.Sprintf("%s: not restored: %v", ref.Name, err)
		return e, false
	}
	e.Text = fmt.Sprintf("%s: %s, everything on the %s", ref.Name, receipt.Note, keep.side)
	return e, true
}

// journalRestored remembers what was done even if ctx has ended meanwhile.
func journalRestored(ctx context.Context, s store.Store, key store.Key, e store.Entry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalBound)
	defer cancel()
	if err := s.Append(ctx, key, e); err != nil {
		return fmt.Errorf("%w; what was done is not in the journal: %s", err, e.Text)
	}
	return nil
}
